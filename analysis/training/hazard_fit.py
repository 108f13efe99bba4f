"""Maximum penalised likelihood for one cause-specific hazard with a smooth baseline.

The full likelihood of `analysis.risk.hazard.Hazard`: concave in all its parameters, so that Newton's method
with step-halving finds the one maximum in a handful of steps, from anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError
from analysis.risk.hazard import FloatArray, spline_basis

SHORTEST_YEARS = 1.0 / 365.25
"""An event on the day of the scan counts as one day later: its logarithm must exist."""

BASELINE_PRIOR_SD = 10.0
"""A priori SD of the baseline's coefficients: practically free."""

STEPS, TOLERANCE, HALVINGS = 40, 1e-9, 30
"""Newton steps at most; change of the log-likelihood per event at which they end; halvings of one step at
most."""


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """Who had the event when.

    Attributes
    ----------
    years : ndarray, (subjects,)
    event : ndarray of bool, (subjects,)
    basis, slope : ndarray, (subjects, knots)
        Spline basis at each subject's end and its derivative in log years.
    knots : ndarray
        Logarithms of years.
    weight : ndarray, (subjects,)
        How often each subject counts.
    """

    years: FloatArray
    event: NDArray[np.bool_]
    basis: FloatArray
    slope: FloatArray
    knots: FloatArray
    weight: FloatArray

    def take(self, index: NDArray[np.intp]) -> Observed:
        """The subjects at `index`."""
        return Observed(
            self.years[index],
            self.event[index],
            self.basis[index],
            self.slope[index],
            self.knots,
            self.weight[index],
        )

    def weighted(self, weight: FloatArray) -> Observed:
        """The same subjects, counted otherwise."""
        return replace(self, weight=weight)


def observe(years: FloatArray, event: NDArray[np.bool_], knots: FloatArray) -> Observed:
    """Lay out follow-up on a spline with the given knots."""
    duration = np.maximum(years, SHORTEST_YEARS)
    basis, slope = spline_basis(np.log(duration), knots)
    return Observed(duration, event, basis, slope, knots, np.ones(len(years)))


def spline_knots(years: FloatArray, event: NDArray[np.bool_], inner: int) -> FloatArray:
    """Boundary knots at the first and last event, inner ones at quantiles of the events (log years)."""
    log_years = np.log(np.maximum(years[event], SHORTEST_YEARS))
    return np.asarray(np.quantile(log_years, np.linspace(0.0, 1.0, inner + 2)), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class FittedHazard:
    """Coefficients of the terms, of the baseline, and the variance of the former given the prior.

    `variance` is the diagonal of the inverse information (Laplace's approximation to the posterior); empty
    where it was not asked for.
    """

    coefficients: FloatArray
    baseline: FloatArray
    variance: FloatArray = field(default_factory=lambda: np.empty(0))


def fit_hazard(
    columns: FloatArray,
    observed: Observed,
    prior_sd: FloatArray,
    *,
    frailty_variance: float = 0.0,
    prior_mean: FloatArray | None = None,
    start: FittedHazard | None = None,
    with_variance: bool = False,
) -> FittedHazard:
    """Fit coefficients and baseline together.

    Parameters
    ----------
    columns : ndarray, (subjects, terms)
    observed : Observed
    prior_sd : ndarray, (terms,)
        SD of the Gaussian prior (ridge) of each coefficient.
    frailty_variance : float
        Variance of a gamma frailty that nobody observes.
    prior_mean : ndarray, (terms,), optional
        Zero if left out.
    start : FittedHazard, optional
        Where to begin: a neighbouring fit saves steps.
    with_variance : bool
        Also give the coefficients' variance.

    Raises
    ------
    ConfigurationError
        If there are no events.
    """
    if not observed.event.any():
        raise ConfigurationError("training cohort: no event to fit a hazard to; take a larger cohort")
    knots = observed.basis.shape[1]
    problem = _Problem(
        np.column_stack([observed.basis, columns]),
        observed,
        np.concatenate([np.full(knots, BASELINE_PRIOR_SD), prior_sd]) ** -2.0,
        np.concatenate([np.zeros(knots), np.zeros(len(prior_sd)) if prior_mean is None else prior_mean]),
        frailty_variance,
    )
    parameters = problem.maximise(_starting_point(observed, len(prior_sd), start))
    variance = np.empty(0)
    if with_variance:
        variance = np.diag(np.linalg.inv(problem.derivatives(parameters)[1]))[knots:]
    return FittedHazard(parameters[knots:], parameters[:knots], variance)


def log_likelihood(
    log_relative: FloatArray, observed: Observed, baseline: FloatArray, frailty_variance: float = 0.0
) -> FloatArray:
    """Log-likelihood of each subject under a hazard fitted elsewhere, (subjects,): a proper score.

    Up to the logarithm of the event's time, which is the same for every model.
    """
    return _contributions(
        log_relative + observed.basis @ baseline, observed.slope @ baseline, observed, frailty_variance
    )


def _contributions(
    logarithm: FloatArray, slope: FloatArray, observed: Observed, frailty: float
) -> FloatArray:
    hazard = np.exp(np.minimum(logarithm, 50.0))
    event = observed.event
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.where(event, np.log(np.where(event, slope, 1.0)) + logarithm, 0.0)
    if frailty > 0:
        shared = np.log1p(frailty * hazard)
        return np.asarray(density - event * shared - shared / frailty, dtype=np.float64)
    return np.asarray(density - hazard, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    columns: FloatArray
    observed: Observed
    precision: FloatArray
    centre: FloatArray
    frailty: float

    def log_likelihood(self, parameters: FloatArray) -> float:
        knots = self.observed.basis.shape[1]
        each = _contributions(
            self.columns @ parameters, self.observed.slope @ parameters[:knots], self.observed, self.frailty
        )
        return float(self.observed.weight @ each)

    def objective(self, parameters: FloatArray) -> float:
        value = self.log_likelihood(parameters)
        value -= 0.5 * float(self.precision @ (parameters - self.centre) ** 2)
        return value if np.isfinite(value) else -np.inf

    def maximise(self, parameters: FloatArray) -> FloatArray:
        events = float(self.observed.weight @ self.observed.event)
        value = self.objective(parameters)
        for _ in range(STEPS):
            gradient, information = self.derivatives(parameters)
            step = np.linalg.solve(information, gradient)
            for _ in range(HALVINGS):
                better = self.objective(parameters + step)
                if better >= value:
                    break
                step = step / 2.0
            else:
                return parameters
            parameters, gain, value = parameters + step, better - value, better
            if gain < TOLERANCE * events:
                break
        return parameters

    def derivatives(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Gradient and negative Hessian of the penalised log-likelihood."""
        observed, knots = self.observed, self.observed.basis.shape[1]
        hazard = np.exp(np.minimum(self.columns @ parameters, 50.0))
        shrink = 1.0 + self.frailty * hazard
        event = observed.event.astype(np.float64)
        first = observed.weight * (event - hazard) / shrink
        second = observed.weight * hazard * (1.0 + self.frailty * event) / shrink**2
        gradient = self.columns.T @ first - self.precision * (parameters - self.centre)
        information = self.columns.T @ (second[:, None] * self.columns)
        ended = observed.event
        inverse = observed.slope[ended] / (observed.slope[ended] @ parameters[:knots])[:, None]
        weight = observed.weight[ended]
        gradient[:knots] += weight @ inverse
        information[:knots, :knots] += inverse.T @ (weight[:, None] * inverse)
        information[np.diag_indices_from(information)] += self.precision
        return gradient, information


def _starting_point(observed: Observed, terms: int, start: FittedHazard | None) -> FloatArray:
    if start is not None:
        return np.concatenate([start.baseline, start.coefficients])
    rate = float(observed.weight @ observed.event) / float(observed.weight @ observed.years)
    baseline = np.zeros(observed.basis.shape[1])
    baseline[:2] = np.log(rate), 1.0
    return np.concatenate([baseline, np.zeros(terms)])
