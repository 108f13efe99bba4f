"""The study's univariate screen: does a feature differ between those with and without the outcome?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.05
"""Of every test, without correction for their number, as in the published study."""
SHAPIRO_LIMIT = 5000
"""Shapiro-Wilk's p is not accurate for more values: the first so many of a group are judged."""

FloatArray = NDArray[np.float64]
Test = Literal["Student t", "Welch t", "Mann-Whitney"]


@dataclass(frozen=True, slots=True)
class Screened:
    """One feature's test.

    Attributes
    ----------
    name : str
    test : {"Student t", "Welch t", "Mann-Whitney"}
    p : float
    correlation, correlation_p : float
        Point-biserial correlation with the outcome.
    """

    name: str
    test: Test
    p: float
    correlation: float
    correlation_p: float

    @property
    def passed(self) -> bool:
        """Whether the feature goes on to the selection."""
        return self.p < LEVEL


def screen(names: Sequence[str], values: FloatArray, outcome: FloatArray) -> tuple[Screened, ...]:
    """Test every feature.

    Student's t-test if Shapiro-Wilk finds both groups normal and Levene their variances equal, Welch's if
    variances differ, Mann-Whitney's otherwise.

    Parameters
    ----------
    values : ndarray, (subjects, features)
        Finite.
    outcome : ndarray of 0 and 1, (subjects,)
    """
    with_it, without = values[outcome == 1], values[outcome == 0]
    return tuple(
        _test(name, with_it[:, i], without[:, i], values[:, i], outcome) for i, name in enumerate(names)
    )


def _test(
    name: str, with_it: FloatArray, without: FloatArray, values: FloatArray, outcome: FloatArray
) -> Screened:
    if np.ptp(values) == 0:
        return Screened(name, "Mann-Whitney", 1.0, 0.0, 1.0)
    test: Test
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nearly constant features
        normal = all(stats.shapiro(group[:SHAPIRO_LIMIT]).pvalue > LEVEL for group in (with_it, without))
        if normal:
            equal = bool(stats.levene(with_it, without).pvalue > LEVEL)
            test = "Student t" if equal else "Welch t"
            p = stats.ttest_ind(with_it, without, equal_var=equal).pvalue
        else:
            test, p = "Mann-Whitney", stats.mannwhitneyu(with_it, without).pvalue
        correlation = stats.pointbiserialr(outcome, values)
    return Screened(name, test, float(p), float(correlation.statistic), float(correlation.pvalue))
