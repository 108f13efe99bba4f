"""Asks an archive how many objects it has of the studies that are arriving: silence alone proves nothing.

The answers are journalled and `dicom_node.workflow.completion` reads them there, so that a slow archive holds
up nobody but the studies it is asked about.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from dicom_node.errors import ArchiveError
from dicom_node.network.query import ArchivePeer, count_instances, find_instances
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Study, StudyState

__all__ = ["ArchiveCount"]

logger = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 15.0
"""Between two questions about one study that is short of the archive's count (assumption)."""


class ArchiveCount:
    """The questions to one archive.

    Parameters
    ----------
    name : str
        The archive's name in the configuration.
    settled_seconds : float
        A study is asked about when nothing new has come for so long.
    open_associations : callable
        Number of associations still open that have fed a study, by Study Instance UID.
    """

    def __init__(
        self,
        journal: Journal,
        name: str,
        archive: ArchivePeer,
        *,
        settled_seconds: float,
        open_associations: Callable[[str], int],
        clock: Clock = utc_now,
    ) -> None:
        self._journal = journal
        self._name = name
        self._archive = archive
        self._settled_seconds = settled_seconds
        self._open_associations = open_associations
        self._clock = clock

    def ask(self) -> int:
        """Ask about every study that is due; return how many."""
        due = [study for study in self._journal.studies_in_state(StudyState.RECEIVING) if self._is_due(study)]
        for study in due:
            self._ask(study.study_instance_uid)
        return len(due)

    def _is_due(self, study: Study) -> bool:
        uid = study.study_instance_uid
        if 0 <= self._seconds_since(study.last_received_at) < self._settled_seconds:
            return False
        if self._open_associations(uid):
            return False
        count = self._journal.expected_count(uid)
        if count is None or count.archive != self._name or count.asked_at < study.last_received_at:
            return True
        if count.instances is not None and count.instances <= self._journal.count_inputs(uid):
            return False
        return not 0 <= self._seconds_since(count.asked_at) < ASK_AGAIN_SECONDS

    def _ask(self, uid: str) -> None:
        try:
            instances = self._count(uid)
        except ArchiveError as error:
            self._journal.record_count(uid, self._name, None, problem=str(error))
            logger.warning("study %s: %s does not say how many objects it has: %s", uid, self._name, error)
        else:
            self._journal.record_count(uid, self._name, instances)

    def _count(self, uid: str) -> int:
        """Return how many objects the archive has that are not results of ours."""
        own = {result.sop_instance_uid for result in self._journal.results(uid)}
        if not own:
            return count_instances(self._archive, uid)
        return sum(item.sop_instance_uid not in own for item in find_instances(self._archive, uid))

    def _seconds_since(self, moment: str) -> float:
        return (self._clock() - datetime.fromisoformat(moment)).total_seconds()
