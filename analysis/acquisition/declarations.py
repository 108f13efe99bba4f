"""What a study's objects say in words: which body site, which side, whether densitometry at all.

Scanners put this in different attributes (BodyPartExamined at Hologic, ProtocolName at GE Lunar, the scan
mode of a private text, the containers of an SR), so every one is read and none alone is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

from analysis.acquisition import header, hologic
from analysis.acquisition.wording import FOREARM, says_densitometry, side_in, sites_in
from analysis.results import Laterality

__all__ = [
    "FOREARM",
    "Declaration",
    "container_names",
    "names_densitometry",
    "object_declarations",
    "side_named",
    "sites_named",
    "study_declarations",
]


@dataclass(frozen=True, slots=True)
class Declaration:
    """One attribute's value, with the name under which an administrator finds it."""

    attribute: str
    value: str

    def __str__(self) -> str:
        return f"{self.attribute} = {self.value!r}"


def object_declarations(dataset: Dataset) -> tuple[Declaration, ...]:
    """What this object says of itself, coded attributes first."""
    return tuple(_object_declarations(dataset))


def study_declarations(dataset: Dataset) -> tuple[Declaration, ...]:
    """What the study as a whole is called; weaker, as one study may hold several sites."""
    return tuple(
        Declaration(header.label(keyword), value)
        for keyword in ("StudyDescription", "RequestedProcedureDescription")
        for value in header.texts(dataset, keyword)
    )


def sites_named(declaration: Declaration) -> frozenset[str]:
    """Body sites that a declaration names, see `sites_in`."""
    return sites_in(declaration.value)


def side_named(declaration: Declaration) -> Laterality | None:
    """The one side a declaration names; ``None`` if it names neither or both."""
    return side_in(declaration.value)


def names_densitometry(declaration: Declaration) -> bool:
    """True if a declaration says that this is bone densitometry."""
    return says_densitometry(declaration.value)


def container_names(dataset: Dataset) -> tuple[str, ...]:
    """Concept names of an SR's root and first-level containers, e.g. ``Left Forearm``."""
    containers = [
        item
        for item in (dataset, *header.items(dataset, "ContentSequence"))
        if header.text(item, "ValueType") == "CONTAINER"
    ]
    return tuple(
        header.text(concept, "CodeMeaning")
        for container in containers
        for concept in header.items(container, "ConceptNameCodeSequence")
    )


_OBJECT_KEYWORDS = (
    "BodyPartExamined",
    "ProtocolName",
    "SeriesDescription",
    "PerformedProcedureStepDescription",
)


def _object_declarations(dataset: Dataset) -> Iterator[Declaration]:
    for keyword in _OBJECT_KEYWORDS:
        for value in header.texts(dataset, keyword):
            yield Declaration(header.label(keyword), value)
    for region in header.items(dataset, "AnatomicRegionSequence"):
        yield Declaration(header.label("AnatomicRegionSequence"), header.text(region, "CodeMeaning"))
    analysis = hologic.read_analysis(dataset)
    if analysis is not None and analysis.scan_modes:
        # a page of both arms is one declaration of both sides, that is of none
        yield Declaration(f"ScanMode in {analysis.location}", " / ".join(analysis.scan_modes))
    for container in container_names(dataset):
        yield Declaration("SR container", container)
