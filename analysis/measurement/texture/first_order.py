"""First-order statistics and 2-D shape of a region, named as in pyradiomics 3.0.1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.measurement.texture.matrix_features import EPSILON

Array = NDArray[np.float64]


def first_order_features(inside: Array, levels: NDArray[np.int32], pixel_mm: float) -> dict[str, float]:
    """The 18 first-order features.

    Parameters
    ----------
    inside : ndarray, (pixels,)
        Values of the region.
    levels : ndarray of int, (rows, columns)
        Grey levels, 0 outside: entropy and uniformity are of these.
    pixel_mm : float
        Side of a pixel, for the total energy.
    """
    ordered = np.sort(inside)
    mean = inside.mean()
    deviation = inside - mean
    squared = deviation * deviation
    m2 = squared.mean()
    m3, m4 = (squared * deviation).mean(), (squared * squared).mean()
    scale = m2 if m2 != 0 else 1.0
    p10, p25, median, p75, p90 = (_percentile(ordered, share) for share in (0.10, 0.25, 0.50, 0.75, 0.90))
    robust = ordered[(ordered >= p10) & (ordered <= p90)]
    energy = float((inside * inside).sum())
    counts = np.bincount(levels[levels > 0])
    p = counts[counts > 0] / len(inside)
    return {
        "10Percentile": p10,
        "90Percentile": p90,
        "Energy": energy,
        "Entropy": float(-(p * np.log2(p + EPSILON)).sum()),
        "InterquartileRange": p75 - p25,
        "Kurtosis": float(m4 / scale**2),
        "Maximum": float(ordered[-1]),
        "Mean": float(mean),
        "MeanAbsoluteDeviation": float(np.abs(deviation).mean()),
        "Median": median,
        "Minimum": float(ordered[0]),
        "Range": float(ordered[-1] - ordered[0]),
        "RobustMeanAbsoluteDeviation": float(np.abs(robust - robust.mean()).mean()),
        "RootMeanSquared": float(np.sqrt(energy / len(inside))),
        "Skewness": float(m3 / scale**1.5),
        "TotalEnergy": energy * pixel_mm**2,
        "Uniformity": float((p * p).sum()),
        "Variance": float(m2),
    }


def _percentile(ordered: Array, share: float) -> float:
    """Linear between the order statistics (Hyndman & Fan 1996, type 7)."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


def shape_features(mask: NDArray[np.bool_], pixel_mm: float) -> dict[str, float]:
    """The nine 2-D shape features, by marching squares through the pixel centres.

    Every square of four neighbouring centres adds its part of outline and area: one corner inside cuts off a
    triangle, two neighbouring corners half the square, two opposite ones two triangles.
    """
    m = np.pad(mask, 1).astype(np.int64)
    corners = m[:-1, :-1] + m[:-1, 1:] + m[1:, 1:] + m[1:, :-1]
    opposite = (corners == 2) & (m[:-1, :-1] == m[1:, 1:])
    single, adjacent, triple = (corners == 1).sum(), ((corners == 2) & ~opposite).sum(), (corners == 3).sum()
    full, crossed = (corners == 4).sum(), opposite.sum()
    perimeter = pixel_mm * float((single + triple + 2 * crossed) * np.sqrt(0.5) + adjacent)
    area = pixel_mm**2 * float(full + 0.875 * triple + 0.5 * adjacent + 0.25 * crossed + 0.125 * single)
    major, minor = _axes(m, pixel_mm)
    return {
        "Elongation": minor / major,
        "MajorAxisLength": major,
        "MaximumDiameter": _diameter(m) * pixel_mm,
        "MeshSurface": area,
        "MinorAxisLength": minor,
        "Perimeter": perimeter,
        "PerimeterSurfaceRatio": perimeter / area,
        "PixelSurface": float(m.sum()) * pixel_mm**2,
        "Sphericity": float(2 * np.sqrt(np.pi * area) / perimeter),
    }


def _axes(mask: NDArray[np.int64], pixel_mm: float) -> tuple[float, float]:
    """Major and minor axis: four standard deviations along the principal axes (IBSI TDIC, P9VJ)."""
    places = np.argwhere(mask) * pixel_mm
    minor, major = np.linalg.eigvalsh(np.cov(places.T, bias=True))
    return float(4 * np.sqrt(major)), float(4 * np.sqrt(max(minor, 0.0)))


def _diameter(mask: NDArray[np.int64]) -> float:
    """Largest distance between points of the outline, in pixels; its points halve the way to the outside."""
    down = np.argwhere(np.diff(mask, axis=0)) + np.array([0.5, 0.0])
    right = np.argwhere(np.diff(mask, axis=1)) + np.array([0.0, 0.5])
    points = np.concatenate([down, right])
    # the farthest points are extreme in their row or column
    extreme = np.concatenate([_ends(points, 0), _ends(points, 1)])
    gaps = extreme[:, None, :] - extreme[None, :, :]
    return float(np.sqrt((gaps**2).sum(axis=2).max()))


def _ends(points: Array, axis: int) -> Array:
    """The first and last point of every line along `axis`."""
    ordered = points[np.lexsort((points[:, axis], points[:, 1 - axis]))]
    line = ordered[:, 1 - axis]
    first = np.concatenate([[True], line[1:] != line[:-1]])
    return np.asarray(ordered[first | np.roll(first, -1)])
