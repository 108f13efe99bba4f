"""Find radius and ulna in a forearm image, whatever its scale of greys and whichever way it lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.config import PREPROCESSING, PreprocessingStep
from analysis.errors import RejectedInput
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy
from analysis.segmentation.classical import SURE, find_by_edges, shaft_width_mm, trace
from analysis.segmentation.normalise import normalised
from analysis.segmentation.orientation import likely_lies
from analysis.segmentation.preprocessing import is_display_grey, prepare

FIRST_SPACINGS_MM = (0.33, 0.22, 0.5)
"""Where the scale is unknown, these are tried in turn: most exports lie near the first."""
NOMINAL_SHAFT_WIDTH_MM = 12.5
"""Outer diameter of the radius shaft, 11.5 mm in women and 13.5 mm in men (PMC3179319 and Riggs 2004,
derived)."""


def find_forearm(
    pixels: NDArray[np.float32],
    spacing_mm: tuple[float, float] | None,
    *,
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

    Raises
    ------
    RejectedInput
        ``radius_not_found`` or ``distal_end_not_found``, with the cure.
    """
    if spacing_mm is None:
        spacing_mm = _judged_spacing(normalised(pixels))
    if density is None:
        density = not is_display_grey(pixels)
    picture = prepare(pixels, spacing_mm, preprocessing, density=density)
    return find_by_edges(picture)


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
