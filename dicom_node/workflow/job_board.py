"""Between the clock and the journal: runs of jobs are written down, wishes of people carried out.

What the clock does every second must not cost a COMMIT every second: a job's last run is written at most
every minute, unless its outcome changed, and together with those of all others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from dicom_node.storage.connection import timestamp
from dicom_node.storage.jobs import LastRun, Outcome, RunRecord
from dicom_node.storage.journal import Journal
from dicom_node.workflow.schedule import JobRun

__all__ = ["JobBoard"]

WRITE_SECONDS = 60.0
"""Between two writes of what goes well."""

REMEMBERED_FROM_SECONDS = 60.0
"""Every run of a job with this period or more is remembered; of the others each change of outcome."""


class Clock(Protocol):
    """What the board needs of `dicom_node.workflow.schedule.Schedule`."""

    @property
    def periods(self) -> Mapping[str, float]: ...

    def next_runs(self) -> Mapping[str, datetime]: ...

    def run_once(self, name: str) -> None: ...

    def pause_only(self, names: set[str]) -> None: ...


class JobBoard:
    """Journal of a schedule's jobs; `note` is told by the schedule, `exchange` is one of its jobs."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._last: dict[str, JobRun] = {}
        self._runs: dict[str, int] = {}
        self._unwritten: set[str] = set()
        self._history: list[RunRecord] = []
        self._clock: Clock | None = None
        self._write_at = 0.0

    def begin(self, clock: Clock) -> None:
        """Register the jobs of a clock that is about to start, and pause those that people have paused."""
        self._clock = clock
        self._journal.register_jobs(clock.periods)
        self._obey(clock)

    def note(self, name: str, run: JobRun) -> None:
        """Take down a run that ended; cheap, and written later."""
        with self._lock:
            before = self._last.get(name)
            self._last[name] = run
            self._runs[name] = self._runs.get(name, 0) + 1
            self._unwritten.add(name)
            changed = bool(run.error) != bool(before and before.error)
            period = self._clock.periods.get(name, 0.0) if self._clock else 0.0
            if changed or period >= REMEMBERED_FROM_SECONDS:
                self._history.append(_record(name, run))

    def exchange(self) -> None:
        """Carry out what people want, and write what is due."""
        clock = self._clock
        if clock is None:
            return
        self._obey(clock)
        for request in self._journal.take_job_requests():
            clock.run_once(request.name)
        if self._history or time.monotonic() >= self._write_at:
            self.flush()

    def flush(self) -> None:
        """Write everything that was noted and not written yet."""
        with self._lock:
            names, self._unwritten = self._unwritten, set()
            history, self._history = self._history, []
            last = [(name, self._last[name], self._runs[name]) for name in sorted(names)]
        self._write_at = time.monotonic() + WRITE_SECONDS
        self._journal.record_job_runs(
            [LastRun(_record(name, run), runs, run.failures) for name, run, runs in last],
            history,
            self._clock.next_runs() if self._clock else {},
        )

    def _obey(self, clock: Clock) -> None:
        clock.pause_only(set(self._journal.paused_jobs()))


def _record(name: str, run: JobRun) -> RunRecord:
    outcome: Outcome = "failed" if run.error else "done"
    started = run.ended_at - timedelta(seconds=run.seconds)
    return RunRecord(name, timestamp(started), round(run.seconds, 3), outcome, run.error)
