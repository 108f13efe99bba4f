"""``dicom-node evaluate``: a site's table to a report; what cannot be evaluated is refused with the cure."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from dicom_node.cli import main

pytest.importorskip("pandas", reason="needs the training extra")

SAMPLES = Path(__file__).parents[3] / "sample_studies"


def write_site_table(path: Path, subjects: int, *, with_scores: bool = True) -> None:
    """A made-up site's table: enough for the models that need age, sex and T-scores only."""
    rng = np.random.default_rng(3)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        scores = ["one_third.t_score", "ultradistal.t_score"] if with_scores else []
        table.writerow(["subject_id", "years", "ending", "age_years", "male", *scores])
        for number in range(subjects):
            age, score = rng.uniform(50, 85), rng.normal(-1.5, 1.2)
            fracture = rng.exponential(1 / (0.02 * np.exp(0.05 * (age - 65) - 0.5 * (score + 1.5))))
            followed = rng.uniform(6, 12)
            row = [f"p{number}", f"{min(fracture, followed):.3f}", int(fracture < followed), f"{age:.1f}"]
            table.writerow([*row, int(rng.random() < 0.2), *[f"{score:.2f}"] * len(scores)])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sites_table_becomes_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_site_table(tmp_path / "site.csv", 400)
    out = tmp_path / "report"
    arguments = ["evaluate", "--cohort", str(tmp_path / "site.csv"), "--out", str(out), "--resamples", "20"]
    assert main([*arguments, "--horizons", "5", "10"]) == 0
    printed = capsys.readouterr().out
    assert "Site's own cohort" in printed and "research use only" in printed
    assert {path.name for path in out.iterdir()} == {
        "evaluation.html",
        "evaluation.pdf",
        "evaluation.json",
    }
    figures = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert figures["cohort"]["simulated"] is False
    assert list(figures["models"][figures["reference"]]["horizons"]) == ["5", "10"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_studies_give_the_columns_that_the_table_does_not_hold(tmp_path: Path) -> None:
    from analysis.cohort.table import load_cohort
    from dicom_node.commands.evaluate import _measured
    from dicom_node.dicom_files import read_studies

    studies, _ = read_studies([SAMPLES / "01-calibrated-low-risk"])
    patient = studies[0].patient_id
    table = tmp_path / "site.csv"
    table.write_text(f"subject_id,years,ending,weight_kg\n{patient},8.5,0,61.5\nunknown,3.0,1,\n")
    measured = _measured(load_cohort(table), SAMPLES / "01-calibrated-low-risk", None)
    first, second = (measured.frame.iloc[row] for row in range(2))
    assert 0.3 < first["one_third.bmd_g_cm2"] < 1.0
    assert first["weight_kg"] == 61.5  # the table's own entry wins over the header's
    assert first["age_years"] > 40 and first["male"] in (0.0, 1.0)
    assert np.isnan(second["one_third.bmd_g_cm2"])


def test_a_table_without_what_a_model_needs_is_refused_with_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.csv").write_text("subject_id,years,ending\na,3.0,1\nb,9.0,0\n")
    assert main(["evaluate", "--cohort", str(tmp_path / "site.csv"), "--out", str(tmp_path / "r")]) == 2
    assert "--dicom" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_without_the_extra_the_command_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site.csv").write_text("subject_id,years,ending\na,3.0,1\n")
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert main(["evaluate", "--cohort", str(tmp_path / "site.csv"), "--out", str(tmp_path / "r")]) == 2
    assert "radius-dxa-node[training]" in capsys.readouterr().err
