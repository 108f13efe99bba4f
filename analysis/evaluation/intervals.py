"""An estimate with its 95 % interval, and how influence values make one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.cohort.columns import FloatArray

NORMAL_975 = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its two-sided 95 % interval and standard error (on its own scale)."""

    value: float
    low: float
    high: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference (first minus second) with its 95 % interval and two-sided P value."""

    value: float
    low: float
    high: float
    standard_error: float
    p_value: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0.0 or self.high < 0.0


def normal_interval(value: float, error: float) -> Estimate:
    """Estimate ± 1.96 standard errors."""
    return Estimate(value, value - NORMAL_975 * error, value + NORMAL_975 * error, error)


def logit_interval(value: float, error: float) -> Estimate:
    """For a figure between 0 and 1: symmetric on the logit scale, so that it stays inside."""
    if not 0.0 < value < 1.0 or not math.isfinite(error):
        return Estimate(value, value, value, error)
    centre, spread = math.log(value / (1.0 - value)), NORMAL_975 * error / (value * (1.0 - value))
    low, high = (1.0 / (1.0 + math.exp(-(centre + sign * spread))) for sign in (-1.0, 1.0))
    return Estimate(value, low, high, error)


def log_interval(value: float, error: float) -> Estimate:
    """For a positive ratio: symmetric on the log scale."""
    if value <= 0.0 or not math.isfinite(error):
        return Estimate(value, value, value, error)
    factor = math.exp(NORMAL_975 * error / value)
    return Estimate(value, value / factor, value * factor, error)


def difference(value: float, error: float) -> Difference:
    """Normal test of a difference against 0; equal things differ by 0 with P = 1."""
    if error <= 0.0 or not math.isfinite(error):
        return Difference(value, value, value, 0.0, 1.0 if value == 0.0 else 0.0)
    interval = normal_interval(value, error)
    return Difference(
        value, interval.low, interval.high, error, math.erfc(abs(value / error) / math.sqrt(2.0))
    )


def mean_error(influence: FloatArray) -> float:
    """Standard error of a mean whose per-subject influence values are given (they average to about 0)."""
    return float(np.sqrt(np.sum(influence**2)) / len(influence))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for their number by Holm's step-down procedure (Holm 1979, Scand J Stat 6:65)."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return [float(value) for value in adjusted]
