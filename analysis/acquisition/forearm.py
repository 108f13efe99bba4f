"""Length of the forearm (ulna, olecranon to styloid tip), which names the one-third region."""

from __future__ import annotations

from typing import Literal

from analysis.config import ClinicalContext
from analysis.results import QualityFinding, Severity

ULNA_TO_HEIGHT: dict[Literal["F", "M"], float] = {"F": 24.79 / 155.4, "M": 27.28 / 165.9}
"""Mean ulnar length over mean height, measured from olecranon tip to ulnar styloid with a calliper in 30
women and 40 men of 17–19 years in Maharashtra (Perspectives in Medical Research 2025;13(2):100-104,
doi 10.47799/pimr.1302.25.37). Assumption: it holds for other adults; height lost with age makes it too
small."""

PLAUSIBLE_LENGTH_MM = (150.0, 350.0)
"""Ulnar lengths that are believed (assumption)."""


def forearm_length(clinical: ClinicalContext) -> tuple[float | None, str, tuple[QualityFinding, ...]]:
    """Ulnar length by site entry, else estimated from height.

    No vendor dialect seen exports its forearm length; a vendor value would rank between the two.

    Returns
    -------
    length_mm : float or None
    provenance : str
        ``"250 mm (site entry)"``, empty if unknown.
    findings : tuple of QualityFinding
        ``forearm_length_estimated`` or ``forearm_length_implausible``; what an unknown length leaves out is
        reported where regions are placed.
    """
    findings: tuple[QualityFinding, ...] = ()
    entered = clinical.forearm_length_mm
    if entered is not None:
        if PLAUSIBLE_LENGTH_MM[0] <= entered <= PLAUSIBLE_LENGTH_MM[1]:
            return entered, f"{entered:.0f} mm (site entry)", ()
        findings = (_implausible(entered, "the site's entry"),)
    if clinical.height_mm is None:
        return None, "", findings
    length = clinical.height_mm * _ratio(clinical.sex)
    if not PLAUSIBLE_LENGTH_MM[0] <= length <= PLAUSIBLE_LENGTH_MM[1]:
        return None, "", (*findings, _implausible(length, "the estimate from height"))
    estimated = QualityFinding(
        "forearm_length_estimated",
        Severity.WARNING,
        f"Forearm length {length:.0f} mm is estimated from a height of {clinical.height_mm:.0f} mm; enter "
        "the measured length (olecranon to ulnar styloid) for an exact one-third region.",
    )
    return length, f"{length:.0f} mm (estimated from height)", (*findings, estimated)


def _ratio(sex: Literal["F", "M"] | None) -> float:
    return ULNA_TO_HEIGHT[sex] if sex is not None else sum(ULNA_TO_HEIGHT.values()) / len(ULNA_TO_HEIGHT)


def _implausible(length: float, origin: str) -> QualityFinding:
    return QualityFinding(
        "forearm_length_implausible",
        Severity.WARNING,
        f"A forearm of {length:.0f} mm ({origin}) is outside {PLAUSIBLE_LENGTH_MM[0]:.0f}–"
        f"{PLAUSIBLE_LENGTH_MM[1]:.0f} mm and is not used; check its unit.",
    )
