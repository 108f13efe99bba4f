"""Storage Commitment as a provider: look whether objects are kept, and tell whoever asked (PS3.4 annex J).

Commitment is a promise, so an object counts only when its journal row is there and its file, read back, has
the digest that was journalled. The answer goes out on the association of the request while that is open and
quiet, else on one of the node's own, tried again for days.
"""

from __future__ import annotations

import hashlib
import logging
import random
import select
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from weakref import WeakKeyDictionary

from pydicom.uid import UID
from pynetdicom.dsutils import encode, split_dataset

from dicom_node.config import CommitmentSettings, PeerSettings
from dicom_node.errors import DeliveryError, RejectedInput, TransientDeliveryError
from dicom_node.network.association import Association, Handler, Message
from dicom_node.network.commitment import (
    CLASS_INSTANCE_CONFLICT,
    INVALID_ARGUMENT_VALUE,
    NO_SUCH_OBJECT_INSTANCE,
    PROCESSING_FAILURE,
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    REQUEST_COMMITMENT,
    CommitmentReport,
    FailedReference,
    Reference,
    event_information,
    parse_request,
    send_report,
    take_report,
)
from dicom_node.network.dimse import CommandField, Reply, Tag, encode_command, response_to
from dicom_node.network.negotiation import AcceptedContext
from dicom_node.network.peers import Peer, Timeouts
from dicom_node.observe.metrics import COMMITMENT_REPORTS
from dicom_node.storage.archive import Archive
from dicom_node.storage.connection import utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.pledges import COMMITTED, Pledge, PledgeState
from dicom_node.storage.records import Severity

__all__ = ["CommitmentService"]

logger = logging.getLogger(__name__)

NO_SUCH_SOP_CLASS, NO_SUCH_ACTION, DUPLICATE_INVOCATION = 0x0118, 0x0123, 0x0210
"""PS3.7 annex C."""

QUIET_SECONDS = 0.2
"""A requester that has neither released nor sent anything for so long keeps its association for it."""

ANSWER_SECONDS = 5.0
"""Longest wait for the answer to a report on the association of the request (assumption)."""


class CommitmentService:
    """Handlers for the receiver, and a job for the schedule.

    Parameters
    ----------
    settings : CommitmentSettings
    peers : sequence of PeerSettings
        Where those who ask can be told later.
    archive, journal : Archive, Journal
        What is kept, and what was asked.
    timeouts : Timeouts
        Of the associations that the node opens to report.
    """

    def __init__(
        self,
        settings: CommitmentSettings,
        peers: Sequence[PeerSettings],
        archive: Archive,
        journal: Journal,
        *,
        timeouts: Timeouts,
    ) -> None:
        self._settings = settings
        self._peers = peers
        self._archive = archive
        self._journal = journal
        self._timeouts = timeouts
        self._reporting: WeakKeyDictionary[Association, dict[int, int]] = WeakKeyDictionary()

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """What the receiver calls, by Command Field."""
        return {
            CommandField.N_ACTION_RQ: self._on_action,
            CommandField.N_EVENT_REPORT_RSP: self._on_report_taken,
            CommandField.N_EVENT_REPORT_RQ: self._on_event_report,
        }

    def pump(self) -> None:
        """Check and report every request that is due; a peer that cannot be told now costs one try."""
        unreachable: dict[str, DeliveryError] = {}
        while (pledge := self._journal.due_pledge()) is not None:
            pledge = self._checked(pledge)
            error = unreachable.get(pledge.calling_ae)
            try:
                if error is not None:
                    raise error
                send_report(
                    self._address_of(pledge),
                    _report(pledge),
                    calling_ae_title=pledge.called_ae,
                    timeouts=self._timeouts,
                )
            except DeliveryError as failure:
                unreachable[pledge.calling_ae] = failure
                self._postpone(pledge, failure)
            else:
                self._journal.pledge_reported(pledge.id)
                COMMITMENT_REPORTS.labels("reported").inc()

    def end_promises(self) -> None:
        """Forget what was promised ``keep_days`` ago, so that retention may delete it."""
        if self._settings.keep_days:
            self._journal.forget_pledges(before=utc_now() - timedelta(days=self._settings.keep_days))

    def _on_action(self, association: Association, message: Message) -> Reply | None:
        """Answer an N-ACTION-RQ, and then report at once if the peer waits for that."""
        try:
            reply, pledge_id = self._request(association, message)
        except (OSError, sqlite3.Error) as error:
            logger.error("cannot journal a storage commitment request: %s", error)
            return Reply(PROCESSING_FAILURE)
        if pledge_id is None:
            return reply
        association.send(message.context.context_id, response_to(message.command, reply))
        self._report_here(association, message.context, pledge_id)
        return None

    def _request(self, association: Association, message: Message) -> tuple[Reply, int | None]:
        command = message.command
        if message.context.abstract_syntax != PUSH_MODEL:
            return Reply(NO_SUCH_SOP_CLASS), None
        if command.text(Tag.REQUESTED_SOP_INSTANCE_UID) != PUSH_MODEL_INSTANCE:
            return Reply(NO_SUCH_OBJECT_INSTANCE), None
        if command.number(Tag.ACTION_TYPE_ID) != REQUEST_COMMITMENT:
            return Reply(NO_SUCH_ACTION), None
        encoded = bytes(message.data_set.bytes) if message.data_set else b""
        try:
            request = parse_request(encoded, message.context.transfer_syntax)
        except RejectedInput as refusal:
            self._journal.note_event(
                Severity.WARNING,
                "commitment_refused",
                f"a storage commitment request of AE {association.calling_ae!r} cannot be read: {refusal}",
            )
            return Reply(INVALID_ARGUMENT_VALUE), None
        pledge_id = self._journal.record_commitment_request(
            request.transaction_uid,
            [(item.sop_class_uid, item.sop_instance_uid) for item in request.references],
            calling_ae=association.calling_ae,
            called_ae=association.called_ae,
            peer_address=association.address,
            due_in_seconds=self._settings.same_association_seconds + ANSWER_SECONDS,
            expires_in_seconds=self._settings.report_days * 86_400,
        )
        if pledge_id is None:
            return Reply(DUPLICATE_INVOCATION), None
        return Reply(0x0000, {Tag.ACTION_TYPE_ID: REQUEST_COMMITMENT}), pledge_id

    def _report_here(self, association: Association, context: AcceptedContext, pledge_id: int) -> None:
        """Report on the association of the request if it stays open; what cannot be said in time waits."""
        deadline = time.monotonic() + self._settings.same_association_seconds
        readable, _, _ = select.select([association.connection.socket], [], [], QUIET_SECONDS)
        pledge = self._journal.pledge(pledge_id)
        if readable or pledge is None:
            self._journal.hasten_pledge(pledge_id)
            return
        pledge = self._checked(pledge, deadline)
        if pledge.state is not PledgeState.CHECKED:
            self._journal.hasten_pledge(pledge_id)
            return
        event_type, information = event_information(_report(pledge))
        encoded = encode(information, UID(context.transfer_syntax).is_implicit_VR, True) or b""
        reports = self._reporting.setdefault(association, {})
        message_id = len(reports) + 1
        reports[message_id] = pledge_id
        command = encode_command(
            {
                Tag.AFFECTED_SOP_CLASS_UID: str(PUSH_MODEL),
                Tag.COMMAND_FIELD: CommandField.N_EVENT_REPORT_RQ,
                Tag.MESSAGE_ID: message_id,
                Tag.COMMAND_DATA_SET_TYPE: 0x0001,
                Tag.AFFECTED_SOP_INSTANCE_UID: str(PUSH_MODEL_INSTANCE),
                Tag.EVENT_TYPE_ID: event_type,
            }
        )
        association.send(context.context_id, command, encoded)

    def _on_report_taken(self, association: Association, message: Message) -> None:
        """Take the answer to a report; one that is not success is followed by a report of its own later."""
        message_id = message.command.number(Tag.MESSAGE_ID_BEING_RESPONDED_TO) or 0
        pledge_id = self._reporting.get(association, {}).get(message_id)
        if pledge_id is not None and message.command.number(Tag.STATUS) == 0x0000:
            self._journal.pledge_reported(pledge_id)
            COMMITMENT_REPORTS.labels("reported").inc()

    def _on_event_report(self, association: Association, message: Message) -> Reply:
        """Take what a PACS reports on a request of ours."""
        del association
        if message.context.abstract_syntax != PUSH_MODEL:
            return Reply(NO_SUCH_SOP_CLASS)
        encoded = bytes(message.data_set.bytes) if message.data_set else b""
        try:
            status = take_report(encoded, message.context.transfer_syntax, self._journal)
        except (OSError, sqlite3.Error) as error:
            logger.error("cannot journal a storage commitment report: %s", error)
            return Reply(PROCESSING_FAILURE)
        event_type = message.command.number(Tag.EVENT_TYPE_ID)
        return Reply(status, {} if event_type is None else {Tag.EVENT_TYPE_ID: event_type})

    def _checked(self, pledge: Pledge, deadline: float | None = None) -> Pledge:
        """Return the pledge with what was found of each object; as it was, if `deadline` came first."""
        if pledge.state is not PledgeState.ASKED:
            return pledge
        reasons: list[int] = []
        for instance in pledge.instances:
            if deadline is not None and time.monotonic() > deadline:
                return pledge
            reasons.append(self._failure_reason(instance.sop_class_uid, instance.sop_instance_uid))
        self._journal.settle_pledge(pledge.id, reasons)
        instances = tuple(
            replace(instance, failure_reason=reason)
            for instance, reason in zip(pledge.instances, reasons, strict=True)
        )
        return replace(pledge, state=PledgeState.CHECKED, instances=instances)

    def _failure_reason(self, sop_class_uid: str, sop_instance_uid: str) -> int:
        held = [
            (item, self._archive.resolve(item.path)) for item in self._journal.held_objects(sop_instance_uid)
        ]
        present = [(item, path) for item, path in held if path.is_file()]
        if not present:
            return NO_SUCH_OBJECT_INSTANCE
        named = [(item, path) for item, path in present if item.sop_class_uid == sop_class_uid]
        if not named:
            return CLASS_INSTANCE_CONFLICT
        if any(_is_intact(path, item.sha256) for item, path in named):
            return COMMITTED
        self._journal.note_event(
            Severity.ERROR,
            "object_damaged",
            "its file no longer holds the bytes that were received, so keeping it cannot be promised; "
            "check the disk, and let the sender send it again",
            sop_instance_uid=sop_instance_uid,
        )
        return PROCESSING_FAILURE

    def _address_of(self, pledge: Pledge) -> Peer:
        for peer in self._peers:
            if peer.ae_title == pledge.calling_ae and peer.host is not None and peer.port is not None:
                return Peer(peer.ae_title, peer.host, peer.port, peer.tls)
        raise TransientDeliveryError(
            f"no [[peer]] with ae_title = {pledge.calling_ae!r} has host and port; configure them"
        )

    def _postpone(self, pledge: Pledge, failure: DeliveryError) -> None:
        wait = min(
            self._settings.first_retry_seconds * 2 ** min(pledge.attempts, 30),
            self._settings.max_retry_seconds,
        )
        moment = utc_now() + timedelta(seconds=wait * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
        self._journal.report_pledge_at(pledge, moment, reason=str(failure))
        COMMITMENT_REPORTS.labels("postponed").inc()


def _report(pledge: Pledge) -> CommitmentReport:
    committed: list[Reference] = []
    failed: list[FailedReference] = []
    for instance in pledge.instances:
        reference = Reference(instance.sop_class_uid, instance.sop_instance_uid)
        if instance.failure_reason == COMMITTED:
            committed.append(reference)
        else:
            failed.append(FailedReference(reference, instance.failure_reason or PROCESSING_FAILURE))
    return CommitmentReport(pledge.transaction_uid, tuple(committed), tuple(failed))


def _is_intact(path: Path, sha256: str) -> bool:
    """Read a received object's data set back and compare its digest."""
    try:
        _, offset = split_dataset(path)
        with path.open("rb") as file:
            file.seek(offset)
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except Exception as error:  # a damaged head makes pydicom raise many kinds; all mean the same here
        logger.warning("an object cannot be read back: %s", type(error).__name__)
        return False
