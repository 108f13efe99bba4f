"""Direct binomial regression of the cumulative incidence at 1, 3, 5 and 10 years.

One logistic predictor with an intercept per horizon, fitted to all horizons at once with weights for the
inverse probability of censoring (Scheike, Zhang & Gerds 2008, Biometrika 95:205): death before fracture
counts as "no fracture", so that the prediction is the risk in the presence of competing death.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError
from analysis.results import HORIZONS_YEARS
from analysis.training.population import CENSORED, FRACTURE

FloatArray = NDArray[np.float64]

FOLDS = 5
REFITS = 100
MINIMUM_FRACTURES = 20
"""Fewer fractures within ten years in the training part cannot carry a model's coefficients."""

PRIOR_SD = 0.25
"""SD of the Gaussian prior (ridge) on log-odds per SD of a feature. Measurements of one bone correlate at 0.9
and more: with it they share their effect, without it one takes the opposite sign. What it takes from the
whole, the calibration slope gives back."""

HORIZON_SCALE = 30.0
"""Scale of the horizon indicators, so that the ridge leaves the intercepts practically free."""


@dataclass(frozen=True, slots=True, eq=False)
class FollowUp:
    """Observed years and how they ended (`population.CENSORED`, ``FRACTURE``, ``DEATH``), per subject."""

    years: FloatArray
    ending: NDArray[np.int_]

    def take(self, index: NDArray[np.int_]) -> FollowUp:
        """The subjects at `index`, in that order."""
        return FollowUp(self.years[index], self.ending[index])


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """``log-odds[t] = intercepts[t] + features @ coefficients``."""

    intercepts: FloatArray
    coefficients: FloatArray

    def log_odds(self, features: FloatArray) -> FloatArray:
        """Log-odds, (subjects, horizons)."""
        return self.intercepts[None, :] + (features @ self.coefficients)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A calibrated predictor, its bootstrap refits and the calibration slope that was applied."""

    predictor: Predictor
    ensemble: tuple[Predictor, ...]
    calibration_slope: float


def fit_calibrated(features: FloatArray, follow_up: FollowUp, rng: np.random.Generator) -> Fit:
    """Fit, calibrate on held-out folds, and refit on bootstrap samples.

    Slope and intercepts of the calibration come from out-of-fold predictions of a five-fold cross-fit, so
    that the shrinkage is learnt on subjects that the coefficients have not seen.

    Parameters
    ----------
    features : ndarray, (subjects, features)
        In their own units.
    follow_up : FollowUp
    rng : numpy.random.Generator

    Returns
    -------
    Fit
        In the features' own units; intercepts do not decrease with the horizon.

    Raises
    ------
    ConfigurationError
        If the cohort holds too few fractures, or its held-out predictions carry no signal.
    """
    _require_fractures(follow_up)
    means, deviations = features.mean(axis=0), features.std(axis=0)
    standardised = (features - means) / deviations
    raw = fit_predictor(standardised, follow_up)
    intercepts, slope = _calibrate(standardised, follow_up, rng)
    refits = [
        fit_predictor(standardised[sample], follow_up.take(sample))
        for sample in rng.integers(0, len(features), (REFITS, len(features)))
    ]
    calibrated = [Predictor(intercepts, slope * raw.coefficients)] + [
        Predictor(intercepts + refit.intercepts - raw.intercepts, slope * refit.coefficients)
        for refit in refits
    ]
    predictor, *ensemble = (_in_units(member, means, deviations) for member in calibrated)
    return Fit(predictor, tuple(ensemble), slope)


def _require_fractures(follow_up: FollowUp) -> None:
    longest = HORIZONS_YEARS[-1]
    fractures = int(fractured_within(follow_up, longest).sum())
    if fractures < MINIMUM_FRACTURES:
        raise ConfigurationError(
            f"training cohort: {fractures} fractures within {longest} years among {len(follow_up.years)} "
            f"training subjects, at least {MINIMUM_FRACTURES} are needed; raise --size"
        )


def _calibrate(
    standardised: FloatArray, follow_up: FollowUp, rng: np.random.Generator
) -> tuple[FloatArray, float]:
    """Intercepts (non-decreasing) and slope of the outcome on out-of-fold predictions."""
    out_of_fold = _cross_fit(standardised, follow_up, rng)
    calibration = fit_predictor(out_of_fold[:, None], follow_up, prior_sd=1e3)
    slope = float(calibration.coefficients[0])
    if slope <= 0:
        raise ConfigurationError(
            f"training cohort: held-out calibration slope {slope:.2f} is not positive, the features carry no "
            "signal in so small a cohort; raise --size"
        )
    return np.maximum.accumulate(calibration.intercepts), slope


def fit_predictor(features: FloatArray, follow_up: FollowUp, *, prior_sd: float = PRIOR_SD) -> Predictor:
    """Fit intercepts by horizon and shared coefficients to standardised features."""
    from sklearn.linear_model import LogisticRegression

    horizons = len(HORIZONS_YEARS)
    design, outcome, weight = [], [], []
    for index, years in enumerate(HORIZONS_YEARS):
        indicators = np.zeros((len(features), horizons - 1))
        if index < horizons - 1:
            indicators[:, index] = HORIZON_SCALE
        design.append(np.hstack([features, indicators]))
        outcome.append(fractured_within(follow_up, years))
        weight.append(censoring_weights(follow_up, years))
    model = LogisticRegression(C=prior_sd**2, tol=1e-8, max_iter=2000)
    model.fit(np.vstack(design), np.concatenate(outcome), sample_weight=np.concatenate(weight))
    coefficients = model.coef_[0]
    width = features.shape[1]
    steps = np.append(coefficients[width:] * HORIZON_SCALE, 0.0)
    return Predictor(model.intercept_[0] + steps, coefficients[:width])


def fractured_within(follow_up: FollowUp, years: float) -> NDArray[np.bool_]:
    """Whether each subject is known to have fractured within `years`."""
    return np.asarray((follow_up.ending == FRACTURE) & (follow_up.years <= years), dtype=np.bool_)


def censoring_weights(follow_up: FollowUp, years: float) -> FloatArray:
    """Inverse probability of still being observed when the status at `years` became known; 0 if it never did.

    The censoring distribution is the Kaplan–Meier estimate with censoring as the event.
    """
    known = (follow_up.ending != CENSORED) | (follow_up.years > years)
    times, survival = _censoring_survival(follow_up)
    before = np.searchsorted(times, np.minimum(follow_up.years, years), side="left")
    observed = np.concatenate([[1.0], survival])[before]
    return np.where(known, 1.0 / observed, 0.0)


def _censoring_survival(follow_up: FollowUp) -> tuple[FloatArray, FloatArray]:
    """Kaplan–Meier survival of the censoring time: jump times and the survival just after each."""
    order = np.argsort(follow_up.years, kind="stable")
    at_risk = len(order) - np.arange(len(order))
    censored = follow_up.ending[order] == CENSORED
    survival = np.cumprod(1.0 - np.where(censored, 1.0 / at_risk, 0.0))
    return follow_up.years[order], survival.astype(np.float64)


def _cross_fit(features: FloatArray, follow_up: FollowUp, rng: np.random.Generator) -> FloatArray:
    """Shared part of the log-odds of every subject from a fit that did not see the subject's fold."""
    fold = rng.permutation(len(features)) % FOLDS
    out_of_fold = np.empty(len(features))
    for held_out in range(FOLDS):
        seen = np.flatnonzero(fold != held_out)
        predictor = fit_predictor(features[seen], follow_up.take(seen))
        out_of_fold[fold == held_out] = features[fold == held_out] @ predictor.coefficients
    return out_of_fold


def _in_units(predictor: Predictor, means: FloatArray, deviations: FloatArray) -> Predictor:
    coefficients = predictor.coefficients / deviations
    return Predictor(predictor.intercepts - coefficients @ means, coefficients)
