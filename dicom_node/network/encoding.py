"""Walks an encoded data set by its element headers, without decoding a single value.

It proves that every length is complete to the exact end and that nesting stays shallow, and picks out the
few top-level values that admission needs. Encoding rules: DICOM PS3.5 sections 7.1 and 7.5, annex A.4.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

from pydicom.datadict import dictionary_VR
from pydicom.uid import UID

__all__ = ["MAX_NESTING", "MalformedDataSetError", "read_values"]

MAX_NESTING = 32
"""Sequences within sequences; pydicom's parser exhausts Python's stack somewhere above 100."""

MAX_ELEMENTS = 1_000_000
"""Element headers in one data set; bounds the time a hostile object can cost (about a second)."""

_UNDEFINED = 0xFFFFFFFF
_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
_PIXEL_DATA = 0x7FE00010
_FIRST_DATA_SET_TAG = 0x00080000  # groups 0000 to 0006 are command, file meta and directory structure

_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


class MalformedDataSetError(ValueError):
    """The bytes are not a data set in the stated transfer syntax; the text says where and why."""


class _Kind(Enum):
    DATA_SET = auto()
    """Elements; ends at `_Frame.limit` or, in an item of undefined length, at an item delimiter."""
    SEQUENCE = auto()
    """Items that hold data sets."""
    FRAGMENTS = auto()
    """Items that hold bytes: encapsulated pixel data."""


@dataclass(frozen=True, slots=True)
class _Frame:
    kind: _Kind
    limit: int
    """Offset that nothing inside may cross."""
    delimited: bool
    """Undefined length: a delimiter ends it, not `limit`."""
    implicit: bool
    depth: int


@dataclass(frozen=True, slots=True)
class _Header:
    tag: int
    vr: bytes
    length: int
    value_at: int


def read_values(data: bytes, transfer_syntax: str, wanted: Collection[int]) -> dict[int, bytes]:
    """Check the encoding of `data` to its exact end and return some top-level values.

    Parameters
    ----------
    data : bytes
        The data set as received, little endian.
    transfer_syntax : str
        UID of the negotiated transfer syntax.
    wanted : collection of int
        Tags to return where present, e.g. ``0x0020000D``.

    Returns
    -------
    dict of int to bytes
        The encoded values, padding included.

    Raises
    ------
    MalformedDataSetError
        If a length crosses its container or the end, an item or delimiter is out of place, a VR does not
        exist, a wanted element occurs twice, or there are too many levels or elements.
    """
    return _Walk(data, UID(transfer_syntax), frozenset(wanted)).run()


class _Walk:
    """One pass over one data set, with an explicit stack instead of recursion."""

    def __init__(self, data: bytes, transfer_syntax: UID, wanted: frozenset[int]) -> None:
        self._data = data
        self._wanted = wanted
        self._encapsulated = transfer_syntax.is_encapsulated
        self._values: dict[int, bytes] = {}
        self._stack = [_Frame(_Kind.DATA_SET, len(data), False, transfer_syntax.is_implicit_VR, 0)]

    def run(self) -> dict[int, bytes]:
        at = elements = 0
        while self._stack:
            frame = self._stack[-1]
            if at == frame.limit and not frame.delimited:
                self._stack.pop()
                continue
            elements += 1
            if elements > MAX_ELEMENTS:
                raise MalformedDataSetError(f"more than {MAX_ELEMENTS} elements")
            header = self._header(frame, at)
            at = self._element(frame, header) if frame.kind is _Kind.DATA_SET else self._item(frame, header)
        return self._values

    def _header(self, frame: _Frame, at: int) -> _Header:
        if at + 8 > frame.limit:
            raise MalformedDataSetError(f"it ends inside an element header at byte {at}")
        group, element, vr, short = struct.unpack_from("<HH2sH", self._data, at)
        tag = group << 16 | element
        if group == 0xFFFE or frame.implicit or frame.kind is not _Kind.DATA_SET:
            return _Header(tag, b"", struct.unpack_from("<L", self._data, at + 4)[0], at + 8)
        if vr in _SHORT_VRS:
            return _Header(tag, vr, short, at + 8)
        if vr not in _LONG_VRS:
            raise MalformedDataSetError(f"element {_name(tag)} at byte {at} has no known VR")
        if at + 12 > frame.limit:
            raise MalformedDataSetError(f"it ends inside the header of element {_name(tag)} at byte {at}")
        return _Header(tag, vr, struct.unpack_from("<L", self._data, at + 8)[0], at + 12)

    def _element(self, frame: _Frame, header: _Header) -> int:
        if header.tag == _ITEM_END and frame.delimited:
            self._stack.pop()
            return header.value_at
        if header.tag < _FIRST_DATA_SET_TAG or header.tag >> 16 == 0xFFFE:
            raise MalformedDataSetError(
                f"element {_name(header.tag)} at byte {header.value_at - 8} is out of place"
            )
        if header.length == _UNDEFINED:
            self._open_undefined(frame, header)
            return header.value_at
        end = self._end(frame, header)
        if self._is_sequence(header):
            implicit = frame.implicit or header.vr == b"UN"
            self._push(_Kind.SEQUENCE, end, delimited=False, implicit=implicit, depth=frame.depth + 1)
            return header.value_at
        if frame.depth == 0 and header.tag in self._wanted:
            if header.tag in self._values:
                raise MalformedDataSetError(f"element {_name(header.tag)} occurs twice")
            self._values[header.tag] = self._data[header.value_at : end]
        return end

    def _item(self, frame: _Frame, header: _Header) -> int:
        if header.tag == _SEQUENCE_END and frame.delimited:
            self._stack.pop()
            return header.value_at
        if header.tag != _ITEM:
            raise MalformedDataSetError(
                f"{_name(header.tag)} stands where an item should, at byte {header.value_at}"
            )
        if frame.kind is _Kind.FRAGMENTS:
            return self._end(frame, header)
        delimited = header.length == _UNDEFINED
        limit = frame.limit if delimited else self._end(frame, header)
        self._push(_Kind.DATA_SET, limit, delimited=delimited, implicit=frame.implicit, depth=frame.depth)
        return header.value_at

    def _open_undefined(self, frame: _Frame, header: _Header) -> None:
        """Enter a value of undefined length: only sequences and encapsulated pixel data may have one."""
        if header.tag == _PIXEL_DATA:
            if not self._encapsulated or frame.depth:
                raise MalformedDataSetError(
                    "Pixel Data has no defined length, but the transfer syntax is uncompressed"
                )
            self._push(_Kind.FRAGMENTS, frame.limit, delimited=True, implicit=False, depth=0)
        elif header.vr in (b"", b"SQ", b"UN"):
            # UN of undefined length is a sequence in implicit VR (PS3.5 6.2.2, note 1)
            implicit = frame.implicit or header.vr == b"UN"
            self._push(_Kind.SEQUENCE, frame.limit, delimited=True, implicit=implicit, depth=frame.depth + 1)
        else:
            raise MalformedDataSetError(
                f"element {_name(header.tag)} of VR {header.vr.decode()} has an undefined length"
            )

    def _end(self, frame: _Frame, header: _Header) -> int:
        end = header.value_at + header.length
        if end > frame.limit:
            raise MalformedDataSetError(
                f"element {_name(header.tag)} at byte {header.value_at} claims {header.length} bytes, "
                f"{frame.limit - header.value_at} are there"
            )
        return end

    def _push(self, kind: _Kind, limit: int, *, delimited: bool, implicit: bool, depth: int) -> None:
        if depth > MAX_NESTING:
            raise MalformedDataSetError(f"sequences are nested more than {MAX_NESTING} deep")
        self._stack.append(_Frame(kind, limit, delimited, implicit, depth))

    @staticmethod
    def _is_sequence(header: _Header) -> bool:
        if header.vr not in (b"", b"UN"):
            return header.vr == b"SQ"
        try:
            return dictionary_VR(header.tag) == "SQ"  # what a reader will take it for
        except KeyError:
            return False


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
