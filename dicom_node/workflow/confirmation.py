"""Delivered means committed: has a destination confirm that it keeps what it accepted.

``confirm = "commitment"`` asks for storage commitment (PS3.4 annex J); the report comes when it comes
(`Journal.commitment_reported`). Without one in `commitment_hours`, or at a destination that takes no such
request, it is searched instead, as with ``confirm = "find"``: by C-FIND or QIDO-RS, instance by instance.
What the destination does not hold is sent again under the same UID.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

from pydicom.uid import generate_uid

from dicom_node.config import DeliverySettings, Destination
from dicom_node.errors import (
    ConfigurationError,
    NodeError,
    PermanentArchiveError,
    PermanentDeliveryError,
    TransientArchiveError,
    TransientDeliveryError,
)
from dicom_node.network.commitment import Reference, request_commitment
from dicom_node.network.dicomweb import DicomwebArchive
from dicom_node.network.peers import Peer, Timeouts
from dicom_node.network.query import ArchivePeer, DicomArchive, find_instances
from dicom_node.storage.commitments import Unconfirmed
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity
from dicom_node.workflow.pacing import FIRST_SEARCH_SECONDS, within_hours

__all__ = ["Confirmation"]

logger = logging.getLogger(__name__)

LAST_SEARCH_SECONDS = 600.0
"""Longest wait between two searches (assumption)."""

MOST_ROUNDS = 20
"""Questions in one turn, so that a turn ends."""


class Confirmation:
    """What one destination accepted and has yet to confirm."""

    def __init__(
        self,
        destination: Destination,
        settings: DeliverySettings,
        journal: Journal,
        *,
        calling_ae_title: str,
        clock: Clock = utc_now,
    ) -> None:
        self.name = destination.name
        self._destination = destination
        self._timeouts = Timeouts.of(settings)
        self._journal = journal
        self._calling_ae_title = calling_ae_title
        self._clock = clock

    def pump(self) -> None:
        """Ask about what is due, study by study, until the destination does not answer."""
        for _ in range(MOST_ROUNDS):
            if not within_hours(self._destination.hours, self._clock()):
                return
            due = self._journal.due_confirmations(self.name)
            if not due:
                return
            try:
                self._confirm(due)
            except (TransientDeliveryError, TransientArchiveError, ConfigurationError) as error:
                self._ask_later(due, error)
                return

    def _confirm(self, due: Sequence[Unconfirmed]) -> None:
        """Ask for a commitment of what was never asked about; search for what was, and by choice."""
        if self._destination.confirm == "find":
            self._search(due)
            return
        fresh = [row for row in due if not row.requested_at]
        overdue = [row for row in due if row.requested_at]
        if fresh:
            self._request(fresh)
        if overdue:
            hours = self._destination.commitment_hours
            self._search(overdue, instead=f"no storage commitment report in {hours:g} h")

    def _request(self, rows: Sequence[Unconfirmed]) -> None:
        transaction_uid = generate_uid(prefix=None)
        self._journal.begin_commitment(rows, transaction_uid)
        try:
            request_commitment(
                Peer.of(self._destination),
                [Reference(row.sop_class_uid, row.sop_instance_uid) for row in rows],
                transaction_uid,
                calling_ae_title=self._calling_ae_title,
                timeouts=self._timeouts,
                journal=self._journal,
            )
        except PermanentDeliveryError as error:
            self._search(rows, instead=f"storage commitment cannot be had ({error})")
            return
        wait = timedelta(hours=self._destination.commitment_hours)
        self._journal.commitment_requested(transaction_uid, overdue_at=self._clock() + wait)
        logger.info("storage commitment of %d objects asked from %s", len(rows), self.name)

    def _search(self, rows: Sequence[Unconfirmed], *, instead: str = "") -> None:
        """Settle rows by what the destination finds; `instead` says why it is not waited for any longer."""
        archive = self._archive()
        by_study = sorted(rows, key=lambda row: row.study_instance_uid)
        for study_instance_uid, of_study in groupby(by_study, key=lambda row: row.study_instance_uid):
            if instead:
                self._journal.note_event(
                    Severity.WARNING,
                    "commitment_missing",
                    f"to {self.name}: {instead}; it is searched for the objects",
                    study_instance_uid=study_instance_uid,
                )
            self._search_study(archive, study_instance_uid, list(of_study))

    def _search_study(
        self, archive: ArchivePeer, study_instance_uid: str, rows: Sequence[Unconfirmed]
    ) -> None:
        try:
            instances = find_instances(archive, study_instance_uid)
        except PermanentArchiveError as error:
            for row in rows:
                reason = f'cannot be confirmed ({error}); allow queries there or set confirm = "store"'
                self._journal.refuse_confirmation(row, reason, for_good=True)
            return
        found = {instance.sop_instance_uid for instance in instances}
        for row in rows:
            if row.sop_instance_uid in found:
                self._journal.confirm_delivery(row)
            elif self._is_overdue(row):
                self._journal.refuse_confirmation(row, "accepted and yet not found there")
            else:
                self._ask_later([row], TransientArchiveError("not found there yet"))

    def _is_overdue(self, row: Unconfirmed) -> bool:
        """Whether nothing more is to be hoped for: of a search after a commitment request, or of time."""
        age = self._clock() - datetime.fromisoformat(row.stored_at)
        return self._destination.confirm == "commitment" or age >= timedelta(
            hours=self._destination.commitment_hours
        )

    def _archive(self) -> ArchivePeer:
        destination = self._destination
        if destination.url is None:
            return DicomArchive(Peer.of(destination), self._calling_ae_title, self._timeouts)
        return DicomwebArchive(
            destination.url,
            username=destination.username,
            password_file=destination.password_file,
            token_file=destination.token_file,
            tls=destination.tls,
            connect_seconds=self._timeouts.connect,
            response_seconds=self._timeouts.response,
        )

    def _ask_later(self, rows: Sequence[Unconfirmed], error: NodeError) -> None:
        tries = max(row.verifications for row in rows)
        wait = min(FIRST_SEARCH_SECONDS * 2.0 ** min(tries, 16), LAST_SEARCH_SECONDS)
        self._journal.confirm_later(rows, self._clock() + timedelta(seconds=wait), reason=str(error))
