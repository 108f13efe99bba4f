"""A reference distribution in a few numbers, and how far a sample lies from it: PSI and Kolmogorov-Smirnov.

The reference keeps its distribution function at some of its own values: exactly, so that nothing is
interpolated. Both measures depend on order alone: they stay the same when reference and sample are put
through one increasing function (another unit, a logarithm).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

KNOTS = 51
"""Values kept of a continuous quantity: every second percentile, with both ends."""
FEW_VALUES = 12
"""A quantity with at most so many distinct values keeps them all, and each is a class of its own."""
CLASSES = 10
"""Classes of the PSI for a continuous quantity: tenths of the reference (Siddiqi 2006, Credit Risk
Scorecards, ch. 8)."""
CONTINUITY = 0.5
"""Added to the count of every class, so that an empty one says "few" and not "never" (Jeffreys' prior)."""


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """A reference: its distribution function at some values.

    Attributes
    ----------
    values : ndarray, (knots,)
        Rising, in the quantity's own unit; the first is the smallest of the sample, the last its largest.
    cumulative : ndarray, (knots,)
        Share of the sample at or below each value; the last is 1.
    subjects : int
        In how many it was known.
    known : float
        Share of all subjects (0-1) in whom it was known.
    """

    values: FloatArray
    cumulative: FloatArray
    subjects: int
    known: float = 1.0

    def __post_init__(self) -> None:
        values, cumulative = self.values, self.cumulative
        if not (len(values) == len(cumulative) >= 1 and np.isfinite(values).all()):
            raise ValueError("a distribution needs as many cumulative shares as finite values, at least one")
        rising = bool(np.all(np.diff(values) > 0) and np.all(np.diff(cumulative) > 0))
        if not rising or cumulative[0] <= 0.0 or not math.isclose(float(cumulative[-1]), 1.0):
            raise ValueError("values and cumulative shares of a distribution must rise, the latter to 1")
        if self.subjects < 1 or not 0.0 < self.known <= 1.0:
            raise ValueError("a distribution needs at least one subject, and a known share above 0 up to 1")

    @property
    def edges(self) -> FloatArray:
        """Upper ends of all classes of the PSI but the last, which is open: ``(…, edge]``."""
        if len(self.values) <= FEW_VALUES:
            return self.values[:-1]
        wanted = np.arange(1, CLASSES) / CLASSES
        # a share that is a tenth but for rounding is that tenth
        return self.values[np.unique(np.searchsorted(self.cumulative, wanted - 1e-9))][: CLASSES - 1]

    @property
    def shares(self) -> FloatArray:
        """Share of the reference in each class."""
        at_edges = self.cumulative[np.searchsorted(self.values, self.edges)]
        return np.diff(np.concatenate([[0.0], at_edges, [1.0]]))

    def counts(self, sample: FloatArray) -> NDArray[np.int64]:
        """How many of a sample fall into each class."""
        classes = np.searchsorted(self.edges, sample, side="left")
        return np.bincount(classes, minlength=len(self.edges) + 1)


def distribution_of(sample: FloatArray) -> Distribution:
    """Describe a sample; NaN counts as unknown.

    Raises
    ------
    ValueError
        If nothing is known.
    """
    known = np.sort(sample[np.isfinite(sample)])
    if not known.size:
        raise ValueError("a distribution needs at least one known value")
    values = np.unique(known)
    if len(values) > FEW_VALUES:
        values = np.unique(np.quantile(known, np.linspace(0.0, 1.0, KNOTS), method="inverted_cdf"))
    cumulative = np.searchsorted(known, values, side="right") / len(known)
    return Distribution(values, cumulative, len(known), len(known) / len(sample))


def stability_index(one: FloatArray | NDArray[np.int64], other: FloatArray | NDArray[np.int64]) -> float:
    """Population stability index of two samples from their counts per class; natural logarithm.

    ``sum((p - q) ln(p / q))``, Jeffreys' divergence: 0 for equal shares, the same whichever comes first.
    `CONTINUITY` is added to every count. Rules of thumb, and no more than that: below 0.1 stable, 0.1 to 0.25
    moved, above 0.25 moved far (Lewis 1994, An Introduction to Credit Scoring; Siddiqi 2006).

    Parameters
    ----------
    one, other : ndarray, (classes,)
        Counts, 0 and above.
    """
    first, second = (
        (counts + CONTINUITY) / (counts.sum() + CONTINUITY * len(counts)) for counts in (one, other)
    )
    return float(np.sum((first - second) * np.log(first / second)))


def stability_index_by_chance(classes: int, one: int, other: int, level: float = 0.95) -> float:
    """PSI that two samples of one population exceed with probability ``1 - level`` by chance alone.

    ``(1/n + 1/m)`` times a quantile of chi-squared with ``classes - 1`` degrees of freedom (Yurdakul &
    Naranjo 2020, J Risk Model Validation 14(4):89). For 50 studies in ten classes it is 0.34, more than the
    rule of thumb calls far.
    """
    from scipy.stats import chi2

    if classes < 2:
        return 0.0
    return float(chi2.ppf(level, classes - 1) * (1.0 / one + 1.0 / other))


def kolmogorov_smirnov(reference: Distribution, sample: FloatArray) -> float:
    """Largest distance between the two distribution functions at the reference's own values, 0 to 1.

    Between its values the reference's function is not known; so this is at most the two-sample statistic, and
    less than it by no more than what the reference gains between two neighbours (0.02).
    """
    ordered = np.sort(sample)
    reached = np.searchsorted(ordered, reference.values, side="right") / len(ordered)
    below = float(np.searchsorted(ordered, reference.values[0], side="left")) / len(ordered)
    return float(max(below, np.abs(reached - reference.cumulative).max()))


def kolmogorov_smirnov_p(statistic: float, one: int, other: int) -> float:
    """Two-sided P value of the two-sample test by Kolmogorov's limit (Smirnov 1948, Ann Math Stat 19:279).

    For values with ties, and for a statistic that is too small, the true P value is smaller still (Noether
    1963, Sankhya A 25:65).
    """
    from scipy.stats import kstwobign

    return float(kstwobign.sf(statistic * math.sqrt(one * other / (one + other))))
