"""Content items of a Structured Report (PS3.3 C.17.3, C.18), encoded as they are written.

An item is its encoding: it is built once, from the leaves up, and never decoded again on its way into the
file (Explicit VR Little Endian). A document of a thousand items is thereby written in milliseconds; whoever
reads its Content Sequence sees ordinary pydicom items, decoded on first access as those of a file are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from struct import pack
from typing import Final, NewType

from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.dataelem import RawDataElement
from pydicom.sr.coding import Code
from pydicom.tag import Tag

from analysis.errors import AnalysisError
from reports.numbers import decimals_of, rounded
from reports.source import CHARACTER_SET

Item = NewType("Item", bytes)
"""One encoded content item, Item tag (FFFE,E000) and length included."""

ENCODING: Final = "utf-8"
"""Python's name of `reports.source.CHARACTER_SET`."""

CONTAINS: Final = "CONTAINS"
HAS_CONCEPT_MOD: Final = "HAS CONCEPT MOD"
HAS_OBS_CONTEXT: Final = "HAS OBS CONTEXT"
HAS_ACQ_CONTEXT: Final = "HAS ACQ CONTEXT"
INFERRED_FROM: Final = "INFERRED FROM"
SELECTED_FROM: Final = "SELECTED FROM"
"""Relationship types of PS3.3 Table C.17.3-8, always by value: Enhanced SR has no references to items."""

MAXIMUM_CODE_VALUE = 16
"""Characters of Code Value (0008,0100), VR SH."""
MAXIMUM_CODE_MEANING = 64
"""Characters of Code Meaning (0008,0104), VR LO."""
MAXIMUM_DECIMAL_STRING = 16
"""Characters of Numeric Value (0040,A30A), VR DS."""

MAPPING_RESOURCE: Final = "DCMR"
"""Mapping Resource (0008,0105) of the templates in PS3.16."""

_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters that VR UT does not allow (PS3.5 6.2), ESC included, and halves of surrogate pairs."""

_CONTENT_SEQUENCE: Final = Tag("ContentSequence")
_ITEM: Final = pack("<HH", 0xFFFE, 0xE000)


def container(
    name: Code, children: Iterable[Item], relationship: str = CONTAINS, *, template: str | None = None
) -> Item:
    """CONTAINER, always SEPARATE: renderers drop the concept names of CONTINUOUS content."""
    continuity = _short(0x0040, 0xA050, b"CS", b"SEPARATE")
    return _item(relationship, b"CONTAINER", name, continuity, children, template=template)


def code(name: Code, value: Code, relationship: str = CONTAINS, children: Iterable[Item] = ()) -> Item:
    """CODE."""
    return _item(relationship, b"CODE", name, _code_sequence(0x0040, 0xA168, value), children)


def text(name: Code, value: str, relationship: str = CONTAINS, children: Iterable[Item] = ()) -> Item:
    """TEXT, without what no text may hold: a device's name may come from a damaged header."""
    said = _UNWRITABLE.sub("", value).encode(ENCODING)
    return _item(relationship, b"TEXT", name, _long(0x0040, 0xA160, b"UT", said), children)


def uid_reference(name: Code, uid: str, relationship: str = CONTAINS) -> Item:
    """UIDREF."""
    return _item(relationship, b"UIDREF", name, _short(0x0040, 0xA124, b"UI", uid.encode(), pad=b"\0"))


def day(name: Code, value: date, relationship: str = CONTAINS) -> Item:
    """DATE."""
    return _item(relationship, b"DATE", name, _short(0x0040, 0xA121, b"DA", f"{value:%Y%m%d}".encode()))


def number(
    name: Code, value: float, unit: Code, relationship: str = CONTAINS, children: Iterable[Item] = ()
) -> Item:
    """NUM: Numeric Value with one decimal more than people are shown, Floating Point Value exact.

    Raises
    ------
    AnalysisError
        `value` is not finite.
    """
    if not math.isfinite(value):
        raise AnalysisError(
            f"{name.meaning} is {value}: a number that could not be measured must be absent, with a quality "
            "finding; report this defect of the engine"
        )
    measured = (
        _code_sequence(0x0040, 0x08EA, unit)
        + _short(0x0040, 0xA161, b"FD", pack("<d", value))
        + _short(0x0040, 0xA30A, b"DS", _decimal_string(value, unit))
    )
    return _item(relationship, b"NUM", name, _long(0x0040, 0xA300, b"SQ", _enclosed(measured)), children)


def image(
    name: Code | None,
    sop_class_uid: str,
    sop_instance_uid: str,
    relationship: str = CONTAINS,
    children: Iterable[Item] = (),
) -> Item:
    """IMAGE: a reference to an image as a whole."""
    reference = _reference(sop_class_uid, sop_instance_uid)
    return _item(relationship, b"IMAGE", name, b"", children, before=reference)


def composite(
    name: Code | None, sop_class_uid: str, sop_instance_uid: str, relationship: str = CONTAINS
) -> Item:
    """COMPOSITE: a reference to an object that is no image."""
    reference = _reference(sop_class_uid, sop_instance_uid)
    return _item(relationship, b"COMPOSITE", name, b"", before=reference)


def polyline(name: Code, points: Sequence[float], source: Item, relationship: str = CONTAINS) -> Item:
    """SCOORD of type POLYLINE.

    Parameters
    ----------
    name : Code
    points : sequence of float
        Column, row, column, row, ... in pixels of the source image; encoded with single precision (VR FL).
    source : Item
        The IMAGE it is SELECTED FROM.
    """
    graphic = _short(0x0070, 0x0022, b"FL", pack(f"<{len(points)}f", *points))
    graphic += _short(0x0070, 0x0023, b"CS", b"POLYLINE")
    return _item(relationship, b"SCOORD", name, b"", (source,), after=graphic)


def set_content(document: Dataset, title: Code, template: str, children: Iterable[Item]) -> None:
    """Give a document its root container and the content below it.

    Parameters
    ----------
    document : Dataset
        Of `CHARACTER_SET`, to be written with Explicit VR Little Endian.
    title : Code
        Concept name of the root.
    template : str
        Template Identifier (0040,DB00) of the root, of the mapping resource DCMR.
    children : iterable of Item
    """
    # a raw element is written as it stands where it is marked as of the document's own encoding
    document.set_original_encoding(False, True, convert_encodings(CHARACTER_SET))
    document.ValueType = "CONTAINER"
    document.ConceptNameCodeSequence = [_code_dataset(title)]
    document.ContinuityOfContent = "SEPARATE"
    document.ContentTemplateSequence = [_template_dataset(template)]
    content = b"".join(children)
    document[_CONTENT_SEQUENCE] = RawDataElement(
        _CONTENT_SEQUENCE, "SQ", len(content), content, 0, False, True, True
    )


def _item(
    relationship: str,
    value_type: bytes,
    name: Code | None,
    value: bytes,
    children: Iterable[Item] = (),
    *,
    before: bytes = b"",
    after: bytes = b"",
    template: str | None = None,
) -> Item:
    """Enclose a content item; its elements must stand in the order of their tags."""
    below = b"".join(children)
    related = _short(0x0040, 0xA010, b"CS", relationship.encode()) if relationship else b""
    return _enclosed(
        before
        + related
        + _short(0x0040, 0xA040, b"CS", value_type)
        + (_code_sequence(0x0040, 0xA043, name) if name else b"")
        + value
        + (_template_sequence(template) if template else b"")
        + (_long(0x0040, 0xA730, b"SQ", below) if below else b"")
        + after
    )


def _code_sequence(group: int, element: int, named: Code) -> bytes:
    # Code compares without its meaning: the cache must not
    return _encoded_code(group, element, named.value, named.scheme_designator, named.meaning)


@lru_cache(maxsize=4096)
def _encoded_code(group: int, element: int, value: str, scheme: str, meaning: str) -> bytes:
    if not 0 < len(value) <= MAXIMUM_CODE_VALUE or not 0 < len(meaning) <= MAXIMUM_CODE_MEANING:
        raise AnalysisError(
            f"code ({value}, {scheme}, {meaning}): a code value has 1 to {MAXIMUM_CODE_VALUE} characters and "
            f"a meaning 1 to {MAXIMUM_CODE_MEANING} (PS3.3 Table 8.8-1); report this defect of the reports"
        )
    coded = (
        _short(0x0008, 0x0100, b"SH", value.encode(ENCODING))
        + _short(0x0008, 0x0102, b"SH", scheme.encode(ENCODING))
        + _short(0x0008, 0x0104, b"LO", meaning.encode(ENCODING))
    )
    return _long(group, element, b"SQ", _enclosed(coded))


@lru_cache
def _template_sequence(identifier: str) -> bytes:
    named = _short(0x0008, 0x0105, b"CS", MAPPING_RESOURCE.encode())
    named += _short(0x0040, 0xDB00, b"CS", identifier.encode())
    return _long(0x0040, 0xA504, b"SQ", _enclosed(named))


def _reference(sop_class_uid: str, sop_instance_uid: str) -> bytes:
    referenced = _short(0x0008, 0x1150, b"UI", sop_class_uid.encode(), pad=b"\0")
    referenced += _short(0x0008, 0x1155, b"UI", sop_instance_uid.encode(), pad=b"\0")
    return _long(0x0008, 0x1199, b"SQ", _enclosed(referenced))


def _decimal_string(value: float, unit: Code) -> bytes:
    readable = rounded(value, decimals_of(unit, value) + 1)
    return (readable if len(readable) <= MAXIMUM_DECIMAL_STRING else f"{value:.8e}").encode()


def _enclosed(elements: bytes) -> Item:
    return Item(_ITEM + pack("<I", len(elements)) + elements)


def _short(group: int, element: int, vr: bytes, value: bytes, *, pad: bytes = b" ") -> bytes:
    """An element with a length of 16 bits."""
    if len(value) % 2:
        value += pad
    return pack("<HH2sH", group, element, vr, len(value)) + value


def _long(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    """An element with a length of 32 bits: SQ, UT."""
    if len(value) % 2:
        value += b" "
    return pack("<HH2sxxI", group, element, vr, len(value)) + value


def _code_dataset(named: Code) -> Dataset:
    dataset = Dataset()
    dataset.CodeValue = named.value
    dataset.CodingSchemeDesignator = named.scheme_designator
    dataset.CodeMeaning = named.meaning
    return dataset


def _template_dataset(identifier: str) -> Dataset:
    dataset = Dataset()
    dataset.MappingResource = MAPPING_RESOURCE
    dataset.TemplateIdentifier = identifier
    return dataset
