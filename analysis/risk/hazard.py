"""Log-linear hazards with smooth baselines, and what they add up to in the presence of competing death.

Cause-specific hazards of fracture and of death, each ``H(t | x) = H0(t) · exp(terms)`` with a smooth
baseline: the logarithm of the cumulative hazard is a natural cubic spline in the logarithm of time (Royston &
Parmar 2002, Stat Med 21:2175). A gamma frailty of variance v, which nobody observes, turns H into ``log(1 +
v·H)/v``: the frail break first, so that relative hazards shrink with time. The cumulative incidence is the
integral of ``S(u) dH_fracture(u)`` and cannot fall with the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.results import HORIZONS_YEARS

FloatArray = NDArray[np.float64]

GRID_YEARS: FloatArray = np.linspace(0.0, HORIZONS_YEARS[-1], 2 * HORIZONS_YEARS[-1] + 1)
"""Half-yearly grid on which hazards are added up; every horizon is one of its points."""

HORIZON_INDEX = np.searchsorted(GRID_YEARS, HORIZONS_YEARS)

LARGEST_LOG_HAZARD = 50.0
"""Log-hazards are cut here in arithmetic only: exp(50) is certain fracture on any grid."""

Term = tuple[int, ...]
"""Positions of one feature (linear) or of two (their product; twice the same for the square)."""


@dataclass(frozen=True, slots=True, eq=False)
class Hazard:
    """One cause-specific hazard, or a stack of refits of it.

    Attributes
    ----------
    terms : tuple of Term
        Which standardised features make each term.
    coefficients : ndarray, (..., terms)
        Log-hazard per unit of each term.
    knots : ndarray, (knots,)
        Logarithms of years.
    baseline : ndarray, (..., basis)
        Coefficients of `spline_basis`.
    frailty_variance : float
    """

    terms: tuple[Term, ...]
    coefficients: FloatArray
    knots: FloatArray
    baseline: FloatArray
    frailty_variance: float = 0.0

    def log_relative(self, standardised: FloatArray) -> FloatArray:
        """Sum of terms, (..., subjects), of standardised features (subjects, features)."""
        relative: FloatArray = self.coefficients @ design(standardised, self.terms).T
        return relative

    def gradient(self, standardised: FloatArray) -> FloatArray:
        """Slope of `log_relative` in each standardised feature, (subjects, features)."""
        slope = np.zeros_like(standardised)
        for coefficient, term in zip(self.coefficients, self.terms, strict=True):
            if len(term) == 1:
                slope[:, term[0]] += coefficient
            else:
                slope[:, term[0]] += coefficient * standardised[:, term[1]]
                slope[:, term[1]] += coefficient * standardised[:, term[0]]
        return slope

    def log_baseline(self, years: FloatArray) -> FloatArray:
        """Log cumulative baseline hazard, (..., years); -inf at zero years. It never falls."""
        with np.errstate(divide="ignore"):
            log_years = np.log(years)
        started = np.isfinite(log_years)
        value = np.full((*self.baseline.shape[:-1], len(years)), -np.inf)
        value[..., started] = self.baseline @ spline_basis(log_years[started], self.knots)[0].T
        return np.maximum.accumulate(value, axis=-1)

    def cumulative(self, log_relative: FloatArray, years: FloatArray = GRID_YEARS) -> FloatArray:
        """Cumulative hazard, (..., subjects, years), of a log relative hazard (..., subjects)."""
        logarithm = log_relative[..., :, None] + self.log_baseline(years)[..., None, :]
        hazard = np.exp(np.minimum(logarithm, LARGEST_LOG_HAZARD))
        if self.frailty_variance > 0:
            hazard = np.log1p(self.frailty_variance * hazard) / self.frailty_variance
        return hazard


def design(standardised: FloatArray, terms: tuple[Term, ...]) -> FloatArray:
    """Columns of the terms, (subjects, terms): z, z·w, or z² − 1, each about zero in the training cohort."""
    columns = np.empty((len(standardised), len(terms)))
    for column, term in enumerate(terms):
        if len(term) == 1:
            columns[:, column] = standardised[:, term[0]]
        else:
            columns[:, column] = standardised[:, term[0]] * standardised[:, term[1]] - (term[0] == term[1])
    return columns


def spline_basis(log_years: FloatArray, knots: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Natural cubic spline of Royston & Parmar and its derivative, each (years, basis).

    The first two columns are 1 and log years; each inner knot adds one. Two knots, the boundaries, leave a
    straight line: the Weibull hazard.
    """
    first, last = knots[0], knots[-1]
    value, slope = [np.ones_like(log_years), log_years], [np.zeros_like(log_years), np.ones_like(log_years)]
    for knot in knots[1:-1]:
        share = (last - knot) / (last - first)
        value.append(
            _cube(log_years - knot)
            - share * _cube(log_years - first)
            - (1.0 - share) * _cube(log_years - last)
        )
        slope.append(
            3.0
            * (
                _square(log_years - knot)
                - share * _square(log_years - first)
                - (1.0 - share) * _square(log_years - last)
            )
        )
    return np.column_stack(value), np.column_stack(slope)


def cumulative_incidence(fracture: FloatArray, death: FloatArray) -> FloatArray:
    """Probability of a fracture by each point of the grid, in the presence of death.

    Parameters
    ----------
    fracture, death : ndarray, (..., grid)
        Cumulative cause-specific hazards, non-decreasing, zero at the first point.

    Returns
    -------
    ndarray, (..., grid)
        Between 0 and 1, non-decreasing. Within a step both hazards are taken to keep their ratio.
    """
    step_fracture, step_death = np.diff(fracture, axis=-1), np.diff(death, axis=-1)
    step = step_fracture + step_death
    share = np.divide(step_fracture, step, out=np.zeros_like(step), where=step > 0)
    survival = np.exp(-(fracture + death))[..., :-1]
    incidence = np.zeros_like(fracture)
    np.cumsum(survival * -np.expm1(-step) * share, axis=-1, out=incidence[..., 1:])
    return np.minimum(incidence, 1.0)


def _cube(value: FloatArray) -> FloatArray:
    return np.maximum(value, 0.0) ** 3


def _square(value: FloatArray) -> FloatArray:
    return np.maximum(value, 0.0) ** 2
