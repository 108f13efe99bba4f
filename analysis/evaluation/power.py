"""Whether a comparison could have shown what it claims."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.evaluation.intervals import NORMAL_975, Difference

NORMAL_80 = 0.8416212335729143
"""80 % quantile of the standard normal distribution."""
NEEDED_POWER = 0.8


@dataclass(frozen=True, slots=True)
class Power:
    """Power of a two-sided 5 % test of a paired difference on as many subjects as these.

    Attributes
    ----------
    assumed_difference : float
        What the power is for.
    assumption : str
        Where that came from: ``expected`` (stated beforehand, e.g. what the simulator plants) or ``observed``
        (the estimate itself: then the power says no more than the P value does, and is shown as such).
    power : float
    detectable : float
        The least true difference that 80 % of such studies would show.
    subjects_for_80 : int or None
        Subjects needed to show the assumed difference with 80 % power; None for a difference of 0.
    claim : bool
        A claim of a difference is allowed: the interval excludes 0, the power is 80 % or more, and (among
        several comparisons) the adjusted P value is below 0.05.
    """

    assumed_difference: float
    assumption: str
    power: float
    detectable: float
    subjects_for_80: int | None
    claim: bool


def power_of(found: Difference, subjects: int, expected: float | None = None) -> Power:
    """Power of the comparison that gave `found` on `subjects` subjects.

    Parameters
    ----------
    found : Difference
        Its standard error is taken as that of any such study.
    subjects : int
    expected : float, optional
        The difference stated beforehand; default: the one that was found.
    """
    assumed = found.value if expected is None else expected
    error = found.standard_error
    if error == 0.0:
        return Power(assumed, _origin(expected), float(assumed != 0.0), 0.0, None, False)
    shift = abs(assumed) / error
    power = _normal_cdf(shift - NORMAL_975) + _normal_cdf(-shift - NORMAL_975)
    needed = None if assumed == 0 else math.ceil(subjects * ((NORMAL_975 + NORMAL_80) / shift) ** 2)
    return Power(
        assumed,
        _origin(expected),
        power,
        (NORMAL_975 + NORMAL_80) * error,
        needed,
        found.excludes_zero and power >= NEEDED_POWER,
    )


def _origin(expected: float | None) -> str:
    return "observed" if expected is None else "expected"


def _normal_cdf(value: float) -> float:
    return 0.5 * math.erfc(-value / math.sqrt(2.0))
