"""Shares of studies: judged with their interval, never by a few, and allowing for how many are judged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from analysis.surveillance import RateLimit, rates

COUNT = st.integers(0, 500).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(COUNT)
def test_the_interval_holds_the_share_and_is_wilsons(count) -> None:
    found = rates({"a": count}, RateLimit(0.5))["a"]
    if not count[1]:
        assert found.value is None
        return
    low, high = proportion_confint(*count, method="wilson")
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    assert found.low - 1e-12 <= found.value <= found.high + 1e-12


@given(st.dictionaries(st.integers(0, 20), COUNT, min_size=1))
def test_what_is_not_judged_has_crossed_nothing(counts) -> None:
    for part in rates(counts, RateLimit(0.2, least=30)).values():
        assert part.judged == (part.total >= 30)
        assert part.judged or not part.crossed


def test_a_share_above_the_limit_is_no_alarm_while_chance_can_explain_it() -> None:
    assert not rates({"a": (9, 30)}, RateLimit(0.2))["a"].crossed
    assert rates({"a": (90, 300)}, RateLimit(0.2))["a"].crossed


def test_agreement_is_an_alarm_where_it_is_too_low() -> None:
    limit = RateLimit(0.8, too_low=True)
    assert rates({"a": (60, 100)}, limit)["a"].crossed
    assert not rates({"a": (78, 100)}, limit)["a"].crossed


def test_many_scanners_at_the_limit_raise_an_alarm_in_one_month_of_a_hundred() -> None:
    rng = np.random.default_rng(5)
    months = [
        rates({scanner: (int(rng.binomial(200, 0.2)), 200) for scanner in range(20)}, RateLimit(0.2))
        for _ in range(200)
    ]
    assert sum(any(part.crossed for part in month.values()) for month in months) <= 8
