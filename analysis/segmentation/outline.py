"""Polygons: clipping by a straight line, pixel masks, and the outline of a tracked bone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.results import Polygon
from analysis.segmentation.anatomy import FloatArray


def rasterise(polygon: FloatArray, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask of the pixels whose centre lies inside `polygon` (even-odd rule).

    Parameters
    ----------
    polygon : ndarray, (points, 2)
        ``(column, row)``; the centre of the top-left pixel is ``(0.5, 0.5)``.
    shape : (rows, columns)
    """
    if len(polygon) < 3:
        return np.zeros(shape, np.bool_)
    x0, y0 = polygon.T
    x1, y1 = np.roll(polygon, -1, axis=0).T
    centre = np.arange(shape[0]) + 0.5
    edge, row = np.nonzero((y0[:, None] <= centre) != (y1[:, None] <= centre))
    crossing = x0[edge] + (centre[row] - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
    column = np.clip(np.ceil(crossing - 0.5), 0, shape[1]).astype(np.intp)
    toggles = np.zeros((shape[0], shape[1] + 1), np.intp)
    np.add.at(toggles, (row, column), 1)
    return np.asarray(np.cumsum(toggles, axis=1)[:, :-1] % 2, np.bool_)


def clip(polygon: FloatArray, normal: tuple[float, float], offset: float) -> FloatArray:
    """Part of `polygon` where ``point · normal >= offset`` (Sutherland and Hodgman 1974)."""
    if len(polygon) == 0:
        return polygon
    distance = polygon @ np.asarray(normal) - offset
    following, following_distance = np.roll(polygon, -1, axis=0), np.roll(distance, -1)
    kept: list[FloatArray] = []
    for point, after, d0, d1 in zip(polygon, following, distance, following_distance, strict=True):
        if d0 >= 0:
            kept.append(point)
        if (d0 >= 0) != (d1 >= 0):
            kept.append(point + (after - point) * (d0 / (d0 - d1)))
    return np.array(kept).reshape(-1, 2)


def clip_to_image(polygon: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Part of `polygon` (column, row) inside the image rectangle."""
    for normal, offset in (
        ((1.0, 0.0), 0.0),
        ((0.0, 1.0), 0.0),
        ((-1.0, 0.0), -float(shape[1])),
        ((0.0, -1.0), -float(shape[0])),
    ):
        polygon = clip(polygon, normal, offset)
    return polygon


def as_polygon(points: FloatArray) -> Polygon:
    """Plain tuples, rounded to 1/1000 pixel so that output stays readable."""
    return tuple((round(float(x), 3), round(float(y), 3)) for x, y in points)


def area(polygon: FloatArray) -> float:
    """Area enclosed by `polygon`, in the square of its units (shoelace formula)."""
    if len(polygon) < 3:
        return 0.0
    x, y = polygon.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
