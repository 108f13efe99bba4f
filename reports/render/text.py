"""A Structured Report as an indented tree of plain text: everything it holds, nothing arranged."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pydicom import Dataset

from reports.render.items import children_of, name_of, printable, value_of

INDENT = "  "


def as_text(document: Dataset) -> str:
    """Render a Structured Report as an indented tree.

    Parameters
    ----------
    document : Dataset
        Any SR document.

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
    return printable("\n".join(lines)) + "\n"


def _lines(item: Dataset, depth: int) -> Iterator[str]:
    modifiers = [child for child in children_of(item) if _is_short_modifier(child, item)]
    suffix = f" ({'; '.join(sentence(child) for child in modifiers)})" if modifiers else ""
    yield textwrap.indent(f"{sentence(item)}{suffix}", INDENT * depth)
    for child in children_of(item):
        if not any(child is modifier for modifier in modifiers):
            yield from _lines(child, depth + 1)


def _is_short_modifier(child: Dataset, parent: Dataset) -> bool:
    """Coded modifiers of a number or code read best behind it, on the same line."""
    return (
        parent.get("ValueType") in ("NUM", "CODE")
        and child.get("ValueType") == "CODE"
        and not children_of(child)
    )


def sentence(item: Dataset) -> str:
    """Return ``name: value`` of one item, or what there is of it."""
    name, value = name_of(item), value_of(item)
    if not name:
        return value or "(by reference)" if "ReferencedContentItemIdentifier" in item else value
    return f"{name}: {value}" if value else name
