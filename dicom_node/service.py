"""The node as one object: receiver, workers, deliveries and clock over one data directory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from typing import IO

from dicom_node.config import NodeConfig
from dicom_node.diagnosis import check_analysis_files, check_data_dir_place
from dicom_node.network.receiver import Receiver
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal, lease_owner
from dicom_node.workflow.completion import Completion
from dicom_node.workflow.delivery import DeliveryQueue
from dicom_node.workflow.execution import Execution, Work
from dicom_node.workflow.schedule import Schedule
from dicom_node.workflow.worker import analyze_study, new_worker

__all__ = ["Service"]

logger = logging.getLogger(__name__)

STOP_GRACE_SECONDS = 15.0
"""How long `Service.stop` lets running analyses end."""


class Service:
    """A node that can be started once and stopped once.

    Parameters
    ----------
    config : NodeConfig
    work, make_executor : callable
        What a worker does, and where; see `dicom_node.workflow.execution.Execution`.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        work: Work = analyze_study,
        make_executor: Callable[[], Executor] = new_worker,
    ) -> None:
        self._config = config
        self._work = work
        self._make_executor = make_executor

    def start(self) -> None:
        """Lock the data directory, take back what a dead node left, and begin to receive.

        Raises
        ------
        ConfigurationError
            If a file of ``[analysis]`` is damaged, the data directory is ill placed or held by another node,
            or the port cannot be bound.
        """
        config = self._config
        check_data_dir_place(config)
        check_analysis_files(config.analysis)
        self._archive = Archive(config.node.data_dir, min_free_bytes=config.receiver.min_free_bytes)
        self._lock: IO[bytes] = self._archive.lock()
        try:
            self._archive.sweep()
            self._journal = Journal(self._archive.journal_path)
            self._owner = lease_owner()
            recovered = self._journal.recover(self._owner)
            self._receiver = Receiver(config.node, config.receiver, self._archive, self._journal)
            self._receiver.start()
        except BaseException:
            self._lock.close()
            raise
        self._start_workflow()
        if recovered:
            logger.warning("%d interrupted analyses and deliveries are queued again", recovered)

    def stop(self) -> None:
        """Stop receiving, let what runs end within a grace time, release all leases."""
        self._receiver.stop()
        for queue in self._queues:
            queue.stop()
        self._schedule.stop()
        self._execution.stop(STOP_GRACE_SECONDS)
        self._journal.recover(owner="")
        self._journal.close()
        self._lock.close()
        logger.info("stopped")

    @property
    def port(self) -> int:
        """The TCP port that is listened at."""
        return self._receiver.port

    @property
    def journal(self) -> Journal:
        """The journal of the running node."""
        return self._journal

    def _start_workflow(self) -> None:
        config, archive, journal = self._config, self._archive, self._journal
        self._queues = [
            DeliveryQueue(
                destination,
                config.delivery,
                archive,
                journal,
                calling_ae_title=config.node.ae_title,
                owner=self._owner,
            )
            for destination in config.destinations
        ]
        self._execution = Execution(
            config,
            archive,
            journal,
            owner=self._owner,
            work=self._work,
            make_executor=self._make_executor,
            on_results=self._wake_deliveries,
        )
        completion = Completion(
            journal,
            quiet_seconds=config.completion.quiet_seconds,
            open_associations=self._receiver.open_associations,
        )
        self._schedule = Schedule(
            {
                "completion": completion.check,
                "execution": self._execution.pump,
                **{_job_name(queue.name): queue.pump for queue in self._queues},
            }
        )
        self._schedule.start()

    def _wake_deliveries(self) -> None:
        for queue in self._queues:
            self._schedule.wake(_job_name(queue.name))


def _job_name(destination: str) -> str:
    return f"delivery to {destination}"
