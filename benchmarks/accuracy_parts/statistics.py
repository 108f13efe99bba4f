"""Distances, overlaps and intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESAMPLES = 1000


def dice(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    """Overlap of two masks, 0 to 1."""
    return float(2 * np.count_nonzero(one & two) / max(np.count_nonzero(one) + np.count_nonzero(two), 1))


def hd95_mm(outline: Any, cover: NDArray[np.floating[Any]], spacing_mm: tuple[float, float]) -> float | None:
    """95th percentile of the distance between an outline and the 0.5 contour of `cover`, the larger way.

    What lies within a pixel of the picture's border is no edge of the bone and is left out.

    Parameters
    ----------
    outline : sequence of (column, row)
    """
    from scipy.spatial import cKDTree
    from skimage.measure import find_contours

    rows, columns = cover.shape

    def inner(points: Array) -> Array:
        c, r = points.T
        return points[(c > 1.5) & (r > 1.5) & (c < columns - 1.5) & (r < rows - 1.5)]

    scale = np.array([spacing_mm[1], spacing_mm[0]])
    contours = [contour[:, ::-1] + 0.5 for contour in find_contours(cover.astype(float), 0.5)]
    truth, found = (
        inner(_dense(points, scale)) * scale for points in (max(contours, key=len), np.array(outline))
    )
    if not len(truth) or not len(found):
        return None
    there, back = cKDTree(truth).query(found)[0], cKDTree(found).query(truth)[0]
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def rms_cv_percent(pairs: Array) -> float:
    """Root mean square coefficient of variation of repeated measurements, shape (subjects, 2)."""
    return float(100 * np.sqrt(np.mean(np.var(pairs, axis=1, ddof=1) / np.mean(pairs, axis=1) ** 2)))


def interval(
    values: Sequence[Any] | Array, figure: Callable[[Array], float], *, seed: int = 5
) -> tuple[float, float]:
    """95 % bootstrap interval of a figure over cases (percentile method)."""
    data = np.asarray(values, dtype=float)
    rng = np.random.default_rng(seed)
    draws = [figure(data[rng.integers(0, len(data), len(data))]) for _ in range(RESAMPLES)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def exact_upper(failures: int, cases: int) -> float:
    """Upper end of the 95 % Clopper-Pearson interval of a share."""
    from scipy.stats import beta

    return 1.0 if failures >= cases else float(beta.ppf(0.975, failures + 1, cases - failures))


def _dense(points: Array, scale: Array) -> Array:
    """A closed polyline sampled every 0.04 mm."""
    closed = np.vstack([points, points[:1]])
    steps = np.hypot(*(np.diff(closed, axis=0) * scale).T)
    position = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.arange(0.0, position[-1], 0.04)
    return np.column_stack([np.interp(at, position, closed[:, i]) for i in (0, 1)])
