"""Where in the picture an image encoder saw what moved its score (Grad-CAM), without a gradient framework.

Where the last feature maps are averaged over the picture before anything else happens to them, the gradient
of the score by every pixel of a map is one number: the derivative by the map's mean, over the map's pixels.
Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) is then a weighted sum of maps, as in class activation
mapping (Zhou et al. 2016, arXiv 1512.04150). It is kept signed: what lowers the risk is shown too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

FloatArray = NDArray[np.float64]

STEP = 1e-3
"""Relative half-step of central differences by the mean of a map; float32 networks resolve about 1e-7."""


def grad_cam(feature_maps: FloatArray, mean_slopes: FloatArray) -> FloatArray:
    """Signed Grad-CAM on the grid of the feature maps.

    Parameters
    ----------
    feature_maps : ndarray, (channels, rows, columns)
        Last maps of the encoder, whose means over the picture are all that the score is computed from.
    mean_slopes : ndarray, (channels,)
        Derivative of the score by the mean of each map.

    Returns
    -------
    ndarray of float64, (rows, columns)
        In the score's unit; its sum over the grid is ``mean_slopes @ means``, which for a linear head is the
        score but for its intercept. Grad-CAM as published keeps the positive part.
    """
    maps = np.asarray(feature_maps, np.float64)
    _, rows, columns = maps.shape
    weights = np.asarray(mean_slopes, np.float64) / (rows * columns)
    return np.asarray(np.tensordot(weights, maps, axes=1), np.float64)


def mean_slopes(
    head: Callable[[FloatArray], FloatArray], means: FloatArray, scale: FloatArray | None = None
) -> FloatArray:
    """Derivative of a head's score by every mean, by central differences in one batch.

    Parameters
    ----------
    head : callable
        Means (n, channels) to scores (n,).
    means : ndarray, (channels,)
    scale : ndarray, (channels,), optional
        Typical size of each mean, 1 if not given.
    """
    steps = STEP * (np.ones_like(means) if scale is None else scale)
    probes = np.concatenate([means + np.diag(steps), means - np.diag(steps)])
    above, below = np.split(np.asarray(head(probes), np.float64), 2)
    return (above - below) / (2.0 * steps)


def on_patch(coarse: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Bring a map to the picture's grid by linear interpolation between the centres of its cells.

    Parameters
    ----------
    coarse : ndarray, (rows, columns)
    shape : (int, int)
        Rows and columns of the picture, which the coarse map covers edge to edge.
    """
    row, column = (
        (np.arange(fine) + 0.5) * cells / fine - 0.5 for fine, cells in zip(shape, coarse.shape, strict=True)
    )
    grid = np.meshgrid(row, column, indexing="ij")
    return np.asarray(map_coordinates(coarse, grid, order=1, mode="nearest"), np.float64)
