"""What a page or a table shows of a Structured Report, arranged for reading.

Measurement groups become tables with their anatomy as caption; what was measured by which algorithm is said
once for all groups that share it. Everything that has no such place keeps its tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydicom import Dataset

from reports.render.items import (
    children_of,
    clock,
    concept_of,
    day,
    name_of,
    number_of,
    person,
    value_of,
    walk,
)
from reports.render.text import sentence

LANGUAGE, PROCEDURE = "121049", "121058"
IMAGING_MEASUREMENTS, MEASUREMENT_GROUP = "126010", "125007"
QUALITATIVE_EVALUATIONS = "C0034375"
TRACKING_IDENTIFIER, TRACKING_UID, FINDING, FINDING_SITE = "112039", "112040", "121071", "363698007"
METHODS = frozenset({"370129005", "G-C036"})
"""Measurement Method, by SNOMED CT and by the SNOMED RT code of older documents."""
EQUIVALENT = "121050"
ALGORITHM_NAME, ALGORITHM_VERSION = "111001", "111003"
ALGORITHM_DETAILS = frozenset({"111000", "111002", "122405"})
"""Family, parameters and manufacturer of TID 4019."""
ALGORITHM = ALGORITHM_DETAILS | {ALGORITHM_NAME, ALGORITHM_VERSION}
OBSERVER = frozenset(f"1210{number:02d}" for number in range(4, 18))
"""Observer context, TID 1002 to 1004: 121004 to 121017."""
SHOWN_OBSERVER = frozenset({"121008", "121013", "121014", "121015"})
SPOKEN = frozenset({"CODE", "TEXT", "DATE", "TIME", "DATETIME", "PNAME"})
"""Value types that a measurement group's table shows beside its numbers."""
RESEARCH = "For research use only: this document is not meant for diagnosis (Content Qualification RESEARCH)."


Line = tuple[str, str]
"""Name and value of an item; the name is empty where it would only repeat the heading above."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row: what, how much, in what, by which method, with which remarks and notes.

    `note` counts from 1 in `Page.notes`; 0 for none. An evaluation in words is no `number`.
    """

    name: str
    value: str
    unit: str = ""
    method: str = ""
    remarks: tuple[str, ...] = ()
    note: int = 0
    number: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """One Measurement Group."""

    title: str
    site: str
    measurements: tuple[Measurement, ...]
    details: tuple[str, ...]
    note: int


@dataclass(frozen=True, slots=True)
class Note:
    """Provenance: an algorithm by name and version, and what else is said about it."""

    algorithm: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A headed part in words; `language` where it differs from the document's."""

    title: str
    lines: tuple[Line, ...]
    language: str = ""
    sections: tuple[Section, ...] = ()


@dataclass(slots=True)
class Page:
    """A whole document.

    Attributes
    ----------
    title, language, warning : str
    facts : list of (name, value)
        Patient, study, device.
    evaluations : list of Section
        Qualitative evaluations: the first thing to read.
    groups : list of Group
    sections : list of Section
    notes : list of Note
        Numbered from 1.
    identifiers : list of (name, value)
    """

    title: str
    language: str
    warning: str
    facts: list[tuple[str, str]]
    identifiers: list[tuple[str, str]]
    evaluations: list[Section] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def read_page(document: Dataset) -> Page:
    """Arrange any SR document."""
    page = Page(
        title=name_of(document) or "Structured Report",
        language=_language(document) or "en",
        warning=RESEARCH if document.get("ContentQualification") == "RESEARCH" else "",
        facts=_facts(document),
        identifiers=_identifiers(document),
    )
    for child in children_of(document):
        _place(child, page)
    return page


def _place(item: Dataset, page: Page) -> None:
    concept = concept_of(item)
    if concept in OBSERVER or concept in (LANGUAGE, PROCEDURE):
        return
    if concept == QUALITATIVE_EVALUATIONS:
        page.evaluations.append(_section(item))
    elif concept == IMAGING_MEASUREMENTS:
        for child in children_of(item):
            _place(child, page)
    elif concept == MEASUREMENT_GROUP:
        page.groups.append(_group(item, page))
    else:
        page.sections.append(_section(item))


def _facts(document: Dataset) -> list[tuple[str, str]]:
    born, sex = day(document.get("PatientBirthDate")), str(document.get("PatientSex") or "")
    observers = [value_of(item) for item in children_of(document) if concept_of(item) in SHOWN_OBSERVER]
    procedures = [value_of(item) for item in children_of(document) if concept_of(item) == PROCEDURE]
    device = f"{document.get('ManufacturerModelName', '')} {document.get('SoftwareVersions', '')}".strip()
    flags = (
        document.get("CompletionFlag"),
        document.get("PreliminaryFlag"),
        document.get("VerificationFlag"),
    )
    facts = (
        ("Patient", person(document.get("PatientName"))),
        ("Patient ID", str(document.get("PatientID") or "")),
        ("Born", born),
        ("Sex", {"F": "female", "M": "male", "O": "other"}.get(sex, sex)),
        ("Study", " ".join(filter(None, (day(document.get("StudyDate")), clock(document.get("StudyTime")))))),
        ("Examination", str(document.get("StudyDescription") or "")),
        ("Accession number", str(document.get("AccessionNumber") or "")),
        ("Procedure", ", ".join(procedures)),
        ("Reported by", device or ", ".join(dict.fromkeys(observers))),
        ("Status", ", ".join(str(flag).lower() for flag in flags if flag)),
    )
    return [(name, value) for name, value in facts if value]


def _identifiers(document: Dataset) -> list[tuple[str, str]]:
    templates = children_of(document, "ContentTemplateSequence")
    sources = dict.fromkeys(
        f"{value_of(item)}" for item in walk(document) if item.get("ValueType") in ("IMAGE", "COMPOSITE")
    )
    named = [
        ("Template", ", ".join(f"TID {item.get('TemplateIdentifier', '')}" for item in templates)),
        ("Series", str(document.get("SeriesDescription") or "")),
        ("SOP Instance UID", str(document.get("SOPInstanceUID") or "")),
        ("Study Instance UID", str(document.get("StudyInstanceUID") or "")),
        *(("Source", uid) for uid in sources),
    ]
    return [(name, value) for name, value in named if value]


def _group(item: Dataset, page: Page) -> Group:
    tracking = _first(item, TRACKING_IDENTIFIER)
    finding = _first(item, FINDING)
    measurements: list[Measurement] = []
    details: list[str] = []
    for child in children_of(item):
        concept, kind = concept_of(child), child.get("ValueType")
        if concept in ALGORITHM or concept in (TRACKING_IDENTIFIER, FINDING, FINDING_SITE):
            continue
        if kind == "NUM":
            measurements.append(_measurement(child, page))
        elif child.get("RelationshipType") == "CONTAINS" and kind in SPOKEN:
            measurements.append(Measurement(name_of(child), value_of(child), number=False))
        else:
            details += [": ".join(filter(None, line)) for line in _lines(child, "")]
    return Group(
        title=finding or tracking or name_of(item),
        site=_site(item),
        measurements=tuple(measurements),
        details=(*([f"Tracking Identifier: {tracking}"] if tracking else []), *details),
        note=_note(item, page),
    )


def _measurement(item: Dataset, page: Page) -> Measurement:
    value, unit = number_of(item)
    methods, remarks = [], []
    for child in children_of(item):
        concept = concept_of(child)
        if concept in METHODS:
            methods.append(value_of(child))
        elif concept == FINDING_SITE:
            remarks.append(", ".join((value_of(child), *map(value_of, children_of(child)))))
        elif concept not in ALGORITHM and concept != EQUIVALENT:
            remarks.append(sentence(child))
    return Measurement(name_of(item), value, unit, ", ".join(methods), tuple(remarks), _note(item, page))


def _note(item: Dataset, page: Page) -> int:
    """Number of the note that says which algorithm made this; equal ones share a note."""
    said = [(concept_of(child), value_of(child)) for child in children_of(item)]
    names = [value for concept, value in said if concept in (ALGORITHM_NAME, ALGORITHM_VERSION)]
    others = [value for concept, value in said if concept in ALGORITHM_DETAILS]
    if not names:
        return 0
    note = Note(" ".join(names), tuple(others))
    if note not in page.notes:
        page.notes.append(note)
    return page.notes.index(note) + 1


def _site(item: Dataset) -> str:
    sites = [child for child in children_of(item) if concept_of(child) == FINDING_SITE]
    return "; ".join(", ".join((value_of(site), *map(value_of, children_of(site)))) for site in sites)


def _section(item: Dataset) -> Section:
    """A container as heading, lines and inner sections; any other item as a section of its own lines."""
    if item.get("ValueType") != "CONTAINER":
        return Section("", tuple(_lines(item, "")))
    title = name_of(item)
    lines: list[Line] = []
    sections: list[Section] = []
    for child in children_of(item):
        if concept_of(child) == LANGUAGE:
            continue
        if child.get("ValueType") == "CONTAINER":
            sections.append(_section(child))
        else:
            lines += _lines(child, title)
    return Section(title, tuple(lines), _language(item), tuple(sections))


def _lines(item: Dataset, title: str) -> Iterator[Line]:
    """An item and all below it, one line each."""
    name, value = name_of(item), value_of(item)
    if name or value:
        yield ("" if _repeats(name, title) and value else name, value)
    for child in children_of(item):
        yield from _lines(child, title)


def _repeats(name: str, title: str) -> bool:
    return bool(title) and name.rstrip("s").lower() in title.lower()


def _first(item: Dataset, concept: str) -> str:
    return next((value_of(child) for child in children_of(item) if concept_of(child) == concept), "")


def _language(item: Dataset) -> str:
    for child in children_of(item):
        if concept_of(child) == LANGUAGE:
            codes = children_of(child, "ConceptCodeSequence")
            return str(codes[0].get("CodeValue", "")) if codes else ""
    return ""
