"""However a sender cuts its messages, the same object is stored; what is illegal ends in A-ABORT."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE, evt
from raw_association import (
    ABORT,
    ASSOCIATE_RJ,
    RELEASE_RP,
    VERIFICATION,
    Fragment,
    command_set,
    pdata,
    pdu,
    raw_association,
    raw_connection,
    request_pdu,
    store_command,
)
from raw_scu import encoded, raw_scu, secondary_capture
from real_peers import OrthancServer
from running_receiver import RunningReceiver

from dicom_node.network.association import Association, Message
from dicom_node.network.dimse import CommandField, CommandSet, Reply, Tag, encode_command
from dicom_node.storage.records import InstanceKind

_numbers = count(1)


def new_object() -> tuple[str, bytes]:
    uid = f"1.2.3.4.{next(_numbers)}"
    return uid, encoded(secondary_capture(uid))


def kept_bytes(receiver: RunningReceiver, uid: str, data_set: bytes) -> bytes:
    path = receiver.journal.path_of(uid, hashlib.sha256(data_set).hexdigest(), InstanceKind.INPUT)
    assert path is not None, "nothing with these bytes is journalled"
    return receiver.archive.resolve(path).read_bytes()


def cut(content: bytes, places: list[int]) -> list[bytes]:
    """Cut at these places (taken modulo the length); empty pieces are legal and stay."""
    marks = sorted(place % (len(content) + 1) for place in places)
    return [content[start:end] for start, end in zip([0, *marks], [*marks, len(content)], strict=True)]


def fragments_of(command: list[bytes], data_set: list[bytes]) -> list[Fragment]:
    pieces = [(1, 1, piece) for piece in command] + [(1, 0, piece) for piece in data_set]
    for last in (len(command) - 1, len(pieces) - 1):
        context, control, content = pieces[last]
        pieces[last] = (context, control | 2, content)
    return pieces


PLACES = st.lists(st.integers(0, 10_000), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command_cuts=PLACES, data_cuts=PLACES, pdu_cuts=PLACES, write_cuts=PLACES)
def test_any_legal_fragmentation_stores_the_same_bytes(
    receiver: RunningReceiver,
    command_cuts: list[int],
    data_cuts: list[int],
    pdu_cuts: list[int],
    write_cuts: list[int],
) -> None:
    uid, data_set = new_object()
    fragments = fragments_of(cut(store_command(uid), command_cuts), cut(data_set, data_cuts))
    marks = sorted({place % len(fragments) for place in pdu_cuts} - {0})
    groups = [fragments[a:b] for a, b in zip([0, *marks], [*marks, len(fragments)], strict=True)]
    stream = b"".join(pdata(group) for group in groups)
    with raw_association(receiver.port) as association:
        for part in cut(stream, write_cuts):
            association.send(part)
        assert association.status() == 0x0000
        association.release()
    assert kept_bytes(receiver, uid, data_set).endswith(data_set)


def test_one_byte_in_each_fragment(receiver: RunningReceiver) -> None:
    uid, data_set = new_object()
    command = store_command(uid)
    fragments = fragments_of([bytes([byte]) for byte in command], [bytes([byte]) for byte in data_set])
    with raw_association(receiver.port) as association:
        association.send(b"".join(pdata([fragment]) for fragment in fragments))
        assert association.status() == 0x0000
        association.send(pdata([(1, 3, store_command(uid)), *fragments[len(command) :]]))
        assert association.status() == 0x0000
    assert kept_bytes(receiver, uid, data_set).endswith(data_set)


def test_two_messages_in_one_pdu_are_both_answered(receiver: RunningReceiver) -> None:
    (first, data_first), (second, data_second) = new_object(), new_object()
    with raw_association(receiver.port) as association:
        association.send(
            pdata(
                [
                    (1, 3, store_command(first, message_id=7)),
                    (1, 2, data_first),
                    (1, 3, store_command(second, message_id=8)),
                    (1, 2, data_second),
                ]
            )
        )
        answers = [association.response(), association.response()]
    assert [answer.number(Tag.MESSAGE_ID_BEING_RESPONDED_TO) for answer in answers] == [7, 8]
    assert [answer.text(Tag.AFFECTED_SOP_INSTANCE_UID) for answer in answers] == [first, second]


def test_the_answer_keeps_to_the_peers_longest_pdu(receiver: RunningReceiver) -> None:
    uid, data_set = new_object()
    with raw_association(receiver.port, request_pdu(maximum_length=40)) as association:
        association.send(pdata([(1, 3, store_command(uid))]) + pdata([(1, 2, data_set)]))
        sizes = []
        command = b""
        while True:
            kind, content = association.receive()
            assert kind == 4
            sizes.append(len(content))
            command += content[6:]
            if content[5] & 2:
                break
    assert max(sizes) <= 40
    assert CommandSet.decode(command).number(Tag.STATUS) == 0x0000


def test_the_answers_are_those_of_pynetdicom(receiver: RunningReceiver) -> None:
    """Element for element: a sender that was written against other receivers notices no difference."""
    scp = AE(ae_title="RADIUSDXA")
    scp.add_supported_context(SecondaryCaptureImageStorage)
    scp.add_supported_context(VERIFICATION)
    server = scp.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _event: 0x0000)]
    )
    uid, data_set = new_object()
    echo = command_set(
        CommandField.C_ECHO_RQ, message_id=3, elements={Tag.AFFECTED_SOP_CLASS_UID: VERIFICATION}
    )
    answers = []
    try:
        for port in (server.server_address[1], receiver.port):
            with raw_association(port) as association:
                association.send(pdata([(1, 3, store_command(uid))]) + pdata([(1, 2, data_set)]))
                stored = association.response()
                association.send(pdata([(3, 3, echo)]))
                answers.append((stored.values, association.response().values))
                association.release()
    finally:
        server.shutdown()
    assert answers[0] == answers[1]


ILLEGAL = {
    "a presentation context that was not accepted": (pdata([(9, 3, store_command("1.2.3"))]), (2, 6)),
    "a data set without a command": (pdata([(1, 2, b"data")]), (2, 5)),
    "a command in the middle of a data set": (
        pdata([(1, 3, store_command("1.2.3")), (1, 0, b"da"), (1, 3, store_command("1.2.3"))]),
        (2, 5),
    ),
    "another context in the middle of a message": (
        pdata([(1, 3, store_command("1.2.3")), (3, 2, b"data")]),
        (2, 5),
    ),
    "an empty P-DATA-TF": (pdu(4, b""), (2, 6)),
    "a fragment that is longer than its PDU": (pdu(4, b"\0\0\1\0\1\3data"), (2, 6)),
    "a fragment without control header": (pdu(4, b"\0\0\0\1\1"), (2, 6)),
    "a command set that is none": (pdata([(1, 3, b"no command set at all")]), (2, 6)),
    "a command set without Command Field": (
        pdata([(1, 3, encode_command({Tag.MESSAGE_ID: 1, Tag.COMMAND_DATA_SET_TYPE: 0x0101}))]),
        (2, 6),
    ),
    "a command set without end": (pdata([(1, 1, bytes(10_000))]) * 2, (2, 6)),
    "a second A-ASSOCIATE-RQ": (request_pdu(), (2, 2)),
    "an A-RELEASE-RP that nobody asked for": (pdu(6, bytes(4)), (2, 2)),
    "an unknown PDU": (pdu(9, bytes(4)), (2, 1)),
    "a PDU that is too long": (b"\4\0\xff\xff\xff\xff", (2, 6)),
}


@pytest.mark.parametrize(("content", "abort"), ILLEGAL.values(), ids=ILLEGAL.keys())
def test_what_is_illegal_on_an_association_ends_it_with_the_reason(
    receiver: RunningReceiver, content: bytes, abort: tuple[int, int]
) -> None:
    with raw_association(receiver.port) as association:
        association.send(content)
        kind, body = association.receive()
        assert (kind, body[2], body[3]) == (ABORT, *abort)
        assert association.receive() == (0, b"")
    assert receiver.files == set()


BEFORE = {
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "TLS": bytes.fromhex("1603010200010001fc0303") + bytes(500),
    "data before a request": pdata([(1, 3, b"")]),
    "a release before a request": pdu(5, bytes(4)),
    "an acceptance": pdu(2, bytes(68)),
    "a request of half a megabyte": b"\1\0\0\x08\0\0" + bytes(1000),
    "a request that is none": pdu(1, b"\0\1" + b"x" * 200),
}


@pytest.mark.parametrize("content", BEFORE.values(), ids=BEFORE.keys())
def test_what_is_no_request_is_answered_with_abort_at_once(receiver: RunningReceiver, content: bytes) -> None:
    started = time.monotonic()
    with raw_connection(receiver.port) as connection:
        connection.send(content)
        kind, body = connection.receive()
        assert (kind, body[2]) == (ABORT, 0)
    assert time.monotonic() - started < 1


REJECTED = {
    "another application": (request_pdu(application_context="1.2.3.4"), (1, 1, 2)),
    "protocol version 0": (request_pdu()[:6] + b"\0\0" + request_pdu()[8:], (1, 2, 2)),
    "protocol version 2 only": (request_pdu()[:6] + b"\0\2" + request_pdu()[8:], (1, 2, 2)),
    "no context that is supported": (request_pdu(abstract_syntaxes=["1.2.840.10008.5.1.4.31"]), (1, 1, 1)),
    "PDUs of seven bytes": (request_pdu(maximum_length=7), (1, 1, 1)),
    "another called AE title": (request_pdu(called="SOMEONE"), (1, 1, 7)),
}


@pytest.mark.parametrize(("request_bytes", "reason"), REJECTED.values(), ids=REJECTED.keys())
def test_what_cannot_be_agreed_is_rejected_with_the_reason(
    receiver: RunningReceiver, request_bytes: bytes, reason: tuple[int, int, int]
) -> None:
    with raw_connection(receiver.port) as connection:
        connection.send(request_bytes)
        kind, body = connection.receive()
        assert (kind, *body[1:]) == (ASSOCIATE_RJ, *reason)


def test_versions_beyond_the_first_are_no_reason_to_reject(receiver: RunningReceiver) -> None:
    """PS3.8 table 9-11: only bit 0 is tested."""
    with raw_association(receiver.port, request_pdu()[:6] + b"\xff\xff" + request_pdu()[8:]) as association:
        association.release()


def test_asynchronous_operations_are_not_agreed_to(receiver: RunningReceiver) -> None:
    with raw_association(receiver.port, request_pdu(asynchronous=True)) as association:
        assert association.answer is not None
        names = {type(item).__name__ for item in association.answer.user_information.user_data}
        assert not any("Asynchronous" in name for name in names)
        uid, data_set = new_object()
        assert association.store(uid, data_set) == 0x0000


def test_operations_that_are_not_offered_are_unrecognized_and_the_association_lives_on(
    receiver: RunningReceiver,
) -> None:
    with raw_association(receiver.port) as association:
        find = command_set(0x0020, has_data_set=True, elements={Tag.AFFECTED_SOP_CLASS_UID: VERIFICATION})
        association.send(pdata([(3, 3, find), (3, 2, b"identifier")]))
        answer = association.response()
        assert (answer.field, answer.number(Tag.STATUS)) == (0x8020, 0x0211)
        cancel = command_set(CommandField.C_CANCEL_RQ)
        association.send(pdata([(3, 3, cancel)]))
        association.send(pdata([(1, 3, command_set(CommandField.C_ECHO_RQ))]))
        assert association.status() == 0x0211, "C-ECHO belongs to the context of Verification"
        association.send(pdata([(3, 3, command_set(CommandField.C_ECHO_RQ))]))
        assert association.status() == 0x0000


def test_further_services_are_given_as_handlers(start_receiver: Callable[..., RunningReceiver]) -> None:
    seen: list[tuple[str, str, bytes]] = []

    def action(association: Association, message: Message) -> Reply:
        assert message.data_set is not None
        instance = message.command.text(Tag.REQUESTED_SOP_INSTANCE_UID)
        seen.append((association.calling_ae, instance, bytes(message.data_set.bytes)))
        return Reply(0x0000, {Tag.ACTION_TYPE_ID: 1}, b"reply")

    receiver = start_receiver(handlers={CommandField.N_ACTION_RQ: action})
    request = command_set(
        CommandField.N_ACTION_RQ,
        has_data_set=True,
        elements={Tag.REQUESTED_SOP_CLASS_UID: "1.2.3", Tag.REQUESTED_SOP_INSTANCE_UID: "1.2.3.9"},
    )
    with raw_association(receiver.port) as association:
        association.send(pdata([(3, 3, request), (3, 2, b"information")]))
        answer = association.response()
        assert (answer.field, answer.number(Tag.STATUS)) == (0x8130, 0x0000)
        assert answer.text(Tag.AFFECTED_SOP_INSTANCE_UID) == "1.2.3.9"
        kind, content = association.receive()
        assert (kind, content[5], content[6:]) == (4, 2, b"reply")
    assert seen == [("SCANNER", "1.2.3.9", b"information")]


def test_an_object_aborted_half_way_leaves_nothing(start_receiver: Callable[..., RunningReceiver]) -> None:
    receiver = start_receiver(message_memory_bytes=65_536)
    for size in (100, 100_000):  # in memory, and on its way to disk
        with raw_association(receiver.port) as association:
            association.send(pdata([(1, 3, store_command("1.2.3")), (1, 0, bytes(size))]))
            association.send(pdu(ABORT, bytes(4)))
            assert association.receive() == (0, b"")
    assert receiver.files == set()
    assert receiver.journal.events() == []


def test_a_large_object_goes_by_way_of_a_file_and_is_the_same(
    start_receiver: Callable[..., RunningReceiver],
) -> None:
    receiver = start_receiver(message_memory_bytes=65_536)
    uid, _ = new_object()
    data_set = encoded(secondary_capture(uid, ImageComments="x" * 100_000))
    with raw_association(receiver.port) as association:
        association.send(pdata([(1, 3, store_command(uid))]))
        for at in range(0, len(data_set), 10_000):
            association.send(
                pdata([(1, 2 if at + 10_000 >= len(data_set) else 0, data_set[at : at + 10_000])])
            )
        assert association.status() == 0x0000
        truncated = data_set[:-5]
        association.send(pdata([(1, 3, store_command(uid)), (1, 2, truncated)]))
        assert association.status() == 0xC000
    assert kept_bytes(receiver, uid, data_set).endswith(data_set)
    kinds = sorted(name.partition("/")[0] for name in receiver.files)
    assert kinds == ["instances", "quarantine"], "no file in the making is left"


def test_an_object_that_is_too_large_costs_its_association_and_says_which_key(
    start_receiver: Callable[..., RunningReceiver],
) -> None:
    receiver = start_receiver(max_instance_bytes=1_000_000, message_memory_bytes=65_536)
    with raw_association(receiver.port) as association:
        association.send(pdata([(1, 3, store_command("1.2.3"))]))
        for _ in range(11):
            association.send(pdata([(1, 0, bytes(100_000))]))
        assert association.receive()[0] == ABORT
    assert receiver.files == set()
    code, message = receiver.last_event()
    assert code == "instance_too_large"
    assert "max_instance_bytes" in message


def test_a_disk_that_fills_up_half_way_refuses_the_object_and_keeps_the_association(
    start_receiver: Callable[..., RunningReceiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = start_receiver(message_memory_bytes=65_536)
    with raw_association(receiver.port) as association:
        with monkeypatch.context() as full:
            full.setattr(receiver.archive, "has_room", lambda _size: False)
            association.send(pdata([(1, 3, store_command("1.2.3")), (1, 0, bytes(100_000))]))
            association.send(pdata([(1, 2, bytes(100_000))]))
            assert association.status() == 0xA700
        assert receiver.files == set()
        uid, data_set = new_object()
        assert association.store(uid, data_set) == 0x0000


def test_a_message_may_not_take_for_ever(start_receiver: Callable[..., RunningReceiver]) -> None:
    receiver = start_receiver(message_timeout_seconds=1, dimse_timeout_seconds=5)
    with raw_association(receiver.port) as association:
        association.send(pdata([(1, 3, store_command("1.2.3"))]))
        started = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while time.monotonic() - started < 10:
                association.send(pdata([(1, 0, b"x")]))
                time.sleep(0.05)
    assert time.monotonic() - started < 5
    assert receiver.last_event()[0] == "message_timeout"


@pytest.mark.parametrize("in_message", [False, True])
def test_a_silent_association_is_aborted(
    start_receiver: Callable[..., RunningReceiver], *, in_message: bool
) -> None:
    receiver = start_receiver(idle_timeout_seconds=1, dimse_timeout_seconds=1)
    with raw_association(receiver.port) as association:
        if in_message:
            association.send(pdata([(1, 3, store_command("1.2.3")), (1, 0, b"x")]))
        started = time.monotonic()
        kind, body = association.receive()
        assert (kind, body[2]) == (ABORT, 0)
        assert time.monotonic() - started < 4


def test_stopping_ends_idle_associations_and_completes_the_object_under_way(
    receiver: RunningReceiver,
) -> None:
    uid, data_set = new_object()
    with raw_association(receiver.port) as busy, raw_association(receiver.port) as idle:
        busy.send(pdata([(1, 3, store_command(uid)), (1, 0, data_set[:100])]))
        time.sleep(0.1)
        stopping = threading.Thread(target=receiver.receiver.stop)
        stopping.start()
        assert idle.receive()[0] == ABORT
        time.sleep(1.2)  # longer than the receiver's own heartbeat
        busy.send(pdata([(1, 2, data_set[100:])]))
        assert busy.status() == 0x0000
        assert busy.receive()[0] == ABORT
        stopping.join(timeout=5)
        assert not stopping.is_alive()
    assert kept_bytes(receiver, uid, data_set).endswith(data_set)


def write_files(folder: Path, number: int) -> list[str]:
    paths = []
    for index in range(number):
        dataset = secondary_capture(f"1.2.3.7.{index + 1}", ImageComments="c" * (index * 3001))
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        paths.append(str(folder / f"{index}.dcm"))
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


@pytest.mark.dcmtk
@pytest.mark.parametrize("options", [["-pdu", "4096"], ["-pdu", "131072"], ["--repeat", "3"], ["-xi"]])
def test_dcmtk_sends_with_any_options(receiver: RunningReceiver, tmp_path: Path, options: list[str]) -> None:
    command = ["storescu", *options, "-aec", "RADIUSDXA", "127.0.0.1", str(receiver.port)]
    subprocess.run([*command, *write_files(tmp_path, 8)], check=True, capture_output=True, timeout=60)
    assert len(receiver.journal.instances("1.2.3")) == 8


@pytest.mark.dcmtk
def test_dcmtk_sends_by_many_associations_at_once(receiver: RunningReceiver, tmp_path: Path) -> None:
    running = []
    for number in range(6):
        folder = tmp_path / str(number)
        folder.mkdir()
        command = ["storescu", "-aet", f"SCANNER{number}", "-aec", "RADIUSDXA", "127.0.0.1"]
        running.append(
            subprocess.Popen([*command, str(receiver.port), *write_files(folder, 6)], stderr=subprocess.PIPE)
        )
    assert [process.wait(timeout=60) for process in running] == [0] * 6
    assert len(receiver.journal.instances("1.2.3")) == 6


@pytest.mark.orthanc
def test_orthanc_sends_here(receiver: RunningReceiver, orthanc: OrthancServer, tmp_path: Path) -> None:
    def ask(method: str, path: str, content: bytes) -> object:
        request = urllib.request.Request(
            f"http://127.0.0.1:{orthanc.http_port}{path}", data=content, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    for path in write_files(tmp_path, 5):
        ask("POST", "/instances", Path(path).read_bytes())
    modality = {"AET": "RADIUSDXA", "Host": "127.0.0.1", "Port": receiver.port}
    ask("PUT", "/modalities/node", json.dumps(modality).encode())
    ask("POST", "/modalities/node/store", json.dumps(orthanc.get("/instances")).encode())
    assert len(receiver.journal.instances("1.2.3")) == 5


def test_pynetdicom_sends_with_the_shortest_pdus(start_receiver: Callable[..., RunningReceiver]) -> None:
    receiver = start_receiver(maximum_pdu_size=4096)
    with raw_scu(receiver.port) as scu:
        dataset = secondary_capture("1.2.3.8.1", ImageComments="x" * 9_000)
        assert scu.store_dataset(dataset).status == 0x0000
    assert kept_bytes(receiver, "1.2.3.8.1", encoded(dataset)).endswith(encoded(dataset))


def test_a_reply_is_not_lost_when_the_peer_releases_at_once(receiver: RunningReceiver) -> None:
    uid, data_set = new_object()
    with raw_association(receiver.port) as association:
        association.send(
            pdata([(1, 3, store_command(uid)), (1, 2, data_set)]) + pdu(5, bytes(4))
        )  # without waiting for the answer
        assert association.status() == 0x0000
        assert association.receive()[0] == RELEASE_RP
        association.connection.shutdown(socket.SHUT_WR)


def test_more_objects_at_once_than_memory_holds_go_by_way_of_files(
    start_receiver: Callable[..., RunningReceiver],
) -> None:
    receiver = start_receiver()
    objects = [new_object() for _ in range(20)]
    with ExitStack() as stack:
        associations = [stack.enter_context(raw_association(receiver.port)) for _ in objects]
        for association, (uid, data_set) in zip(associations, objects, strict=True):
            association.send(pdata([(1, 3, store_command(uid)), (1, 0, data_set[:100])]))
        deadline = time.monotonic() + 5
        while len(list((receiver.archive.data_dir / "tmp").iterdir())) < 4:
            assert time.monotonic() < deadline, "16 are held in memory, the others go to disk"
        for association, (_, data_set) in zip(associations, objects, strict=True):
            association.send(pdata([(1, 2, data_set[100:])]))
            assert association.status() == 0x0000
    for uid, data_set in objects:
        assert kept_bytes(receiver, uid, data_set).endswith(data_set)
    assert all(name.startswith("instances/") for name in receiver.files), "no file in the making is left"
