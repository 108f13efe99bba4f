"""What goes wrong at scanners, each kind on a connection of its own beside the scanner's."""

from __future__ import annotations

import select
import socket
import struct
import threading
from dataclasses import replace

from receive_parts.sender import Connected, associate

from dicom_node.network.dimse import CommandField, Tag, encode_command, p_data
from soak_parts.studies import StudyObject

__all__ = ["FAULTS", "Scene", "message"]

FAULTS = ("abort", "reset", "half a PDU", "rubbish", "duplicate", "refused object", "unknown AE")
"""Their order is that in which they come; "duplicate" is played by the scanner itself."""

_ABORT = bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0))
_RUBBISH = (
    b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n",
    bytes.fromhex("16030100a5010000a10303") + bytes(160),  # a TLS ClientHello
    bytes(range(256)) * 2,
    b"\x01\x00\xff\xff\xff\xff" + bytes(100),  # an A-ASSOCIATE-RQ of four gigabytes
)
_CLOSE_SECONDS = 45.0
"""Longer than the node waits for the next byte of a message (30 s), or for a request (10 s)."""


def message(item: StudyObject, maximum_length: int) -> bytes:
    """Return the P-DATA-TF PDUs of one C-STORE request."""
    command = encode_command(
        {
            Tag.AFFECTED_SOP_CLASS_UID: item.sop_class_uid,
            Tag.COMMAND_FIELD: CommandField.C_STORE_RQ,
            Tag.MESSAGE_ID: 1,
            Tag.PRIORITY: 0,
            Tag.COMMAND_DATA_SET_TYPE: 1,
            Tag.AFFECTED_SOP_INSTANCE_UID: item.sop_instance_uid,
        }
    )
    return b"".join(p_data(item.context_id, command, item.data_set, maximum_length))


class Scene:
    """Plays faults at one node.

    Parameters
    ----------
    request, stranger : bytes
        A-ASSOCIATE-RQ of an AE that the node knows, and of one that it does not.
    """

    def __init__(self, port: int, request: bytes, stranger: bytes) -> None:
        self._port = port
        self._request = request
        self._stranger = stranger
        self._lock = threading.Lock()
        self._silent: list[socket.socket] = []
        self._rubbish = 0

    def play(self, fault: str, item: StudyObject) -> str:
        """Let one thing go wrong; return what the node did that it should not have, else an empty text."""
        if fault == "rubbish":
            return self._send_rubbish()
        if fault == "unknown AE":
            return self._call_as_a_stranger()
        if fault == "duplicate":
            return ""
        association = associate(self._port, self._request)
        if fault == "refused object":
            return _send_under_another_name(association, item)
        whole = message(item, association.maximum_length)
        half = whole[: len(whole) // 2]
        if fault == "abort":
            association.connection.sendall(_complete_pdus(half) + _ABORT)
            association.connection.close()
        elif fault == "reset":
            association.connection.sendall(half)
            association.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            association.connection.close()
        else:
            association.connection.sendall(half)
            with self._lock:
                self._silent.append(association.connection)
        return ""

    def still_open(self) -> int:
        """Return how many of the connections that fell silent the node has not closed after its deadline."""
        opened = 0
        for connection in self._silent:
            opened += not _is_closed(connection, _CLOSE_SECONDS)
            connection.close()
        self._silent.clear()
        return opened

    def _send_rubbish(self) -> str:
        with self._lock:
            self._rubbish += 1
            number = self._rubbish
        with socket.create_connection(("127.0.0.1", self._port), timeout=_CLOSE_SECONDS) as connection:
            connection.sendall(_RUBBISH[number % len(_RUBBISH)])
            return "" if _is_closed(connection, _CLOSE_SECONDS) else "the connection stays open"

    def _call_as_a_stranger(self) -> str:
        try:
            associate(self._port, self._stranger).release()
        except ConnectionError as error:
            return "" if "rejected" in str(error) else f"no rejection: {error!r}"
        return "an unknown AE was accepted"


def _send_under_another_name(association: Connected, item: StudyObject) -> str:
    """Send an object whose data set bears another SOP Instance UID than its command (PS3.4 B.2.3: 0xA9xx)."""
    named = replace(item, sop_instance_uid=item.sop_instance_uid + ".9")
    association.connection.sendall(message(named, association.maximum_length))
    status = association.status()
    association.release()
    return "" if status >> 8 == 0xA9 else f"answered with 0x{status:04X}"


def _complete_pdus(part: bytes) -> bytes:
    at = 0
    while at + 6 <= len(part):
        (length,) = struct.unpack_from(">L", part, at + 2)
        if at + 6 + length > len(part):
            break
        at += 6 + length
    return part[:at]


def _is_closed(connection: socket.socket, seconds: float) -> bool:
    """Read what comes until the node closes; tell whether it did."""
    while select.select([connection], [], [], seconds)[0]:
        try:
            if not connection.recv(4096):
                return True
        except OSError:
            return True
    return False
