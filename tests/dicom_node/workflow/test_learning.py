"""A learning run over the journal: challengers in shadow beside champions in force, or nothing at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from challengers import write_challenger
from node_support import outcome, receive_complete, write_config
from quick_reports import quick_reports

from analysis.risk.versions import history, list_versions
from analysis.training.tuning import Plan
from dicom_node.config import LearningSettings, NodeConfig
from dicom_node.errors import ConfigurationError
from dicom_node.storage.clinical_records import Outcome, OutcomeKind, Source, Told
from dicom_node.storage.journal import Journal
from dicom_node.workflow.learning.job import LearningJob, learning_due
from dicom_node.workflow.learning.run import Learning, learning_lock
from dicom_node.workflow.promotion import promote_model, roll_back_model

TODAY = date(2026, 11, 1)
FEATURES = ("age_years", "male", "one_third.t_score", "ultradistal.t_score")
NIGHT = datetime(2026, 11, 1, 22, tzinfo=UTC)
TOLD = Told(source=Source.CSV, origin="registry")


def fill(journal: Journal, patients: int) -> None:
    """Journal patients scanned ten years ago, of whom more fractured than the shipped model expects."""
    rng = np.random.default_rng(7)
    scanned = TODAY - timedelta(days=3652)
    for number in range(patients):
        patient, uid, age, score = (
            f"patient {number}",
            f"1.2.3.{number}",
            rng.uniform(50, 85),
            rng.normal(-1.5),
        )
        receive_complete(journal, uid, patient_key=patient, study_date=f"{scanned:%Y%m%d}")
        job = journal.claim_analysis("test", 60)
        assert job is not None
        inputs = dict(zip(FEATURES, (age, float(rng.random() < 0.25), score, score - 0.3), strict=True))
        assert journal.finish_analysis(job, outcome(model_inputs=inputs))
        hazard = 0.05 * np.exp(0.05 * (age - 65) - 0.4 * (score + 1.5))
        fracture, death, end = rng.exponential(1 / hazard), rng.exponential(40.0), rng.uniform(3.0, 9.9)
        kind = min(
            (fracture, OutcomeKind.FRACTURE), (death, OutcomeKind.DEATH), (end, OutcomeKind.END_OF_FOLLOW_UP)
        )
        day = scanned + timedelta(days=1 + int(365.25 * kind[0]))
        site = {"site": "hip", "mechanism": "fragility"} if kind[1] is OutcomeKind.FRACTURE else {}
        journal.add_outcome(
            Outcome(patient_key=patient, kind=kind[1], occurred_on=day.isoformat(), told=TOLD, **site)
        )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "journal.db"
    journal = Journal(path)
    with journal._transaction():
        fill(journal, 700)
    journal.close()
    return path


@pytest.fixture
def journal(filled: Path, tmp_path: Path) -> Iterator[Journal]:
    path = tmp_path / "data" / "journal.db"
    path.parent.mkdir()
    path.write_bytes(filled.read_bytes())
    journal = Journal(path)
    yield journal
    journal.close()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return write_challenger(tmp_path / "models", "t-scores", "champion")


def learning(journal: Journal, models: Path, **settings: float) -> Learning:
    return Learning(
        journal,
        LearningSettings(minimum_fractures_to_refit=10**6, **settings),  # type: ignore[arg-type]
        models,
        journal.path.parent / "learning",
        today=lambda: TODAY,
        plan=Plan("random", 2, 3, 1),
    )


@pytest.mark.usefixtures(quick_reports.__name__)
def test_a_run_leaves_a_challenger_in_shadow_and_the_champion_in_force(
    journal: Journal, models: Path
) -> None:
    registry = (models / "registry.json").read_bytes()
    run = learning(journal, models).run("mei")
    assert run.state == "done"
    assert (models / "registry.json").read_bytes() == registry
    (challenge,) = run.figures["challenges"]
    challenger = next(item for item in list_versions(models) if item.in_shadow)
    assert challenger.version == challenge["challenger"] != "champion"
    assert (models / str(challenger.entry["report"]) / "evaluation.html").is_file()
    assert challenger.entry["held_out"]["miscalibration"]["high"] < 0.0
    assert run.figures["held_out"]["patients"] == challenge["held_out_subjects"]
    assert [change.action for change in journal.changes()] == ["model.shadow"]
    assert not list((journal.path.parent / "learning").glob("run-*"))

    again = learning(journal, models).run("mei")  # the same patients teach the same
    assert again.figures["challenges"][0]["challenger"] == challenge["challenger"]
    assert sum(item.in_shadow for item in list_versions(models)) == 1

    promote_model(models, journal, "t-scores", challenger.version, user="mei", reason="closer")
    assert [item.version for item in list_versions(models) if item.active] == [challenger.version]
    roll_back_model(models, journal, "t-scores", user="li", reason="alarms")
    assert json.loads((models / "registry.json").read_bytes()) == json.loads(registry)
    last = journal.changes()[0]
    assert (last.action, last.user, last.subject, last.reason) == (
        "model.rollback",
        "li",
        "t-scores",
        "alarms",
    )
    assert history(models)[-1]["user"] == "li"
    assert journal.summary()["analyses"] == {"done": 700}  # nothing is analysed again by itself


def test_with_too_few_fractures_a_run_declines_and_says_so(journal: Journal, models: Path) -> None:
    run = learning(journal, models, minimum_fractures=100_000).run("mei")
    assert run.state == "declined" and "at least 100000 are needed" in run.reason
    assert not any(item.in_shadow for item in list_versions(models))


def test_a_dry_run_counts_and_trains_nothing(journal: Journal, models: Path) -> None:
    found = learning(journal, models).preview()
    assert found["training"]["patients"] + found["held_out"]["patients"] == 700
    assert journal.learning_runs() == []


def test_outcomes_alone_without_follow_up_teach_nothing(tmp_path: Path, models: Path) -> None:
    """Patients of whom one hears only when something happens would make risks look far too high."""
    journal = Journal(tmp_path / "other.db")
    for number in range(5):
        receive_complete(journal, f"1.2.{number}", patient_key=f"patient {number}", study_date="20200101")
        job = journal.claim_analysis("test", 60)
        assert job is not None
        journal.finish_analysis(job, outcome(model_inputs={"age_years": 70.0}))
    run = learning(journal, models).run("mei")
    assert run.state == "declined" and "followed_up_days" in run.reason
    journal.close()


def test_two_runs_at_once_are_one_too_many(journal: Journal, models: Path) -> None:
    with (
        learning_lock(journal.path.parent / "learning"),
        pytest.raises(ConfigurationError, match="another learning run is under way"),
    ):
        learning(journal, models).run("mei")


def test_a_run_starts_by_itself_at_night_and_when_enough_is_new(journal: Journal) -> None:
    wanted = LearningSettings(enabled=True, hours="19:00-05:00", minimum_new_fractures=50)
    assert learning_due(journal, wanted, NIGHT)
    assert not learning_due(journal, wanted, NIGHT.replace(hour=12))
    assert not learning_due(journal, LearningSettings(enabled=False), NIGHT)
    assert not learning_due(journal, LearningSettings(enabled=True, minimum_new_fractures=10**6), NIGHT)
    journal.end_learning(journal.begin_learning("schedule"), "declined", "too few")
    assert not learning_due(journal, wanted, NIGHT + timedelta(days=30))  # nothing is new since


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_is_killed_registers_nothing_by_halves(
    journal: Journal, models: Path, tmp_path: Path
) -> None:
    config = write_config(
        tmp_path, extra=f"[learning]\nenabled = true\nminimum_fractures_to_refit = {10**6}\n"
    )
    config.write_text(config.read_text().replace("[analysis]", f'[analysis]\nmodels = "{models}"'))
    command = [sys.executable, "-m", "dicom_node", "learn", "run", "--config", str(config), "--by", "mei"]
    for point in ("before_training", "in_registration"):
        environment = {**os.environ, "RADIUS_DXA_KILL_AT": f"learning.{point}"}
        assert subprocess.run(command, env=environment, check=False, capture_output=True).returncode == -9
        assert [item.version for item in list_versions(models)] == ["champion"]
        assert journal.learning_runs()[0].state == "running"

    LearningJob(NodeConfig.load(config), journal, clock=lambda: NIGHT.replace(hour=12)).look()
    assert journal.learning_runs()[0].state == "interrupted"
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "in shadow: t-scores" in done.stdout
    assert journal.learning_runs()[0].state == "done"
    assert sum(item.in_shadow for item in list_versions(models)) == 1
    assert json.loads((models / "versions.json").read_bytes())["versions"][-1]["held_out"]
