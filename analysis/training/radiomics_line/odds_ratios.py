"""Univariable and multivariable odds ratios, by statsmodels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ESTIMABLE = 5.0
"""Standard error of a log odds ratio above which nothing is learnt: the predictor separates the outcomes."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OddsRatio:
    """One row of a table.

    Attributes
    ----------
    name : str
    per : str
        Step that the ratio belongs to: ``SD`` or ``yes/no``.
    ratio, low, high : float
        With 95 % interval (Wald).
    p : float
    subjects : int
        With complete values.
    """

    name: str
    per: str
    ratio: float
    low: float
    high: float
    p: float
    subjects: int


def univariable(names: Sequence[str], values: FloatArray, outcome: FloatArray) -> tuple[OddsRatio, ...]:
    """One logistic regression per predictor."""
    rows: list[OddsRatio] = []
    for i, name in enumerate(names):
        rows.extend(multivariable([name], values[:, [i]], outcome))
    return tuple(rows)


def multivariable(names: Sequence[str], values: FloatArray, outcome: FloatArray) -> tuple[OddsRatio, ...]:
    """One logistic regression of all predictors together.

    Parameters
    ----------
    values : ndarray, (subjects, predictors)
        Continuous predictors enter per SD; 0/1 predictors as they are. Subjects with a missing value are left
        out.
    outcome : ndarray of 0, 1 or NaN, (subjects,)

    Returns
    -------
    tuple of OddsRatio
        Without predictors that do not vary or separate the outcomes; empty if there is no fit.
    """
    from statsmodels.discrete.discrete_model import Logit
    from statsmodels.tools.sm_exceptions import PerfectSeparationError

    complete = np.isfinite(values).all(axis=1) & np.isfinite(outcome)
    values, outcome = values[complete], outcome[complete]
    if not len(values):
        return ()
    varying = [i for i in range(len(names)) if np.ptp(values[:, i]) > 0]
    binary = [bool(np.isin(values[:, i], (0, 1)).all()) for i in varying]
    scale = np.array(
        [1.0 if is_binary else values[:, i].std(ddof=1) for i, is_binary in zip(varying, binary, strict=True)]
    )
    scaled = (values[:, varying] - values[:, varying].mean(axis=0)) / scale
    design = np.column_stack([np.ones(len(values)), scaled])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # separation is told by `ESTIMABLE` below
            fit = Logit(outcome, design).fit(disp=False)
            errors = np.asarray(fit.bse)
    except (PerfectSeparationError, np.linalg.LinAlgError):
        return ()
    with np.errstate(over="ignore"):
        ratios, limits = np.exp(fit.params), np.exp(fit.conf_int())
    return tuple(
        OddsRatio(
            names[i],
            "yes/no" if is_binary else "SD",
            float(ratios[row]),
            float(limits[row, 0]),
            float(limits[row, 1]),
            float(fit.pvalues[row]),
            len(values),
        )
        for row, (i, is_binary) in enumerate(zip(varying, binary, strict=True), start=1)
        if errors[row] < ESTIMABLE
    )
