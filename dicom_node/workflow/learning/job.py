"""Starts a learning run by itself when enough was told since the last one: as a process of its own.

The run works at the lowest priority beside the node, so that no analysis waits for it, and ends with the
node.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import datetime, timedelta

from dicom_node.config import LearningSettings, NodeConfig
from dicom_node.config.delivering import hours_of
from dicom_node.errors import ConfigurationError
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.workflow.background import BackgroundCommand
from dicom_node.workflow.learning.run import BY_ITSELF, learning_lock

__all__ = ["PERIOD_SECONDS", "LearningJob", "learning_due"]

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 60.0

WAIT_AFTER_RUN = timedelta(hours=6)
"""Least time between two starts: a run that fails or is killed is not tried again and again all night."""


class LearningJob:
    """Work for the clock (`dicom_node.workflow.schedule`)."""

    def __init__(self, config: NodeConfig, journal: Journal, *, clock: Clock = utc_now) -> None:
        self._config = config
        self._journal = journal
        self._clock = clock
        self._run = BackgroundCommand(config.path, "learn", "run", "--by", BY_ITSELF)

    def look(self) -> None:
        """Start a run if one is due; a run whose process is gone counts as interrupted."""
        if self._run.is_running():
            return
        self._settle()
        if learning_due(self._journal, self._config.learning, self._clock()):
            logger.info("enough outcomes are new: a learning run starts")
            self._run.start()

    def stop(self) -> None:
        """End the run that is under way; it counts as interrupted."""
        self._run.stop()

    def _settle(self) -> None:
        """Mark a run whose process is gone; one that somebody else has under way holds the lock."""
        newest = self._journal.learning_runs(1)
        if newest and newest[0].state == "running":
            with (
                contextlib.suppress(ConfigurationError),
                learning_lock(self._config.node.data_dir / "learning"),
            ):
                self._journal.settle_learning()


def learning_due(journal: Journal, settings: LearningSettings, now: datetime) -> bool:
    """Whether a run is to start by itself: in its hours, not too soon, and with enough that is new."""
    begin, end = hours_of(settings.hours)
    time = now.time().replace(tzinfo=None)
    inside = begin <= time < end if begin < end else (time >= begin or time < end)
    if not settings.enabled or not inside:
        return False
    runs = journal.learning_runs()
    if runs and now - datetime.fromisoformat(runs[0].started_at) < WAIT_AFTER_RUN:
        return False
    learnt_from = next((run.last_outcome_id for run in runs if run.state in ("done", "declined")), 0)
    return journal.new_fractures(learnt_from) >= settings.minimum_new_fractures
