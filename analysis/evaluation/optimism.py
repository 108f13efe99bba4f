"""How much a model flatters itself on its own subjects (Harrell, Lee & Mark 1996, Stat Med 15:361)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import FloatArray, FollowUp
from analysis.evaluation.calibration import intercept_and_slope
from analysis.evaluation.discrimination import weighted_auc
from analysis.evaluation.observed import observe
from analysis.evaluation.overall import brier

IndexArray = NDArray[np.int_]
Refit = Callable[[IndexArray], Callable[[IndexArray], FloatArray]]
"""Given positions of a bootstrap sample, fits anew and returns a function from positions to risks (n,)."""


@dataclass(frozen=True, slots=True)
class Optimism:
    """A figure on the fitted subjects, its optimism (mean over refits and spread), the corrected figure."""

    apparent: float
    optimism: float
    standard_deviation: float
    corrected: float


def bootstrap_optimism(
    refit: Refit, follow_up: FollowUp, years: float, refits: int, rng: np.random.Generator
) -> dict[str, Optimism]:
    """Optimism of AUC, Brier score and calibration slope by refitting on bootstrap samples.

    Each refit must repeat everything that looked at the outcome (selection, tuning, calibration).

    Returns
    -------
    dict
        ``auc``, ``brier``, ``calibration_slope``.
    """
    everybody = np.arange(len(follow_up.years))
    apparent = _figures(refit(everybody)(everybody), follow_up, years)
    gaps = []
    for _ in range(refits):
        sample = rng.integers(0, len(everybody), len(everybody))
        predict = refit(sample)
        gaps.append(
            _figures(predict(sample), follow_up.take(sample), years)
            - _figures(predict(everybody), follow_up, years)
        )
    mean, spread = np.mean(gaps, axis=0), np.std(gaps, axis=0, ddof=1)
    return {
        name: Optimism(float(value), float(gap), float(deviation), float(value - gap))
        for name, value, gap, deviation in zip(
            ("auc", "brier", "calibration_slope"), apparent, mean, spread, strict=True
        )
    }


def _figures(risk: FloatArray, follow_up: FollowUp, years: float) -> FloatArray:
    observed = observe(follow_up, years)
    return np.array(
        [
            weighted_auc(risk, observed).estimate.value,
            brier(risk, observed).score.value,
            intercept_and_slope(risk, observed)[1].value,
        ]
    )
