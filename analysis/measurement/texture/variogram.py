"""Experimental variogram of a region: how fast and how far neighbouring densities drift apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.measurement.texture.patch import GRID_MM, SAMPLING_BLUR_MM
from analysis.segmentation.anatomy import FloatArray

LAGS_PX = 6
"""Variogram lags of 0.5 to 3 mm: from one pixel to beyond the trabecular separation."""
SLOPE_LAGS = slice(0, 3)
"""0.5 to 1.5 mm."""
ROBUST_LAGS = slice(1, 5)
"""1 to 2.5 mm."""
ROBUST_MEAN_MM = 0.5
"""Standard deviation of the Gaussian mean before the noise-robust slope."""
RANGE_SHARE = 0.8
"""Share of the sill that counts as reached: at the customary 95 % the repeatability is poor."""
TREND_MM = 4.0
"""Trend wider than this (standard deviation) is anatomy, not texture, and is removed before the variogram."""
SMALLEST_REGION_PX = 60
SMALLEST_VARIANCE = 1e-12
"""Below any detector's; keeps the logarithm of a flat region finite."""


def variogram_features(values: FloatArray, smooth: FloatArray, mask: NDArray[np.bool_]) -> dict[str, float]:
    """Variogram of a region: slope at the origin, sill, range, signal to noise, and a noise-robust slope.

    The variogram is the mean squared difference between pixels at a distance, over both grid directions,
    after the slow trend of the anatomy is removed. ``variogram_slope`` is the slope of its logarithm against
    that of the distance, TBS-like after Pothuaud et al. 2008 (Bone 42:775): not the commercial TBS, whose
    cut-offs must not be applied. ``variogram_sill`` is its mean at the largest lags, after Dong et al. 2013
    (PMC3755113), in the square of the pixel unit. ``variogram_snr`` is the standard deviation of the texture
    over that of the noise, which is judged from differences between neighbours' means (Immerkaer 1996).

    ``variogram_robust_slope`` is the slope over lags of 1 to 2.5 mm after a Gaussian mean of 0.5 mm, which
    leaves a fifth of the noise and touches structures of that size little; ``variogram_robust_snr`` is the
    signal-to-noise ratio after that mean. ``variogram_range_mm`` is the lag at which the variogram of the
    evenly sampled values reaches `RANGE_SHARE` of its sill.

    Parameters
    ----------
    values, smooth : ndarray, (rows, columns)
        On a square grid of `GRID_MM`, see `analysis.measurement.texture.patch.Patch`.
    mask : ndarray of bool, (rows, columns)
    """
    values, smooth, mask = _cropped(values, smooth, mask)
    inner = ndimage.binary_erosion(mask, iterations=2)
    if inner.sum() < SMALLEST_REGION_PX:
        inner = mask
    noise = _noise_sd(values, inner)
    gamma = _variogram(without_trend(values, inner, TREND_MM / GRID_MM), inner)
    sill = float(gamma[-3:].mean())
    even = without_trend(smooth, inner, TREND_MM / GRID_MM)
    averaged = _variogram(np.where(inner, _mean_within(even, inner, ROBUST_MEAN_MM / GRID_MM), 0.0), inner)
    robust_noise = noise * GRID_MM / (2 * np.sqrt(np.pi) * np.hypot(ROBUST_MEAN_MM, SAMPLING_BLUR_MM))
    return {
        "variogram_slope": _log_slope(gamma, SLOPE_LAGS),
        "variogram_sill": sill,
        "variogram_log_sill": float(np.log(sill)),
        "variogram_snr": _signal_to_noise(sill, noise),
        "variogram_range_mm": _range_mm(_variogram(even, inner)),
        "variogram_robust_slope": _log_slope(averaged, ROBUST_LAGS),
        "variogram_robust_snr": _signal_to_noise(float(averaged[-3:].mean()), float(robust_noise)),
    }


def _cropped(
    values: FloatArray, smooth: FloatArray, mask: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """The region with two pixels around it: filters that see the region alone take a fifth of the time."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    part = np.s_[max(rows[0] - 2, 0) : rows[-1] + 3, max(columns[0] - 2, 0) : columns[-1] + 3]
    return values[part], smooth[part], mask[part]


def _variogram(residual: FloatArray, mask: NDArray[np.bool_]) -> FloatArray:
    gamma = [_mean_squared_difference(residual, mask, lag) for lag in range(1, LAGS_PX + 1)]
    return np.asarray(np.maximum(np.array(gamma), SMALLEST_VARIANCE))


def _log_slope(gamma: FloatArray, lags: slice) -> float:
    distance = np.arange(1, LAGS_PX + 1) * GRID_MM
    return float(np.polyfit(np.log(distance[lags]), np.log(gamma[lags]), 1)[0])


def _range_mm(gamma: FloatArray) -> float:
    """Interpolated between the lags, the variogram being 0 at lag 0."""
    share = np.concatenate([[0.0], gamma / gamma[-3:].mean()])
    above = int(np.argmax(share >= RANGE_SHARE))
    part = (RANGE_SHARE - share[above - 1]) / (share[above] - share[above - 1])
    return float((above - 1 + part) * GRID_MM)


def _signal_to_noise(sill: float, noise: float) -> float:
    return float(np.sqrt(max(sill / 2 - noise**2, 0.0)) / max(noise, 1e-9))


def without_trend(values: FloatArray, mask: NDArray[np.bool_], sigma: float) -> FloatArray:
    """Values of a region minus their Gaussian mean over it (standard deviation in pixels), 0 outside."""
    return np.where(mask, values - _mean_within(values, mask, sigma), 0.0)


def _mean_within(values: FloatArray, mask: NDArray[np.bool_], sigma: float) -> FloatArray:
    weight = ndimage.gaussian_filter(mask.astype(np.float64), sigma)
    mean = ndimage.gaussian_filter(np.where(mask, values, 0.0), sigma) / np.maximum(weight, 1e-6)
    return np.asarray(mean)


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
