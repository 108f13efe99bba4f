"""Is a scanner in control? Shewhart chart with runs rules and tabular CUSUM over its phantom scans.

Both judge the same standardised value ``z = (x − baseline mean) / baseline SD``. The Shewhart rules see a
sudden error in one or a few scans, the CUSUM a small lasting shift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

BAND = 0.015
"""Half-width of the ±1.5 % band about the baseline mean: the least quality control of a densitometry site
(S. L. Bonnick, Bone Densitometry in Clinical Practice, chapter on quality control)."""

CUSUM_K = 0.5
"""Allowance in baseline SD: half of the shift of 1 SD that shall be found quickly."""
CUSUM_H = 5.0
"""Decision interval in baseline SD. With `CUSUM_K` a scanner in control signals once in 465 scans on average,
one that has shifted by 1 SD after 10.4 (D. C. Montgomery, Introduction to Statistical Quality Control,
chapter on CUSUM charts)."""

RULES = {
    "one_beyond_3_sd": "1 scan beyond 3 SD",
    "two_of_three_beyond_2_sd": "2 of 3 scans beyond 2 SD on one side",
    "four_of_five_beyond_1_sd": "4 of 5 scans beyond 1 SD on one side",
    "eight_on_one_side": "8 scans in a row on one side of the mean",
    "beyond_band": "1 scan outside ±1.5 % of the baseline mean",
    "cusum": f"CUSUM beyond {CUSUM_H:g} SD (k = {CUSUM_K:g})",
}
"""Rule -> in words. The first four are the zone rules of the Western Electric Statistical Quality Control
Handbook (1956), a multi-rule chart as J. O. Westgard et al. brought it into the clinical laboratory (Clin
Chem 1981;27:493–501). Together these four give one false alarm in 91.75 scans in control (C. W. Champ and
W. H. Woodall, Technometrics 1987;29:393–399)."""

_RUNS = (
    ("one_beyond_3_sd", 1, 1, 3.0),
    ("two_of_three_beyond_2_sd", 2, 3, 2.0),
    ("four_of_five_beyond_1_sd", 4, 5, 1.0),
    ("eight_on_one_side", 8, 8, 0.0),
)
"""Rule, how many of the last how many scans lie beyond how many SD, on the same side."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Mean and standard deviation (n − 1) of the first scans of a phantom, g/cm²."""

    mean: float
    sd: float
    scans: int


@dataclass(frozen=True, slots=True, eq=False)
class ControlChart:
    """A phantom's scans judged against their baseline.

    Attributes
    ----------
    values : ndarray of float64, (n,)
        BMD in g/cm², the baseline scans first.
    z : ndarray of float64, (n,)
        Distance from the baseline mean in baseline SD.
    cusum_high, cusum_low : ndarray of float64, (n,)
        Upper and lower one-sided sums, ≥ 0, in baseline SD; zero during the baseline.
    signals : tuple of tuple of str
        Per scan, the names of the `RULES` that its arrival broke; empty during the baseline.
    """

    baseline: Baseline
    values: FloatArray
    z: FloatArray
    cusum_high: FloatArray
    cusum_low: FloatArray
    signals: tuple[tuple[str, ...], ...]


def control_chart(values: Sequence[float], baseline_scans: int) -> ControlChart | None:
    """Judge phantom scans in order of date.

    Parameters
    ----------
    values : sequence of float
        BMD of the phantom, g/cm².
    baseline_scans : int
        How many scans at the beginning define mean and SD.

    Returns
    -------
    ControlChart or None
        ``None`` while the baseline is incomplete, or without any scatter (SD 0), where no rule has a scale.
    """
    scans = np.asarray(values, dtype=np.float64)
    if len(scans) < baseline_scans:
        return None
    first = scans[:baseline_scans]
    baseline = Baseline(float(first.mean()), float(first.std(ddof=1)), baseline_scans)
    if baseline.sd <= baseline.mean * 1e-9:
        return None
    z = (scans - baseline.mean) / baseline.sd
    high, low = cusum(z[baseline_scans:])
    none = np.zeros(baseline_scans)
    high, low = np.concatenate([none, high]), np.concatenate([none, low])
    signals = tuple(
        () if index < baseline_scans else _broken(index, z, scans, baseline, max(high[index], low[index]))
        for index in range(len(scans))
    )
    return ControlChart(baseline, scans, z, high, low, signals)


def shewhart_signals(z: FloatArray) -> tuple[tuple[str, ...], ...]:
    """Zone rules broken by each standardised value, seen with those before it."""
    return tuple(_broken_runs(z[: index + 1]) for index in range(len(z)))


def cusum(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Tabular CUSUM of standardised values.

    ``C⁺ᵢ = max(0, C⁺ᵢ₋₁ + zᵢ − k)`` and ``C⁻ᵢ = max(0, C⁻ᵢ₋₁ − zᵢ − k)``, both from 0 (E. S. Page, Biometrika
    1954;41:100–115; this form in Montgomery's chapter on CUSUM charts).

    Returns
    -------
    high, low : ndarray of float64, (n,)
        In standard deviations.
    """
    high, low = np.zeros(len(z)), np.zeros(len(z))
    above = below = 0.0
    for index, value in enumerate(z):
        above = max(0.0, above + float(value) - CUSUM_K)
        below = max(0.0, below - float(value) - CUSUM_K)
        high[index], low[index] = above, below
    return high, low


@dataclass(frozen=True, slots=True)
class Shift:
    """A lasting change: first scan it is seen in, and its estimated size in g/cm² and % of the baseline."""

    first: int
    g_cm2: float
    percent: float


def estimated_shift(chart: ControlChart, index: int) -> Shift:
    """How far, and since which scan, the phantom's BMD is off at scan `index`.

    The larger one-sided sum tells: the shift began after it was last zero, and its size is
    ``k + C / N`` SD, N being the scans since then (Montgomery). Where neither sum has begun to grow, it is
    the scan's own deviation.
    """
    upward = chart.cusum_high[index] >= chart.cusum_low[index]
    sums = chart.cusum_high if upward else chart.cusum_low
    if sums[index] <= 0:
        first, size = index, float(chart.z[index])
    else:
        first = int(np.flatnonzero(sums[: index + 1] <= 0)[-1]) + 1
        size = math.copysign(CUSUM_K + float(sums[index]) / (index + 1 - first), 1 if upward else -1)
    return Shift(first, size * chart.baseline.sd, 100 * size * chart.baseline.sd / chart.baseline.mean)


def _broken(
    index: int, z: FloatArray, scans: FloatArray, baseline: Baseline, largest_sum: float
) -> tuple[str, ...]:
    rules = list(_broken_runs(z[baseline.scans : index + 1]))
    if abs(scans[index] / baseline.mean - 1) > BAND:
        rules.append("beyond_band")
    if largest_sum > CUSUM_H:
        rules.append("cusum")
    return tuple(rules)


def _broken_runs(z: FloatArray) -> tuple[str, ...]:
    """Zone rules that the last of `z` breaks; it must itself lie in the zone it is blamed for."""
    broken = []
    for name, needed, window, limit in _RUNS:
        last = z[-window:]
        side = math.copysign(1.0, float(z[-1]))
        if side * z[-1] > limit and np.count_nonzero(side * last > limit) >= needed:
            broken.append(name)
    return tuple(broken)
