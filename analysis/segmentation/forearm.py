"""Find radius and ulna in a forearm image, whatever its scale of greys and whichever way it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.config import PREPROCESSING, PreprocessingStep, SegmentationMethod
from analysis.errors import RejectedInput
from analysis.results import QualityFinding, SegmentationQuality, Severity
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy
from analysis.segmentation.classical import SURE, find_by_edges, shaft_width_mm, trace
from analysis.segmentation.fusion import find_with_network
from analysis.segmentation.network import shipped_network
from analysis.segmentation.normalise import normalised
from analysis.segmentation.orientation import likely_lies
from analysis.segmentation.preprocessing import is_display_grey, prepare
from analysis.segmentation.quality import shipped_quality_model

FIRST_SPACINGS_MM = (0.33, 0.22, 0.5)
"""Where the scale is unknown, these are tried in turn: most exports lie near the first."""
NOMINAL_SHAFT_WIDTH_MM = 12.5
"""Outer diameter of the radius shaft, 11.5 mm in women and 13.5 mm in men (PMC3179319 and Riggs 2004,
derived)."""


def find_forearm(
    pixels: NDArray[np.float32],
    spacing_mm: tuple[float, float] | None,
    *,
    method: SegmentationMethod = "network",
    preprocessing: Sequence[PreprocessingStep] = PREPROCESSING,
    density: bool | None = None,
) -> ForearmAnatomy:
    """Segment radius and ulna and locate their landmarks.

    Only order and contrast of the pixel values are used, so areal density and any monotone display grey serve
    alike. The arm may lie at any tilt within 20 degrees, either way up, and be of either side.

    Parameters
    ----------
    pixels : ndarray of float32, (rows, columns)
        Dense bone bright.
    spacing_mm : (row, column) spacing in mm, or None
        Where it is unknown the scale is judged from the radius shaft's width; lengths in
        `ForearmAnatomy.frame` are then nominal and no measure in mm may be taken from them.
    method : {"network", "classical"}
        Whether the network guides the search for edges (`analysis.segmentation.fusion`) or not.
    preprocessing : sequence of str
        Steps that prepare the picture, see `analysis.segmentation.preprocessing`.
    density : bool, optional
        True for areal density, False for display greys; judged from the values by default.

    Raises
    ------
    RejectedInput
        ``radius_not_found``, ``distal_end_not_found``, ``orientation_conflict``, ``arm_conflict`` or
        ``segmentation_uncertain``, with the cure.
    ConfigurationError
        If the shipped network differs from its manifest.
    """
    if spacing_mm is None:
        spacing_mm = _judged_spacing(normalised(pixels))
    if density is None:
        density = not is_display_grey(pixels)
    picture = prepare(pixels, spacing_mm, preprocessing, density=density)
    network = shipped_network() if method == "network" else None
    if network is not None:
        return find_with_network(pixels, picture, network)
    anatomy = find_by_edges(picture)
    return replace(
        anatomy,
        quality=SegmentationQuality(
            "classical", None, shipped_quality_model().score_of_edges(anatomy.confidence)
        ),
        findings=(*anatomy.findings, *(_NO_NETWORK if method == "network" else ())),
    )


_NO_NETWORK = (
    QualityFinding(
        "segmentation_network_missing",
        Severity.WARNING,
        "The segmentation network is not installed; the outline rests on edges alone. Restore the files in "
        'analysis/segmentation/weights, or set analysis.segmentation = "classical".',
    ),
)


def _judged_spacing(image: FloatArray) -> tuple[float, float]:
    """Isotropic spacing at which the radius shaft is as wide as usual and the forearm looks like one."""
    no_metal = np.zeros(image.shape, np.bool_)
    judged: list[tuple[float, float]] = []
    refusals: list[RejectedInput] = []
    for first in FIRST_SPACINGS_MM:
        try:
            spacing = _spacing_by_shaft(image, first)
            lie = likely_lies(image, (spacing, spacing))[0]
            judged.append((trace(image, no_metal, (spacing, spacing), lie).confidence, spacing))
        except RejectedInput as refusal:
            refusals.append(refusal)
            continue
        if judged[-1][0] >= SURE:
            break
    if not judged:
        raise refusals[0]
    _, spacing = max(judged)
    return spacing, spacing


def _spacing_by_shaft(image: FloatArray, spacing: float) -> float:
    for _ in range(2):
        lie = likely_lies(image, (spacing, spacing))[0]
        spacing *= NOMINAL_SHAFT_WIDTH_MM / shaft_width_mm(image, (spacing, spacing), lie)
    return spacing
