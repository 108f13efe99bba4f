"""Everything that watches a running node, as one part of its service: monitoring port and audit trail."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from analysis import __version__
from dicom_node.config import NodeConfig
from dicom_node.errors import ConfigurationError
from dicom_node.network.questions import questions_told_to
from dicom_node.observe.audit import AuditTrail
from dicom_node.observe.collector import NodeMetrics
from dicom_node.storage.archive import Archive
from dicom_node.storage.figures import can_write
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity
from dicom_node.web.monitoring import Check, MonitoringServer
from dicom_node.workflow.schedule import Schedule

__all__ = ["Observation"]

logger = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=10)
"""A job that has not ended a run for so long beyond its period hangs."""


class Observation:
    """The monitoring port and the audit trail of a service.

    Parameters
    ----------
    listens : callable
        Whether the receiver takes connections.
    warm : threading.Event
        Set once the workers can analyse at once.

    Attributes
    ----------
    audit : AuditTrail
    """

    def __init__(
        self,
        config: NodeConfig,
        archive: Archive,
        journal: Journal,
        *,
        listens: Callable[[], bool],
        warm: threading.Event,
    ) -> None:
        self._config = config
        self._archive = archive
        self._journal = journal
        self._listens = listens
        self._warm = warm
        self._schedule: Schedule | None = None
        self._server: MonitoringServer | None = None
        self._listening = ExitStack()
        self.audit = AuditTrail(config, archive, journal)

    @property
    def jobs(self) -> Mapping[str, Callable[[], object]]:
        """What the clock does for auditors."""
        return {"audit": self.audit.run} if self.audit.is_on else {}

    def start(self, schedule: Schedule) -> None:
        """Begin the audit trail and open the monitoring port.

        A port that cannot be had does not keep the node from its work: it is said, and monitoring misses it.

        Raises
        ------
        ConfigurationError
            If ``[audit]`` names files that cannot be used.
        """
        self.audit.begin()
        if self.audit.is_on:
            self._listening.enter_context(questions_told_to(self.audit.asked))
        self._schedule = schedule
        if not self._config.monitoring.enabled:
            return
        server = MonitoringServer(
            self._config.monitoring,
            NodeMetrics(
                self._archive.journal_path,
                self._archive.data_dir,
                min_free_bytes=self._config.receiver.min_free_bytes,
                last_runs=schedule.last_runs,
            ),
            health=self._health(schedule),
            readiness=self._readiness(),
            details=self._details,
        )
        try:
            server.start()
        except ConfigurationError as error:
            logger.error("no monitoring: %s", error)
            self._journal.note_event(Severity.ERROR, "monitoring_unavailable", str(error))
        else:
            self._server = server

    def stop(self) -> None:
        """Close the port and end the audit trail; called when nothing is received or sent any more."""
        self._listening.close()
        if self._server is not None:
            self._server.stop()
        try:
            self.audit.end()
        except (OSError, sqlite3.Error) as error:  # a full disk must not keep the node from stopping
            logger.error("the audit trail's end is not recorded: %s", error)

    @property
    def port(self) -> int:
        """The monitoring port; 0 if there is none."""
        return self._server.port if self._server else 0

    def _health(self, schedule: Schedule) -> Mapping[str, Check]:
        return {
            "receiver": lambda: "" if self._listens() else "the receiver does not listen; restart the node",
            "clock": lambda: "" if schedule.running else "the clock has stopped; restart the node",
            "jobs": lambda: _hanging(schedule.overdue(PATIENCE)),
        }

    def _readiness(self) -> Mapping[str, Check]:
        return {
            "receiver": lambda: "" if self._listens() else "the receiver does not listen",
            "workers": lambda: "" if self._warm.is_set() else "the workers are still starting",
            "journal": lambda: can_write(self._archive.journal_path),
            "disk": lambda: (
                "" if self._archive.has_room(0) else "free space is below [receiver] min_free_bytes"
            ),
        }

    def _details(self) -> Mapping[str, Any]:
        runs = self._schedule.last_runs() if self._schedule else {}
        return {
            "version": __version__,
            "jobs": {
                name: {
                    "last_run_ended_at": run.ended_at.isoformat(timespec="seconds"),
                    "seconds": round(run.seconds, 3),
                    "error": run.error,
                    "failures": run.failures,
                }
                for name, run in runs.items()
            },
        }


def _hanging(jobs: list[str]) -> str:
    return f"no run ended for long: {', '.join(jobs)}; restart the node" if jobs else ""
