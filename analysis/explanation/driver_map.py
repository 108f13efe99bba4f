"""Where on the bone the regional contributions come from.

A region's BMD is the mean of its pixels, so its contribution divides into pixel parts without any
approximation; what the engine corrects in a region as a whole (blurred edges, partial pixels) is spread
evenly. The sill of the variogram is, but for its grid, the mean of twice the squared deviation from the
anatomy's trend, and is divided by that. Other features of a region (thickness, a vendor's T-score) have no
finer place than the region and are spread evenly over it. A feature that enters as logarithm or in a product
has its full contribution on the map; how it divides within the region follows its slope at the value.
What was not known and replaced by an average comes from no bone and is not on the map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from analysis.acquisition.image import RadiusImage
from analysis.measurement.measure import TEXTURE_REGION
from analysis.measurement.texture import TREND_MM
from analysis.results import REGIONS
from analysis.risk import FeatureTerm, RiskPrediction
from analysis.risk.inputs import feature_phrase

SMOOTHING_MM = 1.5
"""Standard deviation of the display smoothing: about the width of a cortex, below the size of a region."""

GROUP_REGION: Mapping[str, str | None] = {
    "morphometry": "one_third",
    "texture": TEXTURE_REGION,
    "mechanics": "total",
    "density_distribution": None,
    "image": None,
}
"""Group of features -> the region of those whose name does not begin with one; strain is that of the whole
radius, and what a network saw in the picture has a map of its own (`analysis.explanation.grad_cam`)."""

PLACELESS = frozenset({"distal_width_mm", "radial_inclination_deg", "ulnar_variance_mm", "image_blur_mm"})
"""Shapes of the wrist beyond the regions, and the picture's sharpness."""

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
        10-year log-hazard per cm² of bone, positive where the bone raises the risk, zero outside the regions.
        None without a pixel spacing, since then no area is known.
    note : str
        How the map was made and what it cannot show.
    """
    if image.spacing_mm is None:
        return None, "No driver map: the pixel spacing is unknown, so nothing can be given per cm² of bone."
    painted = np.zeros(image.pixels.shape)
    split, even, unplaced = [], [], []
    for term in prediction.terms:
        region = None if term.imputed else _region_of(term.name)
        mask = region_masks.get(region) if region else None
        if mask is None or not mask.any():
            unplaced.append(term)
            continue
        painted[mask] += term.contribution / mask.sum()
        deviation = _local_deviation(term, image, mask, smoothing_mm)
        if deviation is None:
            even.append(term)
            continue
        painted += term.coefficient * deviation / mask.sum()
        split.append(term)
    pixel_area_cm2 = image.spacing_mm[0] * image.spacing_mm[1] / 100.0
    return (painted / pixel_area_cm2).astype(np.float32), _note(split, even, unplaced, smoothing_mm)


def _local_deviation(
    term: FeatureTerm, image: RadiusImage, mask: BoolImage, smoothing_mm: float
) -> FloatImage | None:
    """Smoothed departure of the per-pixel quantity from its mean over the region; None if there is none."""
    local = LOCAL_QUANTITIES.get(term.name.partition(".")[2])
    if local is None or not image.density or image.spacing_mm is None:
        return None
    deviation = _centred(local(image.pixels.astype(np.float64), mask, image.spacing_mm), mask)
    if smoothing_mm > 0:
        deviation = _centred(_smooth(deviation, mask, smoothing_mm, image.spacing_mm), mask)
    return deviation


Spacing = tuple[float, float]


def _density(pixels: FloatImage, mask: BoolImage, spacing_mm: Spacing) -> FloatImage:
    return pixels


def _local_sill(pixels: FloatImage, mask: BoolImage, spacing_mm: Spacing) -> FloatImage:
    """Twice the squared deviation from the trend that `analysis.measurement.texture` removes (g²/cm⁴)."""
    trend = _smooth(pixels, mask, TREND_MM, spacing_mm)
    return 2.0 * (pixels - trend) ** 2


LOCAL_QUANTITIES: Mapping[str, Callable[[FloatImage, BoolImage, Spacing], FloatImage]] = {
    "bmd_g_cm2": _density,
    "variogram_sill": _local_sill,
}
"""Quantity -> the per-pixel image whose mean over the region is that quantity."""


def _region_of(feature: str) -> str | None:
    """Region on which a feature is measured; None for what has no place on the bone."""
    group, _, quantity = feature.partition(".")
    if group in REGIONS:
        return group
    if group not in GROUP_REGION or quantity in PLACELESS:
        return None
    named = (region for region in REGIONS if quantity.startswith(f"{region}_"))
    return next(named, GROUP_REGION[group])


def _centred(local: FloatImage, mask: BoolImage) -> FloatImage:
    return np.where(mask, local - local[mask].mean(), 0.0)


def _smooth(image: FloatImage, mask: BoolImage, sigma_mm: float, spacing_mm: Spacing) -> FloatImage:
    """Gaussian smoothing that sees only the pixels inside `mask`; zero outside."""
    sigma = (sigma_mm / spacing_mm[0], sigma_mm / spacing_mm[1])
    weight = gaussian_filter(mask.astype(np.float64), sigma, mode="constant")
    smoothed = gaussian_filter(np.where(mask, image, 0.0), sigma, mode="constant")
    inside = np.zeros_like(image)
    inside[mask] = smoothed[mask] / weight[mask]
    return inside


def _note(
    split: list[FeatureTerm], even: list[FeatureTerm], unplaced: list[FeatureTerm], smoothing_mm: float
) -> str:
    sentences = ["Contribution of the bone to the model's 10-year log-hazard, per cm² of bone."]
    if split:
        sentences.append(f"Divided pixel by pixel: {_names(split)}.")
        if smoothing_mm > 0:
            sentences.append(f"Smoothed for display over {smoothing_mm:g} mm; each region keeps its sum.")
    if even:
        sentences.append(
            f"Spread evenly over its region, for want of a finer place: {_names_in_short(even)}."
        )
    if unplaced:
        total = sum(term.contribution for term in unplaced)
        sentences.append(f"Not on the map: {_names(unplaced)} (together {total:+.2f} log-hazard).")
    return " ".join(sentences)


def _names(terms: list[FeatureTerm]) -> str:
    return ", ".join(feature_phrase(term.name) for term in terms)


def _names_in_short(terms: list[FeatureTerm]) -> str:
    """Texture features by their number: the explanation and the JSON name each."""
    others = [term for term in terms if not term.name.startswith("texture.")]
    textures = len(terms) - len(others)
    counted = "1 texture feature" if textures == 1 else f"{textures} texture features"
    return ", ".join([*map(_names, ([term] for term in others)), *([counted] if textures else [])])
