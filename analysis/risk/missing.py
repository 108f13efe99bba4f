"""What to expect of a feature that is not known, given those that are.

The conditional mean and covariance of a multivariate normal distribution whose moments come from the multiply
imputed training cohort (mean and covariance of standardised, transformed features).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.risk.hazard import FloatArray, Hazard

RIDGE = 1e-6
"""Added to the variance of known features, so that features that say the same can be inverted together."""


@dataclass(frozen=True, slots=True, eq=False)
class Gap:
    """Subjects who lack the same features, and the covariance of what they lack given what they have."""

    members: NDArray[np.intp]
    features: NDArray[np.intp]
    covariance: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Completed:
    """Standardised features without a gap, (subjects, features), and what the gaps leave open."""

    values: FloatArray
    gaps: tuple[Gap, ...]

    def variance(self, slope: FloatArray) -> FloatArray:
        """Variance of a function of the features with the gradient `slope`, (subjects, features)."""
        variance = np.zeros(len(slope))
        for gap in self.gaps:
            part = slope[np.ix_(gap.members, gap.features)]
            variance[gap.members] = np.einsum("ij,jk,ik->i", part, gap.covariance, part)
        return variance

    def covariance_between(self, one: int, other: int) -> FloatArray:
        """Covariance that two features have in each subject; zero unless both are unknown."""
        covariance = np.zeros(len(self.values))
        for gap in self.gaps:
            first, second = np.flatnonzero(gap.features == one), np.flatnonzero(gap.features == other)
            if first.size and second.size:
                covariance[gap.members] = gap.covariance[first[0], second[0]]
        return covariance


def complete(standardised: FloatArray, correlation: FloatArray) -> Completed:
    """Fill the gaps (NaN) with what is to be expected.

    Parameters
    ----------
    standardised : ndarray, (subjects, features)
        Mean 0, variance 1 in the training cohort; NaN where unknown.
    correlation : ndarray, (features, features)
        Their covariance in the training cohort.
    """
    unknown = np.isnan(standardised)
    values = np.where(unknown, 0.0, standardised)
    gaps = []
    for lacking, members in _patterns(unknown):
        known = np.flatnonzero(~unknown[members[0]])
        inner = correlation[np.ix_(known, known)] + RIDGE * np.eye(len(known))
        weights = np.linalg.solve(inner, correlation[np.ix_(known, lacking)])
        values[np.ix_(members, lacking)] = values[np.ix_(members, known)] @ weights
        left = correlation[np.ix_(lacking, lacking)] - correlation[np.ix_(lacking, known)] @ weights
        gaps.append(Gap(members, lacking, left))
    return Completed(values, tuple(gaps))


def expected_log_relative(hazard: Hazard, completed: Completed) -> FloatArray:
    """Log of the relative hazard averaged over what is unknown, (subjects,).

    The mean of a log-normal variable: mean + variance/2 of the log-hazard, whose mean holds the covariance of
    two unknown factors of a product, and whose variance is taken along its slope.
    """
    relative = hazard.log_relative(completed.values)
    if not completed.gaps:
        return relative
    for coefficient, term in zip(hazard.coefficients, hazard.terms, strict=True):
        if len(term) == 2:
            relative = relative + coefficient * completed.covariance_between(*term)
    unknown = completed.variance(hazard.gradient(completed.values))
    return np.asarray(relative + unknown / 2.0, dtype=np.float64)


def _patterns(unknown: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Each set of unknown features that occurs, with the subjects in whom it does."""
    some = np.flatnonzero(unknown.any(axis=1))
    if not some.size:
        return
    _, pattern = np.unique(np.packbits(unknown[some], axis=1), axis=0, return_inverse=True)
    pattern = pattern.ravel()
    order = np.argsort(pattern, kind="stable")
    for members in np.split(some[order], np.flatnonzero(np.diff(pattern[order])) + 1):
        yield np.flatnonzero(unknown[members[0]]), members
