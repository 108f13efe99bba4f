"""A journal of the test's own, with a clock that the test turns by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_node.storage.journal import Journal
from dicom_node.storage.records import (
    AnalysisJob,
    AnalysisOutcome,
    InstanceKind,
    ReceivedInstance,
    ResultRecord,
    StudyState,
)

CT = "1.2.840.10008.5.1.4.1.1.2"


class HandClock:
    """Stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def journal(tmp_path: Path, clock: HandClock) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db", clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def received() -> Callable[..., ReceivedInstance]:
    """Makes a received instance; every field can be chosen."""

    def make(
        uid: str = "1.2.3.1", *, content: str = "a", study: str = "1.2.3", **fields: object
    ) -> ReceivedInstance:
        values = {
            "sop_instance_uid": uid,
            "sop_class_uid": CT,
            "study_instance_uid": study,
            "series_instance_uid": f"{study}.0",
            "transfer_syntax_uid": "1.2.840.10008.1.2.1",
            "sha256": content,
            "path": f"instances/{content}",
            "size": 100,
            "kind": InstanceKind.INPUT,
            "association_id": "some association",
            **fields,
        }
        return ReceivedInstance(**values)  # type: ignore[arg-type]

    return make


@pytest.fixture
def queue(journal: Journal, received: Callable[..., ReceivedInstance]) -> Callable[[str], None]:
    """Receives one object of a study and completes the study."""

    def run(study: str) -> None:
        journal.record_instance(received(f"{study}.1", study=study))
        row = journal.study(study)
        assert row is not None
        assert row.state is StudyState.RECEIVING
        assert journal.complete_study(row, "quiet for 10 s")

    return run


@pytest.fixture
def outcome() -> Callable[..., AnalysisOutcome]:
    """Makes the outcome of an analysed study with two results."""

    def make(
        job: AnalysisJob, *, identity: str = "id", status: str = "analyzed", **fields: object
    ) -> AnalysisOutcome:
        results = tuple(
            ResultRecord(f"{job.study_instance_uid}.{number}.9", CT, kind, f"results/{identity}/{kind}", kind)
            for number, kind in enumerate(("report", "heat map"))
        )
        return AnalysisOutcome(
            status=status,
            reason=str(fields.get("reason", "")),
            identity=identity,
            engine_version="1",
            model_version="1",
            result_json=str(fields.get("result_json", "{}")),
            results=results if status == "analyzed" else (),
        )

    return make
