"""What people changed, as an auditor asks: by day, person, action, page by page."""

from __future__ import annotations

from datetime import date
from typing import Protocol

import pytest

from dicom_node.storage.change_search import ChangeFilter
from dicom_node.storage.journal import Journal


class Clock(Protocol):
    def advance(self, seconds: float) -> None: ...


@pytest.fixture
def changed(journal: Journal, clock: Clock) -> Journal:
    """Three changes on 1 March, one on the day after."""
    for user, action, subject in (
        ("anna", "delivery.retry", "pacs"),
        ("anna", "delivery.discard", "pacs"),
        ("bo", "model.promote", "full"),
        ("bo", "delivery.retry", "archive"),
    ):
        clock.advance(4 * 3600 - 1)
        journal.note_change(user, action, subject, "because")
    return journal


def ids(journal: Journal, wanted: ChangeFilter) -> list[int]:
    return [change.id for change in journal.search_changes(wanted)]


def test_newest_first(changed: Journal) -> None:
    assert ids(changed, ChangeFilter()) == [4, 3, 2, 1]


def test_by_person_action_and_topic(changed: Journal) -> None:
    assert ids(changed, ChangeFilter(user="anna")) == [2, 1]
    assert ids(changed, ChangeFilter(action="delivery.retry")) == [4, 1]
    assert ids(changed, ChangeFilter(action="delivery")) == [4, 2, 1]
    assert ids(changed, ChangeFilter(action="deliver")) == []
    assert ids(changed, ChangeFilter(user="bo", action="delivery")) == [4]


def test_by_days_both_included(changed: Journal) -> None:
    first, second = date(2026, 3, 1), date(2026, 3, 2)
    assert ids(changed, ChangeFilter(since=first, until=first)) == [3, 2, 1]
    assert ids(changed, ChangeFilter(since=second)) == [4]


def test_page_by_page(changed: Journal) -> None:
    newest = changed.search_changes(ChangeFilter(), limit=3)
    rest = changed.search_changes(ChangeFilter(), before_id=newest[-1].id, limit=3)
    assert [change.id for change in (*newest, *rest)] == [4, 3, 2, 1]


def test_the_choices_are_those_that_occur(changed: Journal) -> None:
    assert changed.changed_by() == ["anna", "bo"]
    assert changed.changed_actions() == ["delivery.discard", "delivery.retry", "model.promote"]
