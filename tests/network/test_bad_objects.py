"""What a bad peer or a bad object gets, and that it costs nobody else anything.

The cases of the experiments that pynetdicom's own acceptor failed: malformed associations, broken transfers,
objects that are none. Each has its expected answer; afterwards nothing lies outside the data directory or
under a name that a peer chose, and a good object is stored.
"""

from __future__ import annotations

import re
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    SecondaryCaptureImageStorage,
)
from raw_scu import encoded, secondary_capture
from running_receiver import RunningReceiver, receiving
from wire import (
    ABORT,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    C_ECHO,
    ONE_CONTEXT,
    P_DATA,
    RELEASE_RQ,
    Context,
    Heard,
    WirePeer,
    associate_request,
    command,
    item,
    message,
    pdu,
    pdv,
    store_command,
    wire_peer,
)

from dicom_node.network import guard

INSTANCE = "1.2.3.1"
GOOD = encoded(secondary_capture(INSTANCE))
PRIVATE_CLASS = "1.2.826.0.1.3680043.10.9999.1"
CLOSED = 0

OWN_NAMES = re.compile(
    r"outer/data/(journal\.db(-wal|-shm)?|node\.lock|reserve"
    r"|instances/[0-9a-f]{2}/[0-9a-f]{64}\.dcm|quarantine/[0-9a-f]{2}/[0-9a-f]{64}\.dataset)"
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningReceiver, Path]]:
    """A receiver with short time-outs, and the folder above its own."""
    root = tmp_path_factory.mktemp("root")
    settings = {
        "association_timeout_seconds": 1,
        "dimse_timeout_seconds": 1,
        "idle_timeout_seconds": 1,
        "max_instance_bytes": 4_000_000,
        "accept_deflated": True,
    }
    with (
        pytest.MonkeyPatch.context() as patched,
        receiving(root / "outer", settings=settings) as receiver,
    ):
        patched.setattr(guard, "PDU_DEADLINE_SECONDS", 1.0)
        yield receiver, root


@pytest.fixture
def port(served: tuple[RunningReceiver, Path]) -> Iterator[int]:
    """The receiver's port; after the test the node must be sound and serving."""
    receiver, root = served
    kept_before = receiver.files
    yield receiver.port
    with wire_peer(receiver.port) as peer:
        peer.associate()
        assert peer.store(GOOD, INSTANCE.encode()).status == 0x0000, "the next good object must be stored"
    files = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    strangers = [name for name in files if not OWN_NAMES.fullmatch(name)]
    assert not strangers, "every file must lie in the data directory, under a name of our own"
    for name in receiver.files - kept_before:
        assert name.startswith("quarantine/") or is_acknowledged(receiver, name)
    assert receiver.journal.check_integrity() == ()


def is_acknowledged(receiver: RunningReceiver, name: str) -> bool:
    rows = receiver.journal._rows("SELECT kind FROM instances WHERE path = ?", (name,))
    return [row["kind"] for row in rows] == ["input"]


# ---- before an association ------------------------------------------------------------------------------


def many_contexts(ids: Iterator[int] | range | list[int], *syntaxes: str) -> tuple[Context, ...]:
    return tuple((number, PRIVATE_CLASS, syntaxes or [ExplicitVRLittleEndian]) for number in ids)


ROLE = item(0x54, struct.pack(">H", 5) + b"1.2.3" + b"\0\1")
IDENTITY = item(0x58, b"\1\0" + struct.pack(">H", 60_000) + b"u" * 60_000 + struct.pack(">H", 0))
CUT_ITEM = associate_request()[:-4] + b"\xff\xff\xff\xff"
LONG = pdu(1, associate_request()[6:] + item(0x10, b"x" * 65_000) * 20)

BEFORE: dict[str, tuple[bytes, int, tuple[int, ...] | None]] = {
    "silence": (b"", CLOSED, None),
    "half a header": (b"\1\0\0", CLOSED, None),
    "half a request": (associate_request()[:90], CLOSED, None),
    "a PDU of four gigabytes": (struct.pack(">BxL", 1, 0xFFFFFFFF), ABORT, None),
    "a PDU of an unknown type": (pdu(0x42, b"????"), ABORT, None),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: node\r\n\r\n", ABORT, None),
    "a TLS hello": (bytes.fromhex("16030100c8010000c40303") + bytes(189), ABORT, None),
    "P-DATA first": (pdu(P_DATA, pdv(1, 3, store_command(b"1.2"))), ABORT, None),
    "release first": (pdu(RELEASE_RQ, bytes(4)), ABORT, None),
    "an acceptance instead of a request": (pdu(ASSOCIATE_AC, associate_request()[6:]), ABORT, None),
    "protocol version 0": (associate_request(version=0), ASSOCIATE_RJ, (1, 2, 2)),
    "protocol version 2": (associate_request(version=2), ASSOCIATE_RJ, (1, 2, 2)),
    "protocol versions of all bits": (associate_request(version=0xFFFF), ASSOCIATE_AC, None),
    "another application": (associate_request(application="1.2.3.4"), ASSOCIATE_RJ, (1, 1, 2)),
    "128 contexts": (associate_request(many_contexts(range(1, 256, 2))), ASSOCIATE_AC, None),
    "500 contexts": (associate_request(many_contexts([n % 256 | 1 for n in range(500)])), ASSOCIATE_RJ, None),
    "500 contexts of even number": (
        associate_request(many_contexts([n % 256 for n in range(500)])),
        ABORT,
        None,
    ),
    "one context of even number": (associate_request(many_contexts([2])), ABORT, None),
    "no context": (associate_request(()), ASSOCIATE_RJ, None),
    "1000 transfer syntaxes": (
        associate_request(many_contexts([1], *(f"1.2.{n}" for n in range(1000)), ImplicitVRLittleEndian)),
        ASSOCIATE_AC,
        None,
    ),
    "2000 roles": (associate_request(user_items=ROLE * 2000), ASSOCIATE_AC, None),
    "60 KiB of user identity": (associate_request(user_items=IDENTITY), ASSOCIATE_AC, None),
    "a user identity that is cut": (associate_request(user_items=IDENTITY[:40_000]), ABORT, None),
    "a request of 1.3 MB": (LONG, ABORT, None),
    "an unknown user item": (associate_request(user_items=item(0x99, b"xyz")), ABORT, None),
    "an item longer than its PDU": (CUT_ITEM, ABORT, None),
    "a blank called AE title": (associate_request(called=b" " * 16), ABORT, None),
    "a control character in the calling AE title": (associate_request(calling=b"A\nB"), ABORT, None),
    "another called AE title": (associate_request(called=b"SOMEONE"), ASSOCIATE_RJ, (1, 1, 7)),
    "a private transfer syntax alone": (
        associate_request(many_contexts([1], "1.2.826.0.1.3680043.10.9999.2")),
        ASSOCIATE_RJ,
        None,
    ),
    "a worklist alone": (
        associate_request(((1, "1.2.840.10008.5.1.4.31", [ImplicitVRLittleEndian]),)),
        ASSOCIATE_RJ,
        None,
    ),
}


@pytest.mark.parametrize(("sent", "kind", "reason"), BEFORE.values(), ids=BEFORE.keys())
def test_a_bad_greeting_is_answered_as_the_standard_says(
    port: int, sent: bytes, kind: int, reason: tuple[int, ...] | None
) -> None:
    with wire_peer(port) as peer:
        peer.say(sent)
        heard = peer.hear()
        assert heard.kind == kind
        if reason is not None:
            assert heard.reason == reason
        if kind != ASSOCIATE_AC:
            assert peer.hear(seconds=3).kind == CLOSED


def test_a_private_class_is_accepted_beside_a_syntax_that_nobody_knows(port: int) -> None:
    contexts = (*many_contexts([1], "1.2.3.4.5"), (3, PRIVATE_CLASS, [ExplicitVRLittleEndian]))
    with wire_peer(port) as peer:
        peer.say(associate_request(contexts))
        assert peer.hear().accepted_contexts == {1: 4, 3: 0}  # transfer syntaxes not supported; accepted
        private = encoded(secondary_capture("1.2.3.77", SOPClassUID=PRIVATE_CLASS))
        answer = peer.store(private, b"1.2.3.77", context_id=3, sop_class=PRIVATE_CLASS.encode())
        assert answer.status == 0x0000


# ---- inside an association ------------------------------------------------------------------------------

REQUEST = store_command(INSTANCE.encode())
ECHO = command(
    {
        0x0002: b"1.2.840.10008.1.1\0",
        0x0100: struct.pack("<H", C_ECHO),
        0x0110: b"\7\0",
        0x0800: struct.pack("<H", 0x0101),
    }
)
FIRST = pdu(P_DATA, pdv(1, 3, REQUEST)) + pdu(P_DATA, pdv(1, 0, GOOD[:100]))

INSIDE: dict[str, tuple[bytes, int]] = {
    "silence after the association": (b"", ABORT),
    "a command and a fragment, then silence": (FIRST, ABORT),
    "half a P-DATA": (pdu(P_DATA, pdv(1, 3, REQUEST))[:60], CLOSED),
    "an empty P-DATA": (pdu(P_DATA, b""), ABORT),
    "a PDV of no length": (pdu(P_DATA, struct.pack(">L", 0)), ABORT),
    "a PDV longer than its PDU": (pdu(P_DATA, struct.pack(">LBB", 99_999, 1, 3) + REQUEST), ABORT),
    "a context that was not agreed": (pdu(P_DATA, pdv(9, 3, REQUEST)), ABORT),
    "a command set of noise": (pdu(P_DATA, pdv(1, 3, bytes(range(256)))), ABORT),
    "an empty command set": (pdu(P_DATA, pdv(1, 3, b"")), ABORT),
    "two commands and no data set": (pdu(P_DATA, pdv(1, 3, REQUEST)) * 2, ABORT),
    "a data set without a command": (pdu(P_DATA, pdv(1, 2, GOOD)), ABORT),
    "a PDU of four gigabytes": (struct.pack(">BxL", P_DATA, 0xFFFFFFFF), ABORT),
    "an endless data set": (
        pdu(P_DATA, pdv(1, 3, REQUEST)) + pdu(P_DATA, pdv(1, 0, bytes(500_000))) * 10,
        ABORT,
    ),
    "a second request for an association": (associate_request(), ABORT),
}


@pytest.mark.parametrize(("sent", "kind"), INSIDE.values(), ids=INSIDE.keys())
def test_a_broken_message_ends_its_association_and_is_not_stored(
    port: int, served: tuple[RunningReceiver, Path], sent: bytes, kind: int
) -> None:
    rows = count_of_instances(served[0])
    with wire_peer(port) as peer:
        peer.associate()
        peer.say(sent)
        assert peer.hear().kind == kind
        assert peer.hear(seconds=3).kind == CLOSED
    assert count_of_instances(served[0]) == rows


def count_of_instances(receiver: RunningReceiver) -> int:
    return int(receiver.journal._rows("SELECT count(*) AS n FROM instances")[0]["n"])


def abort(peer: WirePeer) -> None:
    peer.say(pdu(ABORT, bytes(4)))


def finish(peer: WirePeer) -> None:
    peer.connection.shutdown(socket.SHUT_WR)


def reset(peer: WirePeer) -> None:
    peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def cut_short(peer: WirePeer) -> None:
    peer.say(pdu(P_DATA, pdv(1, 2, GOOD))[:50])
    finish(peer)


@pytest.mark.parametrize("leave", [abort, finish, reset, cut_short], ids=lambda leave: leave.__name__)
def test_a_sender_that_leaves_in_the_middle_leaves_nothing_behind(
    port: int, served: tuple[RunningReceiver, Path], leave: Callable[[WirePeer], None]
) -> None:
    receiver = served[0]
    rows = count_of_instances(receiver)
    with wire_peer(port) as peer:
        peer.associate()
        peer.say(FIRST)
        leave(peer)
    with wire_peer(port) as peer:
        peer.associate()
        assert peer.store(GOOD, INSTANCE.encode()).status == 0x0000
    assert count_of_instances(receiver) - rows <= 1  # that one, if no earlier test has sent it
    assert not list((receiver.archive.data_dir / "tmp").iterdir())


def test_a_wrong_operation_is_answered_and_costs_nothing(port: int) -> None:
    unknown = command({0x0100: struct.pack("<H", 0x0150), 0x0110: b"\7\0", 0x0800: b"\1\1"})
    with wire_peer(port) as peer:
        peer.associate()
        peer.say(pdu(P_DATA, pdv(1, 3, unknown)))
        assert peer.hear().status == 0x0211  # unrecognised operation (PS3.7 C.5.9)
        assert peer.store(GOOD, INSTANCE.encode()).status == 0x0000


# ---- objects --------------------------------------------------------------------------------------------


def element(group: int, number: int, vr: bytes, length: int, value: bytes = b"") -> bytes:
    return struct.pack("<HH2sxxL", group, number, vr, length) + value


def with_uid(tag: tuple[int, int], value: bytes) -> bytes:
    """The good object with another value of a UID element, whatever it may be."""
    head = struct.pack("<HH2s", *tag, b"UI")
    at = GOOD.index(head)
    (length,) = struct.unpack_from("<H", GOOD, at + 6)
    value += b"\0" * (len(value) % 2)
    return GOOD[: at + 6] + struct.pack("<H", len(value)) + value + GOOD[at + 8 + length :]


def without_pixels() -> bytes:
    return GOOD[: GOOD.index(struct.pack("<HH2s", 0x7FE0, 0x0010, b"OB"))]


def nested(depth: int) -> bytes:
    return (
        element(0x0008, 0x1110, b"SQ", 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    ) * depth


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(data) + packer.flush()


def deflate_bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return b"".join(packer.compress(bytes(1 << 22)) for _ in range(33)) + packer.flush()


SOP_INSTANCE, SOP_CLASS, STUDY, SERIES = (8, 0x18), (8, 0x16), (0x20, 0x0D), (0x20, 0x0E)
FRAGMENTS = element(0x7FE0, 0x0010, b"OB", 0xFFFFFFFF) + struct.pack(
    "<HHLHHL4s", 0xFFFE, 0xE000, 0, 0xFFFE, 0xE000, 4, b"abcd"
)
ILLEGAL = {
    "a path upwards": b"../../pwned",
    "an absolute path": b"/etc/passwd",
    "letters": b"1.2.abc",
    "a leading zero": b"1.02.3",
    "markup": b"<script>1.2</script>",
    "a newline": b"1.2\n.3",
    "a NUL inside": b"1.2\0.3",
    "a byte 0xFF": b"1.2\xff3",
    "65 digits": b"1." + b"2" * 63,
    "a trailing dot": b"1.2.",
}
EXPLICIT = (SecondaryCaptureImageStorage, ExplicitVRLittleEndian)
DEFLATED = (SecondaryCaptureImageStorage, DeflatedExplicitVRLittleEndian)
MISMATCH, NOT_UNDERSTOOD, STORED = 0xA900, 0xC000, 0x0000


@dataclass(frozen=True)
class Sent:
    """One C-STORE and the status that it must get."""

    status: int
    data: bytes | None
    instance: bytes = INSTANCE.encode()
    sop_class: str = SecondaryCaptureImageStorage
    context: tuple[str, str] = field(default=EXPLICIT)


OBJECTS: dict[str, Sent] = {
    "a good one": Sent(STORED, GOOD),
    "no pixels: they are looked at later": Sent(STORED, without_pixels()),
    "a pixel element of two gigabytes": Sent(
        NOT_UNDERSTOOD, without_pixels() + element(0x7FE0, 0x0010, b"OW", 0x7FFFFFFE, bytes(16))
    ),
    "a text of two gigabytes": Sent(NOT_UNDERSTOOD, GOOD + element(0x7FE1, 0x0010, b"UT", 0x80000000)),
    "pixels of no length without an end": Sent(
        NOT_UNDERSTOOD, without_pixels() + element(0x7FE0, 0x0010, b"OW", 0xFFFFFFFF, bytes(64))
    ),
    "64 KiB of noise": Sent(NOT_UNDERSTOOD, bytes(n * n % 251 for n in range(65536))),
    "64 KiB of zeros": Sent(NOT_UNDERSTOOD, bytes(65536)),
    "one byte": Sent(NOT_UNDERSTOOD, b"\x08"),
    "no bytes": Sent(NOT_UNDERSTOOD, b""),
    "a sequence without an end": Sent(NOT_UNDERSTOOD, GOOD + element(0x7FE1, 0x1010, b"SQ", 0xFFFFFFFF)),
    **{
        f"{depth} open sequences": Sent(NOT_UNDERSTOOD, nested(depth)) for depth in (33, 100, 400, 1000, 5000)
    },
    "a deflated bomb": Sent(NOT_UNDERSTOOD, deflate_bomb(), context=DEFLATED),
    "a deflated good one": Sent(
        STORED,
        deflated(encoded(secondary_capture("1.2.3.2"))),
        b"1.2.3.2",
        context=DEFLATED,
    ),
    "a deflated one without its end": Sent(
        NOT_UNDERSTOOD,
        deflated(GOOD)[:-20],
        context=DEFLATED,
    ),
    **{f"{name} in the command": Sent(MISMATCH, GOOD, uid) for name, uid in ILLEGAL.items()},
    "no UID in the command": Sent(MISMATCH, GOOD, b""),
    **{
        f"{name} in the data set": Sent(MISMATCH, with_uid(SOP_INSTANCE, uid), uid)
        for name, uid in ILLEGAL.items()
    },
    **{f"{name} as study": Sent(MISMATCH, with_uid(STUDY, uid)) for name, uid in ILLEGAL.items()},
    "a UID of 128 characters as series": Sent(MISMATCH, with_uid(SERIES, b"1." + b"3" * 126)),
    "an empty SOP Instance UID": Sent(NOT_UNDERSTOOD, with_uid(SOP_INSTANCE, b"")),
    "an empty SOP Class UID": Sent(NOT_UNDERSTOOD, with_uid(SOP_CLASS, b"")),
    "an empty Study Instance UID": Sent(NOT_UNDERSTOOD, with_uid(STUDY, b"")),
    "two SOP Instance UIDs": Sent(
        NOT_UNDERSTOOD, struct.pack("<HH2sH8s", 8, 0x18, b"UI", 8, b"1.2.3.1\0") + GOOD
    ),
    "two values in one UID": Sent(MISMATCH, with_uid(SOP_INSTANCE, b"1.2\\1.3"), b"1.2\\1.3"),
    "another UID than the command's": Sent(MISMATCH, GOOD, b"1.2.3.9"),
    "a command of another class": Sent(MISMATCH, GOOD, sop_class=CTImageStorage),
    "a data set of another class": Sent(MISMATCH, with_uid(SOP_CLASS, CTImageStorage.encode())),
    "a context of another class": Sent(MISMATCH, GOOD, context=(CTImageStorage, ExplicitVRLittleEndian)),
    "native pixels in a compressed syntax: judged later": Sent(
        STORED,
        encoded(secondary_capture("1.2.3.3")),
        b"1.2.3.3",
        context=(SecondaryCaptureImageStorage, JPEG2000Lossless),
    ),
    "compressed pixels in an uncompressed syntax": Sent(NOT_UNDERSTOOD, without_pixels() + FRAGMENTS),
    "implicit bytes in an explicit syntax": Sent(NOT_UNDERSTOOD, encoded(secondary_capture(), implicit=True)),
    "explicit bytes in an implicit syntax": Sent(
        NOT_UNDERSTOOD, GOOD, context=(SecondaryCaptureImageStorage, ImplicitVRLittleEndian)
    ),
    "a whole file, its preamble in front": Sent(NOT_UNDERSTOOD, bytes(128) + b"DICM" + GOOD),
    "a command set in front": Sent(NOT_UNDERSTOOD, REQUEST + GOOD),
    "a byte too many": Sent(NOT_UNDERSTOOD, GOOD + b"\0"),
    "a byte too few": Sent(NOT_UNDERSTOOD, GOOD[:-1]),
    "a VR that does not exist": Sent(NOT_UNDERSTOOD, GOOD.replace(b"\x08\0\x60\0CS", b"\x08\0\x60\0??")),
}


def store(port: int, sent: Sent) -> Heard:
    with wire_peer(port) as peer:
        peer.associate([(1, sent.context[0], [sent.context[1]])])
        answer = peer.store(sent.data, sent.instance, sop_class=sent.sop_class.encode())
        if answer.kind == P_DATA and answer.status != STORED:
            assert peer.store(sent.data, sent.instance, sop_class=sent.sop_class.encode()).kind == P_DATA
        return answer


@pytest.mark.parametrize("sent", OBJECTS.values(), ids=OBJECTS.keys())
def test_an_object_gets_the_status_that_it_deserves(
    port: int, served: tuple[RunningReceiver, Path], sent: Sent
) -> None:
    assert store(port, sent).status == sent.status
    if sent.status != STORED:
        assert served[0].last_event()[0] in REASONS


REASONS = {
    "malformed_data_set",
    "empty_data_set",
    "missing_uid",
    "illegal_uid",
    "class_mismatch",
    "uid_mismatch",
    "duplicate_instance",
}


def test_a_store_that_announces_no_data_set_is_refused(port: int) -> None:
    with wire_peer(port) as peer:
        peer.associate()
        peer.say(message(1, store_command(INSTANCE.encode(), data_set_type=0x0101), None))
        assert peer.hear().status == NOT_UNDERSTOOD


def test_a_data_set_on_another_context_than_its_command_ends_the_association(port: int) -> None:
    other: Context = (3, CTImageStorage, [ExplicitVRLittleEndian])
    with wire_peer(port) as peer:
        peer.associate((*ONE_CONTEXT, other))
        peer.say(pdu(P_DATA, pdv(1, 3, REQUEST)), pdu(P_DATA, pdv(3, 2, GOOD)))
        assert peer.hear().kind == ABORT


def test_one_uid_with_other_bytes_is_kept_beside_the_first(
    port: int, served: tuple[RunningReceiver, Path]
) -> None:
    receiver = served[0]
    for sex in ("F", "M"):
        other = Sent(STORED, encoded(secondary_capture("1.2.5.1", study="1.2.5", PatientSex=sex)), b"1.2.5.1")
        assert store(port, other).status == STORED
    rows = receiver.journal._rows("SELECT version FROM instances WHERE sop_instance_uid = '1.2.5.1'")
    assert sorted(row["version"] for row in rows) == [1, 2]
    assert "other_bytes" in [event.code for event in receiver.journal.events(study_instance_uid="1.2.5")]


def test_the_cases_are_as_many_as_were_measured() -> None:
    """Sixty in the table of experiments; none may be dropped silently."""
    assert len(BEFORE) + len(INSIDE) + len(OBJECTS) >= 100
