"""Where on the bone the regional contributions come from.

A region's BMD is the mean of its pixels, so its contribution divides into pixel parts without any
approximation; so does any feature that is a mean over pixels. Other features of a region (thickness, a
vendor's T-score) have no finer place than the region and are spread evenly over it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from analysis.acquisition.image import RadiusImage
from analysis.results import REGIONS
from analysis.risk import FeatureTerm, RiskPrediction

SMOOTHING_MM = 1.5
"""Standard deviation of the display smoothing: about the width of a cortex, below the size of a region."""

MORPHOMETRY_REGION = "one_third"
TEXTURE_REGION = "ultradistal"

FloatImage = NDArray[np.float64]
BoolImage = NDArray[np.bool_]


def driver_map(
    prediction: RiskPrediction,
    image: RadiusImage,
    region_masks: Mapping[str, BoolImage],
    *,
    smoothing_mm: float = SMOOTHING_MM,
) -> tuple[NDArray[np.float32] | None, str]:
    """Paint every regional contribution onto the bone it comes from.

    A feature that is the mean of a per-pixel quantity q over its N pixels contributes
    ``contribution / N + coefficient · (q − mean(q)) / N`` at each pixel; any other feature contributes
    ``contribution / N``. Over a region the map integrates to exactly the region's contributions, smoothed or
    not: the even part is not smoothed, and the deviations are centred on zero again after smoothing.

    Parameters
    ----------
    prediction : RiskPrediction
    image : RadiusImage
        Its pixels are used only where they are areal density.
    region_masks : mapping of region name to ndarray of bool, (rows, columns)
        On the grid of ``image.pixels``; ``ultradistal`` and ``one_third`` must not overlap.
    smoothing_mm : float
        Standard deviation of the Gaussian smoothing for display, normalised within the region; 0 for none.

    Returns
    -------
    map : ndarray of float32 (rows, columns), or None
        10-year log-odds per cm² of bone, positive where the bone raises the risk, zero outside the regions.
        None without a pixel spacing, since then no area is known.
    note : str
        How the map was made and what it cannot show.
    """
    if image.spacing_mm is None:
        return None, "No driver map: the pixel spacing is unknown, so nothing can be given per cm² of bone."
    painted = np.zeros(image.pixels.shape)
    split, even, unplaced = [], [], []
    for term in prediction.terms:
        region = _region_of(term.name)
        mask = region_masks.get(region) if region else None
        if mask is None or not mask.any():
            unplaced.append(term)
            continue
        local = LOCAL_QUANTITIES.get(term.name.partition(".")[2]) if image.density else None
        painted[mask] += term.contribution / mask.sum()
        if local is None:
            even.append(term)
            continue
        deviation = _deviation(local(image.pixels.astype(np.float64), mask), mask)
        if smoothing_mm > 0:
            deviation = _smooth_within(deviation, mask, smoothing_mm, image.spacing_mm)
        painted += term.coefficient * deviation / mask.sum()
        split.append(term)
    pixel_area_cm2 = image.spacing_mm[0] * image.spacing_mm[1] / 100.0
    return (painted / pixel_area_cm2).astype(np.float32), _note(split, even, unplaced, smoothing_mm)


def _density(pixels: FloatImage, mask: BoolImage) -> FloatImage:
    return np.where(mask, pixels, 0.0)


LOCAL_QUANTITIES: Mapping[str, Callable[[FloatImage, BoolImage], FloatImage]] = {"bmd_g_cm2": _density}
"""Quantity -> the per-pixel image whose mean over the region is that quantity."""


def _region_of(feature: str) -> str | None:
    group = feature.partition(".")[0]
    if group in REGIONS:
        return group
    return {"morphometry": MORPHOMETRY_REGION, "texture": TEXTURE_REGION}.get(group)


def _deviation(local: FloatImage, mask: BoolImage) -> FloatImage:
    return np.where(mask, local - local[mask].mean(), 0.0)


def _smooth_within(
    deviation: FloatImage, mask: BoolImage, smoothing_mm: float, spacing_mm: tuple[float, float]
) -> FloatImage:
    """Gaussian smoothing that ignores pixels outside `mask` and keeps the sum at zero."""
    from scipy.ndimage import gaussian_filter

    sigma = (smoothing_mm / spacing_mm[0], smoothing_mm / spacing_mm[1])
    weight = gaussian_filter(mask.astype(np.float64), sigma, mode="constant")
    smoothed = gaussian_filter(deviation, sigma, mode="constant")
    inside = np.zeros_like(deviation)
    inside[mask] = smoothed[mask] / weight[mask]
    return _deviation(inside, mask)


def _note(
    split: list[FeatureTerm], even: list[FeatureTerm], unplaced: list[FeatureTerm], smoothing_mm: float
) -> str:
    sentences = [
        "Contribution of the bone to the model's 10-year log-odds, per cm² of bone: what influenced the "
        "model, not disease."
    ]
    if split:
        sentences.append(f"Divided pixel by pixel: {_names(split)}.")
        if smoothing_mm > 0:
            sentences.append(f"Smoothed for display over {smoothing_mm:g} mm; each region keeps its sum.")
    if even:
        sentences.append(f"Spread evenly over its region, for want of a finer place: {_names(even)}.")
    if unplaced:
        total = sum(term.contribution for term in unplaced)
        sentences.append(f"Not on the map: {_names(unplaced)} (together {total:+.2f} log-odds).")
    return " ".join(sentences)


def _names(terms: list[FeatureTerm]) -> str:
    return ", ".join(term.name for term in terms)
