"""A simulated site goes through the node's own journal; its numbers are the same for the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.risk import SHIPPED_MODELS
from analysis.simulation.site import DEATH_DAY, FRACTURE_DAY, SCAN_DAY, SHIFTED, SitePlan, draw_site
from analysis.training.tuning import Plan
from dicom_node.config import LearningSettings
from dicom_node.simulated_site.figure import write_figure
from dicom_node.simulated_site.loop import MODEL, SimulatedSite, SiteHistory
from dicom_node.simulated_site.summary import document
from dicom_node.storage.clinical_records import OutcomeKind
from dicom_node.storage.journal import Journal

PLAN = SitePlan(years=3.0, patients_per_year=80, seed=5)
PNG = b"\x89PNG"


def lived(folder: Path) -> SiteHistory:
    return SimulatedSite(
        folder,
        PLAN,
        shipped=SHIPPED_MODELS,
        settings=LearningSettings(minimum_new_fractures=3),
        training=Plan("random", 2, 3, 1),
    ).run()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[SiteHistory, Path]:
    folder = tmp_path_factory.mktemp("simulated") / "site"
    return lived(folder), folder


def test_patients_shift_from_one_population_to_the_other() -> None:
    patients = draw_site(PLAN)
    year = patients[SCAN_DAY] / 365.25
    assert patients.loc[year < PLAN.shift_begins, SHIFTED].sum() == 0
    assert patients.loc[year >= PLAN.shift_ends + 0.01, SHIFTED].all()
    assert (patients[FRACTURE_DAY] > patients[SCAN_DAY]).all()
    assert (patients[DEATH_DAY] > patients[SCAN_DAY]).all()


def test_every_patient_goes_through_the_journal(site: tuple[SiteHistory, Path]) -> None:
    history, folder = site
    journal = Journal(folder / "journal.db")
    assert journal.summary()["analyses"] == {"done": len(history.patients)}
    assert journal.summary()["deliveries"] == {}
    studies = {study.patient_key: study for study in journal.index_studies()}
    assert len(studies) == len(history.patients)
    seen = 365.25 * (PLAN.years + 1.0)
    for kind, column in ((OutcomeKind.FRACTURE, FRACTURE_DAY), (OutcomeKind.DEATH, DEATH_DAY)):
        told = [outcome for outcome in journal.outcomes() if outcome.kind is kind]
        assert len(told) >= int((history.patients[column] < seen).sum()) > 0
    journal.close()


def test_learning_declines_where_there_is_too_little(site: tuple[SiteHistory, Path]) -> None:
    history, folder = site
    journal = Journal(folder / "journal.db")
    assert {run.state for run in journal.learning_runs()} == {"declined"}
    journal.close()
    assert history.promotions == []
    assert history.learning and all(not figures["challenges"] for _, figures in history.learning)


def test_the_same_seed_gives_the_same_numbers_and_they_make_the_figure(
    site: tuple[SiteHistory, Path], tmp_path: Path
) -> None:
    numbers = document(site[0])
    assert json.dumps(numbers) == json.dumps(document(lived(tmp_path / "again")))
    assert "research use only" in numbers["what"]
    usable = site[0].patients["told_risk"].notna()
    assert numbers["patients_with_a_risk"] == int(usable.sum()) > 0
    assert numbers["model"] == MODEL
    write_figure(numbers, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(PNG)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_calibration_drifts_is_detected_and_is_repaired(tmp_path: Path) -> None:
    """The demonstration as `dicom-node simulate-site` shows it, on fewer patients."""
    from dicom_node.cli import main

    out = tmp_path / "out"
    assert main(["simulate-site", "--out", str(out), "--years", "5", "--patients-per-year", "3000"]) == 0
    numbers = json.loads((out / "simulated-site.json").read_bytes())
    (promotion,) = numbers["promotions"][:1]
    assert 12 < numbers["first_alarm_month"] < promotion["month"]
    points = numbers["by_year_of_scan"]
    last = max((p for p in points if p["role"] == "in force"), key=lambda p: p["begin"])
    stayed = max((p for p in points if p["role"] == "replaced"), key=lambda p: p["begin"])
    gap, unrepaired = (abs(np.log(p["observed_to_expected"]["value"])) for p in (last, stayed))
    assert gap < unrepaired
