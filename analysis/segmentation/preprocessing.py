"""Make a scan ready to be seen: named steps that a benchmark can leave out one by one.

Nothing here touches what is measured: densities are taken from the original pixels, and these steps only
prepare the picture in which bones are sought.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.config import PreprocessingStep
from analysis.errors import RejectedInput
from analysis.segmentation.anatomy import FloatArray
from analysis.segmentation.grey_curve import grey_exponent
from analysis.segmentation.metal import DISPLAY_WHITE, metal_mask, painted_over
from analysis.segmentation.normalise import BONE_HEADROOM, check_pixels, contrast, normalised
from analysis.segmentation.orientation import likely_lies

NOISY = 0.04
"""Noise (standard deviation, bone's contrast = 1) above which edges gain from a filter (measured on simulated
forearms: below it, the filter's blur costs more than the noise)."""
MEDIAN_PX = 3


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A picture between two steps.

    Attributes
    ----------
    pixels : ndarray of float, (rows, columns)
        Dense bone bright, in whatever unit the scan has.
    spacing_mm : (row, column)
    excluded : ndarray of bool, (rows, columns)
        Pixels that do not show the arm, painted over in `pixels`.
    values : ndarray of float, (rows, columns)
        The common scale of greys, 0 to 1, that segmentation works on.
    grey_exponent : float
        Of the display curve that was undone; 1 where there was none.
    """

    pixels: FloatArray
    spacing_mm: tuple[float, float]
    excluded: NDArray[np.bool_]
    values: FloatArray
    grey_exponent: float = 1.0


def prepare(
    pixels: NDArray[np.floating],
    spacing_mm: tuple[float, float],
    steps: Sequence[PreprocessingStep],
    *,
    density: bool,
) -> Prepared:
    """Take a scan through `steps`, in the order in which they depend on each other.

    Parameters
    ----------
    pixels : ndarray of float, (rows, columns)
        Dense bone bright.
    density : bool
        True for areal density, which needs no grey curve undone.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` if the image is too small, not finite or without contrast.
    """
    check_pixels(pixels)
    square = float(np.sqrt(spacing_mm[0] * spacing_mm[1]))
    picture = Prepared(
        pixels.astype(np.float64), (square, square), np.zeros(pixels.shape, np.bool_), np.zeros(pixels.shape)
    )
    if "anisotropy_correction" in steps:
        picture = anisotropy_correction(picture, spacing_mm)
    if "artefact_exclusion" in steps:
        picture = artefact_exclusion(picture)
    if "denoise" in steps:
        picture = denoise(picture)
    if "grey_standardisation" in steps and not density:
        picture = grey_standardisation(picture)
    if "contrast_normalisation" in steps:
        return contrast_normalisation(picture)
    low, high = float(picture.pixels.min()), float(picture.pixels.max())
    return replace(picture, values=(picture.pixels - low) / (high - low))


def anisotropy_correction(picture: Prepared, spacing_mm: tuple[float, float]) -> Prepared:
    """Count rows and columns in millimetres of their own; without it pixels pass for squares of equal area.

    Nothing is resampled: the forearm is straightened once, straight from its own grid.
    """
    return replace(picture, spacing_mm=spacing_mm)


def artefact_exclusion(picture: Prepared) -> Prepared:
    """Find metal and paint it over, see `analysis.segmentation.metal`."""
    metal = metal_mask(picture.pixels, picture.spacing_mm)
    painted = painted_over(picture.pixels, metal, picture.spacing_mm) if metal.any() else picture.pixels
    return replace(picture, pixels=painted, excluded=picture.excluded | metal)


def denoise(picture: Prepared) -> Prepared:
    """Median of 3 x 3 pixels where the noise is high; it keeps straight edges (Tukey 1977).

    Noise is estimated from second differences along the diagonals, which a smooth picture does not have
    (Immerkær, Comput Vis Image Underst 1996;64:300-302).
    """
    if _noise(contrast(picture.pixels)) <= NOISY:
        return picture
    return replace(picture, pixels=ndimage.median_filter(picture.pixels, size=MEDIAN_PX, mode="nearest"))


def grey_standardisation(picture: Prepared) -> Prepared:
    """Undo the display's grey curve, see `analysis.segmentation.grey_curve`.

    A steep curve moves the place of steepest grey, and with it every edge, outwards or inwards. A picture in
    which no two shafts are seen is left as it is.
    """
    scaled = np.clip(contrast(picture.pixels), 0.0, None)
    try:
        lie = likely_lies(normalised(picture.pixels), picture.spacing_mm)[0]
        exponent = grey_exponent(scaled, picture.spacing_mm, lie)
    except RejectedInput:
        return picture
    return replace(picture, pixels=scaled ** (1 / exponent), grey_exponent=exponent)


def contrast_normalisation(picture: Prepared) -> Prepared:
    """Scale greys by their percentiles, see `analysis.segmentation.normalise`."""
    return replace(picture, values=normalised(picture.pixels))


def is_display_grey(pixels: NDArray[np.floating]) -> bool:
    """Whether values look like display greys: all from 0 to 1. A density's noise goes below, its cortex
    above."""
    return bool(pixels.min() >= 0.0 and pixels.max() <= DISPLAY_WHITE)


def _noise(image: FloatArray) -> float:
    second = image[:-2, :-2] - 2 * image[:-2, 1:-1] + image[:-2, 2:]
    second = second - 2 * (image[1:-1, :-2] - 2 * image[1:-1, 1:-1] + image[1:-1, 2:])
    second = second + image[2:, :-2] - 2 * image[2:, 1:-1] + image[2:, 2:]
    return float(np.median(np.abs(second)) / 0.6745 / 6 * BONE_HEADROOM)
