"""``dicom-node train``: what cannot work is refused with the cure; the same seed gives the same bytes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dicom_node.cli import main


def site_file(path: Path, subjects: int) -> Path:
    """A CSV with the least a site must bring."""
    rows = ["subject_id,years,ending,age_years,male,one_third.t_score"]
    for number in range(subjects):
        ending = int(number % 4 == 0)
        rows.append(
            f"P{number},{1 + number % 9},{ending},{50 + number % 40},{number % 2},{-0.1 * (number % 30)}"
        )
    path.write_text("\n".join(rows) + "\n")
    return path


def test_too_small_a_cohort_is_refused_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna", reason="needs the training extra")
    cohort = site_file(tmp_path / "site.csv", 40)
    out = tmp_path / "out"
    assert main(["train", "risk", "--cohort", str(cohort), "--out", str(out)]) == 2
    assert "10 fractures" in capsys.readouterr().err
    assert not out.exists()


def test_an_unknown_model_is_refused_with_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna", reason="needs the training extra")
    cohort = site_file(tmp_path / "site.csv", 40)
    arguments = ["train", "risk", "--cohort", str(cohort), "--out", str(tmp_path), "--models", "oracle"]
    assert main(arguments) == 2
    assert "one-third-t-score" in capsys.readouterr().err


@pytest.mark.parametrize("library", ["optuna", "sksurv", "pandas"])
def test_training_risk_models_without_its_libraries_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    cohort = site_file(tmp_path / "site.csv", 4)
    assert main(["train", "risk", "--cohort", str(cohort), "--out", str(tmp_path)]) == 2
    assert "radius-dxa-node[training]" in capsys.readouterr().err


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


def test_a_site_trains_and_recalibrates_with_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna", reason="needs the training extra")
    cohort, out, again = site_file(tmp_path / "site.csv", 300), tmp_path / "own", tmp_path / "again"
    quick = ["--trials", "2", "--folds", "2", "--no-trees"]
    assert main(["train", "risk", "--cohort", str(cohort), "--out", str(out), *quick]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "full: not trained, the cohort lacks what it requires" in shown
    assert "research use only" in shown
    assert (
        main(["train", "risk", "--cohort", str(cohort), "--out", str(again), "--recalibrate", str(out)]) == 0
    )
    assert (again / "registry.json").exists()
