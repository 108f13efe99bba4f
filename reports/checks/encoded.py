"""Reads encoded sequences (Explicit VR Little Endian, PS3.5 7.1.2 and 7.5) into plain values.

A document's content is built as bytes and leaves as those bytes. What is checked are these: decoding them
with pydicom would take ten times as long, and would have them encoded anew when the file is written.
"""

from __future__ import annotations

from functools import cache
from struct import Struct, calcsize, unpack
from typing import Any

from pydicom.datadict import keyword_for_tag

ENCODING = "utf-8"
"""Of `reports.source.CHARACTER_SET`."""

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
LONG_LENGTH = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"}
)
"""Value representations with a length of four bytes, PS3.5 Table 7.1-1."""
NUMBERS = {b"US": "H", b"SS": "h", b"UL": "I", b"SL": "i", b"FL": "f", b"FD": "d"}
SINGLE_TEXT = frozenset({b"LT", b"ST", b"UT", b"UR"})
"""Value representations in which a backslash is a character, PS3.5 Table 6.2-1."""

_TAG, _SHORT, _LONG = Struct("<HH"), Struct("<H"), Struct("<I")


def read_encoded_sequence(data: bytes) -> list[dict[str, Any]]:
    """Decode the value of a sequence attribute."""
    return _items(data, 0, len(data))[0]


def _items(data: bytes, at: int, end: int) -> tuple[list[dict[str, Any]], int]:
    items = []
    while at < end:
        tag, length = _tag(data, at), _LONG.unpack_from(data, at + 4)[0]
        at += 8
        if tag == SEQUENCE_END:
            break
        stop = end if length == UNDEFINED else at + length
        item, at = _elements(data, at, stop)
        items.append(item)
    return items, at


def _elements(data: bytes, at: int, end: int) -> tuple[dict[str, Any], int]:
    elements: dict[str, Any] = {}
    while at < end:
        tag = _tag(data, at)
        if tag == ITEM_END:
            return elements, at + 8
        vr = data[at + 4 : at + 6]
        if vr in LONG_LENGTH:
            length, at = _LONG.unpack_from(data, at + 8)[0], at + 12
        else:
            length, at = _SHORT.unpack_from(data, at + 6)[0], at + 8
        value: Any
        if vr == b"SQ":
            value, at = _items(data, at, end if length == UNDEFINED else at + length)
        else:
            value, at = _value(vr, data[at : at + length]), at + length
        if keyword := _keyword(tag):
            elements[keyword] = value
    return elements, at


def _value(vr: bytes, raw: bytes) -> Any:
    if code := NUMBERS.get(vr):
        values = unpack(f"<{len(raw) // calcsize(code)}{code}", raw)
        return values[0] if len(values) == 1 else list(values)
    if vr in LONG_LENGTH and vr not in (b"UC", b"UR", b"UT"):
        return raw
    text = raw.decode(ENCODING).rstrip("\0 ")
    return text.split("\\") if "\\" in text and vr not in SINGLE_TEXT else text


def _tag(data: bytes, at: int) -> int:
    group, element = _TAG.unpack_from(data, at)
    return int(group) << 16 | int(element)


@cache
def _keyword(tag: int) -> str:
    return keyword_for_tag(tag)
