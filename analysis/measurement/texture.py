"""Texture of the ultradistal radius: variogram, and the 2-D features of pyradiomics.

Everything is computed on the region resampled into the forearm's frame at one pixel size, so that neither the
tilt of the arm nor the scanner's pixel grid enters the neighbourhoods.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.errors import AnalysisError
from analysis.results import QualityFinding, Severity
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy

GRID_MM = 0.5
"""Pixel size of texture analysis; densitometers deliver 0.25 to 0.6 mm."""
BIN_WIDTH_G_CM2 = 0.025
"""Grey-level width for calibrated density: 10–25 levels over an ultradistal region (fixed bin size of
IBSI)."""
BIN_WIDTH_RELATIVE = 0.04
"""The same for display greys scaled to 0–1."""
EXPECTED_FEATURES = 102
"""9 shape2D + 18 firstorder + 24 glcm + 16 glrlm + 16 glszm + 14 gldm + 5 ngtdm of pyradiomics 3.0.1."""
LAGS_PX = 6
"""Variogram lags of 0.5 to 3 mm: from one pixel to beyond the trabecular separation."""
SLOPE_LAGS_PX = 3
TREND_MM = 4.0
"""Trend wider than this (standard deviation) is anatomy, not texture, and is removed before the variogram."""
SMALLEST_REGION_PX = 60


@dataclass(frozen=True, slots=True)
class Texture:
    """Features by name and remarks."""

    values: Mapping[str, float | None]
    findings: tuple[QualityFinding, ...]


def measure_texture(
    pixels: NDArray[np.float32],
    density: bool,
    anatomy: ForearmAnatomy,
    mask: NDArray[np.bool_] | None,
    *,
    radiomics: bool = True,
) -> Texture:
    """Measure the texture of one region.

    Parameters
    ----------
    pixels : ndarray of float32, (rows, columns)
        Areal density (g/cm²) if `density`, else display grey 0–1.
    mask : ndarray of bool, (rows, columns), or None
        The ultradistal region; None if it was not placed, then nothing is measured.
    radiomics : bool
        False leaves out pyradiomics, which takes most of the time; a model that uses none of its features is
        trained that way.

    Raises
    ------
    AnalysisError
        If pyradiomics computes another number of features than `EXPECTED_FEATURES`: it skips what it cannot
        do with no more than a log line.
    """
    if mask is None:
        return Texture({}, ())
    patch = _patch(pixels, mask, anatomy)
    if patch.mask.sum() < SMALLEST_REGION_PX:
        return Texture({}, (_too_small(int(patch.mask.sum())),))
    values: dict[str, float | None] = dict(variogram_features(patch.values, patch.mask))
    if radiomics:
        width = BIN_WIDTH_G_CM2 if density else BIN_WIDTH_RELATIVE
        values |= radiomics_features(patch.values, patch.mask, bin_width=width)
    return Texture(values, (_SNR_NOTE,) if density else (_SNR_NOTE, _NOT_COMPARABLE))


@dataclass(frozen=True, slots=True, eq=False)
class _Patch:
    values: FloatArray
    mask: NDArray[np.bool_]


def _patch(pixels: NDArray[np.float32], mask: NDArray[np.bool_], anatomy: ForearmAnatomy) -> _Patch:
    """The masked region on a `GRID_MM` grid along the forearm, with two pixels around it."""
    across, along = (part[mask] for part in anatomy.frame.of_pixels((mask.shape[0], mask.shape[1])))
    margin = 2 * GRID_MM
    x = np.arange(across.min() - margin, across.max() + margin, GRID_MM)
    y = np.arange(along.min() - margin, along.max() + margin, GRID_MM)
    column, row = anatomy.frame.to_image(x[None, :], y[:, None])
    where = [row - 0.5, column - 0.5]
    # linear: a spline of higher order would ring at the cortex
    values = ndimage.map_coordinates(pixels.astype(np.float64), where, order=1, mode="nearest")
    inside = ndimage.map_coordinates(mask.astype(np.float64), where, order=1, mode="constant") >= 0.5
    return _Patch(values, np.asarray(inside, np.bool_))


def variogram_features(values: FloatArray, mask: NDArray[np.bool_]) -> dict[str, float]:
    """Experimental variogram of a region: its slope at the origin, sill and signal-to-noise ratio.

    The variogram is the mean squared difference between pixels at a distance, over both grid directions,
    after the slow trend of the anatomy is removed. ``variogram_slope`` is the slope of its logarithm against
    that of the distance, TBS-like after Pothuaud et al. 2008 (Bone 42:775): not the commercial TBS, whose
    cut-offs must not be applied. ``variogram_sill`` is its mean at the largest lags, after Dong et al. 2013
    (PMC3755113), in the square of the pixel unit. ``variogram_snr`` is the standard deviation of the texture
    over that of the noise, which is judged from differences between neighbours' means (Immerkaer 1996).

    Parameters
    ----------
    values : ndarray, (rows, columns)
        On a square grid.
    mask : ndarray of bool, (rows, columns)
    """
    inner = ndimage.binary_erosion(mask, iterations=2)
    if inner.sum() < SMALLEST_REGION_PX:
        inner = mask
    residual = _without_trend(values, inner, TREND_MM / GRID_MM)
    gamma = np.array([_mean_squared_difference(residual, inner, lag) for lag in range(1, LAGS_PX + 1)])
    gamma = np.maximum(gamma, 1e-12)
    lags = np.arange(1, LAGS_PX + 1) * GRID_MM
    slope = np.polyfit(np.log(lags[:SLOPE_LAGS_PX]), np.log(gamma[:SLOPE_LAGS_PX]), 1)[0]
    sill = float(gamma[-3:].mean())
    noise = _noise_sd(values, inner)
    signal = np.sqrt(max(sill / 2 - noise**2, 0.0))
    return {
        "variogram_slope": float(slope),
        "variogram_sill": sill,
        "variogram_log_sill": float(np.log(sill)),
        "variogram_snr": float(signal / max(noise, 1e-9)),
    }


def _without_trend(values: FloatArray, mask: NDArray[np.bool_], sigma: float) -> FloatArray:
    weight = ndimage.gaussian_filter(mask.astype(np.float64), sigma)
    smooth = ndimage.gaussian_filter(np.where(mask, values, 0.0), sigma) / np.maximum(weight, 1e-6)
    return np.where(mask, values - smooth, 0.0)


def _mean_squared_difference(values: FloatArray, mask: NDArray[np.bool_], lag: int) -> float:
    total, count = 0.0, 0
    for a, b, both in (
        (values[lag:], values[:-lag], mask[lag:] & mask[:-lag]),
        (values[:, lag:], values[:, :-lag], mask[:, lag:] & mask[:, :-lag]),
    ):
        total += float(((a - b)[both] ** 2).sum())
        count += int(both.sum())
    return total / max(count, 1)


def _noise_sd(values: FloatArray, mask: NDArray[np.bool_]) -> float:
    """Noise from the response to a kernel that is blind to planes and edges (Immerkaer 1996)."""
    kernel = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
    response = ndimage.convolve(values, kernel)
    inside = ndimage.binary_erosion(mask)
    chosen = response[inside] if inside.any() else response[mask]
    return float(np.sqrt(np.pi / 2) / 6 * np.mean(np.abs(chosen)))


def radiomics_features(values: FloatArray, mask: NDArray[np.bool_], *, bin_width: float) -> dict[str, float]:
    """The 102 features of pyradiomics 3.0.1 on a true 2-D image, named ``original_CLASS_FEATURE``.

    Parameters
    ----------
    values : ndarray, (rows, columns)
        On a square grid of `GRID_MM`.
    bin_width : float
        Width of a grey level, in units of `values`.

    Raises
    ------
    AnalysisError
        If the number of features is not `EXPECTED_FEATURES`.
    """
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    for name in ("radiomics", "radiomics.glcm"):  # after the import, which sets the level itself
        logging.getLogger(name).setLevel(logging.ERROR)
    extractor = RadiomicsFeatureExtractor(binWidth=bin_width, preCrop=True, additionalInfo=False, label=1)
    extractor.disableAllFeatures()
    for group in ("shape2D", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"):
        extractor.enableFeatureClassByName(group)
    # pyradiomics refuses a mask without background
    image, label = np.pad(values, 1, mode="edge"), np.pad(mask.astype(np.uint8), 1)
    computed = extractor.execute(_sitk_image(image), _sitk_image(label))
    features = {name: float(value) for name, value in computed.items() if name.startswith("original_")}
    if len(features) != EXPECTED_FEATURES:
        raise AnalysisError(
            f"pyradiomics computed {len(features)} features of the ultradistal region where "
            f"{EXPECTED_FEATURES} "
            "are expected; install the pinned pyradiomics 3.0.1 or report this image"
        )
    return features


def _sitk_image(values: NDArray[Any]) -> Any:
    import SimpleITK as sitk  # noqa: N813

    image: Any = sitk.GetImageFromArray(values)
    image.SetSpacing((GRID_MM, GRID_MM))
    return image


_SNR_NOTE = QualityFinding(
    "texture_depends_on_noise",
    Severity.INFO,
    "Texture features follow dose, soft tissue and reconstruction: compare them on one scanner only, "
    "together "
    "with variogram_snr.",
)
_NOT_COMPARABLE = QualityFinding(
    "texture_not_comparable",
    Severity.WARNING,
    "Texture was computed on uncalibrated 8-bit display greys: it is not comparable with other images.",
)


def _too_small(size: int) -> QualityFinding:
    return QualityFinding(
        "texture_not_measured",
        Severity.ERROR,
        f"The ultradistal region has {size} pixels of {GRID_MM} mm; texture needs {SMALLEST_REGION_PX}.",
    )
