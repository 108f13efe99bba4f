"""Shares of studies (with a finding, declined, agreed with) and whether they lie beyond a limit."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from analysis.evaluation.intervals import NORMAL_975

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """When a share counts as too high, or too low.

    Attributes
    ----------
    limit : float
        0-1.
    least : int
        Fewer studies are shown and not judged.
    too_low : bool
        Shares below the limit are what is bad.
    significance : float
        Of the whole family of shares that are judged together.
    """

    limit: float
    least: int = 30
    too_low: bool = False
    significance: float = 0.01


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its 95 % interval (Wilson 1927, J Am Stat Assoc 22:209)."""

    count: int
    total: int
    value: float | None
    low: float | None
    high: float | None
    judged: bool
    crossed: bool


def rates(counts: Mapping[Name, tuple[int, int]], limit: RateLimit) -> dict[Name, Rate]:
    """Judge several shares together.

    A share has crossed the limit when its whole interval lies beyond it, at a level that is adjusted for how
    many are judged (Bonferroni, one-sided).

    Parameters
    ----------
    counts : mapping
        Name -> how many of how many.
    """
    from scipy.stats import norm

    judged = sum(total >= limit.least for _, total in counts.values())
    normal = float(norm.isf(limit.significance / max(judged, 1)))
    return {name: _rate(count, total, limit, normal) for name, (count, total) in counts.items()}


def _rate(count: int, total: int, limit: RateLimit, normal: float) -> Rate:
    if total == 0:
        return Rate(0, 0, None, None, None, False, False)
    low, high = _wilson(count, total, NORMAL_975)
    judged = total >= limit.least
    surely_above, surely_below = _wilson(count, total, normal)
    crossed = judged and (surely_below < limit.limit if limit.too_low else surely_above > limit.limit)
    return Rate(count, total, count / total, low, high, judged, crossed)


def _wilson(count: int, total: int, normal: float) -> tuple[float, float]:
    share, square = count / total, normal**2 / total
    centre = share + square / 2.0
    spread = math.sqrt(square * (share * (1.0 - share) + square / 4.0))
    low, high = ((centre + sign * spread) / (1.0 + square) for sign in (-1.0, 1.0))
    return max(low, 0.0) if count else 0.0, min(high, 1.0) if count < total else 1.0
