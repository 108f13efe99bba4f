"""Weighted logistic regression with a robust covariance, by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.cohort.columns import FloatArray

STEPS = 50
TOLERANCE = 1e-10
PROBABILITY_FLOOR = 1e-6
"""Probabilities are kept this far from 0 and 1 where their logit is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class LogisticFit:
    """Coefficients, and their sandwich covariance (robust to the weights)."""

    coefficients: FloatArray
    covariance: FloatArray

    @property
    def standard_errors(self) -> FloatArray:
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))


def fit_logistic(
    design: FloatArray, event: FloatArray, weight: FloatArray, offset: FloatArray | float = 0.0
) -> LogisticFit:
    """Fit ``logit P(event) = offset + design @ coefficients``.

    Parameters
    ----------
    design : ndarray, (subjects, columns)
        With its own column of ones, if there is to be an intercept.
    event, weight : ndarray, (subjects,)
    offset : ndarray or float
    """
    known = weight > 0
    design, event, weight = design[known], np.asarray(event[known], dtype=np.float64), weight[known]
    offset = offset[known] if isinstance(offset, np.ndarray) else offset
    coefficients: FloatArray = np.zeros(design.shape[1])
    loss = np.inf
    step: FloatArray = np.zeros(design.shape[1])
    for _ in range(STEPS):
        linear = offset + design @ coefficients
        new_loss = float(weight @ (np.logaddexp(0.0, linear) - event * linear))
        if new_loss > loss + 1e-9:  # overshot: go half-way back
            step = step / 2.0
            coefficients = coefficients - step
            continue
        loss = new_loss
        probability = expit(linear)
        gradient = design.T @ (weight * (event - probability))
        hessian = _hessian(design, weight * probability * (1.0 - probability))
        step = np.asarray(np.linalg.solve(hessian, gradient), dtype=np.float64)
        coefficients = coefficients + step
        if float(np.abs(step).max()) < TOLERANCE:
            break
    probability = expit(offset + design @ coefficients)
    bread = np.linalg.inv(_hessian(design, weight * probability * (1.0 - probability)))
    scores = design * (weight * (event - probability))[:, None]
    return LogisticFit(coefficients, bread @ (scores.T @ scores) @ bread)


def expit(values: FloatArray) -> FloatArray:
    """Logistic function without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)), dtype=np.float64)


def logit(probability: FloatArray) -> FloatArray:
    """Log-odds, with probabilities kept `PROBABILITY_FLOOR` from 0 and 1."""
    inside = np.clip(probability, PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
    return np.asarray(np.log(inside / (1.0 - inside)), dtype=np.float64)


def _hessian(design: FloatArray, curvature: FloatArray) -> FloatArray:
    ridge = 1e-10 * np.eye(design.shape[1])
    return np.asarray(design.T @ (design * curvature[:, None]) + ridge, dtype=np.float64)
