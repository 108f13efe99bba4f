"""Overall accuracy of probabilities: the Brier score and its scaled form, with censoring weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.cohort.columns import FloatArray
from analysis.evaluation.intervals import Difference, Estimate, difference, mean_error, normal_interval
from analysis.evaluation.observed import Observed


@dataclass(frozen=True, slots=True, eq=False)
class Brier:
    """Mean squared error of a probability at one horizon.

    Attributes
    ----------
    score : Estimate
        0 is perfect.
    without_model : float
        The score of giving everybody the incidence.
    scaled : Estimate
        1 - score / without_model: 0 is no better than the incidence, 1 is perfect ("index of prediction
        accuracy", Kattan & Gerds 2018, Diagn Progn Res 2:7).
    influence : ndarray, (subjects,)
        Whose mean is 0; for paired comparisons.
    """

    score: Estimate
    without_model: float
    scaled: Estimate
    influence: FloatArray


def brier(risk: FloatArray, observed: Observed) -> Brier:
    """Brier score at the horizon of `observed` (Graf et al. 1999, Stat Med 18:2529)."""
    event, weight = observed.event.astype(np.float64), observed.weight
    mean_weight = float(weight.mean())
    error = weight * (event - risk) ** 2 / mean_weight
    score = float(error.mean())
    influence = error - weight / mean_weight * score
    incidence = observed.incidence
    null = incidence * (1.0 - incidence)
    if null == 0.0:
        nothing = Estimate(float("nan"), float("nan"), float("nan"), float("nan"))
        return Brier(normal_interval(score, mean_error(influence)), null, nothing, influence)
    null_influence = weight / mean_weight * (event - incidence) * (1.0 - 2.0 * incidence)
    scaled_influence = -influence / null + score * null_influence / null**2
    return Brier(
        normal_interval(score, mean_error(influence)),
        null,
        normal_interval(1.0 - score / null, mean_error(scaled_influence)),
        influence,
    )


def brier_difference(first: Brier, second: Brier) -> Difference:
    """Paired comparison on the same subjects, first minus second; below 0 the first is better."""
    return difference(first.score.value - second.score.value, mean_error(first.influence - second.influence))
