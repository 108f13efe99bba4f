"""An association by hand over a plain socket: any PDU, any fragment, any byte, whatever the standard says."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

from dicom_node.network.dimse import CommandField, CommandSet, Tag, encode_command

VERIFICATION = "1.2.840.10008.1.1"
ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = 2, 3, 4, 5, 6, 7

Fragment = tuple[int, int, bytes]
"""Presentation context ID, message control header, content."""


def request_pdu(
    *,
    called: str = "RADIUSDXA",
    calling: str = "SCANNER",
    abstract_syntaxes: Sequence[str] = (SecondaryCaptureImageStorage, VERIFICATION),
    maximum_length: int = 16384,
    application_context: str = "1.2.840.10008.3.1.1.1",
    asynchronous: bool = False,
) -> bytes:
    """An A-ASSOCIATE-RQ PDU; context IDs are 1, 3, 5 ... in order."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = application_context
    primitive.calling_ae_title = calling
    primitive.called_ae_title = called
    length = MaximumLengthNotification()
    length.maximum_length_received = maximum_length
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = "1.2.3"
    items: list[object] = [length, implementation]
    if asynchronous:
        window = AsynchronousOperationsWindowNegotiation()
        window.maximum_number_operations_invoked = 5
        window.maximum_number_operations_performed = 5
        items.append(window)
    primitive.user_information = items  # type: ignore[assignment]
    contexts = [build_context(uid, [ExplicitVRLittleEndian]) for uid in abstract_syntaxes]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = contexts
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())


def store_command(uid: str, *, message_id: int = 1, **changes: int | str) -> bytes:
    """An encoded C-STORE-RQ command set that announces a data set."""
    return command_set(
        CommandField.C_STORE_RQ,
        message_id=message_id,
        has_data_set=True,
        elements={
            Tag.AFFECTED_SOP_CLASS_UID: SecondaryCaptureImageStorage,
            Tag.AFFECTED_SOP_INSTANCE_UID: uid,
            Tag.PRIORITY: 0,
            **{Tag[name]: value for name, value in changes.items()},
        },
    )


def command_set(
    field: int, *, message_id: int = 1, has_data_set: bool = False, elements: Mapping[int, int | str] = {}
) -> bytes:
    """An encoded request."""
    return encode_command(
        {
            Tag.COMMAND_FIELD: field,
            Tag.MESSAGE_ID: message_id,
            Tag.COMMAND_DATA_SET_TYPE: 1 if has_data_set else 0x0101,
            **elements,
        }
    )


def pdata(fragments: Iterable[Fragment]) -> bytes:
    """One P-DATA-TF PDU of these fragments."""
    items = b"".join(
        struct.pack(">LBB", len(content) + 2, context, control) + content
        for context, control, content in fragments
    )
    return pdu(P_DATA, items)


def pdu(kind: int, content: bytes) -> bytes:
    """A PDU of any type."""
    return struct.pack(">BxL", kind, len(content)) + content


@dataclass
class RawAssociation:
    """A connected socket and what the node said to the request."""

    connection: socket.socket
    answer: A_ASSOCIATE_AC | None = None

    def send(self, content: bytes) -> None:
        self.connection.sendall(content)

    def receive(self) -> tuple[int, bytes]:
        """Type and content of the next PDU; (0, b"") when the node closed the connection."""
        try:
            head = self._exactly(6)
            kind, length = struct.unpack(">BxL", head)
            return kind, self._exactly(length)
        except (EOFError, ConnectionResetError):
            return 0, b""

    def response(self) -> CommandSet:
        """The command set of the next message."""
        command, last = b"", False
        while not last:
            kind, content = self.receive()
            assert kind == P_DATA, f"a PDU of type {kind}: {content.hex()}"
            at = 0
            while at < len(content):
                (length,) = struct.unpack_from(">L", content, at)
                assert content[at + 5] & 1, "a data set where a command set should be"
                command += content[at + 6 : at + 4 + length]
                last = bool(content[at + 5] & 2)
                at += 4 + length
        return CommandSet.decode(command)

    def status(self) -> int:
        """The status of the next response."""
        status = self.response().number(Tag.STATUS)
        assert status is not None
        return status

    def store(self, uid: str, data_set: bytes) -> int:
        """Send one object in the plainest way."""
        self.send(pdata([(1, 3, store_command(uid))]) + pdata([(1, 2, data_set)]))
        return self.status()

    def release(self) -> None:
        self.send(pdu(RELEASE_RQ, bytes(4)))
        assert self.receive()[0] == RELEASE_RP
        assert self.receive() == (0, b"")

    def _exactly(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            part = self.connection.recv(size - len(content))
            if not part:
                raise EOFError
            content += part
        return content


@contextmanager
def raw_connection(port: int) -> Iterator[RawAssociation]:
    """A connection on which nothing was said yet."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield RawAssociation(connection)


@contextmanager
def raw_association(port: int, request: bytes | None = None) -> Iterator[RawAssociation]:
    """An accepted association."""
    with raw_connection(port) as association:
        association.send(request or request_pdu())
        kind, content = association.receive()
        assert kind == ASSOCIATE_AC, f"a PDU of type {kind}: {content.hex()}"
        association.answer = A_ASSOCIATE_AC()
        association.answer.decode(pdu(kind, content))
        yield association
