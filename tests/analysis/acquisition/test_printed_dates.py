"""Dates as vendors print them: what can be told is told, 03/04/2020 alone cannot."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.acquisition.dates import printed_dates

DAYS = st.dates(date(1990, 1, 1), date(2030, 12, 31))


@pytest.mark.parametrize(
    "text",
    ["2020-04-03", "20200403", "03.04.2020", "3 April 2020", "03 Apr 2020", "03-Apr-2020", "April 3, 2020"],
)
def test_a_date_that_speaks_for_itself_is_read(text: str) -> None:
    assert printed_dates([text]) == (date(2020, 4, 3),)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "31.02.2020", "13/13/2020", "3/4/20", "3 Foo 2020", "٣/٤/٢٠٢٠"]
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert printed_dates([text]) == (None,)


def test_a_date_that_reads_both_ways_is_not_guessed() -> None:
    assert printed_dates(["03/04/2020"]) == (None,)
    assert printed_dates(["05/05/2020"]) == (date(2020, 5, 5),)


def test_another_date_of_the_same_document_decides() -> None:
    assert printed_dates(["03/04/2020", "19/02/2018"]) == (date(2020, 4, 3), date(2018, 2, 19))
    assert printed_dates(["03/04/2020", "02/19/2018"]) == (date(2020, 3, 4), date(2018, 2, 19))


def test_dates_that_contradict_each_other_decide_nothing_for_others() -> None:
    assert printed_dates(["19/02/2018", "02/19/2018", "03/04/2020"])[2] is None


def test_the_studys_own_date_decides() -> None:
    assert printed_dates(["03/04/2020", "05/06/2022"], known=date(2022, 6, 5))[0] == date(2020, 4, 3)
    assert printed_dates(["03/04/2020", "05/06/2022"], known=date(2022, 5, 6))[0] == date(2020, 3, 4)
    assert printed_dates(["03/04/2020"], known=date(2022, 5, 6)) == (None,)


@given(
    st.lists(DAYS, min_size=1, max_size=6),
    st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y"]),
    st.booleans(),
)
def test_a_date_is_read_rightly_or_not_at_all(days: list[date], form: str, study_known: bool) -> None:
    known = days[-1] if study_known else None
    read = printed_dates([f"{day:{form}}" for day in days], known)
    assert all(found in (None, day) for found, day in zip(read, days, strict=True))
    if study_known and known is not None and known.day != known.month:
        assert read[-1] == known


@given(st.lists(st.text(max_size=12), max_size=4))
def test_no_text_breaks_it(texts: list[str]) -> None:
    assert len(printed_dates(texts)) == len(texts)
