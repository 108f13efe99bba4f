"""Carries out plans of reprocessing: a few studies at a time, behind everything that is new.

A job of the clock over the journal: what it knows it reads there, so a node that died goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from dicom_node.config import NodeConfig
from dicom_node.errors import ConfigurationError
from dicom_node.faults import reach
from dicom_node.observe.metrics import REPROCESSED
from dicom_node.storage.connection import Clock, timestamp, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity
from dicom_node.storage.reprocessing import ItemState, PlanState, ReprocessingPlan
from dicom_node.workflow.cron import next_time
from dicom_node.workflow.pacing import within_hours
from dicom_node.workflow.reprocess_plans import adopt_configured_jobs, make_plan
from dicom_node.workflow.routing import Router

__all__ = ["JOB_NAME", "ReprocessRunner"]

logger = logging.getLogger(__name__)

JOB_NAME = "reprocessing"

LOAD_SECONDS = 60.0
"""Objects received within so long are the receiver's load."""


class ReprocessRunner:
    """The job that makes plans when their time has come, and queues their studies.

    Parameters
    ----------
    open_associations : callable
        How many associations are open at the receiver.
    """

    def __init__(
        self,
        config: NodeConfig,
        journal: Journal,
        router: Router,
        *,
        open_associations: Callable[[], int],
        clock: Clock = utc_now,
    ) -> None:
        self._config = config
        self._journal = journal
        self._router = router
        self._open_associations = open_associations
        self._clock = clock

    def begin(self) -> None:
        """Take over the jobs of the configuration."""
        adopt_configured_jobs(self._journal, self._config)

    def pump(self) -> int:
        """Settle what has ended, make the plans that are due, queue what may be; return how many studies."""
        self._make_due_plans()
        self._journal.settle_planned()
        return sum(self._advance(plan) for plan in self._journal.open_plans())

    def _make_due_plans(self) -> None:
        for job in self._journal.due_reprocessing_jobs():
            try:
                plan = make_plan(
                    self._journal,
                    self._config,
                    job.selection,
                    job.pace,
                    by=job.created_by,
                    reason=job.reason,
                    job=job.name,
                )
                logger.info("job %r: plan %d is made", job.name, plan)
            except ConfigurationError as error:  # nothing fits today, or a file of models is damaged
                self._journal.note_event(
                    Severity.INFO, "reprocessing_not_planned", f"job {job.name!r}: {error}"
                )
            following = next_time(job.cron, self._clock())
            self._journal.reprocessing_job_ran(job.name, next_at=timestamp(following))

    def _advance(self, plan: ReprocessingPlan) -> int:
        """Queue the next studies of a plan, as many as may be now."""
        if plan.state is not PlanState.RUNNING:
            return 0
        queued = 0
        waits_for = ""
        while (uid := self._journal.next_waiting(plan.id)) is not None:
            waits_for = self._waits_for(plan)
            if waits_for or self._journal.count_planned() >= self._config.reprocessing.in_flight:
                break
            routing = self._router.decide(uid)
            reach("reprocessing.before_queue")
            became = self._journal.queue_planned(plan.id, uid, routing)
            reach("reprocessing.after_queue")
            REPROCESSED.labels(became).inc()
            if became is ItemState.WAITING:  # paused or cancelled meanwhile
                return queued
            queued += became is ItemState.QUEUED
            plan = self._journal.plan(plan.id)
        self._journal.note_waiting(plan, waits_for)
        return queued

    def _waits_for(self, plan: ReprocessingPlan) -> str:
        """Say why a plan may queue nothing now; empty if it may. Without counts: each text is a commit."""
        settings = self._config.reprocessing
        if plan.pace.hours and not within_hours(plan.pace.hours, self._clock()):
            return f"the hours {plan.pace.hours}"
        if self._is_ahead_of_its_rate(plan):
            return f"its rate of {plan.pace.studies_per_hour:g} studies per hour"
        if self._journal.new_studies_wait():
            return "new studies, which are analysed first"
        if self._open_associations() > settings.pause_above_associations:
            return f"the receiver: more than {settings.pause_above_associations} associations are open"
        limit = settings.pause_above_objects_per_minute
        if self._journal.objects_received(within_seconds=LOAD_SECONDS, at_most=limit + 1) > limit:
            return f"the receiver: more than {limit} objects came within a minute"
        return ""

    def _is_ahead_of_its_rate(self, plan: ReprocessingPlan) -> bool:
        if not plan.pace.studies_per_hour or not plan.last_queued_at:
            return False
        between = timedelta(hours=1.0 / plan.pace.studies_per_hour)
        last = datetime.fromisoformat(plan.last_queued_at)
        return last <= self._clock() < last + between  # a clock that was set back is not waited for
