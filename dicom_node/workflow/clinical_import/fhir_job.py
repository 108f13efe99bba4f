"""Has the server of ``[fhir]`` asked: as a process of its own, which needs what the node does not load."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from dicom_node.config import NodeConfig
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity
from dicom_node.workflow.background import BackgroundCommand

__all__ = ["PERIOD_SECONDS", "FhirJob"]

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 60.0

RETRY = timedelta(minutes=15)
"""Least time between two runs: a server that is down is not asked all the time."""

PROBLEMS = 1
"""Exit status of a run that took what it could and names what it could not."""


class FhirJob:
    """Work for the clock (`dicom_node.workflow.schedule`)."""

    def __init__(self, config: NodeConfig, journal: Journal, *, clock: Clock = utc_now) -> None:
        self._config = config
        self._journal = journal
        self._clock = clock
        self._run = BackgroundCommand(config.path, "fhir", "fetch", on_failure=self._tell_failure)
        self._started_at: datetime | None = None

    @property
    def jobs(self) -> Mapping[str, Callable[[], object]]:
        """The clock's job by name; none where no server is configured."""
        return {"fhir": self.look} if self._config.fhir.url is not None else {}

    def look(self) -> None:
        """Start a run if one is due, see to one that has ended."""
        if not self._run.is_running() and self._is_due(self._clock()):
            self._started_at = self._clock()
            self._run.start()

    def stop(self) -> None:
        """End the run that is under way; the next one reads again what it had not finished."""
        self._run.stop()

    def _is_due(self, now: datetime) -> bool:
        if self._started_at is not None and timedelta() <= now - self._started_at < RETRY:
            return False
        last = self._journal.fhir_last_read(self._config.fhir.name)
        return not last or now - datetime.fromisoformat(last) >= timedelta(hours=self._config.fhir.hours)

    def _tell_failure(self, status: int) -> None:
        name = self._config.fhir.name
        if status == PROBLEMS:
            what = "has resources that could not be taken, or did not answer"
        else:
            what = f"could not be read (exit status {status})"
        message = f"the FHIR server {name} {what}; dicom-node fhir fetch says what it is"
        self._journal.note_event(Severity.WARNING, "fhir", message)
        logger.warning("%s", message)
