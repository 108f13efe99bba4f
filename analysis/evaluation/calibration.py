"""Whether predicted risks come true: O:E, intercept, slope, the curve and its distance from the diagonal.

Death before a fracture counts as no fracture (van Geloven et al. 2022, BMJ 377:e069249, for calibration with
competing risks); censoring is handled by the weights of `analysis.evaluation.observed`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.cohort.columns import FloatArray, FollowUp
from analysis.evaluation.competing import cumulative_incidence
from analysis.evaluation.intervals import NORMAL_975, Estimate, log_interval, normal_interval
from analysis.evaluation.logistic import LogisticFit, expit, fit_logistic, logit
from analysis.evaluation.observed import Observed
from analysis.evaluation.splines import restricted_cubic_spline

GROUPS = 10
CURVE_POINTS = 101
CURVE_RANGE = (0.005, 0.995)
"""Quantiles of the predicted risk between which the smoothed curve is drawn."""
NULL_DRAWS = 200
LEAST_EVENTS = 10
"""Fewer fractures carry no calibration slope or curve."""


@dataclass(frozen=True, slots=True)
class CalibrationGroup:
    """One tenth of the subjects by predicted risk: mean prediction and Aalen-Johansen incidence."""

    subjects: int
    predicted: float
    observed: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationCurve:
    """Smoothed observed risk against predicted risk, with pointwise 95 % bands; all (points,)."""

    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Calibration at one horizon.

    Attributes
    ----------
    observed, expected : float
        Aalen-Johansen incidence and mean predicted risk.
    observed_to_expected : Estimate
        1 is ideal.
    intercept, slope : Estimate or None
        Intercept with the slope fixed at 1 (ideal 0); slope of observed on predicted log-odds (ideal 1). None
        with fewer than `LEAST_EVENTS` fractures.
    ici, e50, e90 : float or None
        Mean, median and 90th percentile of |smoothed observed - predicted| (Austin & Steyerberg 2019, Stat
        Med 38:4051).
    ici_by_chance : float or None
        The ICI that a perfectly calibrated model would show on so many subjects: it is never negative.
    curve : CalibrationCurve or None
    groups : tuple of CalibrationGroup
    """

    observed: Estimate
    expected: float
    observed_to_expected: Estimate
    intercept: Estimate | None
    slope: Estimate | None
    ici: float | None
    e50: float | None
    e90: float | None
    ici_by_chance: float | None
    curve: CalibrationCurve | None
    groups: tuple[CalibrationGroup, ...]


def calibrate(risk: FloatArray, follow_up: FollowUp, observed: Observed) -> Calibration:
    """Calibration of predicted risks at the horizon of `observed`.

    Parameters
    ----------
    risk : ndarray, (subjects,)
        Probabilities of a fracture within the horizon.
    follow_up : FollowUp
    observed : Observed
        Of the same subjects.
    """
    incidence = cumulative_incidence(follow_up).at(observed.years)
    expected = float(risk.mean())
    ratio = observed_to_expected(incidence, expected)
    groups = _grouped(risk, follow_up, observed.years)
    if observed.events < LEAST_EVENTS or float(np.ptp(risk)) == 0.0:
        return Calibration(incidence, expected, ratio, None, None, None, None, None, None, None, groups)
    intercept, slope = intercept_and_slope(risk, observed)
    curve, (ici, e50, e90), by_chance = _smoothed(risk, observed)
    return Calibration(incidence, expected, ratio, intercept, slope, ici, e50, e90, by_chance, curve, groups)


def observed_to_expected(incidence: Estimate, expected: float) -> Estimate:
    """O:E with its interval on the log scale; the mean prediction is taken as fixed."""
    return log_interval(incidence.value / expected, incidence.standard_error / expected)


def intercept_and_slope(risk: FloatArray, observed: Observed) -> tuple[Estimate, Estimate]:
    """Calibration intercept (slope fixed at 1) and slope on the log-odds scale, with robust intervals."""
    linear = logit(risk)
    ones = np.ones((len(risk), 1))
    event = observed.event.astype(np.float64)
    shift = fit_logistic(ones, event, observed.weight, linear)
    line = fit_logistic(np.column_stack([ones, linear]), event, observed.weight)
    return (
        normal_interval(float(shift.coefficients[0]), float(shift.standard_errors[0])),
        normal_interval(float(line.coefficients[1]), float(line.standard_errors[1])),
    )


def _grouped(risk: FloatArray, follow_up: FollowUp, years: float) -> tuple[CalibrationGroup, ...]:
    edges = np.unique(np.quantile(risk, np.linspace(0.0, 1.0, GROUPS + 1)[1:-1]))
    member = np.searchsorted(edges, risk, side="right")
    groups = []
    for index in np.unique(member):
        inside = member == index
        incidence = cumulative_incidence(follow_up.take(inside)).at(years)
        groups.append(CalibrationGroup(int(inside.sum()), float(risk[inside].mean()), incidence))
    return tuple(groups)


def _smoothed(
    risk: FloatArray, observed: Observed
) -> tuple[CalibrationCurve, tuple[float, float, float], float]:
    """Logistic regression on a restricted cubic spline of the predicted log-odds; distances from the line."""
    linear = logit(risk)
    basis = restricted_cubic_spline(linear, observed.events)
    fit = fit_logistic(basis(linear), observed.event.astype(np.float64), observed.weight)
    low, high = (float(np.quantile(linear, quantile)) for quantile in CURVE_RANGE)
    grid = np.linspace(low, high, CURVE_POINTS)
    rows = basis(grid)
    centre = rows @ fit.coefficients
    spread = NORMAL_975 * np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", rows, fit.covariance, rows), 0.0))
    curve = CalibrationCurve(expit(grid), expit(centre), expit(centre - spread), expit(centre + spread))
    distance = np.abs(expit(basis(linear) @ fit.coefficients) - risk)
    figures = float(distance.mean()), float(np.median(distance)), float(np.quantile(distance, 0.9))
    return curve, figures, _distance_by_chance(risk, linear, basis(linear), fit)


def _distance_by_chance(risk: FloatArray, linear: FloatArray, basis: FloatArray, fit: LogisticFit) -> float:
    """Mean ICI of curves that differ from the diagonal by the fit's sampling error only."""
    rng = np.random.default_rng(0)
    chosen = np.arange(len(risk)) if len(risk) <= 5000 else rng.choice(len(risk), 5000, replace=False)
    draws = rng.multivariate_normal(np.zeros(basis.shape[1]), fit.covariance, NULL_DRAWS, method="eigh")
    curves = expit(linear[chosen, None] + basis[chosen] @ draws.T)
    return float(np.abs(curves - risk[chosen, None]).mean())
