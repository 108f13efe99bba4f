"""Does an outline run along edges? Evidence that knows nothing of how the outline was found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.results import Polygon
from analysis.segmentation.anatomy import FloatArray

STRIDE_MM = 1.0
BESIDE_MM = 1.0
"""Distance inside and outside of the outline whose greys are compared."""
LEAST_STEP = 0.25
"""Step of grey, as a share of the median step of the whole outline, that counts as an edge."""
BORDER_MM = 1.5


def edge_support(
    image: FloatArray,
    spacing_mm: tuple[float, float],
    outline: Polygon,
    excluded: NDArray[np.bool_],
) -> float:
    """Share of an outline, 0 to 1, along which the inside is brighter than the outside.

    Parameters
    ----------
    image : ndarray, (rows, columns)
        Dense bone bright.
    outline : Polygon
        ``(column, row)``; what runs along the image's border, or over `excluded` pixels, does not count.
    """
    scale = np.array([spacing_mm[1], spacing_mm[0]])
    points, normals = _sampled(np.array(outline) * scale)
    height, width = image.shape[0] * spacing_mm[0], image.shape[1] * spacing_mm[1]
    inside_image = (points.min(axis=1) > BORDER_MM) & (points[:, 0] < width - BORDER_MM)
    inside_image &= points[:, 1] < height - BORDER_MM
    points, normals = points[inside_image], normals[inside_image]
    column, row = (np.clip(axis, 0, None).astype(np.intp) for axis in (points / scale).T)
    hidden = excluded[np.clip(row, 0, image.shape[0] - 1), np.clip(column, 0, image.shape[1] - 1)]
    points, normals = points[~hidden], normals[~hidden]
    if len(points) == 0:
        return 0.0
    sides = [(points + sign * BESIDE_MM * normals) / scale - 0.5 for sign in (1.0, -1.0)]
    inner, outer = (
        ndimage.map_coordinates(image, [side[:, 1], side[:, 0]], order=1, mode="nearest") for side in sides
    )
    step = inner - outer
    return float((step > LEAST_STEP * np.median(step)).mean()) if np.median(step) > 0 else 0.0


def _sampled(outline_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points every `STRIDE_MM` along a closed outline, and the unit normals that point inwards."""
    closed = np.vstack([outline_mm, outline_mm[:1]])
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.arange(0.0, length[-1], STRIDE_MM)
    points = np.stack([np.interp(at, length, closed[:, axis]) for axis in (0, 1)], axis=1)
    tangent = np.roll(points, -2, axis=0) - np.roll(points, 2, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    x, y = outline_mm.T
    turn = np.sign(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    return points, turn * np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
