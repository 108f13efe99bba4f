"""Audit messages in files: read from their end, page by page, in words."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from dicom_node.observe.audit_files import audit_days, newest_entries, read_entry

DAY = date(2026, 3, 1)
MESSAGE = (
    "<110>1 2026-03-01T10:00:00Z host radius - DICOM+RFC3881 - \ufeff<AuditMessage>"
    '<EventIdentification EventActionCode="E" EventDateTime="2026-03-01T10:{0:02d}:00Z"'
    ' EventOutcomeIndicator="{1}"><EventID csd-code="110100" originalText="Application Activity"/>'
    '<EventTypeCode csd-code="110120" originalText="{2}"/></EventIdentification>'
    '<ActiveParticipant UserID="anna" NetworkAccessPointID="192.0.2.7"/>'
    '<ParticipantObjectIdentification ParticipantObjectID="1.2.3"/></AuditMessage>\n'
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    lines = [MESSAGE.format(number, 0, "Start" if number % 2 else "Stop") for number in range(60)]
    (tmp_path / "audit-2026-03-01.log").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "audit-2026-02-28.log").write_text("not an audit message\n", encoding="utf-8")
    (tmp_path / "audit-what-ev-er.log").write_text("", encoding="utf-8")
    return tmp_path


def test_a_message_in_words() -> None:
    entry = read_entry(MESSAGE.format(5, 4, "Start"))
    assert entry is not None
    assert (entry.at, entry.event, entry.succeeded) == (
        "2026-03-01T10:05:00Z",
        "Application Activity Start",
        False,
    )
    assert (entry.participants, entry.objects) == (("anna@192.0.2.7",), ("1.2.3",))
    assert read_entry("nothing of that kind") is None


def test_days_newest_first_without_strangers(directory: Path) -> None:
    assert audit_days(directory) == [date(2026, 3, 1), date(2026, 2, 28)]


def test_pages_reach_back_to_the_first_message_and_miss_none(directory: Path) -> None:
    seen: list[str] = []
    before: int | None = None
    for _page in range(10):
        page = newest_entries(directory, DAY, limit=7, before=before)
        seen += [entry.at for entry in page.entries]
        before = page.before
        if before is None:
            break
    assert seen == [f"2026-03-01T10:{number:02d}:00Z" for number in range(59, -1, -1)]


def test_only_what_is_wanted(directory: Path) -> None:
    page = newest_entries(directory, DAY, wanted=lambda entry: entry.event.endswith("Start"))
    assert len(page.entries) == 30
    assert newest_entries(directory, date(2026, 2, 28)).entries == ()
    assert newest_entries(directory, date(2020, 1, 1)).entries == ()
