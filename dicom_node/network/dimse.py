"""DIMSE messages as bytes: command sets and their fragments (PS3.7 section 6.3 and annex E, PS3.8 annex E).

A command set is always Implicit VR Little Endian, and has a handful of short elements: it is read here into
a mapping of tag to bytes, without a data set object. A data set is never looked into.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

__all__ = [
    "NO_DATA_SET",
    "CommandField",
    "CommandSet",
    "DimseError",
    "Reply",
    "Tag",
    "encode_command",
    "p_data",
    "response_to",
]

NO_DATA_SET = 0x0101
"""Command Data Set Type of a message without data set (PS3.7 annex E.1)."""

_RESPONSE = 0x8000
"""Bit of Command Field that tells a response from a request."""


class Tag(IntEnum):
    """Elements of a command set (PS3.7 annex E), group 0000."""

    AFFECTED_SOP_CLASS_UID = 0x0002
    REQUESTED_SOP_CLASS_UID = 0x0003
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
    PRIORITY = 0x0700
    COMMAND_DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    ERROR_COMMENT = 0x0902
    AFFECTED_SOP_INSTANCE_UID = 0x1000
    REQUESTED_SOP_INSTANCE_UID = 0x1001
    EVENT_TYPE_ID = 0x1002
    ACTION_TYPE_ID = 0x1008


class CommandField(IntEnum):
    """Values of Command Field (0000,0100) that the node knows by name."""

    C_STORE_RQ = 0x0001
    C_CANCEL_RQ = 0x0FFF
    C_ECHO_RQ = 0x0030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_ACTION_RQ = 0x0130


class DimseError(ValueError):
    """The peer broke a rule of DIMSE message exchange; the text says which."""


@dataclass(frozen=True, slots=True)
class CommandSet:
    """A received command set: element number of group 0000 to encoded value."""

    values: Mapping[int, bytes]

    @classmethod
    def decode(cls, encoded: bytes | bytearray) -> CommandSet:
        """Read a command set.

        Raises
        ------
        DimseError
            If the bytes are none, or an element that every message needs is missing.
        """
        values: dict[int, bytes] = {}
        at, end = 0, len(encoded)
        while at < end:
            if at + 8 > end:
                raise DimseError("a command set ends inside an element")
            group, element, length = struct.unpack_from("<HHL", encoded, at)
            at += 8
            if group != 0 or at + length > end:
                raise DimseError(f"element ({group:04X},{element:04X}) of a command set is no such element")
            values[element] = bytes(encoded[at : at + length])
            at += length
        command = cls(values)
        for needed in (Tag.COMMAND_FIELD, Tag.COMMAND_DATA_SET_TYPE):
            if command.number(needed) is None:
                raise DimseError(f"a command set without element (0000,{needed:04X})")
        return command

    @property
    def field(self) -> int:
        """Command Field."""
        return self.number(Tag.COMMAND_FIELD) or 0

    @property
    def is_response(self) -> bool:
        """Whether the message answers one of ours."""
        return bool(self.field & _RESPONSE)

    @property
    def has_data_set(self) -> bool:
        """Whether a data set follows."""
        return self.number(Tag.COMMAND_DATA_SET_TYPE) != NO_DATA_SET

    def number(self, tag: int) -> int | None:
        """Return a value of VR US; None if it is absent or no such value."""
        value = self.values.get(tag, b"")
        return int.from_bytes(value, "little") if len(value) == 2 else None

    def text(self, tag: int) -> str:
        """Return a value of VR UI or LO without padding; Latin-1 maps every byte: nothing can fail."""
        return self.values.get(tag, b"").rstrip(b"\0 ").decode("latin-1")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request is answered with.

    Attributes
    ----------
    status : int
        PS3.7 annex C.
    elements : mapping of tag -> value
        What the response's command set holds besides; a UID or text as ``str``, a number as ``int``.
    data_set : bytes
        Encoded in the transfer syntax of the request's context.
    """

    status: int
    elements: Mapping[int, int | str] = field(default_factory=dict)
    data_set: bytes = b""


def response_to(command: CommandSet, reply: Reply) -> bytes:
    """Return the encoded command set of the response to a request: what names the request is copied."""
    elements: dict[int, int | str] = {
        Tag.COMMAND_FIELD: command.field | _RESPONSE,
        Tag.MESSAGE_ID_BEING_RESPONDED_TO: command.number(Tag.MESSAGE_ID) or 0,
        Tag.COMMAND_DATA_SET_TYPE: 0x0001 if reply.data_set else NO_DATA_SET,
        Tag.STATUS: reply.status,
    }
    # N-SET, N-GET, N-ACTION and N-DELETE request a SOP instance, and their responses name it as affected
    for affected, requested in _AFFECTED.items():
        uid = command.text(affected) or command.text(requested)
        if uid:
            elements[affected] = uid
    return encode_command({**elements, **reply.elements})


_AFFECTED = {
    Tag.AFFECTED_SOP_CLASS_UID: Tag.REQUESTED_SOP_CLASS_UID,
    Tag.AFFECTED_SOP_INSTANCE_UID: Tag.REQUESTED_SOP_INSTANCE_UID,
}
_TEXT = frozenset({Tag.ERROR_COMMENT})  # VR LO is padded by a space, VR UI by NUL


def encode_command(elements: Mapping[int, int | str]) -> bytes:
    """Encode a command set, its group length in front."""
    parts = []
    for tag in sorted(elements):
        value = elements[tag]
        if isinstance(value, int):
            parts.append(struct.pack("<HHLH", 0, tag, 2, value))
            continue
        encoded = value.encode("latin-1")
        if len(encoded) % 2:
            encoded += b" " if tag in _TEXT else b"\0"
        parts.append(struct.pack("<HHL", 0, tag, len(encoded)) + encoded)
    body = b"".join(parts)
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


_PDV_OVERHEAD = 6  # length (4), presentation context ID (1), message control header (1)


def p_data(context_id: int, command: bytes, data_set: bytes, maximum_length: int) -> Iterator[bytes]:
    """Return the P-DATA-TF PDUs of one message (PS3.8 section 9.3.5 and annex E).

    Parameters
    ----------
    maximum_length : int
        Longest variable field that the peer takes; 0 = any (PS3.8 annex D.1).
    """
    for is_command, content in ((1, command), (0, data_set)):
        size = maximum_length - _PDV_OVERHEAD if maximum_length else max(len(content), 1)
        for at in range(0, len(content), size):
            fragment = content[at : at + size]
            control = is_command | (2 if at + size >= len(content) else 0)
            pdv = struct.pack(">LBB", len(fragment) + 2, context_id, control) + fragment
            yield struct.pack(">BxL", 0x04, len(pdv)) + pdv
