"""How many decimals a number deserves, by the rules of `analysis.wording.numbers`, for coded units too."""

from __future__ import annotations

from pydicom.sr.coding import Code

from analysis.wording import numbers
from analysis.wording.numbers import ABSENT, DECIMALS, rounded

__all__ = ["ABSENT", "DECIMALS", "decimals_of", "number_text", "percent_text", "rounded"]


def decimals_of(unit: Code | str, value: float) -> int:
    """Return the decimals of `value` in a UCUM unit."""
    return numbers.decimals_of(unit if isinstance(unit, str) else unit.value, value)


def number_text(value: float | None, unit: Code | str) -> str:
    """Format a number for people, without its unit; ``n/a`` where there is none."""
    return numbers.number_text(value, unit if isinstance(unit, str) else unit.value)


def percent_text(probability: float) -> str:
    """Format a probability (0-1) as a percentage with one decimal and without its sign."""
    return rounded(100.0 * probability, DECIMALS["%"])
