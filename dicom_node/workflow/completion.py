"""Decides when a study is complete: DIMSE never says "done".

A study is complete when nothing new has come for the quiet time *and* no association that fed it is open: a
slow sender is not cut off. The reason is journalled. A late object opens the study again, and a new analysis
follows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Study, StudyState

__all__ = ["Completion"]

logger = logging.getLogger(__name__)


class Completion:
    """Closes studies that have gone quiet and queues their analyses.

    Parameters
    ----------
    quiet_seconds : float
        How long nothing new must have come.
    open_associations : callable
        Number of associations still open that have fed a study, by Study Instance UID.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        quiet_seconds: float,
        open_associations: Callable[[str], int],
        clock: Clock = utc_now,
    ) -> None:
        self._journal = journal
        self._quiet_seconds = quiet_seconds
        self._open_associations = open_associations
        self._clock = clock
        self._started = clock()

    def check(self) -> int:
        """Close every study that is complete now; return how many."""
        closed = 0
        for study in self._journal.studies_in_state(StudyState.RECEIVING):
            reason = self._why_complete(study)
            if reason and self._journal.complete_study(study, reason):
                logger.info("study %s: complete, %s", study.study_instance_uid, reason)
                closed += 1
        return closed

    def _why_complete(self, study: Study) -> str:
        """Return why the study is complete, or an empty text while it is not."""
        # a restart cut every association: the sender gets the quiet time to connect again and go on
        last_sign = max(datetime.fromisoformat(study.last_received_at), self._started)
        quiet = (self._clock() - last_sign).total_seconds()
        # a negative time means that the clock was set back: only the associations can tell then
        if 0 <= quiet < self._quiet_seconds or self._open_associations(study.study_instance_uid):
            return ""
        if quiet < 0:
            return "no open association feeds it; the clock was set back, so the quiet time is unknown"
        return f"nothing new for {self._quiet_seconds:g} s and no open association feeds it"
