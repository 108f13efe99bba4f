"""Reading DICOM attributes that may be absent, empty, multi-valued or not what their VR promises.

Nothing here raises on bad content: scanners write decimal commas into DS, text in undeclared character
sets and private elements without a VR. What cannot be read is absent.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator

from pydicom.datadict import dictionary_description
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import BaseTag, Tag

logger = logging.getLogger(__name__)

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def text(dataset: Dataset, attribute: str | BaseTag) -> str:
    """First value of an attribute as stripped text, ``""`` if absent, empty or unreadable."""
    values = texts(dataset, attribute)
    return values[0] if values else ""


def texts(dataset: Dataset, attribute: str | BaseTag) -> tuple[str, ...]:
    """Every non-empty value of an attribute as stripped text."""
    tag = Tag(attribute)
    if tag not in dataset:
        return ()
    value = _value(dataset, tag)
    if isinstance(value, bytes):
        value = decoded(value)
    parts = value if isinstance(value, (MultiValue, list, tuple)) else [value]
    cleaned = (str(part).strip(" \x00\r\n\t") for part in parts if part is not None)
    return tuple(part for part in cleaned if part)


def number(dataset: Dataset, attribute: str | BaseTag) -> float | None:
    """First value of an attribute as a finite number, ``None`` if there is none."""
    values = numbers(dataset, attribute)
    return values[0] if values else None


def numbers(dataset: Dataset, attribute: str | BaseTag) -> tuple[float, ...]:
    """All values of an attribute as finite numbers, ``()`` if any of them is not one."""
    parsed = [as_number(part) for value in texts(dataset, attribute) for part in value.split("\\")]
    return tuple(part for part in parsed if part is not None) if None not in parsed else ()


def as_number(value: str) -> float | None:
    """A finite number written with decimal point or decimal comma, else ``None``."""
    plain = value.strip().replace("−", "-").replace("–", "-").replace(",", ".")
    if not _NUMBER.fullmatch(plain):
        return None
    result = float(plain)
    return result if math.isfinite(result) else None


def content(dataset: Dataset, attribute: str) -> bytes:
    """Bytes of an attribute such as Pixel Data, ``b""`` if absent or not bytes."""
    value = _value(dataset, Tag(attribute)) if attribute in dataset else None
    return value if isinstance(value, bytes) else b""


def private_content(dataset: Dataset, tag: BaseTag) -> bytes:
    """Bytes of a private element, ``b""`` if absent or not bytes."""
    value = _value(dataset, tag) if tag in dataset else None
    return value if isinstance(value, bytes) else b""


def private_creators(dataset: Dataset) -> frozenset[str]:
    """Names of all private creators of a data set."""
    return frozenset(text(dataset, tag) for tag in sorted(dataset.keys()) if tag.is_private_creator)


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Items of a sequence attribute, ``()`` if absent or not a sequence."""
    tag = Tag(keyword)
    if tag not in dataset:
        return ()
    value = _value(dataset, tag)
    return tuple(value) if isinstance(value, DicomSequence) else ()


def element(dataset: Dataset, tag: BaseTag) -> DataElement | RawDataElement | None:
    """Converted element, the raw one where conversion fails, ``None`` where even this cannot be had.

    Broken elements make pydicom raise errors of many unrelated classes, some from the `struct` module.
    """
    for get in (dataset.__getitem__, dataset.get_item):
        try:
            found = get(tag)
        except Exception:
            logger.debug("unreadable data element %s", tag)
        else:
            return found if isinstance(found, DataElement | RawDataElement) else None
    return None


def label(keyword: str) -> str:
    """Name and tag as an administrator finds them in a dump, e.g. ``Protocol Name (0018,1030)``."""
    tag = Tag(keyword)
    return f"{name(keyword)} ({tag.group:04X},{tag.element:04X})"


def name(keyword: str) -> str:
    """Name of an attribute for readers, e.g. ``Patient's Birth Date``."""
    return dictionary_description(Tag(keyword))


def private_texts(dataset: Dataset, groups: frozenset[int], limit: int) -> Iterator[tuple[BaseTag, str]]:
    """Text of every private data element of some groups, at most `limit` bytes each, in tag order."""
    for tag in sorted(dataset.keys()):
        if tag.group not in groups or tag.is_private_creator:
            continue
        value = _value(dataset, tag)
        if isinstance(value, bytes):
            value = decoded(value[:limit])
        elif isinstance(value, MultiValue):  # a backslash in an LO or UN value splits it
            value = "\\".join(str(part) for part in value)
        if isinstance(value, str):
            yield tag, value[:limit]


def decoded(value: bytes) -> str:
    """Bytes of undeclared encoding as text; what we look for in them is ASCII."""
    if value[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return value.decode("utf-16", errors="replace")
    if value[1:64:2].count(0) > len(value[1:64:2]) // 2 > 0:  # ASCII in UTF-16 without its mark
        return value.decode("utf-16-le", errors="replace")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _value(dataset: Dataset, tag: BaseTag) -> object:
    found = element(dataset, tag)
    return None if found is None else found.value
