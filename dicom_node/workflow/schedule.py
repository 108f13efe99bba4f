"""The node's one clock: everything periodic is an APScheduler job over the journal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

__all__ = ["Schedule"]

PERIOD_SECONDS = 1.0
"""How often each job looks at the journal; `Schedule.wake` starts one at once."""


class Schedule:
    """Periodic jobs by name, each with a thread of its own and never twice at the same time.

    A run that is missed, because the machine slept or the job took longer, is made up for by one run.
    """

    def __init__(self, jobs: Mapping[str, Callable[[], object]]) -> None:
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(max_workers=len(jobs))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for name, job in jobs.items():
            self._scheduler.add_job(job, "interval", seconds=PERIOD_SECONDS, id=name)

    def start(self) -> None:
        """Start all jobs."""
        self._scheduler.start()

    def wake(self, name: str) -> None:
        """Run a job now instead of at its next turn; nothing happens after `stop`."""
        with contextlib.suppress(JobLookupError):
            self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """Start nothing more and wait for the jobs that run."""
        self._scheduler.shutdown(wait=True)
