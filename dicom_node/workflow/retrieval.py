"""Fetches studies from archives: one `RetrievalQueue` per archive, so that one that is down delays no other.

Before each attempt the archive is asked what it has of the study; what is not here yet is fetched, and
afterwards the journal says what of that has arrived. What may pass is tried again with back-off, so often;
whatever came until then is kept and not fetched twice.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from dicom_node.config import RemoteArchive, RetrievalSettings
from dicom_node.errors import (
    ArchiveError,
    ConfigurationError,
    PermanentArchiveError,
    TransientArchiveError,
)
from dicom_node.faults import reach
from dicom_node.network.admission import StoreRequest
from dicom_node.network.query import ArchivePeer, FoundInstance, archive_peer, find_instances
from dicom_node.network.retrieve import RetrieveReport, retrieve
from dicom_node.network.storing import StorageService
from dicom_node.observe.metrics import RETRIEVALS
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.retrievals import RetrievalJob, RetrievalPurpose

__all__ = ["RetrievalQueue"]

logger = logging.getLogger(__name__)

LEASE_SECONDS = 3600.0
"""Longer than a study takes; the next start takes back what a dead node had claimed."""

ARRIVAL_SECONDS = 30.0
"""How long objects are waited for after a C-MOVE that an archive answers before it has sent everything."""


@dataclass
class _Asked:
    """The archive as where objects come from, see `dicom_node.network.storing.Origin`."""

    calling_ae: str
    called_ae: str
    address: str
    association_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    studies: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Attempt:
    """What one attempt amounted to."""

    expected: int | None
    """Objects that were missing before; None if the archive did not say."""
    received: int
    problem: ArchiveError | None


class RetrievalQueue:
    """What is to be fetched from one archive.

    Parameters
    ----------
    first : bool
        Whether this archive also serves what is wanted from `retrievals.FIRST_ARCHIVE`.
    storage : StorageService
        Keeps what comes.
    owner : str
        This process's name on leases.
    """

    def __init__(
        self,
        archive: RemoteArchive,
        settings: RetrievalSettings,
        journal: Journal,
        storage: StorageService,
        *,
        calling_ae_title: str,
        owner: str,
        first: bool = True,
        clock: Clock = utc_now,
    ) -> None:
        self.name = archive.name
        self._archive = archive
        self._settings = settings
        self._journal = journal
        self._storage = storage
        self._calling_ae_title = calling_ae_title
        self._owner = owner
        self._first = first
        self._clock = clock
        self._stopping = threading.Event()

    def pump(self) -> None:
        """Fetch everything that is due, study by study."""
        while not self._stopping.is_set():
            job = self._journal.claim_retrieval(
                self.name, owner=self._owner, lease_seconds=LEASE_SECONDS, first=self._first
            )
            if job is None:
                return
            reach("retrieval.after_claim")
            self._carry_out(job)

    def stop(self) -> None:
        """Claim nothing more; what is being fetched is finished."""
        self._stopping.set()

    def _carry_out(self, job: RetrievalJob) -> None:
        attempt = self._attempt(job)
        reach("retrieval.before_finish")
        if attempt.problem is None:
            RETRIEVALS.labels(self.name, "done").inc()
            self._journal.finish_retrieval(
                job, archive=self.name, expected=attempt.expected or 0, received=attempt.received
            )
            logger.info("study %s: %d objects from %s", job.study_instance_uid, attempt.received, self.name)
            return
        reason = f"{self.name}: {attempt.problem}"
        given_up = job.attempts >= self._settings.max_attempts
        if given_up or isinstance(attempt.problem, PermanentArchiveError):
            RETRIEVALS.labels(self.name, "failed").inc()
            self._journal.give_up_retrieval(
                job, reason=reason, expected=attempt.expected, received=attempt.received
            )
            logger.error("study %s: not fetched: %s", job.study_instance_uid, reason)
            return
        RETRIEVALS.labels(self.name, "postponed").inc()
        moment = self._clock() + timedelta(seconds=self._backoff(job.attempts))
        self._journal.postpone_retrieval(
            job, moment, reason=reason, expected=attempt.expected, received=attempt.received
        )
        logger.warning(
            "study %s: fetched later, attempt %d: %s", job.study_instance_uid, job.attempts, reason
        )

    def _attempt(self, job: RetrievalJob) -> _Attempt:
        uid = job.study_instance_uid
        if self._journal.is_moot(job):
            return _Attempt(0, 0, None)
        missing: frozenset[str] | None = None
        try:
            peer = archive_peer(self._archive, self._settings, self._calling_ae_title)
            found = find_instances(peer, uid)
            missing = self._missing(job, found)
            report = retrieve(peer, uid, found, wanted=missing, keep=self._keeper(peer))
            self._wait_for_arrival(uid, missing, report)
            problem = self._shortage(job, found, missing, report)
        except ArchiveError as error:
            problem = error
        except ConfigurationError as error:  # a file of secrets or certificates, which may be mended any time
            problem = TransientArchiveError(str(error))
        if missing is None:
            return _Attempt(None, 0, problem)
        return _Attempt(len(missing), len(missing & self._journal.kept_instances(uid)), problem)

    def _missing(self, job: RetrievalJob, found: list[FoundInstance]) -> frozenset[str]:
        there = frozenset(instance.sop_instance_uid for instance in found)
        if job.purpose is RetrievalPurpose.ORIGINAL:
            return there & self._journal.released_instances(job.study_instance_uid)
        return there - self._journal.kept_instances(job.study_instance_uid)

    def _shortage(
        self,
        job: RetrievalJob,
        found: list[FoundInstance],
        missing: frozenset[str],
        report: RetrieveReport,
    ) -> ArchiveError | None:
        """Compare what was to come with what is here; say what is wrong, instance by instance."""
        uid = job.study_instance_uid
        if not found:
            return PermanentArchiveError("does not have this study, or does not show it to this node")
        if job.purpose is RetrievalPurpose.ORIGINAL:
            never = self._journal.released_instances(uid) - {item.sop_instance_uid for item in found}
            if never:
                return PermanentArchiveError(f"{len(never)} of the originals are no longer there")
        absent = missing - self._journal.kept_instances(uid)
        if not absent:
            return None
        reasons = sorted({report.problems.get(item, "it did not arrive") for item in absent})
        named = ", ".join([*sorted(absent)[:3], *(["..."] if len(absent) > 3 else [])])
        policy = PermanentArchiveError if absent <= report.refused else TransientArchiveError
        return policy(
            f"{len(absent)} of {len(missing)} objects did not come ({named}): {'; '.join(reasons[:3])}"
        )

    def _keeper(self, peer: ArchivePeer) -> Callable[[StoreRequest], int]:
        origin = _Asked(
            calling_ae=self._archive.ae_title or self.name,
            called_ae=self._calling_ae_title,
            address=self._archive.host or str(peer),
        )
        return lambda request: self._storage.take(request, origin).status

    def _wait_for_arrival(self, uid: str, missing: frozenset[str], report: RetrieveReport) -> None:
        if self._archive.type == "dicomweb" or self._archive.retrieve != "c-move":
            return
        deadline = time.monotonic() + ARRIVAL_SECONDS
        seen = -1
        while not self._stopping.is_set() and time.monotonic() < deadline:
            arrived = len(missing & self._journal.kept_instances(uid))
            if arrived + report.failed >= len(missing):
                return
            if arrived > seen:  # they keep coming
                seen, deadline = arrived, time.monotonic() + ARRIVAL_SECONDS
            self._stopping.wait(0.2)

    def _backoff(self, attempts: int) -> float:
        doublings = min(attempts - 1, 64)
        settings = self._settings
        return min(settings.max_retry_seconds, settings.first_retry_seconds * 2.0**doublings)
