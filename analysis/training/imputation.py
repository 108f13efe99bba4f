"""Missing predictors of a training cohort: multiple imputation by chained equations.

The imputation sees the outcome (status of fracture and of death, and the Nelson–Aalen cumulative hazard of
each at the subject's end; White & Royston 2009, Stat Med 28:1982), or the coefficients of what is often
missing would be drawn towards zero. Binary predictors are imputed on a continuous scale: what enters a
log-linear hazard is their expectation plus noise, not a diagnosis.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import DEATH, FRACTURE, FollowUp
from analysis.risk.hazard import FloatArray

IMPUTATIONS = 5
ROUNDS = 5
"""Cycles through all incomplete columns for each imputed data set."""


def impute(
    standardised: FloatArray, follow_up: FollowUp, seed: int, *, count: int = IMPUTATIONS
) -> tuple[FloatArray, ...]:
    """Draw complete data sets.

    Parameters
    ----------
    standardised : ndarray, (subjects, features)
        About mean 0 and variance 1; NaN where unknown.
    follow_up : FollowUp
    seed : int
    count : int

    Returns
    -------
    tuple of ndarray, (subjects, features)
        `count` data sets; a single one if nothing is missing.
    """
    if not np.isnan(standardised).any():
        return (standardised,)
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - scikit-learn's own switch
    from sklearn.impute import IterativeImputer

    from analysis.training.imputation_regression import LinearPosterior

    outcome = np.column_stack(
        [
            _standardise(column)
            for ending in (FRACTURE, DEATH)
            for column in (
                (follow_up.ending == ending).astype(np.float64),
                nelson_aalen(follow_up.years, follow_up.ending == ending),
            )
        ]
    )
    table = np.column_stack([standardised, outcome])
    complete = []
    for number in range(count):
        imputer = IterativeImputer(
            LinearPosterior(),
            sample_posterior=True,
            max_iter=ROUNDS,
            random_state=np.random.RandomState([seed, number]),
            skip_complete=True,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # sampled values never "converge"
            filled = imputer.fit_transform(table)
        complete.append(np.asarray(filled[:, : standardised.shape[1]], dtype=np.float64))
    return tuple(complete)


def nelson_aalen(years: FloatArray, event: NDArray[np.bool_]) -> FloatArray:
    """Nelson–Aalen cumulative hazard at each subject's own end."""
    order = np.argsort(years, kind="stable")
    at_risk = len(order) - np.arange(len(order))
    cumulative = np.empty(len(order))
    cumulative[order] = np.cumsum(event[order] / at_risk)
    return cumulative


def _standardise(column: FloatArray) -> FloatArray:
    deviation = column.std()
    centred = column - column.mean()
    return np.asarray(centred / deviation if deviation > 0 else centred, dtype=np.float64)
