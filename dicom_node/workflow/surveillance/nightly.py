"""Has surveillance run once a night: as a process of its own, which needs what the node does not load."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import datetime, timedelta

from dicom_node.config import NodeConfig
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.workflow.lifeline import NODE_VARIABLE

__all__ = ["PERIOD_SECONDS", "NightlySurveillance", "surveillance_due"]

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 60.0

STOP_SECONDS = 5.0


class NightlySurveillance:
    """Work for the clock (`dicom_node.workflow.schedule`)."""

    def __init__(self, config: NodeConfig, journal: Journal, *, clock: Clock = utc_now) -> None:
        self._config = config
        self._journal = journal
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Start the night's run if it is due; a night that the node slept through is made up for."""
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return
            if status:
                logger.error("the run of surveillance ended with status %d", status)
            self._process = None
        if surveillance_due(self._journal, self._config, self._clock()):
            self._process = self._start()

    def stop(self) -> None:
        """End the run that is under way; the next start makes up for it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "dicom_node", "surveillance", "run", "--background"),
                *("--config", str(self._config.path)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, NODE_VARIABLE: str(os.getpid())},
        )


def surveillance_due(journal: Journal, config: NodeConfig, now: datetime) -> bool:
    """Whether no run has begun since the hour of the last night."""
    settings = config.surveillance
    if not settings.enabled:
        return False
    hour = now.replace(hour=settings.hour, minute=0, second=0, microsecond=0)
    night = hour if hour <= now else hour - timedelta(days=1)
    runs = journal.surveillance_runs(1)
    return not runs or datetime.fromisoformat(runs[0].started_at) < night
