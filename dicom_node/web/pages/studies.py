"""The list of studies: search, filters, pages. What is searched for travels in the body, never in a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse

from dicom_node.dicom_files import parse_date
from dicom_node.storage.connection import timestamp
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState
from dicom_node.storage.study_search import LONGEST_COUNT, StudyFilter
from dicom_node.web.context import JournalDep, User, Viewer, render
from dicom_node.web.finding_words import finding_name
from dicom_node.web.i18n import speaker
from dicom_node.web.pictures import PicturesDep
from dicom_node.web.study_words import RISKS, SIDES

__all__ = ["router"]

router = APIRouter()

PAGE_SIZE = 50
Text = Annotated[str, Form(max_length=200)]


@dataclass(frozen=True, slots=True)
class SearchForm:
    """What the form holds, as typed; days as YYYY-MM-DD."""

    patient: str = ""
    dated_from: str = ""
    dated_until: str = ""
    received_from: str = ""
    received_until: str = ""
    scanner: str = ""
    state: str = ""
    risk: str = ""
    finding: str = ""
    held: bool = False

    def filter(self) -> StudyFilter:
        """Return what is searched for; a day that is none is left out."""
        return StudyFilter(
            patient=self.patient,
            dated_from=_dicom_day(self.dated_from),
            dated_until=_dicom_day(self.dated_until),
            received_from=_beginning(self.received_from),
            received_until=_beginning(self.received_until, days=1),
            scanner=self.scanner,
            state=self.state,
            risk=self.risk,
            finding=self.finding,
            held=self.held,
        )

    @property
    def narrows(self) -> bool:
        """Whether anything is searched for."""
        return self != SearchForm()


def _search_form(
    patient: Text = "",
    dated_from: Text = "",
    dated_until: Text = "",
    received_from: Text = "",
    received_until: Text = "",
    scanner: Text = "",
    state: Text = "",
    risk: Text = "",
    finding: Text = "",
    held: Annotated[bool, Form()] = False,
) -> SearchForm:
    return SearchForm(
        patient,
        dated_from,
        dated_until,
        received_from,
        received_until,
        scanner,
        state,
        risk,
        finding,
        held,
    )


@router.get("/studies")
def show(
    request: Request, user: Viewer, journal: JournalDep, pictures: PicturesDep, state: str = ""
) -> HTMLResponse:
    """Show the newest studies; other pages link to those in one state."""
    pictures.warm()
    known = state if state in set(StudyState) else ""
    return _page(request, user, journal, SearchForm(state=known, held=state == "held"), "")


@router.post("/studies")
def search(
    request: Request,
    user: Viewer,
    journal: JournalDep,
    form: Annotated[SearchForm, Depends(_search_form)],
    trail: Annotated[str, Form(max_length=2000)] = "",
) -> HTMLResponse:
    """Show what fits; htmx gets the list alone."""
    return _page(request, user, journal, form, trail)


def _page(request: Request, user: User, journal: Journal, form: SearchForm, trail: str) -> HTMLResponse:
    """Show one page of the list; `trail` names the last study of every page before it."""
    keys = [int(key) for key in re.findall(r"\d+", trail)]
    wanted = form.filter()
    count = None
    if keys:
        found = journal.search_studies(wanted, before=keys[-1], limit=PAGE_SIZE + 1)
    else:
        found, count = journal.search_and_count(wanted, limit=PAGE_SIZE + 1)
    studies, more = found[:PAGE_SIZE], len(found) > PAGE_SIZE
    say = speaker(user.language)
    part = "hx-request" in request.headers
    return render(
        request,
        "studies/found.html" if part else "studies/page.html",
        user=user,
        form=form,
        studies=studies,
        count=count,
        longest_count=LONGEST_COUNT,
        page=len(keys) + 1,
        trail=_trail(keys),
        older=_trail([*keys, studies[-1].study_key]) if more else "",
        newer=_trail(keys[:-1]),
        choices=None if part else journal.search_choices(),
        states=[str(state) for state in StudyState],
        risks=RISKS,
        sides=SIDES,
        finding_name=lambda code: finding_name(say, code),
        day=dicom_day_text,
        name=name_text,
    )


def dicom_day_text(value: str) -> str:
    """Write a DICOM date as people do; as it is where it is none."""
    day = parse_date(value)
    return day.isoformat() if day else value


def name_text(value: str) -> str:
    """Write a DICOM person name (PS3.5 6.2.1) for a reader: each group once, components by spaces."""
    groups = [" ".join(part for part in group.split("^") if part) for group in value.split("=")]
    return " · ".join(group for group in groups if group)


def _trail(keys: list[int]) -> str:
    return " ".join(map(str, keys))


def _dicom_day(text: str) -> str:
    digits = text.replace("-", "")
    return digits if parse_date(digits) else ""


def _beginning(text: str, *, days: int = 0) -> str:
    """Return when a day begins (UTC), or the day so many days later, as the journal writes times."""
    day = parse_date(text.replace("-", ""))
    return timestamp(datetime.combine(day + timedelta(days=days), time.min, UTC)) if day else ""
