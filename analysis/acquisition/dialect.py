"""Whose way of speaking an object follows, on the evidence of several independent features.

No single attribute decides: headers are rewritten by archives, creators of private elements differ, and
other makers' objects carry any one of these features.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pydicom.dataset import Dataset

from analysis.acquisition import header, hologic
from analysis.acquisition.calibrated import has_density_map
from analysis.acquisition.wording import FOREARM, sites_in
from analysis.results import QualityFinding, Severity

EVIDENCE_NEEDED = 2
"""Independent features that name a vendor's dialect."""


class Dialect(StrEnum):
    """Ways of speaking, as a sentence calls them."""

    CALIBRATED = "a calibrated density image"
    HOLOGIC = "Hologic"
    LUNAR = "GE Lunar"
    PLAIN = "an image or document of no known vendor dialect"


@dataclass(frozen=True, slots=True)
class Recognition:
    """The dialect of an object and every feature that speaks for it."""

    dialect: Dialect
    evidence: tuple[str, ...]

    def finding(self) -> QualityFinding:
        """What was recognised, for the reader of the report."""
        why = f": {', '.join(self.evidence)}" if self.evidence else ""
        return QualityFinding("dialect_recognised", Severity.INFO, f"Read as {self.dialect.value}{why}.")


def recognise(dataset: Dataset) -> Recognition:
    """Tell the dialect of an image or document.

    A vendor needs `EVIDENCE_NEEDED` features and more than the other vendor; a density map to g/cm² says by
    itself what pixels mean, whoever wrote it.
    """
    hologic_evidence, lunar_features = _hologic_evidence(dataset), lunar_evidence(dataset)
    if has_density_map(dataset):
        return Recognition(Dialect.CALIBRATED, ("Real World Value Mapping to areal density",))
    if len(hologic_evidence) >= EVIDENCE_NEEDED and len(hologic_evidence) > len(lunar_features):
        return Recognition(Dialect.HOLOGIC, hologic_evidence)
    if len(lunar_features) >= EVIDENCE_NEEDED and len(lunar_features) > len(hologic_evidence):
        return Recognition(Dialect.LUNAR, lunar_features)
    return Recognition(Dialect.PLAIN, (*hologic_evidence, *lunar_features))


def lunar_evidence(dataset: Dataset) -> tuple[str, ...]:
    """Features of GE Lunar's way in an object."""
    site_in_protocol = FOREARM in sites_in(
        f"{header.text(dataset, 'ProtocolName')} {header.text(dataset, 'PerformedProcedureStepDescription')}"
    )
    features = {
        "maker named": _LUNAR.search(_machine(dataset)) is not None,
        "results as XML in Image Comments": _LUNAR_XML.search(header.text(dataset, "ImageComments"))
        is not None,
        "private creator GEMS_LUNAR_RAW": "GEMS_LUNAR_RAW" in header.private_creators(dataset),
        "site in Protocol Name, Body Part Examined empty": site_in_protocol
        and not header.text(dataset, "BodyPartExamined"),
        "Exposed Area instead of a pixel spacing": bool(header.numbers(dataset, "ExposedArea"))
        and not any(header.numbers(dataset, keyword) for keyword in _SPACING_KEYWORDS),
    }
    return tuple(feature for feature, present in features.items() if present)


_HOLOGIC = re.compile(r"hologic|\bapex\b|\bqdr|\bdiscovery\b|\bhorizon\b|\bdelphi\b", re.IGNORECASE)
_LUNAR = re.compile(r"lunar|\bprodigy|\bidxa|\bencore|\bdpx", re.IGNORECASE)
_LUNAR_XML = re.compile(r"<(?:DXA_RESULTS|DENSITOMETRY_RESULTS)\b")
_SPACING_KEYWORDS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_HOLOGIC_CREATORS = frozenset({"HOLOGIC", "Hologic"})
"""Exactly these: ``HOLOGIC, Inc.`` is the private dictionary of a mammography family."""


def _hologic_evidence(dataset: Dataset) -> tuple[str, ...]:
    analysis = hologic.read_analysis(dataset)
    features = {
        "maker named": _HOLOGIC.search(_machine(dataset)) is not None,
        f"analysis text in {analysis.location}" if analysis else "": analysis is not None,
        "private creator HOLOGIC": bool(_HOLOGIC_CREATORS & header.private_creators(dataset)),
        "colour report page of Modality OT": header.text(dataset, "Modality") in {"OT", "BD"}
        and header.text(dataset, "SamplesPerPixel") == "3",
        "Body Part Examined ARM": header.text(dataset, "BodyPartExamined") == "ARM",
    }
    return tuple(feature for feature, present in features.items() if present)


def _machine(dataset: Dataset) -> str:
    return f"{header.text(dataset, 'Manufacturer')} {header.text(dataset, 'ManufacturerModelName')}"
