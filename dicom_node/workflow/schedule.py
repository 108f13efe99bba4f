"""The node's one clock: everything periodic is an APScheduler job over the journal.

Jobs come at their pace whatever happens to the machine's clock. APScheduler alone would wait out a clock that
was set back, for as long as it was set back by, and make up a list of every turn that a clock set forward
has passed over.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

__all__ = ["JobRun", "Schedule"]

logger = logging.getLogger(__name__)

_THREADS_SECONDS = 30.0
"""Longest wait for the threads of all jobs."""

PERIOD_SECONDS = 1.0
"""How often a job runs unless its own period is given; `Schedule.wake` starts one at once."""

CLOCK_TOLERANCE_SECONDS = 0.5
"""A clock that is set back by less is waited for; more is told from what the scheduler itself is late by."""


class _Every(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """Comes again a period after the last turn; turns that were missed come once."""

    def __init__(self, seconds: float) -> None:
        self._period = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """Return the next turn, always in the future."""
        due = (previous or now) + self._period
        return due if due > now else now + self._period


@dataclass(frozen=True, slots=True)
class JobRun:
    """The last run of a job that ended.

    `error` names the class of what it raised, and is empty if it ended well; `failures` counts since start.
    """

    ended_at: datetime
    seconds: float
    error: str
    failures: int


class Schedule:
    """Periodic jobs by name, each with a thread of its own and never twice at the same time.

    A run that is missed, because the machine slept or the job took longer, is made up for by one run. A run
    that fails is logged, and the job comes again at its next turn.

    Parameters
    ----------
    jobs : mapping of str to callable
    periods : mapping of str to float
        Seconds between the runs of those jobs that need not look every second.
    on_run : callable
        Told of every run that ended, with the job's name; must be quick.
    """

    def __init__(
        self,
        jobs: Mapping[str, Callable[[], object]],
        *,
        periods: Mapping[str, float] | None = None,
        on_run: Callable[[str, JobRun], None] = lambda name, run: None,
    ) -> None:
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": _ThreadForEach(len(jobs))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._periods = dict.fromkeys(jobs, PERIOD_SECONDS) | dict(periods or {})
        self._runs: dict[str, JobRun] = {}
        self._begun: dict[str, datetime] = {}
        self._on_run = on_run
        self._paused: frozenset[str] = frozenset()
        self._once: set[str] = set()
        for name, job in jobs.items():
            self._scheduler.add_job(self._run, _Every(self._periods[name]), id=name, args=(name, job))
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch_clock, name="clock watch", daemon=True)

    def start(self) -> None:
        """Start all jobs."""
        self._begun = dict.fromkeys(self._periods, datetime.now(UTC))
        self._scheduler.start()
        self._watcher.start()

    def wake(self, name: str) -> None:
        """Run a job now instead of at its next turn; nothing happens after `stop`."""
        with contextlib.suppress(JobLookupError):
            self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))

    def run_once(self, name: str) -> None:
        """Run a job now, even one that is paused."""
        self._once.add(name)
        self.wake(name)

    def pause_only(self, names: Collection[str]) -> None:
        """Let the jobs of these names pass their turns by; those that no longer do run at once."""
        resumed = self._paused - frozenset(names)
        self._paused = frozenset(names)
        for name in resumed:
            self._begun[name] = datetime.now(UTC)
            self.wake(name)

    @property
    def periods(self) -> Mapping[str, float]:
        """Seconds between the runs of each job."""
        return self._periods

    def next_runs(self) -> dict[str, datetime]:
        """Return when each job that is not paused comes next."""
        moments = {job.id: getattr(job, "next_run_time", None) for job in self._scheduler.get_jobs()}
        return {name: moment for name, moment in moments.items() if moment and name not in self._paused}

    def stop(self) -> None:
        """Start nothing more and wait for the jobs that run."""
        self._stopping.set()
        self._scheduler.shutdown(wait=True)

    @property
    def running(self) -> bool:
        """Whether the clock ticks."""
        return bool(self._scheduler.running)

    def last_runs(self) -> dict[str, JobRun]:
        """Return the last run that ended, by job; a job that has not ended one yet is absent."""
        return dict(self._runs)

    def overdue(self, patience: timedelta) -> list[str]:
        """Return the jobs whose last run ended longer ago than their period and `patience`.

        Those that are paused are none of them.
        """
        now = datetime.now(UTC)
        return [
            name
            for name, seconds in self._periods.items()
            if name not in self._paused
            and now - self._last_sign(name, now) > patience + timedelta(seconds=seconds)
        ]

    def _watch_clock(self) -> None:
        """Have every job run when the clock was set back: else none would until it is what it was."""
        ahead = _wall_ahead_seconds()
        while not self._stopping.wait(PERIOD_SECONDS):
            before, ahead = ahead, _wall_ahead_seconds()
            if ahead < before - CLOCK_TOLERANCE_SECONDS:
                logger.warning("the clock was set back by %.0f s: every job runs now", before - ahead)
                for name in self._periods:
                    self.wake(name)

    def _last_sign(self, name: str, now: datetime) -> datetime:
        run = self._runs.get(name)
        begun = self._begun.get(name, now)
        return max(run.ended_at, begun) if run else begun

    def _run(self, name: str, job: Callable[[], object]) -> None:
        wanted = name in self._once
        self._once.discard(name)
        if name in self._paused and not wanted:
            return
        started = time.monotonic()
        before = self._runs.get(name)
        failures, error = (before.failures if before else 0), ""
        try:
            job()
        except Exception as raised:  # the next turn may go well; without this, nobody would say so
            failures, error = failures + 1, type(raised).__name__
            logger.exception("the job %r failed; it runs again at its next turn", name)
        run = JobRun(datetime.now(UTC), time.monotonic() - started, error, failures)
        self._runs[name] = run
        self._on_run(name, run)


def _wall_ahead_seconds() -> float:
    """Return by how much the wall clock is ahead of the one that nobody sets."""
    return datetime.now(UTC).timestamp() - time.monotonic()


class _ThreadForEach(ThreadPoolExecutor):  # type: ignore[misc]
    """So many threads, all made at the start: later, under a flood of peers, there may be none to be had."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._together = threading.Barrier(threads, timeout=_THREADS_SECONDS)

    def start(self, scheduler: BackgroundScheduler, alias: str) -> None:
        """Make the threads; a pool makes one only where none is idle, so each waits for the others."""
        super().start(scheduler, alias)
        for waiting in [self._pool.submit(self._together.wait) for _ in range(self._together.parties)]:
            waiting.result()
