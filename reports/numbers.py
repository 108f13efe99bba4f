"""How many decimals a number deserves.

ISCD reports BMD with three decimals, T- and Z-scores with one. A percent risk gets one; lengths and areas
two, which is finer than a pixel.
"""

from __future__ import annotations

import math

from pydicom.sr.coding import Code

DECIMALS = {"g/cm2": 3, "g": 2, "cm2": 2, "mm": 2, "%": 1, "{T-score}": 1, "{Z-score}": 1, "a": 1, "deg": 1}
"""UCUM unit -> decimals shown to people."""

SIGNIFICANT_DIGITS = 3
"""Digits of a number whose unit has no custom, such as a texture feature."""

ABSENT = "n/a"
"""Printed for an absent number; a quality finding says why."""


def decimals_of(unit: Code | str, value: float) -> int:
    """Return the decimals of `value` in a UCUM unit."""
    name = unit if isinstance(unit, str) else unit.value
    if name in DECIMALS:
        return DECIMALS[name]
    if value == 0.0:
        return SIGNIFICANT_DIGITS
    return max(0, SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value))))


def number_text(value: float | None, unit: Code | str) -> str:
    """Format a number for people, without its unit; ``n/a`` where there is none."""
    if value is None:
        return ABSENT
    return rounded(value, decimals_of(unit, value))


def rounded(value: float, decimals: int) -> str:
    """Format with fixed decimals, never as minus zero."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0.0 else text


def percent_text(probability: float) -> str:
    """Format a probability (0-1) as a percentage with one decimal and without its sign."""
    return rounded(100.0 * probability, DECIMALS["%"])
