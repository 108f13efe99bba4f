"""What a study's objects say in words: which body site, which side, whether densitometry at all.

Scanners put this in different attributes (BodyPartExamined at Hologic, ProtocolName at GE Lunar, the scan
mode of a private text, the containers of an SR), so every one is read and none alone is believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

from analysis.acquisition import header, hologic
from analysis.results import Laterality

FOREARM = "forearm"


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
    """Body sites named by a text: ``forearm``, ``spine``, ``hip``, ``whole body``, ``other``.

    >>> sorted(sites_named(Declaration("ProtocolName", "AP Spine")))
    ['spine']
    """
    words = _words(declaration.value)
    return frozenset(site for site, pattern in _SITES.items() if pattern.search(words))


def side_named(declaration: Declaration) -> Laterality | None:
    """The one side a text names; ``None`` if it names neither or both."""
    words = _words(declaration.value)
    sides = [side for side, pattern in _SIDES.items() if pattern.search(words)]
    return sides[0] if len(sides) == 1 else None


def names_densitometry(declaration: Declaration) -> bool:
    """True if a text says that this is bone densitometry."""
    return _DENSITOMETRY.search(_words(declaration.value)) is not None


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

_SITES = {
    # "arm" is Hologic's BodyPartExamined for the forearm; HAND and EXTREMITY alone prove nothing
    FOREARM: re.compile(
        r"fore ?arm|radius|ulna\b|wrist|\barm\b|前臂|桡骨|尺骨|腕|unterarm|handgelenk|avant bras|poignet"
        r"|antebrazo|muñeca|avambraccio|предплеч"
    ),
    "spine": re.compile(
        r"spine|lumbar|vertebra|\bl1 l4\b|\b[il]va\b|腰椎|脊柱|wirbel|rachis|columna|позвоноч"
    ),
    "hip": re.compile(r"\bhips?\b|femur|femora|股骨|髋|hüft|hanche|cadera|бедр"),
    "whole body": re.compile(r"whole ?body|total ?body|body composition|全身|ganzkörper|corps entier"),
    "other": re.compile(
        r"\bknee|\bfoot\b|\bcalcane|\bheel\b|\bchest\b|\bbreast|\bskull\b|\bpelvis\b|\babdomen\b"
    ),
}

_ARM = r"(?:fore ?arm|radius|wrist|arm)"
_SIDES = {
    Laterality.LEFT: re.compile(
        rf"\b(?:left|lt|links|linke[rs]?|gauche|izquierd[ao]|sinistr[ao])\b|左|лев|\bl {_ARM}|{_ARM} l\b"
    ),
    Laterality.RIGHT: re.compile(
        rf"\b(?:right|rt|rechts|rechte[rs]?|droite?|derech[ao]|destr[ao])\b|右|прав|\br {_ARM}|{_ARM} r\b"
    ),
}

_DENSITOMETRY = re.compile(r"\bp?de?xa\b|densit|\bbone mineral\b|\bbmd\b|骨密度|денсит")


def _object_declarations(dataset: Dataset) -> Iterator[Declaration]:
    for keyword in _OBJECT_KEYWORDS:
        for value in header.texts(dataset, keyword):
            yield Declaration(header.label(keyword), value)
    for region in header.items(dataset, "AnatomicRegionSequence"):
        yield Declaration(header.label("AnatomicRegionSequence"), header.text(region, "CodeMeaning"))
    analysis = hologic.read_analysis(dataset)
    if analysis is not None and analysis.scan_mode:
        yield Declaration(f"ScanMode in {analysis.location}", analysis.scan_mode)
    for container in container_names(dataset):
        yield Declaration("SR container", container)


def _words(value: str) -> str:
    """Lower case, every run of punctuation and underscores a single space: ``R.Forearm`` → ``r forearm``."""
    return re.sub(r"[\W_]+", " ", value.lower()).strip()
