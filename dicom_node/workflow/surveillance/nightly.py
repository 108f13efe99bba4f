"""Has surveillance run once a night: as a process of its own, which needs what the node does not load."""

from __future__ import annotations

from datetime import datetime, timedelta

from dicom_node.config import NodeConfig
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.workflow.background import BackgroundCommand

__all__ = ["PERIOD_SECONDS", "NightlySurveillance", "surveillance_due"]

PERIOD_SECONDS = 60.0


class NightlySurveillance:
    """Work for the clock (`dicom_node.workflow.schedule`)."""

    def __init__(self, config: NodeConfig, journal: Journal, *, clock: Clock = utc_now) -> None:
        self._config = config
        self._journal = journal
        self._clock = clock
        self._run = BackgroundCommand(config.path, "surveillance", "run")

    def look(self) -> None:
        """Start the night's run if it is due; a night that the node slept through is made up for."""
        if not self._run.is_running() and surveillance_due(self._journal, self._config, self._clock()):
            self._run.start()

    def stop(self) -> None:
        """End the run that is under way; the next start makes up for it."""
        self._run.stop()


def surveillance_due(journal: Journal, config: NodeConfig, now: datetime) -> bool:
    """Whether no run has begun since the hour of the last night."""
    settings = config.surveillance
    if not settings.enabled:
        return False
    hour = now.replace(hour=settings.hour, minute=0, second=0, microsecond=0)
    night = hour if hour <= now else hour - timedelta(days=1)
    runs = journal.surveillance_runs(1)
    return not runs or datetime.fromisoformat(runs[0].started_at) < night
