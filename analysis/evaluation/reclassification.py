"""Whom a model moves between tiers compared with another. Secondary: NRI and IDI are not proper measures.

A miscalibrated or useless model can show a positive NRI (Hilden & Gerds 2014, Stat Med 33:3405; Pepe et al.
2015, Stat Biosci 7:282). They are reported because the field asks for them, next to the paired AUC and net
benefit, on which any claim must rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import FloatArray
from analysis.evaluation.intervals import Difference, difference
from analysis.evaluation.observed import Observed

CAUTION = (
    "NRI and IDI are not proper scores: a useless or miscalibrated model can improve them "
    "(Hilden & Gerds 2014; Pepe et al. 2015). No claim rests on them."
)


@dataclass(frozen=True, slots=True)
class Reclassification:
    """A model against another at one horizon.

    Attributes
    ----------
    thresholds : tuple of float
        Where the tiers begin.
    nri_events, nri_non_events, nri : Difference
        Net share of the fractured moved up, of the others moved down, and their sum.
    continuous_nri : Difference
        Any change of risk counts (Pencina et al. 2011, Stat Med 30:11).
    idi : Difference
        Gain in the difference of mean risks between fractured and others (Pencina et al. 2008, Stat Med
        27:157).
    table_events, table_non_events : tuple of tuple of float
        Weighted subjects by tier of the other model (row) and of this (column).
    """

    thresholds: tuple[float, ...]
    nri_events: Difference
    nri_non_events: Difference
    nri: Difference
    continuous_nri: Difference
    idi: Difference
    table_events: tuple[tuple[float, ...], ...]
    table_non_events: tuple[tuple[float, ...], ...]


def reclassify(
    risk: FloatArray, other: FloatArray, observed: Observed, thresholds: Sequence[float]
) -> Reclassification:
    """Compare the tiers of `risk` with those of `other` on the same subjects."""
    tier, other_tier = (np.searchsorted(thresholds, part, side="right") for part in (risk, other))
    case, control = observed.case_weight, observed.control_weight
    moved = np.sign(tier - other_tier).astype(np.float64)
    up, down = _mean_influence(moved, case), _mean_influence(-moved, control)
    direction = np.sign(risk - other)
    return Reclassification(
        tuple(thresholds),
        _tested(*up),
        _tested(*down),
        _sum_tested(up, down),
        _sum_tested(_mean_influence(direction, case), _mean_influence(-direction, control)),
        _sum_tested(_mean_influence(risk - other, case), _mean_influence(other - risk, control)),
        _table(other_tier, tier, case, len(thresholds) + 1),
        _table(other_tier, tier, control, len(thresholds) + 1),
    )


_Mean = tuple[float, FloatArray]


def _mean_influence(values: FloatArray, weight: FloatArray) -> _Mean:
    """Weighted mean and its per-subject influence, scaled so that the variance is the sum of squares."""
    total = float(weight.sum())
    mean = float(weight @ values) / total
    return mean, weight * (values - mean) / total


def _tested(mean: float, influence: FloatArray) -> Difference:
    return difference(mean, float(np.sqrt(influence @ influence)))


def _sum_tested(first: _Mean, second: _Mean) -> Difference:
    return _tested(first[0] + second[0], first[1] + second[1])


def _table(
    rows: NDArray[np.int_], columns: NDArray[np.int_], weight: FloatArray, tiers: int
) -> tuple[tuple[float, ...], ...]:
    counts = np.bincount(rows * tiers + columns, weight, tiers * tiers).reshape(tiers, tiers)
    return tuple(tuple(float(value) for value in row) for row in counts)
