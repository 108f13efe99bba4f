"""DICOM's upper layer as bare bytes on a socket: for peers that say what no library lets them say.

Layouts: PS3.8 section 9.3 (PDUs), PS3.7 annexes D.3.3 (user information) and E (command sets).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

DICOM = "1.2.840.10008.3.1.1.1"
C_STORE, C_ECHO = 0x0001, 0x0030
ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
Context = tuple[int, str, Sequence[str]]
"""Presentation context ID, abstract syntax, transfer syntaxes."""
ONE_CONTEXT: tuple[Context, ...] = ((1, SecondaryCaptureImageStorage, [ExplicitVRLittleEndian]),)


def pdu(kind: int, body: bytes) -> bytes:
    """One PDU with its true length."""
    return struct.pack(">BxL", kind, len(body)) + body


def item(kind: int, body: bytes) -> bytes:
    """One item or sub-item of an association PDU."""
    return struct.pack(">BxH", kind, len(body)) + body


def associate_request(
    contexts: Sequence[Context] = ONE_CONTEXT,
    *,
    called: bytes = b"RADIUSDXA",
    calling: bytes = b"SCANNER",
    version: int = 1,
    application: str = DICOM,
    user_items: bytes = b"",
) -> bytes:
    """An A-ASSOCIATE-RQ PDU."""
    body = struct.pack(">Hxx16s16s32x", version, called.ljust(16), calling.ljust(16))
    body += item(0x10, application.encode())
    for context_id, abstract, syntaxes in contexts:
        names = item(0x30, abstract.encode()) + b"".join(item(0x40, name.encode()) for name in syntaxes)
        body += item(0x20, bytes((context_id, 0, 0, 0)) + names)
    maximum_length = item(0x51, struct.pack(">L", 16384))
    return pdu(ASSOCIATE_RQ, body + item(0x50, maximum_length + item(0x52, b"1.2.3") + user_items))


def command(elements: dict[int, bytes]) -> bytes:
    """A command set, its group length in front."""
    body = b"".join(
        struct.pack("<HHL", 0, element, len(value)) + value for element, value in elements.items()
    )
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def store_command(
    instance: bytes,
    *,
    sop_class: bytes = SecondaryCaptureImageStorage.encode(),
    data_set_type: int = 1,
) -> bytes:
    """The command set of a C-STORE request; UIDs are sent as given, padded to even length."""
    return command(
        {
            0x0002: _even(sop_class),
            0x0100: struct.pack("<H", C_STORE),
            0x0110: struct.pack("<H", 7),
            0x0700: struct.pack("<H", 0),
            0x0800: struct.pack("<H", data_set_type),
            0x1000: _even(instance),
        }
    )


def pdv(context_id: int, control: int, fragment: bytes) -> bytes:
    """One presentation data value: control 1 = command, 2 = last."""
    return struct.pack(">LBB", len(fragment) + 2, context_id, control) + fragment


def message(context_id: int, command_set: bytes, data_set: bytes | None, size: int = 16000) -> bytes:
    """The P-DATA-TF PDUs of one message."""
    parts = [pdu(P_DATA, pdv(context_id, 3, command_set))]
    if data_set is not None:
        for at in range(0, max(len(data_set), 1), size):
            last = 2 if at + size >= len(data_set) else 0
            parts.append(pdu(P_DATA, pdv(context_id, last, data_set[at : at + size])))
    return b"".join(parts)


@dataclass
class Heard:
    """One PDU from the node; kind 0 means that it closed the connection, -1 that it was silent."""

    kind: int
    body: bytes = b""

    @property
    def accepted_contexts(self) -> dict[int, int]:
        """Presentation context ID -> result, of an A-ASSOCIATE-AC."""
        found, at = {}, 68
        while at + 4 <= len(self.body):
            kind, length = struct.unpack_from(">BxH", self.body, at)
            if kind == 0x21:
                found[self.body[at + 4]] = self.body[at + 6]
            at += 4 + length
        return found

    @property
    def reason(self) -> tuple[int, ...]:
        """Result, source and reason of a rejection; source and reason of an abort."""
        return tuple(self.body[1:4]) if self.kind == ASSOCIATE_RJ else tuple(self.body[2:4])

    @property
    def status(self) -> int:
        """DIMSE status of a response in one PDU."""
        assert self.kind == P_DATA, self
        at = self.body.index(struct.pack("<HHL", 0, 0x0900, 2))
        return int(struct.unpack_from("<H", self.body, at + 8)[0])


class WirePeer:
    """A peer that sends any bytes and hears what comes back."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def say(self, *parts: bytes) -> None:
        """Send bytes; a node that has closed already is no error."""
        try:
            for part in parts:
                self.connection.sendall(part)
        except OSError:
            pass

    def hear(self, seconds: float = 5.0) -> Heard:
        """The next PDU."""
        self.connection.settimeout(seconds)
        try:
            head = self._read(6)
            if len(head) < 6:
                return Heard(0)
            kind, length = struct.unpack(">BxL", head)
            return Heard(kind, self._read(length))
        except TimeoutError:
            return Heard(-1)
        except OSError:
            return Heard(0)

    def associate(self, contexts: Sequence[Context] = ONE_CONTEXT) -> None:
        """Be accepted."""
        self.say(associate_request(contexts))
        assert self.hear().kind == ASSOCIATE_AC

    def store(self, data_set: bytes | None, instance: bytes, *, context_id: int = 1, **names: bytes) -> Heard:
        """Send one C-STORE and hear its answer."""
        self.say(message(context_id, store_command(instance, **names), data_set))  # type: ignore[arg-type]
        return self.hear()

    def _read(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            part = self.connection.recv(size - len(received))
            if not part:
                break
            received += part
        return received


@contextmanager
def wire_peer(port: int) -> Iterator[WirePeer]:
    """A new connection, closed at the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield WirePeer(connection)


def _even(value: bytes) -> bytes:
    return value + b"\0" * (len(value) % 2)
