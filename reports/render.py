"""A Structured Report as plain text for people: what the demo saves beside the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydicom import Dataset

INDENT = "  "


def as_text(document: Dataset) -> str:
    """Render a Structured Report as an indented tree.

    Parameters
    ----------
    document : Dataset
        Any SR document; meant for our own.

    Returns
    -------
    str
        A header with patient and study, then one line per content item, units and modifiers included.
    """
    lines = [
        str(document.get("SeriesDescription", "Structured Report")),
        f"Patient {document.get('PatientName', '')}, ID {document.get('PatientID', '')}, "
        f"born {document.get('PatientBirthDate', '')}, sex {document.get('PatientSex', '')}",
        f"Study {document.get('StudyDate', '')} {document.get('StudyDescription', '')}".rstrip(),
        f"By {document.get('ManufacturerModelName', '')} {document.get('SoftwareVersions', '')}",
        "",
        *_lines(document, 0),
    ]
    return "\n".join(lines) + "\n"


def _lines(item: Dataset, depth: int) -> Iterator[str]:
    modifiers = [child for child in item.get("ContentSequence", ()) if _is_short_modifier(child, item)]
    suffix = f" ({'; '.join(_sentence(child) for child in modifiers)})" if modifiers else ""
    yield f"{INDENT * depth}{_sentence(item)}{suffix}"
    for child in item.get("ContentSequence", ()):
        if not any(child is modifier for modifier in modifiers):
            yield from _lines(child, depth + 1)


def _is_short_modifier(child: Dataset, parent: Dataset) -> bool:
    """Coded modifiers of a number or code read best behind it, on the same line."""
    return (
        parent.get("ValueType") in ("NUM", "CODE")
        and child.get("ValueType") == "CODE"
        and "ContentSequence" not in child
    )


def _sentence(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence", ())
    name = names[0].CodeMeaning if names else ""
    value = _value(item)
    if not name:
        return value
    return f"{name}: {value}" if value else name


def _value(item: Dataset) -> str:
    reader = _READERS.get(item.get("ValueType", ""))
    return reader(item) if reader else ""


def _number(item: Dataset) -> str:
    measured = item.MeasuredValueSequence[0]
    unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
    return str(measured.NumericValue) + ("" if unit == "1" or unit.startswith("{") else f" {unit}")


_READERS: dict[str, Callable[[Dataset], str]] = {
    "TEXT": lambda item: str(item.TextValue),
    "CODE": lambda item: str(item.ConceptCodeSequence[0].CodeMeaning),
    "UIDREF": lambda item: str(item.UID),
    "NUM": _number,
    "SCOORD": lambda item: f"{item.GraphicType.lower()} of {len(item.GraphicData) // 2} points",
    "IMAGE": lambda item: str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID),
}
"""Value Type (0040,A040) -> how its value reads; containers have none."""
