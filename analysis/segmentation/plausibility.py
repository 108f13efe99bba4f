"""Does what was found look like a forearm? Turns anatomy into a confidence and findings."""

from __future__ import annotations

import numpy as np

from analysis.results import QualityFinding, Severity
from analysis.segmentation.anatomy import FloatArray

# Ranges are wide around adult anatomy: they catch a wrong bone or a lost edge, not an unusual patient. First
# and last value: certainly wrong; middle pair: certainly plausible. Assumptions, set on simulated forearms.
SHAFT_WIDTH_MM = (5.0, 8.5, 17.0, 22.0)
FLARE = (1.15, 1.5, 3.4, 4.5)
"""Distal over shaft width of the radius."""
RADIUS_TO_ULNA = (1.05, 1.3, 3.2, 4.5)
"""Distal widths."""
END_PLATE_TO_STYLOID_MM = (-14.0, -9.0, 13.0, 18.0)
TILT_DEGREES = (-32.0, -24.0, 24.0, 32.0)
STRENGTH = (0.2, 0.5)
DROP = (0.05, 0.35)
CONFIDENT = 0.6


def judge(
    *,
    radius_width: FloatArray,
    ulna_width: FloatArray | None,
    end_row: int,
    step: float,
    strength: float,
    drop: float,
    end_plate_to_styloid_mm: float,
    tilt_degrees: float,
) -> tuple[float, tuple[QualityFinding, ...]]:
    """Confidence (0–1) that this is a radius, as the product of single checks, and what they remark.

    Parameters
    ----------
    radius_width, ulna_width : ndarray
        Width (mm) per row, distal to proximal; None for an ulna that leaves the field.
    end_row : int
        Row of the radius's distal end.
    step : float
        Millimetres per row.
    strength, drop : float
        Edge strength along the bones and fall of contrast at the joints, 0–1.
    """
    near, far = end_row + round(6.0 / step), end_row + round(45.0 / step)
    shaft = float(np.median(radius_width[far:])) if far < radius_width.size else float(radius_width[-1])
    distal = float(np.median(radius_width[near : near + round(6.0 / step)]))
    checks = [
        ("the radius shaft is {:.1f} mm wide", shaft, SHAFT_WIDTH_MM),
        ("the radius is {:.2f} times as wide distally as at its shaft", distal / max(shaft, 1e-6), FLARE),
        (
            "the end plate lies {:.1f} mm proximal to the ulnar styloid",
            end_plate_to_styloid_mm,
            END_PLATE_TO_STYLOID_MM,
        ),
        ("the forearm is tilted by {:.0f} degrees", tilt_degrees, TILT_DEGREES),
    ]
    if ulna_width is not None:
        ulna = max(float(np.median(ulna_width[near : near + round(6.0 / step)])), 0.1)
        checks.append(("the radius ends {:.2f} times as wide as the ulna", distal / ulna, RADIUS_TO_ULNA))
    confidence = _rising(strength, STRENGTH) * _rising(drop, DROP)
    findings = []
    for text, value, limits in checks:
        score = float(np.interp(value, limits, (0.0, 1.0, 1.0, 0.0)))
        confidence *= score
        if score < 1.0:
            findings.append(
                QualityFinding(
                    "implausible_anatomy",
                    Severity.WARNING,
                    f"Segmentation: {text.format(value)}; usual is {limits[1]:g} to {limits[2]:g}. Check "
                    f"the outline.",
                )
            )
    if confidence < CONFIDENT:
        findings.append(
            QualityFinding(
                "segmentation_uncertain",
                Severity.WARNING,
                f"Confidence of the radius outline is {confidence:.2f} (0 to 1). Check it before using any "
                f"number.",
            )
        )
    return confidence, tuple(findings)


def _rising(value: float, limits: tuple[float, float]) -> float:
    return float(np.interp(value, limits, (0.0, 1.0)))
