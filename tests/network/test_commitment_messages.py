"""Storage commitment messages: what is asked and reported reaches the other side, and nonsense is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.dsutils import encode

from dicom_node.errors import PermanentDeliveryError, RejectedInput, TransientDeliveryError
from dicom_node.network.commitment import (
    INVALID_ARGUMENT_VALUE,
    NO_SUCH_OBJECT_INSTANCE,
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    CommitmentReport,
    FailedReference,
    Reference,
    event_information,
    parse_report,
    parse_request,
    request_commitment,
    send_report,
    take_report,
)
from dicom_node.network.peers import Peer, Timeouts

SC = "1.2.840.10008.5.1.4.1.1.7"
WAITS = Timeouts(2, 2)
REFERENCES = (Reference(SC, "1.2.3.1"), Reference(SC, "1.2.3.2"))
UIDS = st.from_regex(r"1\.2\.[1-9][0-9]{0,20}(\.[1-9][0-9]{0,20})?", fullmatch=True)


@dataclass
class Answers:
    """Stands for the journal of whoever asked."""

    taken: list[tuple[str, list[str], dict[str, str]]] = field(default_factory=list)

    def commitment_reported(
        self, transaction_uid: str, committed: Sequence[str], failed: Mapping[str, str]
    ) -> None:
        self.taken.append((transaction_uid, list(committed), dict(failed)))


@contextmanager
def archive(
    status: int = 0x0000, *, report: Dataset | None = None, supports: str = PUSH_MODEL
) -> Iterator[tuple[Peer, list[Dataset]]]:
    """A PACS that answers N-ACTION with `status`, and on the same association reports, if it is to."""
    asked: list[Dataset] = []
    ae = AE("ARCHIVE")
    ae.add_supported_context(supports)

    def act(event: evt.Event) -> tuple[int, None]:
        asked.append(event.action_information)
        return status, None

    def report_after_answer(event: evt.Event) -> None:
        if report is not None and type(event.message).__name__ == "N_ACTION_RSP":
            event.assoc.send_n_event_report(report, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)

    def later(event: evt.Event) -> None:
        import threading

        threading.Timer(0.2, report_after_answer, [event]).start()

    handlers: list[Any] = [(evt.EVT_N_ACTION, act), (evt.EVT_DIMSE_SENT, later)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield Peer("ARCHIVE", "127.0.0.1", server.socket.getsockname()[1]), asked
    finally:
        server.shutdown()


def ask(peer: Peer, journal: Answers, transaction: str = "1.2.9") -> None:
    request_commitment(
        peer, REFERENCES, transaction, calling_ae_title="NODE", timeouts=WAITS, journal=journal
    )


def test_the_archive_is_asked_for_every_instance_of_the_transaction() -> None:
    journal = Answers()
    with archive() as (peer, asked):
        ask(peer, journal)
    (action,) = asked
    assert action.TransactionUID == "1.2.9"
    assert [item.ReferencedSOPInstanceUID for item in action.ReferencedSOPSequence] == ["1.2.3.1", "1.2.3.2"]
    assert {item.ReferencedSOPClassUID for item in action.ReferencedSOPSequence} == {SC}
    assert journal.taken == []  # the answer will come on an association of its own


def test_an_answer_on_the_same_association_is_taken() -> None:
    journal = Answers()
    report = CommitmentReport(
        "1.2.9", REFERENCES[:1], (FailedReference(REFERENCES[1], NO_SUCH_OBJECT_INSTANCE),)
    )
    with archive(report=event_information(report)[1]) as (peer, _):
        ask(peer, journal)
    assert journal.taken == [("1.2.9", ["1.2.3.1"], {"1.2.3.2": "0x0112 (no such object instance)"})]


@pytest.mark.parametrize("status", [0x0110, 0x0213])
def test_an_archive_in_trouble_is_asked_again_later(status: int) -> None:
    with archive(status) as (peer, _), pytest.raises(TransientDeliveryError, match=f"0x{status:04X}"):
        ask(peer, Answers())


@pytest.mark.parametrize("status", [0x0112, 0x0123, 0x0124])
def test_an_archive_that_refuses_is_not_asked_again(status: int) -> None:
    with archive(status) as (peer, _), pytest.raises(PermanentDeliveryError, match=f"0x{status:04X}"):
        ask(peer, Answers())


def test_a_peer_without_storage_commitment_is_a_permanent_failure() -> None:
    with archive(supports=SC) as (peer, _), pytest.raises(PermanentDeliveryError, match="none of the SOP"):
        ask(peer, Answers())


def test_a_report_goes_out_with_the_failures_as_the_standard_asks() -> None:
    received: list[tuple[int, Dataset]] = []
    ae = AE("SCANNER")
    ae.add_supported_context(PUSH_MODEL, scu_role=True, scp_role=True)

    def take(event: evt.Event) -> tuple[int, None]:
        received.append((event.event_type, event.event_information))
        return 0x0000, None

    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, take)])
    try:
        peer = Peer("SCANNER", "127.0.0.1", server.socket.getsockname()[1])
        failed = (FailedReference(REFERENCES[1], 0x0119),)
        reports = [CommitmentReport("1.2.9", REFERENCES), CommitmentReport("1.2.10", REFERENCES[:1], failed)]
        for report in reports:
            send_report(peer, report, calling_ae_title="NODE", timeouts=WAITS)
    finally:
        server.shutdown()
    assert [event_type for event_type, _ in received] == [1, 2]
    assert "FailedSOPSequence" not in received[0][1]
    (failure,) = received[1][1].FailedSOPSequence
    assert (failure.ReferencedSOPInstanceUID, failure.FailureReason) == ("1.2.3.2", 0x0119)


def test_a_peer_that_never_answers_may_be_told_later() -> None:
    peer = Peer("NOBODY", "127.0.0.1", 9)
    with pytest.raises(TransientDeliveryError):
        send_report(peer, CommitmentReport("1.2.9", REFERENCES), calling_ae_title="NODE", timeouts=WAITS)


@given(
    transaction=UIDS,
    committed=st.lists(st.builds(Reference, UIDS, UIDS), max_size=5),
    failed=st.lists(
        st.builds(FailedReference, st.builds(Reference, UIDS, UIDS), st.integers(0, 0xFFFF)), max_size=5
    ),
    implicit=st.booleans(),
)
def test_a_report_is_read_as_it_was_written(
    transaction: str, committed: list[Reference], failed: list[FailedReference], implicit: bool
) -> None:
    report = CommitmentReport(transaction, tuple(committed), tuple(failed))
    encoded = encode(event_information(report)[1], implicit, True)
    assert encoded is not None
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    assert parse_report(encoded, syntax) == report


def action(*uids: str, transaction: str = "1.2.9") -> bytes:
    data_set = Dataset()
    if transaction:
        data_set.TransactionUID = transaction
    data_set.ReferencedSOPSequence = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID = SC
        item.ReferencedSOPInstanceUID = uid
        data_set.ReferencedSOPSequence.append(item)
    encoded = encode(data_set, False, True)
    assert encoded is not None
    return encoded


def test_a_request_is_read() -> None:
    request = parse_request(action("1.2.3.1", "1.2.3.2"), ExplicitVRLittleEndian)
    assert (request.transaction_uid, request.references) == ("1.2.9", REFERENCES)


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (b"", "illegal_uid"),
        (action("1.2.3.1", transaction=""), "illegal_uid"),
        (action("1.2.3.1", transaction="../etc"), "illegal_uid"),
        (action("1.2.3.1\n<script>"), "illegal_uid"),
        (action(""), "illegal_uid"),
        (action(), "no_references"),
        (action("1.2.3.1")[:-3], "malformed"),
        (b"\x08\x00\x99\x11UL\x04\x00\x01\x00\x00\x00" + b"\x08\x00\x95\x11UI\x04\x001.2\x00", "malformed"),
        (bytes(4_194_305), "too_long"),
        (action(*(f"1.2.3.{number}" for number in range(10_001))), "too_many"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(encoded: bytes, code: str) -> None:
    with pytest.raises(RejectedInput) as refusal:
        parse_request(encoded, ExplicitVRLittleEndian)
    assert refusal.value.code == code


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_message_is_refused_or_read_but_never_breaks_the_receiver(data: st.DataObject) -> None:
    whole = bytearray(action("1.2.3.1", "1.2.3.2"))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for parse in (parse_request, parse_report):
        try:
            parse(bytes(whole), ExplicitVRLittleEndian)
        except RejectedInput:
            continue


def test_a_report_that_makes_no_sense_is_answered_as_such_and_not_journalled() -> None:
    journal = Answers()
    assert take_report(b"\x00" * 7, ExplicitVRLittleEndian, journal) == INVALID_ARGUMENT_VALUE
    assert journal.taken == []
    report = event_information(CommitmentReport(generate_uid(), REFERENCES))[1]
    encoded = encode(report, False, True)
    assert encoded is not None
    assert take_report(encoded, ExplicitVRLittleEndian, journal) == 0x0000
    assert len(journal.taken) == 1
