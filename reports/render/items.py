"""How single content items read: shared by text, HTML and terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from pydicom import Dataset

SUPERSCRIPTS = str.maketrans("0123456789-+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_EXPONENT = re.compile(r"(?<=[a-z*])[-+]?\d+")


def concept_of(item: Dataset) -> str:
    """Code Value of the concept name; empty where there is none."""
    names = children_of(item, "ConceptNameCodeSequence")
    return str(names[0].get("CodeValue") or names[0].get("LongCodeValue") or "") if names else ""


def name_of(item: Dataset) -> str:
    """Code Meaning of the concept name; empty where there is none."""
    names = children_of(item, "ConceptNameCodeSequence")
    return str(names[0].get("CodeMeaning", "")) if names else ""


def children_of(item: Dataset, keyword: str = "ContentSequence") -> Sequence[Dataset]:
    """Items of a sequence, by default the content below `item`; none where it is absent or empty."""
    items: Sequence[Dataset] = item.get(keyword) or ()
    return items


def value_of(item: Dataset) -> str:
    """The value of an item as people read it; empty for a container."""
    reader = _READERS.get(str(item.get("ValueType", "")))
    return reader(item) if reader else ""


def number_of(item: Dataset) -> tuple[str, str]:
    """Return the value and the unit of a NUM item; a value that is absent says why."""
    values = children_of(item, "MeasuredValueSequence")
    if not values:
        qualifiers = children_of(item, "NumericValueQualifierCodeSequence")
        return f"not measured ({_meaning(qualifiers)})" if qualifiers else "not measured", ""
    return str(values[0].NumericValue), unit_of(values[0])


def unit_of(measured: Dataset) -> str:
    """The unit by its UCUM code with raised exponents; empty for scores and ratios."""
    units = children_of(measured, "MeasurementUnitsCodeSequence")
    unit = str(units[0].get("CodeValue", "")) if units else ""
    if unit == "1" or unit.startswith("{"):
        return ""
    return _EXPONENT.sub(lambda found: found[0].translate(SUPERSCRIPTS), unit).replace("10*", "10")


def day(value: object) -> str:
    """A DICOM date as 2026-11-05; anything else as it is."""
    text = str(value or "").replace(".", "")
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if re.fullmatch(r"\d{8}", text) else text


def clock(value: object) -> str:
    """A DICOM time as 10:17:31; anything else as it is."""
    text = str(value or "")
    found = re.match(r"(\d\d)(\d\d)?(\d\d)?", text)
    return ":".join(part for part in found.groups() if part) if found else text


def person(value: object) -> str:
    """A person's name with its component groups one after the other, the Latin one first."""
    groups = [" ".join(group.replace("^", " ").split()) for group in str(value or "").split("=")]
    first, *others = [group.strip() for group in groups] or [""]
    rest = ", ".join(dict.fromkeys(group for group in others if group))
    return f"{first} ({rest})" if first and rest else first or rest


def printable(text: str) -> str:
    """Drop control characters: text of a document must not steer the terminal it is shown in."""
    return _CONTROL.sub("", text)


def walk(item: Dataset) -> Iterator[Dataset]:
    """Yield `item` and every content item below it, depth first."""
    yield item
    for child in children_of(item):
        yield from walk(child)


def _meaning(codes: Sequence[Dataset]) -> str:
    return str(codes[0].get("CodeMeaning", "")) if codes else ""


def _number(item: Dataset) -> str:
    value, unit = number_of(item)
    return f"{value} {unit}".rstrip()


def _reference(item: Dataset) -> str:
    references = children_of(item, "ReferencedSOPSequence")
    return str(references[0].get("ReferencedSOPInstanceUID", "")) if references else ""


def _outline(item: Dataset) -> str:
    return f"{str(item.get('GraphicType', '')).lower()} of {len(item.get('GraphicData') or ()) // 2} points"


_READERS: dict[str, Callable[[Dataset], str]] = {
    "TEXT": lambda item: str(item.get("TextValue", "")),
    "CODE": lambda item: _meaning(children_of(item, "ConceptCodeSequence")),
    "UIDREF": lambda item: str(item.get("UID", "")),
    "NUM": _number,
    "SCOORD": _outline,
    "SCOORD3D": _outline,
    "IMAGE": _reference,
    "COMPOSITE": _reference,
    "WAVEFORM": _reference,
    "PNAME": lambda item: person(item.get("PersonName")),
    "DATE": lambda item: day(item.get("Date")),
    "TIME": lambda item: clock(item.get("Time")),
    "DATETIME": lambda item: str(item.get("DateTime", "")),
}
"""Value Type (0040,A040) -> how its value reads; containers have none."""
