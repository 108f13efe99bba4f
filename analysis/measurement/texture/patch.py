"""The region resampled into the forearm's frame at one pixel size.

Neither the tilt of the arm nor the scanner's pixel grid enters the neighbourhoods that way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy

GRID_MM = 0.5
"""Pixel size of texture analysis; densitometers deliver 0.25 to 0.6 mm."""
SAMPLING_BLUR_MM = 0.3
"""Gaussian mean (standard deviation) before the evenly sampled values. Without it a pixel of the grid holds
the noise of one to four pixels of the scan, depending on where it falls: at 0.5 mm pixels 69 instead of 76 of
102 features reached a retest ICC of 0.90."""
MARGIN_PX = 20
"""Pixels around the region: three standard deviations of the widest filter (3 mm) and one pixel more."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """One region on a `GRID_MM` grid: rows along the forearm, columns across it, with `MARGIN_PX` around it.

    Attributes
    ----------
    values : ndarray of float64, (rows, columns)
        Areal density (g/cm²) or display grey 0–1, of bone and all around it, as sampled.
    smooth : ndarray of float64, (rows, columns)
        The same, sampled from the scan's Gaussian mean of `SAMPLING_BLUR_MM`.
    mask : ndarray of bool, (rows, columns)
    """

    values: FloatArray
    smooth: FloatArray
    mask: NDArray[np.bool_]


def resampled_patch(pixels: NDArray[np.float32], mask: NDArray[np.bool_], anatomy: ForearmAnatomy) -> Patch:
    """Cut the region `mask` out of an image."""
    across, along = (part[mask] for part in anatomy.frame.of_pixels((mask.shape[0], mask.shape[1])))
    margin = MARGIN_PX * GRID_MM
    x = np.arange(across.min() - margin, across.max() + margin, GRID_MM)
    y = np.arange(along.min() - margin, along.max() + margin, GRID_MM)
    column, row = anatomy.frame.to_image(x[None, :], y[:, None])
    where = [row - 0.5, column - 0.5]
    inside = ndimage.map_coordinates(mask.astype(np.float64), where, order=1, mode="constant") >= 0.5
    blur = [SAMPLING_BLUR_MM / spacing for spacing in anatomy.frame.spacing_mm]
    # linear: a spline of higher order would ring at the cortex
    values, smooth = (
        ndimage.map_coordinates(picture, where, order=1, mode="nearest")
        for picture in (pixels.astype(np.float64), ndimage.gaussian_filter(pixels.astype(np.float64), blur))
    )
    return Patch(values, smooth, np.asarray(inside, np.bool_))
