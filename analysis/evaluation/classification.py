"""Figures at fixed thresholds. Secondary: most are improper, and all hang on the threshold.

Van Calster et al. 2025 (Lancet Digit Health) advise against accuracy, F1 and the like for judging prediction
models; they are here because the published systems report them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.cohort.columns import FloatArray
from analysis.evaluation.intervals import Estimate, logit_interval
from analysis.evaluation.observed import BoolArray, Observed


@dataclass(frozen=True, slots=True)
class Classification:
    """Subjects at or above a threshold called positive. `precision` is the PPV, `recall` the sensitivity.

    None where nobody is (or everybody is) positive, or nobody fractured.
    """

    threshold: float
    positive_share: float
    sensitivity: Estimate | None
    specificity: Estimate | None
    positive_predictive_value: Estimate | None
    negative_predictive_value: Estimate | None
    accuracy: Estimate | None
    f1: Estimate | None

    @property
    def precision(self) -> Estimate | None:
        return self.positive_predictive_value

    @property
    def recall(self) -> Estimate | None:
        return self.sensitivity


def classify(risk: FloatArray, observed: Observed, threshold: float) -> Classification:
    """Figures of calling everybody with a risk at or above `threshold` positive, with censoring weights."""
    positive = risk >= threshold
    event, weight = observed.event, observed.weight
    right = positive == event
    f1_denominator = weight * (0.5 * positive + 0.5 * event)
    return Classification(
        threshold,
        float(positive.mean()),
        _share(positive, weight * event),
        _share(~positive, weight * ~event),
        _share(event, weight * positive),
        _share(~event, weight * ~positive),
        _share(right, weight),
        _ratio(weight * (positive & event), f1_denominator),
    )


def _share(hit: BoolArray, weight: FloatArray) -> Estimate | None:
    return _ratio(weight * hit, weight)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> Estimate | None:
    """Ratio of two sums, with the delta method's interval on the logit scale."""
    total = float(denominator.sum())
    if total == 0.0:
        return None
    value = float(numerator.sum()) / total
    influence = (numerator - value * denominator) / total
    return logit_interval(value, float(np.sqrt(influence @ influence)))
