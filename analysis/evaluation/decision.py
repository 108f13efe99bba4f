"""Whether decisions by the model do more good than harm: net benefit and decision curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.cohort.columns import FloatArray
from analysis.evaluation.intervals import NORMAL_975, Difference, difference, mean_error
from analysis.evaluation.observed import Observed

THRESHOLDS = 60
HIGHEST_THRESHOLD = 4.0
"""Decision curves reach to this multiple of the incidence (assumption), at most to 60 %."""


@dataclass(frozen=True, slots=True, eq=False)
class DecisionCurve:
    """Net benefit per subject by threshold probability; all (thresholds,).

    ``net_benefit = P(true positive) - P(false positive) · threshold / (1 - threshold)`` (Vickers & Elkin
    2006, Med Decis Making 26:565; with censoring and competing death Vickers et al. 2008, BMC Med Inform
    Decis Mak 8:53). `treat_all` is that of treating everybody; treating nobody has 0.
    """

    threshold: FloatArray
    net_benefit: FloatArray
    low: FloatArray
    high: FloatArray
    treat_all: FloatArray


def thresholds_for(incidence: float) -> FloatArray:
    """Threshold probabilities at which a decision curve is drawn, around the incidence."""
    highest = min(0.6, HIGHEST_THRESHOLD * incidence)
    return np.asarray(np.linspace(highest / THRESHOLDS, highest, THRESHOLDS), dtype=np.float64)


def decision_curve(risk: FloatArray, observed: Observed, thresholds: FloatArray) -> DecisionCurve:
    """Net benefit of treating those with a risk at or above each threshold, with pointwise 95 % intervals."""
    order = np.argsort(risk, kind="stable")
    weight = observed.weight / observed.weight.mean()
    case, control = np.where(observed.event, weight, 0.0)[order], np.where(observed.event, 0.0, weight)[order]
    from_here = np.searchsorted(risk[order], thresholds, side="left")
    n = len(risk)
    odds = thresholds / (1.0 - thresholds)

    def above(values: FloatArray) -> FloatArray:
        tail = np.append(np.cumsum(values[::-1])[::-1], 0.0)
        return np.asarray(tail[from_here] / n, dtype=np.float64)

    benefit = above(case) - above(control) * odds
    second_moment = above(case**2) + above(control**2) * odds**2
    cross = above(case * weight[order]) - above(control * weight[order]) * odds
    variance = second_moment - 2 * benefit * cross + benefit**2 * float(np.mean(weight**2))
    spread = NORMAL_975 * np.sqrt(np.maximum(variance, 0.0) / n)
    incidence = observed.incidence
    return DecisionCurve(
        thresholds, benefit, benefit - spread, benefit + spread, incidence - (1.0 - incidence) * odds
    )


def net_benefit_difference(
    first: FloatArray, second: FloatArray | None, observed: Observed, threshold: float
) -> Difference:
    """Net benefit of deciding by `first` minus that by `second` (None: treat everybody) at one threshold."""
    odds = threshold / (1.0 - threshold)
    weight = observed.weight / observed.weight.mean()
    value = weight * (observed.event - np.where(observed.event, 0.0, odds))
    chosen = np.ones(len(first)) if second is None else (second >= threshold).astype(np.float64)
    gain = value * ((first >= threshold) - chosen)
    mean = float(gain.mean())
    return difference(mean, mean_error(gain - weight * mean))
