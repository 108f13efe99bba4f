"""Choose how risks are calibrated, from predictions for subjects that the coefficients have not seen.

Four candidates: nothing; Platt's two numbers on the log-hazard (a slope and a level, which become part of the
coefficients, so that contributions stay additive); beta calibration and isotonic regression of the
probability (one rising map for all horizons, so that risk never falls with time). Each is fitted and scored
on separate folds; another than nothing is taken only if its score is better by more than its standard error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import FRACTURE, FollowUp
from analysis.risk.calibration import IDENTITY, SMALLEST_PROBABILITY, CalibrationMap
from analysis.risk.hazard import HORIZON_INDEX, FloatArray, Hazard, cumulative_incidence
from analysis.training.cross_validation import SMALLEST_RISK, Outcomes, outcomes, splits
from analysis.training.hazard_fit import observe

PRIOR_PRECISION = 0.01
"""Of slope (about 1) and level (about 0): practically free."""
ISOTONIC_KNOTS = 30
"""Steps of an isotonic fit are joined at no more than this many points, to keep the file small."""


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """Held-out predictions of a cross-fit.

    Attributes
    ----------
    log_relative : ndarray, (subjects,)
        Sum of fracture terms, from a fit that did not see the subject.
    hazard : Hazard
        Of fracture; its few baseline coefficients are those of the fit to everybody.
    death : ndarray, (subjects, grid)
        Cumulative hazard of death.
    follow_up : FollowUp
    fold : ndarray of int, (subjects,)
    """

    log_relative: FloatArray
    hazard: Hazard
    death: FloatArray
    follow_up: FollowUp
    fold: NDArray[np.int_]

    def take(self, index: NDArray[np.intp]) -> OutOfFold:
        """The subjects at `index`."""
        return OutOfFold(
            self.log_relative[index],
            self.hazard,
            self.death[index],
            self.follow_up.take(index),
            self.fold[index],
        )

    def risk(self, slope: float = 1.0, level: float = 0.0) -> FloatArray:
        """Cumulative incidence at the horizons with slope and level changed, (subjects, horizons)."""
        fracture = self.hazard.cumulative(level + slope * self.log_relative)
        return cumulative_incidence(fracture, self.death)[:, HORIZON_INDEX]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The chosen calibration.

    `slope` and `level` act on the log-hazard, `map` on the probability; at most one of the two does anything.
    `scores` holds the cross-validated logarithmic score of every candidate, lower is better.
    """

    kind: str
    slope: float
    level: float
    map: CalibrationMap
    scores: Mapping[str, float]


def choose_calibration(predicted: OutOfFold) -> Calibration:
    """Fit all candidates on held-out predictions and choose by cross-validated logarithmic score."""
    observed, plain = outcomes(predicted.follow_up), predicted.risk()
    losses = {"identity": _losses(plain, observed)}
    for kind in ("platt", "beta", "isotonic"):
        calibrated = np.empty_like(plain)
        for seen, held_out in splits(predicted.fold):
            fitted = _fit(kind, predicted.take(seen))
            calibrated[held_out] = fitted.map.apply(predicted.take(held_out).risk(fitted.slope, fitted.level))
        losses[kind] = _losses(calibrated, observed)
    scores = {kind: float(loss.mean()) for kind, loss in losses.items()}
    best = min(scores, key=scores.__getitem__)
    gain = losses["identity"] - losses[best]
    if gain.mean() <= gain.std(ddof=1) / np.sqrt(len(gain)):
        best = "identity"
    return replace(_fit(best, predicted), scores=scores)


def slope_and_level(
    log_relative: FloatArray,
    hazard: Hazard,
    follow_up: FollowUp,
    *,
    cause: int = FRACTURE,
    slope: bool = True,
) -> tuple[float, float]:
    """Slope and level with which a hazard of known shape fits a follow-up best (maximum likelihood).

    Parameters
    ----------
    log_relative : ndarray, (subjects,)
    hazard : Hazard
        Whose baseline and frailty keep their shape.
    follow_up : FollowUp
    cause : int
        Which ending is the event.
    slope : bool
        False keeps the slope at 1 and fits the level alone.
    """
    event = (follow_up.ending == cause).astype(np.float64)
    shape = observe(follow_up.years, event > 0, hazard.knots).basis @ hazard.baseline
    columns = np.column_stack([np.ones(len(log_relative)), log_relative])[:, : 1 + slope]
    offset = shape if slope else shape + log_relative
    centre = np.array([0.0, 1.0])[: 1 + slope]
    frailty, parameters = hazard.frailty_variance, centre.copy()
    for _ in range(100):
        expected = np.exp(np.minimum(columns @ parameters + offset, 50.0))
        shrink = 1.0 + frailty * expected
        gradient = columns.T @ ((event - expected) / shrink) - PRIOR_PRECISION * (parameters - centre)
        second = expected * (1.0 + frailty * event) / shrink**2
        information = columns.T @ (second[:, None] * columns) + PRIOR_PRECISION * np.eye(len(centre))
        step = np.clip(np.linalg.solve(information, gradient), -1.0, 1.0)
        parameters = parameters + step
        if np.abs(step).max() < 1e-10:
            break
    return (float(parameters[1]) if slope else 1.0), float(parameters[0])


def _fit(kind: str, predicted: OutOfFold) -> Calibration:
    if kind == "platt":
        slope, level = slope_and_level(predicted.log_relative, predicted.hazard, predicted.follow_up)
        return Calibration(kind, slope, level, IDENTITY, {})
    if kind == "identity":
        return Calibration(kind, 1.0, 0.0, IDENTITY, {})
    risk, observed = predicted.risk(), outcomes(predicted.follow_up)
    fitted = _beta(risk, observed) if kind == "beta" else _isotonic(risk, observed)
    return Calibration(kind, 1.0, 0.0, fitted, {})


def _beta(risk: FloatArray, observed: Outcomes) -> CalibrationMap:
    """Beta calibration over all horizons at once; a slope that would be negative is left out."""
    from sklearn.linear_model import LogisticRegression

    inside = np.clip(risk.ravel(), SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
    columns = np.column_stack([np.log(inside), -np.log1p(-inside)])
    used = [0, 1]
    while True:
        model = LogisticRegression(C=1e6, tol=1e-8, max_iter=1000)
        model.fit(columns[:, used], observed.fractured.ravel(), sample_weight=observed.weight.ravel())
        if len(used) == 1 or (model.coef_[0] >= 0).all():
            break
        used = [used[int(np.argmax(model.coef_[0]))]]
    parameters = np.zeros(3)
    parameters[used] = np.maximum(model.coef_[0], 0.0)
    parameters[2] = model.intercept_[0]
    return CalibrationMap("beta", parameters)


def _isotonic(risk: FloatArray, observed: Outcomes) -> CalibrationMap:
    """Isotonic regression over all horizons at once, joined at a few points."""
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    model.fit(
        risk.ravel(), observed.fractured.ravel().astype(np.float64), sample_weight=observed.weight.ravel()
    )
    inner = np.unique(np.quantile(risk, np.linspace(0.0, 1.0, ISOTONIC_KNOTS)))
    predicted = np.unique(np.concatenate([[0.0], inner, [1.0]]))
    calibrated = np.maximum.accumulate(np.clip(model.predict(predicted), 0.0, 1.0))
    calibrated[0] = 0.0
    return CalibrationMap("isotonic", np.concatenate([predicted, calibrated]))


def _losses(risk: FloatArray, observed: Outcomes) -> FloatArray:
    """Weighted logarithmic loss of each subject, summed over the horizons."""
    inside = np.clip(risk, SMALLEST_RISK, 1.0 - SMALLEST_RISK)
    each = -np.where(observed.fractured, np.log(inside), np.log1p(-inside))
    return np.asarray((observed.weight * each).sum(axis=1), dtype=np.float64)
