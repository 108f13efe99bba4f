"""Restricted cubic splines: smooth inside, straight outside (Harrell 2015, Regression Modeling
Strategies, 2.4.5).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.cohort.columns import FloatArray

KNOT_QUANTILES = {
    3: (0.10, 0.50, 0.90),
    4: (0.05, 0.35, 0.65, 0.95),
    5: (0.05, 0.275, 0.50, 0.725, 0.95),
}
"""Harrell's places of the knots by their number."""
EVENTS_FOR_KNOTS = ((200, 5), (80, 4), (0, 3))
"""Least number of events -> number of knots (assumption: few events bear few knots)."""


def restricted_cubic_spline(values: FloatArray, events: int) -> Callable[[FloatArray], FloatArray]:
    """A basis for curves in `values`: a function that gives (points, columns), the first column ones.

    Falls back to a straight line where the values have too few distinct quantiles for the knots.
    """
    count = next(knots for least, knots in EVENTS_FOR_KNOTS if events >= least)
    knots = np.quantile(values, KNOT_QUANTILES[count])
    centre, scale = float(values.mean()), float(values.std()) or 1.0
    if len(np.unique(knots)) < count:
        return lambda points: np.column_stack([np.ones(len(points)), (points - centre) / scale])
    placed = (knots - centre) / scale

    def basis(points: FloatArray) -> FloatArray:
        x = (points - centre) / scale
        columns = [np.ones(len(x)), x]
        last, before_last = placed[-1], placed[-2]
        for knot in placed[:-2]:
            columns.append(
                (
                    _cube(x - knot)
                    - _cube(x - before_last) * (last - knot) / (last - before_last)
                    + _cube(x - last) * (before_last - knot) / (last - before_last)
                )
                / (last - placed[0]) ** 2
            )
        return np.column_stack(columns)

    return basis


def _cube(values: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(values, 0.0) ** 3, dtype=np.float64)
