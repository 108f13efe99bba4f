"""The regression of one incomplete column on all others, for chained equations."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from analysis.risk.hazard import FloatArray

RIDGE = 1.0
"""Penalty on standardised columns, as of one more subject: only keeps what says the same apart
(assumption)."""


class LinearPosterior(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Linear regression with the spread of its predictions: noise and what the coefficients leave open.

    As scikit-learn's ``BayesianRidge`` with a fixed, weak prior, by normal equations instead of a singular
    value decomposition: a tenth of its time on ten thousand subjects.
    """

    def fit(self, columns: FloatArray, target: FloatArray) -> LinearPosterior:
        """Fit to complete rows."""
        self.mean_ = columns.mean(axis=0)
        self.target_mean_ = float(target.mean())
        centred, residual = columns - self.mean_, target - self.target_mean_
        information = centred.T @ centred + RIDGE * np.eye(columns.shape[1])
        self.inverse_ = np.linalg.inv(information)
        self.coef_ = self.inverse_ @ (centred.T @ residual)
        left = residual - centred @ self.coef_
        self.variance_ = float(left @ left) / max(len(target) - columns.shape[1] - 1, 1)
        return self

    def predict(
        self, columns: FloatArray, return_std: bool = False
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Expected values, and on request the standard deviation of each prediction."""
        centred = columns - self.mean_
        expected = self.target_mean_ + centred @ self.coef_
        if not return_std:
            return np.asarray(expected, dtype=np.float64)
        open_ = np.einsum("ij,jk,ik->i", centred, self.inverse_, centred, optimize=True)
        return np.asarray(expected, dtype=np.float64), np.sqrt(self.variance_ * (1.0 + open_))
