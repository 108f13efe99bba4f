"""Walks an encoded data set by its element headers, without decoding a single value.

It proves that every length is complete to the exact end and that nesting stays shallow, and picks out the
few top-level values that admission needs. Encoding rules: DICOM PS3.5 sections 7.1, 7.3 and 7.5, annex A.
The time it takes depends on the number of elements, not on their bytes.
"""

from __future__ import annotations

import mmap
import struct
import threading
import zlib
from collections.abc import Collection
from enum import Enum, auto
from functools import cache, lru_cache
from typing import NamedTuple

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.datadict import dictionary_VR
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

__all__ = ["MAX_INFLATED_BYTES", "MAX_NESTING", "EncodedBytes", "MalformedDataSetError", "read_values"]

EncodedBytes = bytes | bytearray | memoryview | mmap.mmap

MAX_NESTING = 32
"""Sequences within sequences; pydicom's parser exhausts Python's stack somewhere above 100."""

MAX_ELEMENTS = 1_000_000
"""Element headers in one data set; bounds the time a hostile object can cost (about a second)."""

MAX_INFLATED_BYTES = 128 * 1024 * 1024
"""What a deflated data set may inflate to; a report page is below 20 MB."""

_INFLATING = threading.Lock()
"""One data set at a time, so that many senders cannot make it many times `MAX_INFLATED_BYTES`."""

MAX_WANTED_BYTES = 1024
"""Longest part of a wanted value that is returned: sixteen times what its VR allows."""

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


def read_values(data: EncodedBytes, transfer_syntax: str, wanted: Collection[int]) -> dict[int, bytes]:
    """Check the encoding of `data` to its exact end and return some top-level values.

    Parameters
    ----------
    data : bytes-like
        The data set as received. Of a mapped file only the pages with element headers are read.
    transfer_syntax : str
        UID of the negotiated transfer syntax; of a deflated data set what it inflates to is walked.
    wanted : collection of int
        Tags of values to return where present, e.g. ``0x0020000D``; none of sequences.

    Returns
    -------
    dict of int to bytes
        The encoded values, padding included, cut after `MAX_WANTED_BYTES`.

    Raises
    ------
    MalformedDataSetError
        If a length crosses its container or the end, an item or delimiter is out of place, a VR does not
        exist, a wanted element occurs twice or is a sequence, there are too many levels or elements, or a
        deflated data set is damaged or inflates to too much.
    """
    layout, encapsulated = _rules_of(transfer_syntax)
    tags = frozenset(wanted)
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        with _INFLATING:
            return _Walk(memoryview(_inflated(data)), layout, encapsulated, tags).run()
    with memoryview(data) as view:
        return _Walk(view, layout, encapsulated, tags).run()


class _Kind(Enum):
    DATA_SET = auto()
    """Elements; ends at `_Frame.limit` or, in an item of undefined length, at an item delimiter."""
    SEQUENCE = auto()
    """Items that hold data sets."""
    FRAGMENTS = auto()
    """Items that hold bytes: encapsulated pixel data."""


class _Layout(NamedTuple):
    """How element headers are laid out."""

    explicit: bool
    header: struct.Struct
    """Group, element, then VR and 16-bit length, or 32-bit length."""
    item: struct.Struct
    """Group, element, 32-bit length: of items and delimiters, whatever the VRs (PS3.5 7.5)."""
    long_length: struct.Struct


def _layout(*, explicit: bool, order: str) -> _Layout:
    item = struct.Struct(f"{order}HHL")
    header = struct.Struct(f"{order}HH2sH") if explicit else item
    return _Layout(explicit, header, item, struct.Struct(f"{order}L"))


_EXPLICIT = _layout(explicit=True, order="<")
_EXPLICIT_BIG = _layout(explicit=True, order=">")
_IMPLICIT = _layout(explicit=False, order="<")


class _Frame(NamedTuple):
    kind: _Kind
    limit: int
    """Offset that nothing inside may cross."""
    delimited: bool
    """Undefined length: a delimiter ends it, not `limit`."""
    layout: _Layout
    depth: int


class _Walk:
    """One pass over one data set, with an explicit stack instead of recursion."""

    def __init__(self, data: memoryview, layout: _Layout, encapsulated: bool, wanted: frozenset[int]) -> None:
        self._data = data
        self._wanted = wanted
        self._encapsulated = encapsulated
        self._values: dict[int, bytes] = {}
        self._elements_left = MAX_ELEMENTS
        self._stack = [_Frame(_Kind.DATA_SET, len(data), False, layout, 0)]

    def run(self) -> dict[int, bytes]:
        at = 0
        while self._stack:
            frame = self._stack[-1]
            at = self._elements(frame, at) if frame.kind is _Kind.DATA_SET else self._items(frame, at)
        return self._values

    def _elements(self, frame: _Frame, at: int) -> int:
        """Walk elements until their data set ends or one opens another; return where that is."""
        limit, top_level = frame.limit, frame.depth == 0
        while True:
            if frame.layout.explicit:
                at = self._short_elements(frame, at)
            if at == limit and not frame.delimited:
                break
            start = at
            tag, vr, length, at = self._element_header(frame, at)
            if tag < _FIRST_DATA_SET_TAG or tag >> 16 == 0xFFFE:
                if tag == _ITEM_END and frame.delimited:
                    break
                raise MalformedDataSetError(f"element {_name(tag)} at byte {start} is out of place")
            wanted = top_level and tag in self._wanted
            if wanted and (length == _UNDEFINED or vr == b"SQ"):
                raise MalformedDataSetError(f"element {_name(tag)} is a sequence, not a value")
            if length == _UNDEFINED:
                self._open_undefined(frame, tag, vr)
                return at
            end = self._end(frame, tag, at, length)
            if vr == b"SQ" or (vr in (b"", b"UN") and tag in _sequence_tags()):  # as a reader will take it
                layout = frame.layout if vr == b"SQ" else _IMPLICIT
                self._push(_Kind.SEQUENCE, end, delimited=False, layout=layout, depth=frame.depth + 1)
                return at
            if wanted:
                if tag in self._values:
                    raise MalformedDataSetError(f"element {_name(tag)} occurs twice")
                self._values[tag] = bytes(self._data[at : min(end, at + MAX_WANTED_BYTES)])
            at = end
        self._stack.pop()
        return at

    def _short_elements(self, frame: _Frame, at: int) -> int:
        """Pass over elements that need no closer look: most of a data set, with a 16-bit length each."""
        unpack, data, values, last = (
            frame.layout.header.unpack_from,
            self._data,
            self._values,
            frame.limit - 8,
        )
        wanted = frozenset[int]() if frame.depth else self._wanted
        left = self._elements_left
        while at <= last and left:
            group, element, vr, length = unpack(data, at)
            tag, end = group << 16 | element, at + 8 + length
            if vr not in _SHORT_VRS or not 0x0008 <= group < 0xFFFE or end > frame.limit or tag in values:
                break
            if tag in wanted:
                values[tag] = bytes(data[at + 8 : min(end, at + 8 + MAX_WANTED_BYTES)])
            at = end
            left -= 1
        self._elements_left = left
        return at

    def _items(self, frame: _Frame, at: int) -> int:
        """Walk items until their sequence ends or one opens a data set; return where that is."""
        while at != frame.limit or frame.delimited:
            tag, length, at = self._item_header(frame, at)
            if tag == _SEQUENCE_END and frame.delimited:
                break
            if tag != _ITEM:
                raise MalformedDataSetError(f"{_name(tag)} stands where an item should, at byte {at}")
            if frame.kind is _Kind.FRAGMENTS:
                at = self._end(frame, tag, at, length)
                continue
            delimited = length == _UNDEFINED
            limit = frame.limit if delimited else self._end(frame, tag, at, length)
            self._push(_Kind.DATA_SET, limit, delimited=delimited, layout=frame.layout, depth=frame.depth)
            return at
        self._stack.pop()
        return at

    def _element_header(self, frame: _Frame, at: int) -> tuple[int, bytes, int, int]:
        """Return tag, VR (empty where implicit), length and where the value begins."""
        if at + 8 > frame.limit:
            raise MalformedDataSetError(f"it ends inside an element header at byte {at}")
        self._count()
        layout = frame.layout
        if not layout.explicit:
            group, element, length = layout.header.unpack_from(self._data, at)
            return group << 16 | element, b"", length, at + 8
        group, element, vr, length = layout.header.unpack_from(self._data, at)
        tag = group << 16 | element
        if vr in _SHORT_VRS:
            return tag, vr, length, at + 8
        if group == 0xFFFE:
            return tag, b"", layout.long_length.unpack_from(self._data, at + 4)[0], at + 8
        if vr not in _LONG_VRS:
            raise MalformedDataSetError(f"element {_name(tag)} at byte {at} has no known VR")
        if at + 12 > frame.limit:
            raise MalformedDataSetError(f"it ends inside the header of element {_name(tag)} at byte {at}")
        return tag, vr, layout.long_length.unpack_from(self._data, at + 8)[0], at + 12

    def _item_header(self, frame: _Frame, at: int) -> tuple[int, int, int]:
        if at + 8 > frame.limit:
            raise MalformedDataSetError(f"it ends inside an item header at byte {at}")
        self._count()
        group, element, length = frame.layout.item.unpack_from(self._data, at)
        return group << 16 | element, length, at + 8

    def _open_undefined(self, frame: _Frame, tag: int, vr: bytes) -> None:
        """Enter a value of undefined length: only sequences and encapsulated pixel data may have one."""
        if tag == _PIXEL_DATA:
            if not self._encapsulated or frame.depth:
                raise MalformedDataSetError(
                    "Pixel Data has no defined length, but the transfer syntax is uncompressed"
                )
            if vr not in (b"OB", b"OW"):  # a reader takes the fragments of SQ or UN for items with elements
                raise MalformedDataSetError(
                    f"Pixel Data in fragments has VR {vr.decode()} instead of OB (PS3.5 A.4)"
                )
            self._push(_Kind.FRAGMENTS, frame.limit, delimited=True, layout=frame.layout, depth=0)
        elif not vr and _is_value(tag):
            raise MalformedDataSetError(f"element {_name(tag)} is no sequence, but has an undefined length")
        elif vr in (b"", b"SQ", b"UN"):
            # UN of undefined length is a sequence in Implicit VR Little Endian (PS3.5 6.2.2, note 1)
            layout = frame.layout if vr == b"SQ" else _IMPLICIT
            self._push(_Kind.SEQUENCE, frame.limit, delimited=True, layout=layout, depth=frame.depth + 1)
        else:
            raise MalformedDataSetError(f"element {_name(tag)} of VR {vr.decode()} has an undefined length")

    def _end(self, frame: _Frame, tag: int, value_at: int, length: int) -> int:
        end = value_at + length
        if end > frame.limit:
            raise MalformedDataSetError(
                f"element {_name(tag)} at byte {value_at} claims {length} bytes, "
                f"{frame.limit - value_at} are there"
            )
        return end

    def _push(self, kind: _Kind, limit: int, *, delimited: bool, layout: _Layout, depth: int) -> None:
        if depth > MAX_NESTING:
            raise MalformedDataSetError(f"sequences are nested more than {MAX_NESTING} deep")
        self._stack.append(_Frame(kind, limit, delimited, layout, depth))

    def _count(self) -> None:
        self._elements_left -= 1
        if self._elements_left < 0:
            raise MalformedDataSetError(f"more than {MAX_ELEMENTS} elements")


@lru_cache(maxsize=128)  # pydicom looks a UID up anew for each question
def _rules_of(transfer_syntax: str) -> tuple[_Layout, bool]:
    """Return the layout of element headers, and whether Pixel Data comes in fragments."""
    syntax = UID(transfer_syntax)
    explicit = _EXPLICIT if syntax.is_little_endian else _EXPLICIT_BIG
    return _IMPLICIT if syntax.is_implicit_VR else explicit, syntax.is_encapsulated


@cache
def _sequence_tags() -> frozenset[int]:
    """Return the tags that the data dictionary knows as sequences, those of repeating groups included."""
    repeating = [
        int(mask.replace("xx", f"{group:02X}"), 16)
        for mask, entry in RepeatersDictionary.items()
        if entry[0] == "SQ"
        for group in range(0, 256, 2)
    ]
    return frozenset([*(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ"), *repeating])


def _is_value(tag: int) -> bool:
    """Tell whether the data dictionary knows the tag as anything but a sequence."""
    try:
        return dictionary_VR(tag) != "SQ"
    except KeyError:
        return False


def _inflated(data: EncodedBytes) -> bytes:
    """Return a deflated data set inflated: RFC 1951, perhaps padded to even length (PS3.5 A.5).

    Some writers leave the trailer of RFC 1952 (gzip) at its end, checksum and size: it must be right.
    """
    stream = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        inflated = stream.decompress(data, MAX_INFLATED_BYTES + 1)
    except zlib.error as error:
        raise MalformedDataSetError(f"it cannot be inflated ({error})") from error
    if len(inflated) > MAX_INFLATED_BYTES:
        raise MalformedDataSetError(f"it inflates to more than {MAX_INFLATED_BYTES} bytes")
    trailer = struct.pack("<LL", zlib.crc32(inflated), len(inflated))
    rest = stream.unused_data.rstrip(b"\0")
    if not stream.eof or rest not in (b"", trailer.rstrip(b"\0")):
        raise MalformedDataSetError("its deflated stream does not end where the data set ends")
    return inflated


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
