"""Fractal dimensions of the density surface over a region: 2 for a smooth one, 3 for noise.

A radiograph shows no fractal over more than a decade of scales, least of all at densitometry's pixels: these
are roughness measures over the stated scales, as in the literature of bone texture, and they fall outside
2–3 where the scanner's blur bends the law.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.measurement.texture.patch import GRID_MM
from analysis.measurement.texture.variogram import TREND_MM, without_trend

Array = NDArray[np.float64]

BOXES_PX = (1, 2, 3, 4, 6)
"""Box sides, 0.5 to 3 mm; a box of side ``s`` spans ``s + 1`` pixel centres."""
BAND_PER_MM = (0.3, 0.9)
"""Spatial frequencies: from structures of 3.3 mm to almost Nyquist's limit of 1 per mm."""
RINGS = 8
TAPER_PX = 1.5
SPECTRUM_PX = 128


def fractal_features(values: Array, mask: NDArray[np.bool_]) -> dict[str, float]:
    """Box-counting and power-spectrum dimension after the trend of the anatomy is removed.

    ``fractal_box_counting``: differential box counting (Sarkar & Chaudhuri 1994) with boxes of vanishing
    height: the number of boxes of side ``s`` that cover the surface grows as range(s)/s³, hence
    ``3 - slope`` of log range against log s, over all boxes that lie wholly in the region. A few pixels
    cannot show the whole range of a rough surface: a dimension of 2.8 reads 2.4.

    ``fractal_power_spectrum``: ``4 - β/2`` where the power falls as frequency to the ``-β`` (Majumdar et al.
    1999 for bone radiographs; Peitgen & Saupe 1988 for the relation).

    Parameters
    ----------
    values : ndarray, (rows, columns)
        On a square grid of `GRID_MM`.
    """
    residual = without_trend(values, mask, TREND_MM / GRID_MM)
    return {
        "fractal_box_counting": _box_counting(residual, mask),
        "fractal_power_spectrum": _power_spectrum(residual, mask),
    }


def _box_counting(surface: Array, mask: NDArray[np.bool_]) -> float:
    ranges = []
    for side in BOXES_PX:
        highest = ndimage.maximum_filter(surface, side + 1)
        lowest = ndimage.minimum_filter(surface, side + 1)
        whole = ndimage.minimum_filter(mask, side + 1, mode="constant", cval=0).astype(bool)
        if not whole.any():
            return float("nan")
        ranges.append(float((highest - lowest)[whole].mean()))
    if min(ranges) <= 0:
        return float("nan")
    return 3.0 - float(np.polyfit(np.log(BOXES_PX), np.log(ranges), 1)[0])


def _power_spectrum(surface: Array, mask: NDArray[np.bool_]) -> float:
    window = ndimage.gaussian_filter(ndimage.binary_erosion(mask, iterations=3).astype(np.float64), TAPER_PX)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    tapered = (surface * window * mask)[part]
    side = max(SPECTRUM_PX, *tapered.shape)
    power = np.abs(np.fft.rfft2(tapered, (side, side))) ** 2
    frequency = np.hypot(np.fft.fftfreq(side, GRID_MM)[:, None], np.fft.rfftfreq(side, GRID_MM)[None, :])
    edges = np.linspace(*BAND_PER_MM, RINGS + 1)
    ring = np.digitize(frequency, edges)
    inside = (ring > 0) & (ring <= RINGS)
    means = np.bincount(ring[inside], power[inside], RINGS + 1)[1:] / np.bincount(ring[inside])[1:]
    if means.min() <= 0:
        return float("nan")
    centres = (edges[1:] + edges[:-1]) / 2
    return 4.0 + float(np.polyfit(np.log(centres), np.log(means), 1)[0]) / 2
