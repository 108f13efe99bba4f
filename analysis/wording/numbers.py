"""How many decimals a number deserves.

ISCD reports BMD with three decimals, T- and Z-scores with one. A percent risk gets one; lengths and areas
two, which is finer than a pixel.
"""

from __future__ import annotations

import math

DECIMALS = {"g/cm2": 3, "g": 2, "cm2": 2, "mm": 2, "%": 1, "{T-score}": 1, "{Z-score}": 1, "a": 1, "deg": 1}
"""UCUM unit -> decimals shown to people."""

COUNTS = frozenset(
    {
        "clinical.falls_past_year",
        "genetics.tnfsf11_rs9533090_t",
        "genetics.tnfrsf11b_rs4355801_a",
        "genetics.lrp5_rs3736228_t",
        "genetics.vdr_rs1544410_a",
    }
)
"""Inputs of a risk model that are whole numbers; their averages get one decimal."""

SIGNIFICANT_DIGITS = 3
"""Digits of a number whose unit has no custom, such as a texture feature."""

ABSENT = "n/a"
"""Printed for an absent number; a quality finding says why."""


def decimals_of(unit: str, value: float) -> int:
    """Return the decimals of `value` in a UCUM unit."""
    if unit in DECIMALS:
        return DECIMALS[unit]
    if value == 0.0:
        return SIGNIFICANT_DIGITS
    return max(0, SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value))))


def number_text(value: float | None, unit: str) -> str:
    """Format a number for people, without its unit; ``n/a`` where there is none."""
    if value is None:
        return ABSENT
    return rounded(value, decimals_of(unit, value))


def input_text(feature: str, value: float, unit: str) -> tuple[str, str]:
    """Format a model's input, and name the UCUM unit it is shown in: height in cm, counts as counts."""
    if feature == "height_mm":
        return rounded(value / 10.0, 1), "cm"
    if feature in COUNTS:
        return rounded(value, 0 if value == int(value) else 1), unit
    return "0" if value == 0.0 and unit not in DECIMALS else number_text(value, unit), unit


def rounded(value: float, decimals: int) -> str:
    """Format with fixed decimals, never as minus zero."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0.0 else text


def signed(value: float, decimals: int) -> str:
    """Format with fixed decimals and an explicit plus sign."""
    text = rounded(value, decimals)
    return f"+{text}" if float(text) > 0 else text
