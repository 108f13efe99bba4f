"""Pixel spacing by a ladder of attributes; the rung that was used travels with every length and area."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from analysis.acquisition import header
from analysis.acquisition.dialect import EVIDENCE_NEEDED, lunar_evidence
from analysis.results import QualityFinding, Severity

PLAUSIBLE_MM = (0.15, 1.5)
"""Pixel sizes a forearm scan can have (assumption: Hologic scans have 0.42 × 1.0 mm, GE iDXA crops 0.25
mm)."""


@dataclass(frozen=True, slots=True)
class PixelSpacing:
    """(row, column) spacing in mm with the attribute it came from; ``None`` and ``""`` if there is none.

    What cannot be measured without spacing is reported where it is not measured (`place_regions`).
    """

    mm: tuple[float, float] | None
    source: str
    findings: tuple[QualityFinding, ...]


def pixel_spacing(dataset: Dataset) -> PixelSpacing:
    """Spacing of an image's pixels, kept anisotropic as the scanner made them.

    The ladder: Pixel Spacing, Imager Pixel Spacing, Nominal Scanned Pixel Spacing, then GE Lunar's Exposed
    Area over Columns and Rows. A rung outside `PLAUSIBLE_MM` is passed over with a finding.
    """
    findings: list[QualityFinding] = []
    for keyword in (*_SPACING_KEYWORDS, "ExposedArea"):
        spacing = _exposed_area_spacing(dataset) if keyword == "ExposedArea" else _pair(dataset, keyword)
        if spacing is None:
            continue
        if all(PLAUSIBLE_MM[0] <= value <= PLAUSIBLE_MM[1] for value in spacing):
            findings.extend(_remarks(keyword))
            return PixelSpacing(spacing, keyword, tuple(findings))
        findings.append(
            QualityFinding(
                "spacing_implausible",
                Severity.WARNING,
                f"{header.label(keyword)} gives pixels of {spacing[0]:.3g} × {spacing[1]:.3g} mm, outside "
                f"{PLAUSIBLE_MM[0]}–{PLAUSIBLE_MM[1]} mm for a forearm scan; it is not used.",
            )
        )
    return PixelSpacing(None, "", tuple(findings))


_SPACING_KEYWORDS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def _pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    values = header.numbers(dataset, keyword)
    return (values[0], values[1]) if len(values) == 2 else None


def _exposed_area_spacing(dataset: Dataset) -> tuple[float, float] | None:
    """Spacing from Exposed Area (0040,0303), which GE Lunar writes as width, height of the picture in mm.

    From others it is no measure of the picture: the standard has it as the exposed part of the detector.
    """
    if len(lunar_evidence(dataset)) < EVIDENCE_NEEDED:
        return None
    area = _pair(dataset, "ExposedArea")
    rows, columns = header.number(dataset, "Rows"), header.number(dataset, "Columns")
    if area is None or not rows or not columns:
        return None
    return area[1] / rows, area[0] / columns


def _remarks(keyword: str) -> tuple[QualityFinding, ...]:
    if keyword == "ImagerPixelSpacing":
        return (
            QualityFinding(
                "spacing_at_detector",
                Severity.WARNING,
                "Only Imager Pixel Spacing (0018,1164) is given: lengths are those at the detector, larger "
                "than in the arm by the magnification.",
            ),
        )
    if keyword == "ExposedArea":
        return (
            QualityFinding(
                "spacing_from_exposed_area",
                Severity.INFO,
                "Pixel size is derived from Exposed Area (0040,0303), given in whole millimetres, over the "
                "size of the image.",
            ),
        )
    return ()
