"""From hazards by interval to cumulative incidence; needs numpy alone, as the node does."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BREAKS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0)
"""Years between which hazards are constant."""
HORIZONS = (1, 3, 5, 10)
"""Years for which risks are told."""
TIME_SCALE = tuple((start + stop - 8.0) / 8.0 for start, stop in pairwise(BREAKS))
"""Middle of each interval on a scale from about -1 to 1, by which an effect may drift."""


def cumulative_incidence(
    log_hazard: NDArray[np.floating], horizons: tuple[int, ...] = HORIZONS
) -> NDArray[np.float64]:
    """Probability of a fracture before death and by each horizon.

    Within an interval of length ``d`` with hazards ``f`` of fracture and ``m`` of death the incidence grows
    by ``S * f / (f + m) * (1 - exp(-(f + m) * d))``, where ``S`` is the share that reached the interval.

    Parameters
    ----------
    log_hazard : ndarray, (n, 2, intervals)
        Per year; fracture, death.
    horizons : tuple of int
        Years, each one of `BREAKS`.

    Returns
    -------
    ndarray of float64, (n, len(horizons))
        Never falls from one horizon to the next.
    """
    hazard = np.exp(np.asarray(log_hazard, np.float64))
    total = hazard.sum(axis=1)
    ends = 1 - np.exp(-total * np.diff(BREAKS))
    reached = np.cumprod(np.concatenate([np.ones((len(hazard), 1)), 1 - ends[:, :-1]], axis=1), axis=1)
    incidence = np.cumsum(reached * ends * hazard[:, 0] / total, axis=1)
    return np.asarray(incidence[:, [BREAKS.index(float(years)) - 1 for years in horizons]])
