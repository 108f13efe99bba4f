"""Figures as text: as many digits as they deserve, and a true minus sign."""

from __future__ import annotations

from analysis.evaluation.intervals import Difference, Estimate

NOTHING = "–"


def number(value: float, digits: int = 3) -> str:
    """Fixed decimals with a true minus sign; never "−0.000"."""
    text = f"{value:.{digits}f}"
    if float(text) == 0.0:
        text = text.removeprefix("-")
    return text.replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """With a sign, unless it rounds to 0."""
    text = number(value, digits)
    return text if text.startswith("−") or float(text) == 0.0 else f"+{text}"


def estimate(value: Estimate | None, digits: int = 3) -> str:
    """``0.752 (0.746–0.759)``."""
    if value is None:
        return NOTHING
    return f"{number(value.value, digits)} ({between(value.low, value.high, digits)})"


def percent(value: Estimate | None, digits: int = 1) -> str:
    """``12.3 % (11.0–13.7)``."""
    if value is None:
        return NOTHING
    return f"{number(100 * value.value, digits)} % ({between(100 * value.low, 100 * value.high, digits)})"


def gap(value: Difference | None, digits: int = 4) -> str:
    """``+0.0062 (0.0011 to 0.0113)``."""
    if value is None:
        return NOTHING
    low, high = number(value.low, digits), number(value.high, digits)
    return f"{signed(value.value, digits)} ({low} to {high})"


def between(low: float, high: float, digits: int) -> str:
    """A range with an en dash, or with "to" where a sign would be mistaken for it."""
    joint = " to " if low < 0 or high < 0 else "–"
    return f"{number(low, digits)}{joint}{number(high, digits)}"


def p_value(value: float) -> str:
    """``0.032`` or ``< 0.001``."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def share(value: float) -> str:
    """``87 %``; ``> 99 %`` rather than 100 %."""
    if 0.995 <= value < 1.0 or value == 1.0:
        return "> 99 %"
    return f"{100 * value:.0f} %"


def count(value: int) -> str:
    """Thousands apart."""
    return f"{value:,}"
