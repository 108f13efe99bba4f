"""Storage Commitment, Push Model (PS3.4 annex J), both ways: its messages and the associations they need.

As a user (SCU) the node asks a PACS whether it keeps our results (`request_commitment`); the answer, an
N-EVENT-REPORT, may come on the same association or on a later one that the PACS opens to us (`take_report`).
As a provider (SCP) it is asked by scanners (`parse_request`) and reports to them (`send_report`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol, cast

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context, build_role, evt
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.dsutils import decode

from dicom_node import faults
from dicom_node.errors import PermanentDeliveryError, RejectedInput, TransientDeliveryError
from dicom_node.network.encoding import MalformedDataSetError, read_values
from dicom_node.network.peers import Peer, Timeouts, open_association

__all__ = [
    "CLASS_INSTANCE_CONFLICT",
    "INVALID_ARGUMENT_VALUE",
    "NO_SUCH_OBJECT_INSTANCE",
    "PROCESSING_FAILURE",
    "PUSH_MODEL",
    "CommitmentJournal",
    "CommitmentReport",
    "CommitmentRequest",
    "FailedReference",
    "Reference",
    "event_information",
    "parse_report",
    "parse_request",
    "request_commitment",
    "send_report",
    "take_report",
]

PUSH_MODEL = UID("1.2.840.10008.1.20.1")
PUSH_MODEL_INSTANCE = UID("1.2.840.10008.1.20.1.1")
"""SOP class and its well-known SOP instance (PS3.4 section J.3.5)."""

REQUEST_COMMITMENT = 1
"""Action type (PS3.4 table J.3-1)."""
ALL_COMMITTED, FAILURES_EXIST = 1, 2
"""Event types (PS3.4 table J.3-2)."""

MAX_MESSAGE_BYTES = 4_194_304
"""Longest Action or Event Information that is decoded: well above what `MAX_REFERENCES` take."""
MAX_REFERENCES = 10_000
"""SOP instances in one transaction; a limit of ours."""

PROCESSING_FAILURE = 0x0110
NO_SUCH_OBJECT_INSTANCE = 0x0112
INVALID_ARGUMENT_VALUE = 0x0115
CLASS_INSTANCE_CONFLICT = 0x0119
"""Statuses of PS3.7 annex C; all but the third are Failure Reasons (0008,1197) too (PS3.3 C.14.1.1)."""

_FAILURE_REASONS = {
    PROCESSING_FAILURE: "processing failure",
    NO_SUCH_OBJECT_INSTANCE: "no such object instance",
    CLASS_INSTANCE_CONFLICT: "class/instance conflict",
    0x0122: "referenced SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}
_TRANSIENT_STATUS = {PROCESSING_FAILURE, 0x0210, 0x0213}
"""Processing failure, duplicate invocation, resource limitation: a later request may succeed."""

SAME_ASSOCIATION_SECONDS = 1.0
"""How long the association of a request stays open for a peer that reports at once."""

_TRANSACTION_UID = 0x00081195
_SYNTAXES: list[str | UID] = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]


@dataclass(frozen=True, slots=True)
class Reference:
    """One SOP instance that a transaction is about."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class FailedReference:
    """An instance that is not committed to; `reason` is Failure Reason (0008,1197)."""

    reference: Reference
    reason: int


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """What an N-ACTION-RQ asks: whether these instances are kept."""

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """What an N-EVENT-REPORT-RQ says of a transaction."""

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: tuple[FailedReference, ...] = ()


class CommitmentJournal(Protocol):
    """Whoever asked for commitment, and is told the answer."""

    def commitment_reported(
        self, transaction_uid: str, committed: Sequence[str], failed: Mapping[str, str]
    ) -> None:
        """Record an answer durably: SOP Instance UIDs, with the reason for each that failed.

        A transaction that is unknown, or was answered before, is no error.
        """


def request_commitment(
    peer: Peer,
    references: Sequence[Reference],
    transaction_uid: str,
    *,
    calling_ae_title: str,
    timeouts: Timeouts,
    journal: CommitmentJournal,
) -> None:
    """Ask `peer` to commit itself to keeping instances that it has stored.

    The answer goes to ``journal.commitment_reported``: now, if the peer reports on this association within
    a second, else through the receiver when the peer opens an association to the node. So journal the
    transaction before calling this. Roles are the default ones: peers were seen that never report to an
    SCU that proposes roles of its own.

    Raises
    ------
    TransientDeliveryError, PermanentDeliveryError
        If the peer does not take the request; the class tells whether a later try may succeed.
    """
    faults.reach("commitment.before_request")
    reported = threading.Event()

    def on_report(event: evt.Event) -> tuple[int, None]:
        information = cast(N_EVENT_REPORT, event.request).EventInformation
        encoded = information.getvalue() if information else b""
        status = take_report(encoded, event.context.transfer_syntax, journal)
        reported.set()
        return status, None

    with open_association(
        peer,
        [build_context(PUSH_MODEL, _SYNTAXES)],
        calling_ae_title=calling_ae_title,
        timeouts=timeouts,
        handlers=[(evt.EVT_N_EVENT_REPORT, on_report)],
    ) as association:
        action = _transaction(transaction_uid, references)
        answer, _ = association.send_n_action(action, REQUEST_COMMITMENT, PUSH_MODEL, PUSH_MODEL_INSTANCE)
        _check_status(answer, peer, "N-ACTION (storage commitment)")
        reported.wait(SAME_ASSOCIATION_SECONDS)


def send_report(peer: Peer, report: CommitmentReport, *, calling_ae_title: str, timeouts: Timeouts) -> None:
    """Tell `peer`, on an association of its own, what became of a transaction it requested.

    The node proposes to be the SCP, whose role a requestor does not have by default (PS3.7 annex D.3.3.4).

    Raises
    ------
    TransientDeliveryError, PermanentDeliveryError
        If the peer does not take the report.
    """
    with open_association(
        peer,
        [build_context(PUSH_MODEL, _SYNTAXES)],
        calling_ae_title=calling_ae_title,
        timeouts=timeouts,
        roles=[build_role(PUSH_MODEL, scp_role=True)],
    ) as association:
        event_type, information = event_information(report)
        answer, _ = association.send_n_event_report(information, event_type, PUSH_MODEL, PUSH_MODEL_INSTANCE)
        _check_status(answer, peer, "N-EVENT-REPORT (storage commitment)")


def take_report(encoded: bytes, transfer_syntax: str, journal: CommitmentJournal) -> int:
    """Journal what a peer's encoded Event Information says; return the status to answer with."""
    try:
        report = parse_report(encoded, transfer_syntax)
    except RejectedInput:
        return INVALID_ARGUMENT_VALUE
    journal.commitment_reported(
        report.transaction_uid,
        [reference.sop_instance_uid for reference in report.committed],
        {item.reference.sop_instance_uid: _reason_text(item.reason) for item in report.failed},
    )
    faults.reach("commitment.after_report")
    return 0x0000


def parse_request(encoded: bytes, transfer_syntax: str) -> CommitmentRequest:
    """Read the Action Information of an N-ACTION-RQ (PS3.4 table J.3-1).

    Raises
    ------
    RejectedInput
        If it is malformed, too long, or lacks the transaction or any instance.
    """
    with _decoded(encoded, transfer_syntax) as (data_set, transaction_uid):
        references = tuple(_reference(item) for item in _items(data_set, "ReferencedSOPSequence"))
    if not references:
        raise RejectedInput("no_references", "it names no SOP instance in Referenced SOP Sequence")
    return CommitmentRequest(transaction_uid, references)


def parse_report(encoded: bytes, transfer_syntax: str) -> CommitmentReport:
    """Read the Event Information of an N-EVENT-REPORT-RQ (PS3.4 table J.3-2).

    Raises
    ------
    RejectedInput
        If it is malformed, too long, or lacks the transaction.
    """
    with _decoded(encoded, transfer_syntax) as (data_set, transaction_uid):
        committed = tuple(_reference(item) for item in _items(data_set, "ReferencedSOPSequence"))
        failed = tuple(
            FailedReference(_reference(item), _failure_reason(item))
            for item in _items(data_set, "FailedSOPSequence")
        )
    return CommitmentReport(transaction_uid, committed, failed)


def event_information(report: CommitmentReport) -> tuple[int, Dataset]:
    """Return event type and Event Information of a report."""
    information = _transaction(report.transaction_uid, report.committed)
    if not report.failed:
        return ALL_COMMITTED, information
    information.FailedSOPSequence = [_item(failure.reference) for failure in report.failed]
    for item, failure in zip(information.FailedSOPSequence, report.failed, strict=True):
        item.FailureReason = failure.reason
    return FAILURES_EXIST, information


def _transaction(transaction_uid: str, references: Sequence[Reference]) -> Dataset:
    data_set = Dataset()
    data_set.TransactionUID = transaction_uid
    if references:
        data_set.ReferencedSOPSequence = [_item(reference) for reference in references]
    return data_set


def _item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    return item


def _check_status(answer: Dataset, peer: Peer, request: str) -> None:
    status = answer.get("Status")
    if status is None:
        raise TransientDeliveryError(f"{peer} did not answer {request}: time-out, abort or closed connection")
    if status == 0x0000:
        return
    error = TransientDeliveryError if status in _TRANSIENT_STATUS else PermanentDeliveryError
    raise error(f"{peer} answered {request} with status 0x{status:04X}")


@contextmanager
def _decoded(encoded: bytes, transfer_syntax: str) -> Iterator[tuple[Dataset, str]]:
    """Give a message that a peer sent, and its Transaction UID; whatever reading it meets is its refusal.

    Size, nesting and every length are checked before a value is decoded, which happens when it is asked for.
    """
    if len(encoded) > MAX_MESSAGE_BYTES:
        raise RejectedInput("too_long", f"{len(encoded)} bytes exceed the limit of {MAX_MESSAGE_BYTES}")
    try:
        read_values(encoded, transfer_syntax, (_TRANSACTION_UID,))
        data_set = decode(BytesIO(encoded), UID(transfer_syntax).is_implicit_VR, True)
        yield data_set, _legal(str(data_set.get("TransactionUID", "")), "Transaction UID")
    except RejectedInput:
        raise
    except MalformedDataSetError as error:
        raise RejectedInput("malformed", f"it is not a data set: {error}") from error
    except Exception as error:  # pydicom's readers raise many kinds; all mean the same here
        raise RejectedInput("malformed", f"it cannot be decoded ({type(error).__name__})") from error


def _items(data_set: Dataset, keyword: str) -> Sequence[Dataset]:
    items = data_set.get(keyword)
    if items is None:
        return ()
    if not isinstance(items, DicomSequence):
        raise RejectedInput("malformed", f"{keyword} is no sequence")
    if len(items) > MAX_REFERENCES:
        raise RejectedInput("too_many", f"{len(items)} instances exceed the limit of {MAX_REFERENCES}")
    return items


def _reference(item: Dataset) -> Reference:
    return Reference(
        _legal(str(item.get("ReferencedSOPClassUID", "")), "Referenced SOP Class UID"),
        _legal(str(item.get("ReferencedSOPInstanceUID", "")), "Referenced SOP Instance UID"),
    )


def _failure_reason(item: Dataset) -> int:
    reason = item.get("FailureReason")
    return reason if isinstance(reason, int) else PROCESSING_FAILURE


def _legal(uid: str, name: str) -> str:
    if not UID(uid).is_valid:
        raise RejectedInput("illegal_uid", f"{name} is missing or not a legal UID")
    return uid


def _reason_text(reason: int) -> str:
    return f"0x{reason:04X} ({_FAILURE_REASONS.get(reason, 'unknown reason')})"
