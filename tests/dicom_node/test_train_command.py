"""``dicom-node train risk``: small cohorts are refused with the remedy, and the same seed gives the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_node.cli import main


def test_too_small_a_cohort_is_refused_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["train", "risk", "--size", "4", "--seed", "1", "--out", str(tmp_path), "--processes", "1"])
    assert code == 2
    assert "--size" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_writes_the_same_bytes_whatever_the_number_of_processes(tmp_path: Path) -> None:
    for processes in ("1", "2"):
        out = str(tmp_path / processes)
        assert main(["train", "risk", "--size", "700", "--seed", "4", "--out", out, "--processes", processes]) == 0
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes()
