"""Audit: what people changed, and the DICOM audit messages that the node keeps in files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from dicom_node.observe.audit_files import AuditPage, audit_days, newest_entries, tell_log_was_read
from dicom_node.storage.change_search import ChangeFilter
from dicom_node.storage.journal import Journal
from dicom_node.web.action_words import action_speaker
from dicom_node.web.changes import record_change
from dicom_node.web.context import Administrator, ConfigDep, JournalDep, render

__all__ = ["change_filter", "router"]

router = APIRouter(prefix="/audit")

PAGE_SIZE = 50
COLUMNS = ("at", "user", "action", "subject", "reason", "detail")

Day = Annotated[str, Query(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]
Text = Annotated[str, Query(max_length=200)]


def change_filter(since: Day = "", until: Day = "", user: Text = "", action: Text = "") -> ChangeFilter:
    """Return which changes the query wants; a date that there is not chooses nothing."""
    return ChangeFilter(_day(since), _day(until), user.strip(), action.strip())


Wanted = Annotated[ChangeFilter, Depends(change_filter)]
Before = Annotated[int | None, Query(ge=0)]


@router.get("")
def show(
    request: Request, reader: Administrator, journal: JournalDep, wanted: Wanted, before: Before = None
) -> HTMLResponse:
    """Show what people changed, newest first."""
    found = journal.search_changes(wanted, before_id=before, limit=PAGE_SIZE + 1)
    query = _query(wanted)
    older = {**query, "before": found[PAGE_SIZE - 1].id} if len(found) > PAGE_SIZE else None
    return render(
        request,
        "audit/page.html",
        user=reader,
        changes=found[:PAGE_SIZE],
        wanted=wanted,
        users=journal.changed_by(),
        actions=journal.changed_actions(),
        action_word=action_speaker(reader.language),
        query=urlencode(query),
        older=urlencode(older) if older else "",
        is_first=before is None,
    )


@router.get("/changes.csv")
def export(reader: Administrator, journal: JournalDep, wanted: Wanted) -> StreamingResponse:
    """Export every change that the filter leaves."""
    record_change(journal, reader, "audit.export", "changes", "", detail=urlencode(_query(wanted)) or "all")
    return StreamingResponse(
        _csv_lines(journal, wanted),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="changes.csv"'},
    )


@router.get("/messages")
def messages(
    request: Request,
    reader: Administrator,
    config: ConfigDep,
    journal: JournalDep,
    day: Day = "",
    event: Text = "",
    before: Before = None,
) -> HTMLResponse:
    """Show the DICOM audit messages of a day, newest first; that is itself audited."""
    kept = config.audit.transport == "file"
    days = audit_days(config.audit.directory) if kept else []
    chosen = _day(day) or (days[0] if days else None)
    page = AuditPage((), None)
    if chosen is not None and kept:
        page = newest_entries(
            config.audit.directory,
            chosen,
            limit=PAGE_SIZE,
            before=before,
            wanted=lambda entry: event.casefold() in entry.event.casefold(),
        )
        tell_log_was_read(config, journal, reader.name)
    query = {"day": chosen.isoformat() if chosen else "", "event": event}
    return render(
        request,
        "audit/messages.html",
        user=reader,
        transport=config.audit.transport,
        waiting=journal.spooled_audit_count(),
        days=days,
        day=chosen,
        event=event,
        entries=page.entries,
        older=urlencode({**query, "before": page.before}) if page.before else "",
        is_first=before is None,
    )


def _csv_lines(journal: Journal, wanted: ChangeFilter) -> Iterator[str]:
    yield _csv_line(COLUMNS)
    before: int | None = None
    while found := journal.search_changes(wanted, before_id=before, limit=1000):
        for change in found:
            yield _csv_line([str(getattr(change, column)) for column in COLUMNS])
        before = found[-1].id


def _csv_line(cells: tuple[str, ...] | list[str]) -> str:
    buffer = io.StringIO()
    # a spreadsheet would run a cell that begins like a formula
    csv.writer(buffer).writerow([f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell for cell in cells])
    return buffer.getvalue()


def _query(wanted: ChangeFilter) -> dict[str, str]:
    chosen = {
        "since": wanted.since.isoformat() if wanted.since else "",
        "until": wanted.until.isoformat() if wanted.until else "",
        "user": wanted.user,
        "action": wanted.action,
    }
    return {key: value for key, value in chosen.items() if value}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
