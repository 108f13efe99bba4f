"""Jobs of the clock: what became of them, and what people want of them.

The running node writes the last run of each job, at most every minute, and a history: of jobs that come at
least a minute apart every run, of the others each change of outcome. Commands and the console ask for a run,
or pause a job; the running node picks that up within a second.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dicom_node.errors import ConfigurationError
from dicom_node.storage.connection import Row, timestamp
from dicom_node.storage.events import EventLog
from dicom_node.storage.records import Severity

__all__ = [
    "HISTORY_LENGTH",
    "JOB_BOARD",
    "Job",
    "JobPause",
    "JobRequest",
    "JobTables",
    "LastRun",
    "RunRecord",
]

Outcome = Literal["", "done", "failed"]

JOB_BOARD = "job board"
"""The job that carries out what people want of the others."""

HISTORY_LENGTH = 500
"""Runs of one job that are remembered: a year and more of a daily job, eight hours of a minutely one."""


@dataclass(frozen=True, slots=True)
class JobPause:
    """Who keeps a job from running, and why."""

    paused_by: str
    reason: str
    paused_at: str


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A person's wish that a job run now."""

    name: str
    requested_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a job that ended; times are ISO 8601 UTC."""

    name: str
    started_at: str
    seconds: float
    outcome: Outcome
    reason: str
    """Class of what it raised; empty if it ended well."""


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run of a job as the running node tells it, with counts since its start."""

    run: RunRecord
    runs: int
    failures: int


@dataclass(frozen=True, slots=True)
class Job:
    """One periodic job.

    Attributes
    ----------
    started_at, seconds, outcome, reason
        Of the last run that ended; `outcome` is empty if there was none.
    runs, failures : int
        Since the node's start.
    next_run_at : str
        ISO 8601 UTC; empty while the job is paused. Of a job that comes every second, as of `updated_at`.
    pause : JobPause or None
        None: it runs.
    """

    name: str
    period_seconds: float
    started_at: str
    seconds: float
    outcome: Outcome
    reason: str
    runs: int
    failures: int
    next_run_at: str
    updated_at: str
    pause: JobPause | None = None


class JobTables(EventLog):
    """The tables ``jobs``, ``job_runs``, ``job_pauses`` and ``job_requests``."""

    def jobs(self) -> list[Job]:
        """Return every job of the node that runs now or ran last, by name."""
        pauses = self.paused_jobs()
        return [_job(row, pauses.get(row["name"])) for row in self._rows("SELECT * FROM jobs ORDER BY name")]

    def job(self, name: str) -> Job:
        """Return one job.

        Raises
        ------
        ConfigurationError
            If the node has no job of that name.
        """
        row = self._row("SELECT * FROM jobs WHERE name = ?", (name,))
        if row is None:
            raise ConfigurationError(f"there is no job {name!r}; dicom-node jobs lists those there are")
        return _job(row, self.paused_jobs().get(name))

    def job_history(self, name: str, *, limit: int = 50) -> list[RunRecord]:
        """Return the newest remembered runs of a job, newest first."""
        rows = self._rows(
            "SELECT name, started_at, seconds, outcome, reason FROM job_runs WHERE name = ?"
            " ORDER BY id DESC LIMIT ?",
            (name, limit),
        )
        return [RunRecord(**row) for row in rows]

    def request_job_run(self, name: str, *, by: str, reason: str) -> None:
        """Ask the running node to run a job now, even one that is paused.

        Raises
        ------
        ConfigurationError
            If the node has no job of that name.
        """
        with self._transaction():
            self.job(name)
            self._execute(
                "INSERT INTO job_requests (name, requested_by, reason, requested_at) VALUES (?, ?, ?, ?)",
                (name, by, reason, self._now()),
            )
            self._note_job("job_run_requested", f"job {name!r} is to run now, by {by}: {reason}")

    def pause_job(self, name: str, *, by: str, reason: str) -> bool:
        """Keep a job from running until `resume_job`, over restarts too; False if it is paused already.

        Raises
        ------
        ConfigurationError
            If the node has no job of that name, or it must not be paused.
        """
        with self._transaction():
            self.job(name)
            if name == JOB_BOARD:
                raise ConfigurationError(f"job {name!r} carries out what people want; it cannot be paused")
            paused = self._execute(
                "INSERT INTO job_pauses VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (name, by, reason, self._now()),
            )
            if paused:
                self._note_job("job_paused", f"job {name!r} is paused by {by}: {reason}")
            return bool(paused)

    def resume_job(self, name: str, *, by: str, reason: str) -> bool:
        """Let a paused job run again; False if it is not paused."""
        with self._transaction():
            resumed = self._execute("DELETE FROM job_pauses WHERE name = ?", (name,))
            if resumed:
                self._note_job("job_resumed", f"job {name!r} goes on, by {by}: {reason}")
            return bool(resumed)

    def paused_jobs(self) -> dict[str, JobPause]:
        """Return who keeps which job from running."""
        rows = self._rows("SELECT * FROM job_pauses")
        return {row.pop("name"): JobPause(**row) for row in rows}

    def take_job_requests(self) -> list[JobRequest]:
        """Return the runs that were asked for since the last call, oldest first; for the running node."""
        if not self._rows("SELECT 1 FROM job_requests LIMIT 1"):  # no write lock for nothing
            return []
        with self._transaction():
            rows = self._rows("SELECT name, requested_by, reason FROM job_requests ORDER BY id")
            self._execute("DELETE FROM job_requests")
            return [JobRequest(**row) for row in rows]

    def register_jobs(self, periods: Mapping[str, float]) -> None:
        """Make the table hold the jobs of the node that starts, and forget those it has no more.

        Parameters
        ----------
        periods : mapping of str to float
            Seconds between the runs of each job, by name.
        """
        with self._transaction():
            known = {row["name"] for row in self._rows("SELECT name FROM jobs")}
            for name in known - set(periods):
                self._execute("DELETE FROM jobs WHERE name = ?", (name,))
            for name, seconds in periods.items():
                self._execute(
                    "INSERT INTO jobs VALUES (:name, :seconds, '', 0, '', '', 0, 0, '', :now)"
                    " ON CONFLICT (name) DO UPDATE SET period_seconds = :seconds, runs = 0, failures = 0,"
                    " next_run_at = '', updated_at = :now",
                    {"name": name, "seconds": seconds, "now": self._now()},
                )

    def record_job_runs(
        self,
        last: Collection[LastRun],
        history: Sequence[RunRecord] = (),
        next_runs: Mapping[str, datetime] | None = None,
    ) -> None:
        """Write, in one transaction, last runs, what is to be remembered, and when jobs come next."""
        with self._transaction():
            for name, moment in (next_runs or {}).items():
                self._execute("UPDATE jobs SET next_run_at = ? WHERE name = ?", (timestamp(moment), name))
            for item in last:
                run = item.run
                self._execute(
                    "UPDATE jobs SET started_at = ?, seconds = ?, outcome = ?, reason = ?, runs = ?,"
                    " failures = ?, updated_at = ? WHERE name = ?",
                    (
                        run.started_at,
                        run.seconds,
                        run.outcome,
                        run.reason,
                        item.runs,
                        item.failures,
                        self._now(),
                        run.name,
                    ),
                )
            for run in history:
                self._remember_run(run)

    def _remember_run(self, run: RunRecord) -> None:
        self._execute(
            "INSERT INTO job_runs (name, started_at, seconds, outcome, reason) VALUES (?, ?, ?, ?, ?)",
            (run.name, run.started_at, run.seconds, run.outcome, run.reason),
        )
        self._execute(
            "DELETE FROM job_runs WHERE name = :name AND id <="
            " (SELECT id FROM job_runs WHERE name = :name ORDER BY id DESC LIMIT 1 OFFSET :kept)",
            {"name": run.name, "kept": HISTORY_LENGTH},
        )

    def _note_job(self, code: str, message: str) -> None:
        self.note_event(Severity.WARNING, code, message)


def _job(row: Row, pause: JobPause | None) -> Job:
    return Job(**{**row, "next_run_at": "" if pause else row["next_run_at"]}, pause=pause)
