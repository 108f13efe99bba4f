"""Fit a model's risks to a cohort's own level, and tell honestly what that gives."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import FloatArray, FollowUp
from analysis.errors import ConfigurationError
from analysis.evaluation.calibration import LEAST_EVENTS, calibrate
from analysis.evaluation.logistic import expit, fit_logistic, logit
from analysis.evaluation.observed import Observed
from analysis.evaluation.predictions import Predictions
from analysis.evaluation.results import Recalibration
from analysis.results import HORIZONS_YEARS

FOLDS = 5


def recalibrate(
    predictions: Predictions, follow_up: FollowUp, observed: Mapping[int, Observed], rng: np.random.Generator
) -> Recalibration:
    """Intercept and slope by horizon, with calibration before and (cross-fitted) after.

    Raises
    ------
    ConfigurationError
        If the model gives no probabilities, or a horizon has fewer than `LEAST_EVENTS` fractures per fold.
    """
    known = predictions.available
    if predictions.risk is None:
        raise ConfigurationError(f"{predictions.name} gives no probabilities that could be recalibrated")
    fold = rng.permutation(int(known.sum())) % FOLDS
    own_follow_up = follow_up.take(known)
    intercepts, slopes, before, after = {}, {}, {}, {}
    cross_fitted: dict[int, FloatArray] = {}
    for years, everybody in observed.items():
        part = everybody.take(known)
        if part.events < LEAST_EVENTS * FOLDS:
            raise ConfigurationError(
                f"recalibration: {part.events} fractures within {years} years, at least "
                f"{LEAST_EVENTS * FOLDS} are needed; leave that horizon out with --horizons, or collect more "
                "subjects"
            )
        risk = predictions.risk[known, HORIZONS_YEARS.index(years)]
        intercepts[years], slopes[years] = fit_line(risk, part)
        cross_fitted[years] = _cross_fit(risk, part, fold)
        before[years] = calibrate(risk, own_follow_up, part)
    ordered = np.maximum.accumulate(np.column_stack(list(cross_fitted.values())), axis=1)
    for column, (years, everybody) in enumerate(observed.items()):
        after[years] = calibrate(ordered[:, column], own_follow_up, everybody.take(known))
    return Recalibration(predictions.name, intercepts, slopes, before, after)


def fit_line(risk: FloatArray, observed: Observed) -> tuple[float, float]:
    """Intercept and slope of the observed on the predicted log-odds."""
    linear = logit(risk)
    design = np.column_stack([np.ones(len(linear)), linear])
    intercept, slope = fit_logistic(design, observed.event.astype(np.float64), observed.weight).coefficients
    return float(intercept), float(slope)


def apply_line(risk: FloatArray, intercept: float, slope: float) -> FloatArray:
    """Recalibrated risk."""
    return expit(intercept + slope * logit(risk))


def _cross_fit(risk: FloatArray, observed: Observed, fold: NDArray[np.int_]) -> FloatArray:
    fitted = np.empty(len(risk))
    for number in range(FOLDS):
        line = fit_line(risk[fold != number], observed.take(fold != number))
        fitted[fold == number] = apply_line(risk[fold == number], *line)
    return fitted
