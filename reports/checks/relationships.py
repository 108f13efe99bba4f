"""Which content item may stand in which relationship below which: PS3.3 A.35.2, A.35.3,
A.35.4 and A.35.13.

Read from the tables as DCMTK's constraint checkers hold them. Value types that need a time axis (TCOORD,
WAVEFORM) are left out: a forearm DXA has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    KeyObjectSelectionDocumentStorage,
)

from reports.checks.breach import Breach
from reports.checks.tree import Item

SIMPLE = frozenset({"TEXT", "CODE", "NUM", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME"})
SPEAKING = frozenset({"TEXT", "CODE", "NUM"})
OBJECTS = frozenset({"COMPOSITE", "IMAGE"})
CONTAINER = frozenset({"CONTAINER"})
FLAT = frozenset({"SCOORD"})
SOLID = FLAT | {"SCOORD3D"}
EVERYTHING = SIMPLE | OBJECTS | SOLID | CONTAINER


@dataclass(frozen=True, slots=True)
class RelationshipRow:
    """One row of a table: which sources may have which targets in one relationship."""

    sources: frozenset[str]
    relationship: str
    targets: frozenset[str]


_COMMON = (
    RelationshipRow(EVERYTHING, "HAS CONCEPT MOD", frozenset({"TEXT", "CODE"})),
    RelationshipRow(FLAT, "SELECTED FROM", frozenset({"IMAGE"})),
)
ENHANCED = (
    *_COMMON,
    RelationshipRow(CONTAINER, "CONTAINS", SIMPLE | OBJECTS | FLAT | CONTAINER),
    RelationshipRow(CONTAINER, "HAS OBS CONTEXT", SIMPLE | {"COMPOSITE"}),
    RelationshipRow(CONTAINER | OBJECTS, "HAS ACQ CONTEXT", SIMPLE),
    RelationshipRow(SPEAKING, "HAS PROPERTIES", SIMPLE | OBJECTS | FLAT),
    RelationshipRow(SPEAKING, "INFERRED FROM", SIMPLE | OBJECTS | FLAT),
)
COMPREHENSIVE = (
    *_COMMON,
    RelationshipRow(CONTAINER, "CONTAINS", SIMPLE | OBJECTS | FLAT | CONTAINER),
    RelationshipRow(SPEAKING | CONTAINER, "HAS OBS CONTEXT", SIMPLE | {"COMPOSITE"}),
    RelationshipRow(CONTAINER | OBJECTS, "HAS ACQ CONTEXT", SIMPLE | CONTAINER),
    RelationshipRow(SPEAKING, "HAS PROPERTIES", SIMPLE | OBJECTS | FLAT | CONTAINER),
    RelationshipRow(SPEAKING, "INFERRED FROM", SIMPLE | OBJECTS | FLAT | CONTAINER),
)
COMPREHENSIVE_3D = (
    *_COMMON,
    RelationshipRow(CONTAINER, "CONTAINS", SIMPLE | OBJECTS | SOLID | CONTAINER),
    RelationshipRow(SPEAKING | CONTAINER, "HAS OBS CONTEXT", SIMPLE | {"COMPOSITE"}),
    RelationshipRow(CONTAINER | OBJECTS | {"NUM"}, "HAS ACQ CONTEXT", SIMPLE | CONTAINER),
    RelationshipRow(SPEAKING, "HAS PROPERTIES", SIMPLE | OBJECTS | SOLID | CONTAINER),
    RelationshipRow(frozenset({"PNAME"}), "HAS PROPERTIES", SIMPLE - {"NUM"}),
    RelationshipRow(SPEAKING, "INFERRED FROM", SIMPLE | OBJECTS | SOLID | CONTAINER),
)
KEY_OBJECT_SELECTION = (
    RelationshipRow(CONTAINER, "CONTAINS", OBJECTS | {"TEXT"}),
    RelationshipRow(CONTAINER, "HAS OBS CONTEXT", frozenset({"TEXT", "CODE", "UIDREF", "PNAME"})),
    RelationshipRow(CONTAINER, "HAS CONCEPT MOD", frozenset({"CODE"})),
)
TABLES = {
    EnhancedSRStorage: ("PS3.3 Table A.35.2-2", ENHANCED),
    ComprehensiveSRStorage: ("PS3.3 Table A.35.3-2", COMPREHENSIVE),
    Comprehensive3DSRStorage: ("PS3.3 Table A.35.13-2", COMPREHENSIVE_3D),
    KeyObjectSelectionDocumentStorage: ("PS3.3 Table A.35.4-2", KEY_OBJECT_SELECTION),
}
"""SOP class of a document -> the name of its table, and the table."""


def check_relationships(root: Item) -> Iterator[Breach]:
    """Every child's relationship is one that the document's SOP class knows, and its content is by value."""
    section, table = TABLES[root.dataset["SOPClassUID"]]
    legal = {
        (source, row.relationship, target)
        for row in table
        for source in row.sources
        for target in row.targets
    }
    for item in root.walk():
        for child in item.children:
            if "ReferencedContentItemIdentifier" in child.dataset:
                yield Breach("contain every content item by value", section)
            elif (item.value_type, child.relationship, child.value_type) not in legal:
                yield Breach(
                    f"know the relationship {item.value_type} {child.relationship or '(none)'} "
                    f"{child.value_type or '(none)'} of {item.title!r} and {child.title!r}",
                    section,
                )
