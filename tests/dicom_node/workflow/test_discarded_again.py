"""An object that was discarded and comes again is kept, even while its old file is being removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from asked_archives import write_study
from retrieval_ground import new_ground

from dicom_node.storage.routings import Routing

STUDY = "1.2.826.0.1.3680043.8.498.400"


def test_what_is_acknowledged_again_has_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_ground(tmp_path / "data") as ground:
        files = write_study(tmp_path / "study", study=STUDY)
        ground.push(files)
        study = ground.journal.study(STUDY)
        assert study is not None
        assert ground.journal.complete_study(study, "test", Routing(route="bin", actions=("discard",)))
        record = ground.journal.record_instance

        def settle_first(instance: object) -> object:
            """Remove what was discarded between the new file and its row."""
            ground.journal.settle_releases(
                lambda path: ground.archive.resolve(path).unlink(missing_ok=True), limit=100
            )
            return record(instance)  # type: ignore[arg-type]

        monkeypatch.setattr(ground.journal, "record_instance", settle_first)
        ground.push(files)
        instances = ground.journal.instances(STUDY)
        assert len(instances) == len(files)
        assert all(ground.archive.resolve(instance.path).is_file() for instance in instances)
