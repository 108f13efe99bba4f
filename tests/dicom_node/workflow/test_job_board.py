"""What the clock does is journalled, and people may have a job run now, pause it, and let it go on."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from node_support import FakeClock, wait_until

from dicom_node.errors import ConfigurationError
from dicom_node.storage.jobs import HISTORY_LENGTH, JOB_BOARD, LastRun, RunRecord
from dicom_node.storage.journal import Journal
from dicom_node.workflow import job_board
from dicom_node.workflow.job_board import JobBoard
from dicom_node.workflow.schedule import Schedule


class Work:
    """A job that counts its turns and may fail."""

    def __init__(self) -> None:
        self.turns = 0
        self.fails = False
        self.came = threading.Event()

    def __call__(self) -> None:
        self.turns += 1
        self.came.set()
        if self.fails:
            raise OSError("the disk is gone")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.db")
    yield journal
    journal.close()


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def schedule(journal: Journal, work: Work) -> Iterator[Schedule]:
    board = JobBoard(journal)
    schedule = Schedule(
        {"often": work, "nightly": lambda: None, JOB_BOARD: board.exchange},
        periods={"often": 0.05, "nightly": 86_400.0, JOB_BOARD: 0.05},
        on_run=board.note,
    )
    board.begin(schedule)
    schedule.start()
    yield schedule
    schedule.stop()


def outside(journal: Journal) -> Journal:
    """The journal as a command beside the node opens it."""
    return Journal(journal.path)


def test_a_job_runs_when_somebody_asks_for_it(journal: Journal, schedule: Schedule) -> None:
    assert journal.job_history("nightly") == []
    outside(journal).request_job_run("nightly", by="eve", reason="the morning is too late")
    wait_until(lambda: len(journal.job_history("nightly")) == 1)
    job = journal.job("nightly")
    assert (job.outcome, job.runs, job.failures) == ("done", 1, 0)
    assert job.next_run_at > job.started_at
    assert "eve" in next(event for event in journal.events() if event.code == "job_run_requested").message


def test_a_paused_job_passes_its_turns_by_and_a_resumed_one_comes_at_once(
    journal: Journal, schedule: Schedule, work: Work
) -> None:
    beside = outside(journal)
    assert beside.pause_job("often", by="eve", reason="maintenance")
    assert not beside.pause_job("often", by="bob", reason="me too"), "the first reason stands"
    wait_until(lambda: "often" not in schedule.next_runs())
    work.came.clear()
    assert not work.came.wait(0.5)
    pause = journal.job("often").pause
    assert pause is not None
    assert (pause.paused_by, pause.reason) == ("eve", "maintenance")
    assert journal.job("often").next_run_at == ""
    assert schedule.overdue(timedelta(seconds=-1)) != [], "others are judged as ever"
    assert "often" not in schedule.overdue(timedelta(seconds=-1)), "nobody waits for a paused job"
    beside.request_job_run("often", by="eve", reason="once, while I watch")
    assert work.came.wait(5), "a run that is asked for comes all the same"
    work.came.clear()
    assert beside.resume_job("often", by="eve", reason="done")
    assert work.came.wait(5)


def test_a_pause_outlives_a_restart(journal: Journal, work: Work) -> None:
    board = JobBoard(journal)
    jobs = {"often": work, JOB_BOARD: board.exchange}
    journal.register_jobs({"often": 0.05})
    journal.pause_job("often", by="eve", reason="maintenance")
    schedule = Schedule(jobs, periods={"often": 0.05}, on_run=board.note)
    board.begin(schedule)
    schedule.start()
    try:
        assert not work.came.wait(0.5)
    finally:
        schedule.stop()


def test_of_a_job_that_comes_often_changes_of_outcome_are_remembered(
    journal: Journal, schedule: Schedule, work: Work
) -> None:
    wait_until(lambda: work.turns > 3)
    work.fails = True
    wait_until(lambda: len(journal.job_history("often")) == 1)
    work.fails = False
    wait_until(lambda: len(journal.job_history("often")) == 2)
    recovered, failed = journal.job_history("often")
    assert (failed.outcome, failed.reason) == ("failed", "OSError")
    assert recovered.outcome == "done"
    assert journal.job("often").failures >= 1


def test_a_job_that_goes_well_every_second_costs_no_commit_every_second(
    journal: Journal, schedule: Schedule, work: Work
) -> None:
    wait_until(lambda: work.turns > 2)
    with sqlite3.connect(journal.path) as rows:
        before = rows.execute("PRAGMA data_version").fetchone()
        turns = work.turns
        wait_until(lambda: work.turns > turns + 10)
        assert rows.execute("PRAGMA data_version").fetchone() == before, "nothing was written"


def test_what_was_noted_is_written_every_minute(
    journal: Journal, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_board, "WRITE_SECONDS", 0.1)
    board = JobBoard(journal)
    jobs = {"often": work, JOB_BOARD: board.exchange}
    schedule = Schedule(jobs, periods={"often": 0.05, JOB_BOARD: 0.05}, on_run=board.note)
    board.begin(schedule)
    schedule.start()
    try:
        wait_until(lambda: journal.job("often").runs > 2)
    finally:
        schedule.stop()


def test_a_job_that_the_node_has_no_more_is_forgotten(journal: Journal) -> None:
    journal.register_jobs({"delivery to old": 1.0, "completion": 1.0})
    journal.register_jobs({"completion": 1.0})
    assert [job.name for job in journal.jobs()] == ["completion"]


def test_only_what_there_is_can_be_run_or_paused(journal: Journal, schedule: Schedule) -> None:
    with pytest.raises(ConfigurationError, match="there is no job 'weekly'; dicom-node jobs lists"):
        journal.request_job_run("weekly", by="eve", reason="")
    with pytest.raises(ConfigurationError, match="there is no job"):
        journal.pause_job("weekly", by="eve", reason="")
    with pytest.raises(ConfigurationError, match="cannot be paused"):
        journal.pause_job(JOB_BOARD, by="eve", reason="")


def test_the_history_does_not_grow_for_ever(tmp_path: Path) -> None:
    clock = FakeClock()
    journal = Journal(tmp_path / "journal.db", clock=clock)
    journal.register_jobs({"retention": 60.0})
    runs = [RunRecord("retention", clock().isoformat(), 0.1, "done", "") for _ in range(HISTORY_LENGTH + 7)]
    journal.record_job_runs([LastRun(runs[-1], len(runs), 0)], runs)
    assert len(journal.job_history("retention", limit=10_000)) == HISTORY_LENGTH
