"""The node as one object: receiver, workers, deliveries and clock over one data directory."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

from dicom_node.config import NodeConfig
from dicom_node.console_process import ConsoleProcess
from dicom_node.data_directory import check_data_directory
from dicom_node.diagnosis import (
    check_analysis_files,
    check_report_choices,
    check_route_files,
)
from dicom_node.network.certificates import (
    LOOK_SECONDS,
    CertificateWatch,
    ServerCertificate,
    shown_certificates,
)
from dicom_node.network.peers import Timeouts
from dicom_node.network.receiver import Entrance, Receiver
from dicom_node.observe.notifications import Notifications
from dicom_node.observe.observation import Observation
from dicom_node.storage.archive import Archive
from dicom_node.storage.jobs import JOB_BOARD
from dicom_node.storage.journal import Journal, lease_owner
from dicom_node.storage.running_mark import RunningMark
from dicom_node.storage.soundness import begin_check, open_journal
from dicom_node.workflow.adoption import adopt_after_power_failure
from dicom_node.workflow.clinical_import.fhir_job import PERIOD_SECONDS as FHIR_SECONDS
from dicom_node.workflow.clinical_import.fhir_job import FhirJob
from dicom_node.workflow.commitment import CommitmentService
from dicom_node.workflow.completion import Completion
from dicom_node.workflow.delivery import DeliveryQueue
from dicom_node.workflow.execution import JOB_NAME as EXECUTION_JOB
from dicom_node.workflow.execution import Execution, Work
from dicom_node.workflow.housekeeping import PERIOD_SECONDS as HOUSEKEEPING_SECONDS
from dicom_node.workflow.housekeeping import Housekeeping
from dicom_node.workflow.job_board import JobBoard
from dicom_node.workflow.learning.job import PERIOD_SECONDS as LEARNING_SECONDS
from dicom_node.workflow.learning.job import LearningJob
from dicom_node.workflow.opinions import Opinions
from dicom_node.workflow.reprocess_runner import JOB_NAME as REPROCESSING_JOB
from dicom_node.workflow.reprocess_runner import ReprocessRunner
from dicom_node.workflow.routing import Router
from dicom_node.workflow.schedule import Schedule
from dicom_node.workflow.search_facts import JOB_NAME as SEARCH_JOB
from dicom_node.workflow.search_facts import SearchFacts
from dicom_node.workflow.surveillance.nightly import PERIOD_SECONDS as SURVEILLANCE_SECONDS
from dicom_node.workflow.surveillance.nightly import NightlySurveillance
from dicom_node.workflow.watch import PERIOD_SECONDS as WATCH_SECONDS
from dicom_node.workflow.watch import Watch
from dicom_node.workflow.worker import analyze_study, new_worker

__all__ = ["Service"]

logger = logging.getLogger(__name__)

SOUNDNESS_WAIT_SECONDS = 2.5
"""How long the start waits for the journal's check; half of the five seconds in which a node is to serve."""

STOP_GRACE_SECONDS = 15.0
"""How long `Service.stop` lets running analyses end."""


class Service:
    """A node that can be started once and stopped once.

    Parameters
    ----------
    config : NodeConfig
    work, make_executor : callable
        What a worker does, and where; see `dicom_node.workflow.execution.Execution`. By default, what
        ``[execution] executor`` says.

    Attributes
    ----------
    journal : Journal
        The running node's journal.
    """

    journal: Journal

    def __init__(
        self,
        config: NodeConfig,
        *,
        work: Work = analyze_study,
        make_executor: Callable[[], Executor] | None = None,
    ) -> None:
        self._config = config
        self._work = work
        self._make_executor = make_executor
        self._stop_asking: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Lock the data directory, take back what a dead node left, and begin to receive.

        Raises
        ------
        ConfigurationError
            If a file of ``[analysis]`` is damaged, the data directory is ill placed or held by another node,
            or the port cannot be bound.
        """
        config = self._config
        check_data_directory(config.node.data_dir)
        check_analysis_files(config.analysis)
        check_report_choices(config)
        for route in config.routes:
            check_route_files(route, config.analysis)
        with ExitStack() as undo:
            archive = Archive(config.node.data_dir, min_free_bytes=config.receiver.min_free_bytes)
            undo.enter_context(archive.lock())
            archive.sweep()
            soundness = begin_check(archive, self._stop_damaged)
            journal = open_journal(archive)
            journal.analysed_version = config.receiver.analysed_version
            undo.callback(journal.close)
            soundness.require_sound(wait_seconds=SOUNDNESS_WAIT_SECONDS)
            self._mark = RunningMark(config.node.data_dir)
            if self._mark.machine_failed():
                adopt_after_power_failure(archive, journal)
            self._mark.set()
            owner = lease_owner()
            self._housekeeping = Housekeeping(config, archive)
            undo.callback(self._housekeeping.close)
            self._housekeeping.begin()
            recovered = journal.recover(owner)
            if recovered:
                logger.warning("%d interrupted analyses and deliveries are queued again", recovered)
            journal.bury_unserved([destination.name for destination in config.destinations])
            self._build(archive, journal, owner)
            self._observation.start(self._schedule)
            undo.callback(self._observation.stop)
            self._receiver.start()
            if self._console is not None:
                self._console.open()
                undo.callback(self._console.stop)
            self._schedule.start()
            self._undo = undo.pop_all()
        self.journal = journal

    def stop(self) -> None:
        """Stop receiving, let what runs end within a grace time, release all leases."""
        self._receiver.stop()
        for queue in self._queues:
            queue.stop()
        self._stop_asking()
        self._schedule.stop()
        self._surveillance.stop()
        self._learning.stop()
        self._fhir.stop()
        self._board.flush()
        for queue in self._queues:
            queue.close()
        self._execution.stop(STOP_GRACE_SECONDS)
        self.journal.recover(owner="")
        try:
            self.journal.flush()
            self._mark.remove()
        except OSError:
            logger.exception(
                "the journal is not flushed: after a failure of the machine the archive is searched"
            )
        self._undo.close()
        logger.info("stopped")

    def _stop_damaged(self, what: str) -> None:
        """Stop a node whose journal turned out to be damaged when it was serving already."""
        logger.critical("%s", what)
        os.kill(os.getpid(), signal.SIGTERM)

    @property
    def warm(self) -> threading.Event:
        """Set once the workers can analyse at once; what is received before waits for it."""
        return self._execution.warm

    @property
    def port(self) -> int:
        """The TCP port that is listened at."""
        return self._receiver.port

    @property
    def ports(self) -> list[int]:
        """Every TCP port that is listened at: the plain one first if there is one, then that for TLS."""
        return self._receiver.ports

    @property
    def console_port(self) -> int:
        """The console's TCP port; 0 if there is none."""
        return self._console.port if self._console else 0

    def _build(self, archive: Archive, journal: Journal, owner: str) -> None:
        """Make every part and the clock that turns them; none of it runs yet."""
        config = self._config
        receiving = self._receiving(archive, journal)
        delivering = self._delivering(archive, journal, owner)
        analysing = self._analysing(archive, journal, owner)
        self._observation = Observation(
            config,
            archive,
            journal,
            listens=lambda: bool(self._receiver.ports),
            warm=self._execution.warm,
        )
        self._surveillance = NightlySurveillance(config, journal)
        self._learning = LearningJob(config, journal)
        self._fhir = FhirJob(config, journal)
        self._console = ConsoleProcess(config, journal) if config.console.enabled else None
        self._board = JobBoard(journal)
        self._schedule = Schedule(
            {
                JOB_BOARD: self._board.exchange,
                **self._observation.jobs,
                **self._counts(journal),
                **self._asking(archive, journal, owner),
                "retrievals that nobody serves": lambda: journal.give_up_unserved(
                    [item.name for item in config.archives]
                ),
                **analysing,
                **self._housekeeping.jobs,
                **delivering,
                **self._notifications(archive, journal),
                SEARCH_JOB: SearchFacts(archive, journal).pump,
                **({"console": self._console.watch} if self._console else {}),
                "surveillance": self._surveillance.look,
                "learning": self._learning.look,
                **self._fhir.jobs,
                **receiving,
            },
            periods={
                "commitment promises": 3600.0,
                "certificate expiry": LOOK_SECONDS,
                "watch": WATCH_SECONDS,
                "surveillance": SURVEILLANCE_SECONDS,
                "learning": LEARNING_SECONDS,
                **dict.fromkeys(self._fhir.jobs, FHIR_SECONDS),
                **dict.fromkeys(self._housekeeping.jobs, HOUSEKEEPING_SECONDS),
            },
            on_run=self._board.note,
        )
        self._board.begin(self._schedule)

    def _receiving(self, archive: Archive, journal: Journal) -> dict[str, Callable[[], object]]:
        """Make the receiver; return the jobs that keep its promises and its certificates."""
        config = self._config
        commitment = CommitmentService(
            config.commitment, config.peers, archive, journal, timeouts=Timeouts.of(config.delivery)
        )
        certificate = ServerCertificate(config.tls, journal) if config.tls.enabled else None
        certificates = CertificateWatch(shown_certificates(config), journal)
        certificates.look()
        self._receiver = Receiver(
            config.node,
            config.receiver,
            archive,
            journal,
            access=config.access,
            peers=config.peers,
            handlers=commitment.handlers,
            entrances=_entrances(config, certificate),
        )
        return {
            "commitment reports": commitment.pump,
            "commitment promises": commitment.end_promises,
            "certificate expiry": certificates.look,
            **({"certificate reload": certificate.reload_if_changed} if certificate else {}),
        }

    def _analysing(self, archive: Archive, journal: Journal, owner: str) -> dict[str, Callable[[], object]]:
        """Make what turns received studies into results; return its jobs."""
        config = self._config
        router = Router(config.routes, archive, journal)
        completion = Completion(
            journal,
            router,
            config.completion,
            open_associations=self._receiver.open_associations,
            look_at_returned=Opinions(archive, journal).look,
            on_complete=partial(self._wake_with_deliveries, EXECUTION_JOB),
        )
        self._execution = Execution(
            config,
            archive,
            journal,
            owner=owner,
            work=self._work,
            make_executor=self._make_executor or _executor_maker(config, archive),
            on_results=partial(self._wake_with_deliveries, REPROCESSING_JOB),
        )
        reprocessing = ReprocessRunner(
            config, journal, router, open_associations=self._receiver.count_associations
        )
        reprocessing.begin()
        return {
            "completion": completion.check,
            EXECUTION_JOB: self._execution.pump,
            REPROCESSING_JOB: reprocessing.pump,
        }

    def _delivering(self, archive: Archive, journal: Journal, owner: str) -> dict[str, Callable[[], object]]:
        """Make a queue for each destination; return the jobs that send and those that have it confirmed."""
        config = self._config
        self._queues = [
            DeliveryQueue(
                destination,
                config.delivery,
                archive,
                journal,
                calling_ae_title=config.node.ae_title,
                owner=owner,
            )
            for destination in config.destinations
        ]
        return {
            **{_job_name(queue.name): queue.pump for queue in self._queues},
            **self._confirmations(journal),
        }

    def _confirmations(self, journal: Journal) -> dict[str, Callable[[], object]]:
        """The jobs that have destinations confirm what they accepted."""
        config = self._config
        confirmed = [item for item in config.destinations if item.confirm != "store"]
        if not confirmed:
            return {}
        from dicom_node.workflow.confirmation import Confirmation

        return {
            f"confirmation at {destination.name}": Confirmation(
                destination, config.delivery, journal, calling_ae_title=config.node.ae_title
            ).pump
            for destination in confirmed
        }

    def _notifications(self, archive: Archive, journal: Journal) -> dict[str, Callable[[], object]]:
        """The jobs that see what somebody must know, and tell it."""
        config = self._config
        stuck_after = timedelta(minutes=config.notifications.stuck_study_minutes)
        jobs: dict[str, Callable[[], object]] = {
            "watch": Watch(archive, journal, stuck_after=stuck_after).look
        }
        notifications = Notifications(config.notifications, journal, node=config.node.ae_title)
        return {**jobs, "notifications": notifications.pump} if notifications.enabled else jobs

    def _counts(self, journal: Journal) -> dict[str, Callable[[], object]]:
        """The job that asks the archive of ``[completion] count_at``, if there is one."""
        config = self._config
        if config.completion.count_at is None:
            return {}
        from dicom_node.network.query import archive_peer
        from dicom_node.workflow.counting import ArchiveCount

        archive = config.archive(config.completion.count_at)
        count = ArchiveCount(
            journal,
            archive.name,
            archive_peer(archive, config.retrieval, config.node.ae_title),
            settled_seconds=config.completion.settled_seconds,
            open_associations=self._receiver.open_associations,
        )
        return {f"count at {archive.name}": count.ask}

    def _asking(self, archive: Archive, journal: Journal, owner: str) -> Mapping[str, Callable[[], object]]:
        """The jobs that ask archives for studies; nothing of it is loaded where none is configured."""
        if not self._config.archives:
            return {}
        from dicom_node.workflow.asking import Asking

        asking = Asking(
            self._config,
            archive,
            journal,
            owner=owner,
            wake=lambda name: self._schedule.wake(name),  # noqa: PLW0108 - the schedule is made of these jobs
        )
        self._stop_asking = asking.stop
        return asking.jobs

    def _wake_with_deliveries(self, job: str) -> None:
        """Run a job now, and send what there is: results, or originals that a route passes on."""
        self._schedule.wake(job)
        for queue in self._queues:
            self._schedule.wake(_job_name(queue.name))


def _executor_maker(config: NodeConfig, archive: Archive) -> Callable[[], Executor]:
    if config.execution.executor == "processes":
        return new_worker
    from dicom_node.workflow.cluster import ClusterExecutor

    return partial(ClusterExecutor, config.execution, archive)


def _entrances(config: NodeConfig, certificate: ServerCertificate | None) -> list[Entrance]:
    """Where to listen: without TLS first, as long as the configuration wants that."""
    host = config.node.host
    entrances = [Entrance(host, config.node.port)] if config.tls.plain else []
    if certificate is not None:
        entrances.append(Entrance(host, config.tls.port, "[tls]", certificate.secure))
    return entrances


def _job_name(destination: str) -> str:
    return f"delivery to {destination}"
