"""Numbers are shown with the decimals ISCD asks for, and never as minus zero."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.numbers import number_text, percent_text, rounded


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.55634, "g/cm2", "0.556"),
        (-2.294, "{T-score}", "-2.3"),
        (-0.04, "{Z-score}", "0.0"),
        (2.6149, "mm", "2.61"),
        (0.0012451, "1", "0.00125"),
        (1234.5, "1", "1234"),
        (0.0, "1", "0.000"),
        (None, "g/cm2", "n/a"),
    ],
)
def test_decimals_follow_the_unit(value: float | None, unit: str, text: str) -> None:
    assert number_text(value, unit) == text


def test_a_probability_is_shown_in_percent_with_one_decimal() -> None:
    assert percent_text(0.19873) == "19.9"


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_rounding_is_never_off_by_more_than_half_a_unit_and_never_minus_zero(
    value: float, decimals: int
) -> None:
    text = rounded(value, decimals)
    assert abs(float(text) - value) <= 0.5000001 * 10.0**-decimals
    assert not (text.startswith("-") and float(text) == 0.0)
