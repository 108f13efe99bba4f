"""``dicom-node reprocess``: choose, preview, plan, follow; what is wrong is named with its cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_support import outcome, receive_complete, write_config

from dicom_node.cli import main
from dicom_node.storage.journal import Journal
from dicom_node.storage.reprocessing import PlanState
from dicom_node.storage.study_search import StudyFacts

Reprocess = Callable[..., str]
"""Runs the command; returns what it says."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    write_config(tmp_path)
    journal = Journal(tmp_path / "data" / "journal.db")
    for number in range(3):
        receive_complete(
            journal, f"1.{number}", patient_key=f"digest {number}", calling_ae=f"SCANNER{number}"
        )
        job = journal.claim_analysis("test", 60)
        assert job is not None
        journal.finish_analysis(job, outcome(model_version="0.1.0", engine_version="0.1.0"))
    yield journal
    journal.close()


@pytest.fixture
def reprocess(tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]) -> Iterator[Reprocess]:
    def call(*arguments: str, status: int = 0) -> str:
        config = ["--config", str(tmp_path / "conf" / "node.toml")]
        assert main(["reprocess", *arguments, *config]) == status
        said = capsys.readouterr()
        return said.out + said.err

    yield call


def test_a_preview_says_how_many_would_change_and_does_nothing(
    reprocess: Reprocess, journal: Journal
) -> None:
    said = reprocess("--model-older-than", "current", "--dry-run")
    assert "3 studies fit" in said
    assert "3 by model 0.1.0" in said
    assert "3 studies would change model" in said and "3 studies would change engine" in said
    assert "on a node that does nothing else" in said
    assert journal.plans() == []


def test_a_plan_is_made_followed_paused_resumed_and_cancelled(reprocess: Reprocess, journal: Journal) -> None:
    said = reprocess(
        "--calling-ae", "scanner[01]", "--hours", "19:00-07:00", "--per-minute", "2", "--reason", "new model"
    )
    assert "plan 1 is made" in said and "the node is not running" in said
    plan = journal.plan(1)
    assert (plan.pace.hours, plan.pace.studies_per_hour, plan.reason) == ("19:00-07:00", 120, "new model")
    assert "0/2" in reprocess("--plans")
    assert "0 of 2 studies are settled" in reprocess("--plan", "1")
    assert "paused" in reprocess("--pause", "1", "--reason", "PACS")
    assert "goes on" in reprocess("--resume", "1")
    assert "cancelled" in reprocess("--cancel", "1")
    assert journal.plan(1).state is PlanState.CANCELLED
    assert "has ended already" in reprocess("--cancel", "1")
    assert "there is no plan 7" in reprocess("--pause", "7", status=2)


def test_a_job_is_set_listed_and_removed(reprocess: Reprocess, journal: Journal) -> None:
    cron = ("--model-older-than", "current", "--cron", "0 22 * * 1-5")
    assert "needs --name" in reprocess(*cron, status=2)
    assert "job 'weekdays' is set" in reprocess(*cron, "--name", "weekdays")
    assert journal.plans() == [], "its time has not come"
    assert "0 22 * * 1-5" in reprocess("--jobs")
    assert "removed" in reprocess("--remove-job", "weekdays")
    assert "no job makes plans" in reprocess("--jobs")
    assert "there is no job 'weekdays'" in reprocess("--remove-job", "weekdays", status=2)


def test_a_patient_is_chosen_by_id_and_the_plan_does_not_hold_it(
    reprocess: Reprocess, journal: Journal
) -> None:
    journal.record_facts(
        [
            (due, StudyFacts(patient_name="Doe^Jane", patient_id=f"ID{due.study_instance_uid}"))
            for due in journal.due_studies(10)
        ]
    )
    assert "plan 1 is made" in reprocess("--patient", "ID1.1")
    assert [item.study_instance_uid for item in journal.plan_items(1)] == ["1.1"]
    assert "ID1.1" not in journal.plan(1).selection.to_json()
    assert "no study of that Patient ID" in reprocess("--patient", "ID9", status=2)


def test_named_studies_are_queued_at_once(reprocess: Reprocess, journal: Journal) -> None:
    said = reprocess("--study", "1.0", "--study", "1.2")
    assert "1.0: queued" in said and "2 of 2 studies queued" in said
    assert journal.summary()["analyses"] == {"done": 3, "queued": 2}
    assert journal.plans() == []


def test_nothing_said_is_not_everything(reprocess: Reprocess, journal: Journal) -> None:
    assert "give --study, --since, --state, ... or --all" in reprocess(status=2)
    assert "plan 1 is made" in reprocess("--all")
    assert journal.plan(1).studies == 3


def test_hours_and_expressions_that_are_none_are_named(reprocess: Reprocess, journal: Journal) -> None:
    assert "19:00-07:00" in reprocess("--all", "--hours", "22-6", status=2)
    assert "cron expression" in reprocess("--all", "--cron", "daily", "--name", "x", status=2)
