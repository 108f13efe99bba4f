"""Figures of a fusion network on subjects it has not seen, by the functions of `analysis.evaluation`."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.cohort.columns import FloatArray, FollowUp
from analysis.evaluation.calibration import calibrate
from analysis.evaluation.discrimination import Auc, weighted_auc
from analysis.evaluation.intervals import Estimate
from analysis.evaluation.observed import Observed, observe
from analysis.evaluation.overall import brier
from analysis.training.fusion.incidence import HORIZONS
from analysis.training.fusion.prediction import Prediction

LEAST_EVENTS = 5
"""Fractures below which no AUC is told."""


def figures_of(prediction: Prediction, follow_up: FollowUp, osteoporosis: FloatArray) -> dict[str, Any]:
    """AUC, Brier score and calibration at each horizon, and the AUC of osteoporosis; JSON as it is.

    Parameters
    ----------
    prediction : Prediction
        For the same subjects as the rest.
    osteoporosis : ndarray, (n,)
        NaN where unknown.
    """
    horizons = {
        str(years): _horizon(prediction.risks[:, place], follow_up, years)
        for place, years in enumerate(HORIZONS)
    }
    auc = osteoporosis_auc(prediction.osteoporosis, osteoporosis)
    return {"horizons": horizons, "osteoporosis_auc": None if auc is None else interval(auc.estimate)}


def osteoporosis_auc(probability: FloatArray, status: FloatArray) -> Auc | None:
    """AUC with DeLong's interval among those whose status is known; None without both kinds."""
    known = np.isfinite(status) & np.isfinite(probability)
    event = status[known] > 0.5
    if not 0 < event.sum() < len(event):
        return None
    return weighted_auc(probability[known], Observed(event, np.ones(len(event)), 0.0))


def interval(estimate: Estimate | None) -> list[float] | None:
    """Value, low, high."""
    if estimate is None or not np.isfinite([estimate.value, estimate.low, estimate.high]).all():
        return None
    return [round(number, 5) for number in (estimate.value, estimate.low, estimate.high)]


def _horizon(risk: FloatArray, follow_up: FollowUp, years: int) -> dict[str, Any]:
    observed = observe(follow_up, years)
    if observed.events < LEAST_EVENTS:
        return {"fractures": observed.events}
    calibration = calibrate(risk, follow_up, observed)
    score = brier(risk, observed)
    return {
        "fractures": observed.events,
        "auc": interval(weighted_auc(risk, observed).estimate),
        "brier": interval(score.score),
        "scaled_brier": interval(score.scaled),
        "observed_to_expected": interval(calibration.observed_to_expected),
        "slope": interval(calibration.slope),
    }
