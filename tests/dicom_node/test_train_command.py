"""``dicom-node train``: what cannot work is refused with the cure; the same seed gives the same bytes."""

from __future__ import annotations

import sys
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


def test_training_a_network_without_torch_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("analysis.training.segmentation")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["train", "segmentation", "--out", str(tmp_path)]) == 2
    assert "radius-dxa-node[training]" in capsys.readouterr().err


def test_processes_that_cannot_share_a_batch_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("monai", reason="needs the training extra")
    assert main(["train", "segmentation", "--out", str(tmp_path), "--processes", "3"]) == 2
    assert "--processes" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(1200)  # 1400 scans are drawn and measured
def test_the_command_writes_the_same_bytes_whatever_the_number_of_processes(tmp_path: Path) -> None:
    for processes in ("1", "2"):
        out = str(tmp_path / processes)
        assert (
            main(["train", "risk", "--size", "700", "--seed", "4", "--out", out, "--processes", processes])
            == 0
        )
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes()
