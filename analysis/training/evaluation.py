"""How good a model is on subjects it has not seen: discrimination, calibration and error by horizon.

All estimates handle censoring by inverse-probability weights and count death before fracture as
"no fracture".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analysis.results import HORIZONS_YEARS
from analysis.training.fit import FloatArray, FollowUp, censoring_weights, fractured_within

BOOTSTRAP_SAMPLES = 200


def evaluate(
    log_odds: FloatArray, oracle: FloatArray, follow_up: FollowUp, rng: np.random.Generator
) -> dict[str, dict[str, float | int | list[float] | None]]:
    """Evaluate predictions by horizon.

    Parameters
    ----------
    log_odds : ndarray, (subjects, horizons)
    oracle : ndarray, (subjects,)
        True log-hazard without frailty: its AUC is the ceiling of what can be known here.
    follow_up : FollowUp
    rng : numpy.random.Generator
        For the bootstrap interval of the AUC.

    Returns
    -------
    dict
        Horizon in years (as text) -> ``fractures``, ``auc``, ``auc_interval``, ``auc_oracle``, ``brier``,
        ``brier_null``, ``observed_to_expected``, ``calibration_slope``, ``calibration_intercept``. None where
        the test part holds no fracture within the horizon.
    """
    return {
        str(years): _evaluate_horizon(log_odds[:, index], oracle, follow_up, years, rng)
        for index, years in enumerate(HORIZONS_YEARS)
    }


def evaluate_groups(
    log_odds: FloatArray, groups: Mapping[str, NDArray[np.bool_]], follow_up: FollowUp
) -> dict[str, dict[str, float | int | None]]:
    """Discrimination and calibration at the longest horizon within groups of subjects.

    Parameters
    ----------
    log_odds : ndarray, (subjects,)
        At the longest horizon.
    groups : mapping of group name to ndarray of bool, (subjects,)
    follow_up : FollowUp

    Returns
    -------
    dict
        Group -> ``subjects``, ``fractures``, ``auc``, ``observed_to_expected``; the last two None in a group
        without a fracture.
    """
    outcome = fractured_within(follow_up, HORIZONS_YEARS[-1])
    weight = censoring_weights(follow_up, HORIZONS_YEARS[-1])
    probability = 1.0 / (1.0 + np.exp(-log_odds))
    figures: dict[str, dict[str, float | int | None]] = {}
    for name, members in groups.items():
        some = bool(outcome[members].any())
        figures[name] = {
            "subjects": int(members.sum()),
            "fractures": int(outcome[members].sum()),
            "auc": _auc(outcome[members], log_odds[members], weight[members]) if some else None,
            "observed_to_expected": float(
                np.average(outcome[members], weights=weight[members]) / probability[members].mean()
            )
            if some
            else None,
        }
    return figures


def _evaluate_horizon(
    log_odds: FloatArray, oracle: FloatArray, follow_up: FollowUp, years: float, rng: np.random.Generator
) -> dict[str, float | int | list[float] | None]:
    outcome = fractured_within(follow_up, years)
    weight = censoring_weights(follow_up, years)
    fractures = int(outcome.sum())
    if fractures == 0:
        return {"fractures": 0, "auc": None}
    probability = 1.0 / (1.0 + np.exp(-log_odds))
    incidence = float(np.average(outcome, weights=weight))
    slope, intercept = _recalibrate(log_odds, outcome, weight)
    return {
        "fractures": fractures,
        "auc": _auc(outcome, log_odds, weight),
        "auc_interval": _auc_interval(outcome, log_odds, weight, rng),
        "auc_oracle": _auc(outcome, oracle, weight),
        "brier": float(np.average((outcome - probability) ** 2, weights=weight)),
        "brier_null": incidence * (1 - incidence),
        "observed_to_expected": incidence / float(np.mean(probability)),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
    }


def _auc(outcome: NDArray[np.bool_], score: FloatArray, weight: FloatArray) -> float:
    """Weighted Mann–Whitney: the chance that a fractured subject scores higher, ties counting half."""
    levels, level = np.unique(score, return_inverse=True)
    fractured = np.bincount(level, np.where(outcome, weight, 0.0), len(levels))
    others = np.bincount(level, np.where(outcome, 0.0, weight), len(levels))
    below = np.cumsum(others) - others / 2
    return float(fractured @ below / (fractured.sum() * others.sum()))


def _auc_interval(
    outcome: NDArray[np.bool_], score: FloatArray, weight: FloatArray, rng: np.random.Generator
) -> list[float]:
    """95 % percentile bootstrap, resampling fractured and other subjects apart."""
    fractured, others = np.flatnonzero(outcome), np.flatnonzero(~outcome & (weight > 0))
    values = []
    for _ in range(BOOTSTRAP_SAMPLES):
        sample = np.concatenate([rng.choice(fractured, len(fractured)), rng.choice(others, len(others))])
        values.append(_auc(outcome[sample], score[sample], weight[sample]))
    return [float(bound) for bound in np.percentile(values, [2.5, 97.5])]


def _recalibrate(log_odds: FloatArray, outcome: NDArray[np.bool_], weight: FloatArray) -> tuple[float, float]:
    """Slope of observed on predicted log-odds, and the intercept with the slope fixed at 1 (0 is ideal)."""
    from scipy.optimize import brentq
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e6, tol=1e-8, max_iter=1000)
    model.fit(log_odds[:, None], outcome, sample_weight=weight)
    incidence = np.average(outcome, weights=weight)

    def excess(shift: float) -> float:
        return float(np.average(1.0 / (1.0 + np.exp(-log_odds - shift)), weights=weight) - incidence)

    return float(model.coef_[0, 0]), float(brentq(excess, -10.0, 10.0))
