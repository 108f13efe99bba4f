"""Runs analyses: claims them from the journal, hands them to worker processes, journals what came of it."""

from __future__ import annotations

import errno
import json
import logging
import multiprocessing
import re
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from analysis.results import PriorMeasurement
from analysis.serialization import prior_measurement
from dicom_node.config import NodeConfig
from dicom_node.dicom_files import parse_date
from dicom_node.errors import AnalysisError, ExecutorUnavailableError, NodeError
from dicom_node.faults import reach
from dicom_node.observe.logs import fields
from dicom_node.observe.metrics import ANALYSES, ANALYSIS_SECONDS
from dicom_node.storage.archive import Archive
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import AnalysisJob, AnalysisOutcome, Severity
from dicom_node.workflow.clinical_record import clinical_record, site_context
from dicom_node.workflow.facts import is_known_class
from dicom_node.workflow.pacing import rests
from dicom_node.workflow.routing import analysis_settings, reports_wanted
from dicom_node.workflow.worker import WorkOrder, analyze_study, new_worker

__all__ = ["JOB_NAME", "Execution", "Work"]

logger = logging.getLogger(__name__)

JOB_NAME = "execution"

Work = Callable[[WorkOrder], AnalysisOutcome]

LEASE_MARGIN_SECONDS = 60.0
"""A lease outlasts the time limit by this much, so that a worker still starting up is not taken for dead."""


FULL_DISK_RETRY_SECONDS = 30.0
"""Soon after an administrator has made space, yet seldom enough not to fill the journal with complaints."""

DECLINE_SECONDS = 30.0
"""Enough to read headers and write a refusal, and within the margin of the failed attempt's lease."""

STUCK_SECONDS = 20.0
"""Beyond the time limit, at which a worker ends itself; one that is stopped (SIGSTOP) does not."""

NO_EXECUTOR_RETRY_SECONDS = 10.0
"""Between two attempts to reach a cluster that is down."""


@dataclass(eq=False)
class _Lane:
    """One worker and what it is doing: a worker that dies takes no other analysis with it."""

    executor: Executor | None = None
    """None until it is needed: before the first analysis, and after its worker has died."""
    running: Future[AnalysisOutcome] | None = None
    overdue_at: float = 0.0
    """When, by the monotonic clock, what runs ought to have ended itself."""


class Execution:
    """Analyses waiting in the journal, run on as many workers as the site allows.

    Parameters
    ----------
    owner : str
        This process's name on leases.
    work : callable
        What a worker does with a `WorkOrder`; picklable for a process.
    make_executor : callable
        Makes the executor of one worker; called again when its worker has died. May raise
        `ExecutorUnavailableError`: then analyses wait.
    on_results : callable
        Called after new results are journalled, so that they are sent without delay.
    """

    def __init__(
        self,
        config: NodeConfig,
        archive: Archive,
        journal: Journal,
        *,
        owner: str,
        work: Work = analyze_study,
        make_executor: Callable[[], Executor] = new_worker,
        on_results: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
    ) -> None:
        self._config = config
        self._archive = archive
        self._journal = journal
        self._owner = owner
        self._work = work
        self._make_executor = make_executor
        self._on_results = on_results
        self._clock = clock
        self._changed = threading.Condition()  # re-entrant: a future done at once settles inside pump()
        self._stopping = False
        self._lanes = [_Lane() for _ in range(config.execution.workers)]
        self._resting_until = clock()
        self.warm = threading.Event()
        """Set once every worker has started and imported what an analysis needs."""

    def pump(self) -> None:
        """Give every idle worker the analysis that has waited longest; the first call starts the workers."""
        with self._changed:
            self._kill_stuck_workers()
            if self._stopping or self._rests():
                return
            try:
                for lane in self._lanes:
                    self._executor(lane)
            except ExecutorUnavailableError as error:
                self._rest(error)
                return
            self.warm.set()
            for lane in self._lanes:
                if lane.running is None and not self._stopping and not self._start_next(lane):
                    return

    def stop(self, grace_seconds: float) -> None:
        """Let running analyses end within `grace_seconds`, then end the workers.

        What did not end keeps its lease until `Journal.recover` takes it back.
        """
        with self._changed:
            self._stopping = True
            all_ended = self._changed.wait_for(
                lambda: all(lane.running is None for lane in self._lanes), timeout=grace_seconds
            )
        for lane in self._lanes:
            if lane.executor is not None:
                lane.executor.shutdown(wait=False, cancel_futures=True)
        if not all_ended:  # the workers are this process's only children
            for worker in multiprocessing.active_children():
                worker.kill()

    def _kill_stuck_workers(self) -> None:
        """End workers that outlived their own time limit; what they did counts as a failed attempt."""
        for lane in self._lanes:
            if lane.running is not None and time.monotonic() > lane.overdue_at:
                # of executors only a process pool has processes here; a cluster has its own time limit
                for process in getattr(lane.executor, "_processes", {}).values():
                    process.kill()

    def _start_next(self, lane: _Lane) -> bool:
        settings = self._config.execution
        priors = self._config.priors
        job = self._journal.claim_analysis(
            self._owner,
            settings.timeout_seconds + LEASE_MARGIN_SECONDS,
            priors_seconds=None if priors.archive is None else priors.wait_seconds,
        )
        if job is None:
            return False
        reach("execution.after_claim")
        with fields(study=job.study_instance_uid, analysis=job.id):
            self._start(lane, job)
        return True

    def _start(self, lane: _Lane, job: AnalysisJob) -> None:
        logger.info("study %s: analysis %d starts, attempt %d", job.study_instance_uid, job.id, job.attempts)
        try:
            order = self._order(job)
        except Exception as error:  # e.g. a prior that a newer version wrote
            self._fail(lane, job, None, _describe(error))
            return
        self._submit(lane, job, order)

    def _executor(self, lane: _Lane) -> Executor:
        lane.executor = lane.executor or self._make_executor()
        return lane.executor

    def _submit(self, lane: _Lane, job: AnalysisJob, order: WorkOrder) -> None:
        with self._changed:  # as in pump(): two threads must not each start a worker for the lane
            self._executor(lane)  # starting one must not count into the time limit
            started = time.monotonic()
            lane.overdue_at = started + order.time_limit_seconds + STUCK_SECONDS
            try:
                lane.running = self._submitted(lane, order)
            except OSError as error:  # a file of the study cannot be read to be sent along
                self._fail(lane, job, None, _describe(error))
                return
            lane.running.add_done_callback(lambda future: self._settle(lane, job, order, started, future))

    def _submitted(self, lane: _Lane, order: WorkOrder) -> Future[AnalysisOutcome]:
        try:
            return self._executor(lane).submit(self._work, order)
        except BrokenExecutor:  # the worker died while idle
            lane.executor = None
            return self._executor(lane).submit(self._work, order)

    def _order(self, job: AnalysisJob) -> WorkOrder:
        released = self._journal.released_instances(job.study_instance_uid)
        if released:
            raise AnalysisError(
                f"{len(released)} of its objects were released ([retention] keep_originals_days); fetch them "
                "(dicom-node retrieve) or send the study again, then dicom-node reprocess --study UID"
            )
        history = self._history(job)
        routing = self._journal.routing(job.study_instance_uid)
        return WorkOrder(
            study_instance_uid=job.study_instance_uid,
            input_digest=job.input_digest,
            paths={
                instance.sop_instance_uid: self._archive.resolve(instance.path)
                for instance in job.instances
                if is_known_class(instance.sop_class_uid)
            },
            data_dir=self._archive.data_dir,
            history=history,
            priors=self._prior_files(history),
            known=self._journal.results(job.study_instance_uid),
            standing=self._journal.standing_results(job.study_instance_uid),
            previous=self._journal.previous_results(job.study_instance_uid),
            identities=self._journal.analysed_identities(job.study_instance_uid),
            config=analysis_settings(self._config.analysis, routing),
            reports=reports_wanted(self._config, routing),
            time_limit_seconds=self._config.execution.timeout_seconds,
            memory_limit_bytes=self._config.execution.memory_limit_bytes,
            incomplete=bool(self._journal.shortfall(job.study_instance_uid)),
            clinical=site_context(job.clinical.entries),
            record=clinical_record(job.clinical.facts, job.clinical.fractures, parse_date(job.study_date)),
        )

    def _history(self, job: AnalysisJob) -> tuple[PriorMeasurement, ...]:
        priors = self._journal.priors(
            job.patient_key, before=job.study_date, excluding=job.study_instance_uid
        )
        dated = ((parse_date(study_date), json.loads(text)) for study_date, text in priors)
        return tuple(prior_measurement(document, day) for day, document in dated if day is not None)

    def _prior_files(self, history: Sequence[PriorMeasurement]) -> tuple[tuple[Path, ...], ...]:
        """Files of the latest earlier study of either side: which side this study shows is not known yet."""
        latest = {prior.laterality: prior.study_instance_uid for prior in history}  # oldest first
        return tuple(
            tuple(self._archive.resolve(instance.path) for instance in self._journal.instances(uid))
            for uid in latest.values()
        )

    def _settle(
        self, lane: _Lane, job: AnalysisJob, order: WorkOrder, started: float, future: Future[AnalysisOutcome]
    ) -> None:
        """Journal the end of an analysis; runs in the executor's own thread."""
        seconds = time.monotonic() - started
        ANALYSIS_SECONDS.observe(seconds)
        with fields(study=job.study_instance_uid, analysis=job.id):
            try:
                self._journal_end(lane, job, order, seconds, future)
            except Exception:  # e.g. the disk is full: the lease expires and the work is done again
                logger.exception(
                    "study %s: the end of analysis %d is not journalled", job.study_instance_uid, job.id
                )
        with self._changed:
            if lane.running is future:  # else the study is being written up as declined
                lane.running = None
            self._changed.notify_all()
        self.pump()

    def _journal_end(
        self,
        lane: _Lane,
        job: AnalysisJob,
        order: WorkOrder,
        seconds: float,
        future: Future[AnalysisOutcome],
    ) -> None:
        try:
            outcome = future.result()
        except BrokenExecutor:
            if self._stopping:
                return
            lane.executor = None
            self._fail(lane, job, order, self._why_the_worker_died(seconds))
        except ExecutorUnavailableError as error:
            self._lose_executor(lane, job, error)
        except Exception as error:
            if _is_full_disk(error):
                self._wait_for_space(job)
            else:
                self._fail(lane, job, order, _describe(error))
        else:
            self._finish(job, outcome, seconds)

    def _finish(self, job: AnalysisJob, outcome: AnalysisOutcome, seconds: float) -> None:
        reach("execution.before_finish")
        if not self._journal.finish_analysis(job, outcome):
            return
        reach("execution.after_finish")
        ANALYSES.labels(outcome.status).inc()
        # the reason may quote the data set: it stands in the journal, where only the administrator reads it
        logger.info("study %s: %s in %.1f s", job.study_instance_uid, outcome.status, seconds)
        self._on_results()

    def _why_the_worker_died(self, seconds: float) -> str:
        limit = self._config.execution.timeout_seconds
        if seconds >= limit:
            return f"the analysis took longer than [execution] timeout_seconds = {limit:g} and was stopped"
        return f"the worker process died after {seconds:.0f} s; is there enough memory?"

    def _wait_for_space(self, job: AnalysisJob) -> None:
        """Put an analysis back however often it was tried: a full disk is not the study's fault."""
        reason = (
            f"the disk of {self._config.node.data_dir} is full; free some space: it is tried again by itself"
        )
        wait = max(self._config.execution.retry_seconds, FULL_DISK_RETRY_SECONDS)
        self._put_back(job, "disk_full", reason, wait)

    def _lose_executor(self, lane: _Lane, job: AnalysisJob, error: ExecutorUnavailableError) -> None:
        """Put an analysis back that a cluster lost with its scheduler, and let the cluster rest."""
        if lane.executor is not None:
            lane.executor.shutdown(wait=False, cancel_futures=True)
        lane.executor = None
        self._put_back(job, "executor_unavailable", str(error), NO_EXECUTOR_RETRY_SECONDS)
        self._rest(error)

    def _rests(self) -> bool:
        return rests(self._resting_until, self._clock(), at_most=NO_EXECUTOR_RETRY_SECONDS)

    def _rest(self, error: ExecutorUnavailableError) -> None:
        self._resting_until = self._clock() + timedelta(seconds=NO_EXECUTOR_RETRY_SECONDS)
        logger.error("analyses wait: %s", error)

    def _put_back(self, job: AnalysisJob, code: str, reason: str, wait: float) -> None:
        retry_at = self._clock() + timedelta(seconds=wait)
        self._journal.fail_analysis(job, reason, retry_at=retry_at, counts=False)
        uid = job.study_instance_uid
        self._journal.note_event(Severity.ERROR, code, reason, study_instance_uid=uid)
        logger.error("study %s: not analysed: %s", uid, reason)

    def _fail(self, lane: _Lane, job: AnalysisJob, order: WorkOrder | None, reason: str) -> None:
        """Try again later; after the last attempt write the study up as declined, which may fail as well."""
        settings = self._config.execution
        if order is not None and order.failure:
            self._journal.fail_analysis(job, order.failure, retry_at=None)
            return
        given_up = job.attempts >= settings.max_attempts
        if given_up and order is not None and not self._stopping:
            limit = min(order.time_limit_seconds, DECLINE_SECONDS)
            self._decline(lane, job, replace(order, failure=reason, time_limit_seconds=limit))
        else:
            retry_at = None if given_up else self._clock() + timedelta(seconds=settings.retry_seconds)
            self._journal.fail_analysis(job, reason, retry_at=retry_at)
        ANALYSES.labels("attempt_failed").inc()
        logger.warning(
            "study %s: analysis failed, attempt %d of %d: %s",
            job.study_instance_uid,
            job.attempts,
            settings.max_attempts,
            reason,
        )

    def _decline(self, lane: _Lane, job: AnalysisJob, order: WorkOrder) -> None:
        try:
            self._submit(lane, job, order)
        except ExecutorUnavailableError:
            self._journal.fail_analysis(job, order.failure, retry_at=None)


def _is_full_disk(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _describe(error: Exception) -> str:
    """Name an error without quoting the data set: only our own errors' texts are free of patient data."""
    if isinstance(error, NodeError):
        return str(error)
    # a process pool sends the worker's traceback as the text of the cause
    trace = str(error.__cause__ or "") or "".join(traceback.format_tb(error.__traceback__))
    frames = re.findall(r'([^/"]+)", line (\d+), in (\w+)', trace)
    where = " at {}:{} in {}".format(*frames[-1]) if frames else ""
    return f"{type(error).__name__}{where}"
