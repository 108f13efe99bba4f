"""``dicom-node simulate`` writes what it was asked for, and only that."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from dicom_node.cli import main


def test_writes_count_studies_of_a_flavour_and_prints_their_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["simulate", "--out", str(tmp_path), "--count", "2", "--seed", "40", "--flavour", "lunar"]
    assert main(arguments) == 0
    folders = sorted(path.name for path in tmp_path.iterdir())
    assert folders == ["lunar-000040", "lunar-000041"]
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / name) for name in folders]
    expected = {"IMG00000.dcm", "STR00000.dcm", "truth.json", "radius_mask.png", "ulna_mask.png"}
    assert {path.name for path in (tmp_path / folders[0]).iterdir()} == expected
    uids = {pydicom.dcmread(tmp_path / name / "IMG00000.dcm").StudyInstanceUID for name in folders}
    assert len(uids) == 2


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for attempt in ("first", "second"):
        assert (
            main(["simulate", "--out", str(tmp_path / attempt), "--seed", "41", "--artefact", "motion"]) == 0
        )
    first = sorted(path for path in (tmp_path / "first").rglob("*") if path.is_file())
    assert len(first) == 4
    for path in first:
        assert path.read_bytes() == (tmp_path / "second" / path.relative_to(tmp_path / "first")).read_bytes()


@pytest.mark.parametrize(
    "wrong", [["--count", "0"], ["--seed", "-1"], ["--flavour", "norland"], ["--artefact", "fog"]]
)
def test_wrong_usage_is_refused(wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", "--out", str(tmp_path), *wrong])
    assert stopped.value.code == 2
    assert wrong[0] in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
