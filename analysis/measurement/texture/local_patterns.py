"""Histograms of local binary patterns: how neighbours on a circle compare with their centre."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS_AND_RADII = ((8, 1.0), (16, 2.0))
"""Points on the circle and its radius in pixels of 0.5 mm, the pairs of Ojala et al. 2002."""
STEP = 0.001
"""Values (g/cm², or display grey 0–1) closer than this count as equal: far below any detector's noise."""


def pattern_features(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> dict[str, float]:
    """Share of the region's pixels with each rotation-invariant uniform pattern (Ojala et al. 2002).

    ``lbp_p8_r1_K``: ``K`` of 8 neighbours are at least as dense as the centre, in one arc; ``K = 9`` stands
    for all patterns of more than one arc. In the same way ``lbp_p16_r2_K`` with 0–16 and 17.

    Parameters
    ----------
    values : ndarray, (rows, columns)
        On a square grid.
    """
    from skimage.feature import local_binary_pattern

    rows, columns = (slice(max(line.min() - 3, 0), line.max() + 4) for line in np.nonzero(mask))
    part, inside = np.round(values[rows, columns] / STEP).astype(np.int32), mask[rows, columns]
    features: dict[str, float] = {}
    for points, radius in NEIGHBOURS_AND_RADII:
        patterns: Any = local_binary_pattern(part, points, radius, method="uniform")  # type: ignore[no-untyped-call]
        codes = patterns[inside]
        shares = np.bincount(codes.astype(np.int64), minlength=points + 2) / len(codes)
        features |= {f"lbp_p{points}_r{radius:.0f}_{code}": float(s) for code, s in enumerate(shares)}
    return features
