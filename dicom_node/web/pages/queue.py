"""The queue: what has not reached its destination, why, and what an operator does about it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from dicom_node.storage.waiting import OPEN_STATES
from dicom_node.web import admin_actions
from dicom_node.web.context import ConfigDep, JournalDep, Operator, User, Viewer, redirect, render
from dicom_node.web.why import why_text
from dicom_node.workflow.queue_view import queue_page

__all__ = ["router"]

router = APIRouter(prefix="/queue")

Reason = Annotated[str, Form(min_length=1, max_length=500)]
Destination = Annotated[str, Form(min_length=1, max_length=200)]
ChosenDestination = Annotated[str, Query(max_length=200)]
ChosenState = Annotated[str, Query(max_length=20)]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]
Back = Annotated[str, Form(max_length=500)]
"""The query of the page that the form stood on."""


@router.get("")
def show(
    request: Request,
    user: Viewer,
    config: ConfigDep,
    journal: JournalDep,
    destination: ChosenDestination = "",
    state: ChosenState = "",
    page: PageNumber = 1,
) -> HTMLResponse:
    """Show the whole page."""
    return _page(request, "queue/page.html", user, config, journal, destination, state, page)


@router.get("/now")
def refresh(
    request: Request,
    user: Viewer,
    config: ConfigDep,
    journal: JournalDep,
    destination: ChosenDestination = "",
    state: ChosenState = "",
    page: PageNumber = 1,
) -> HTMLResponse:
    """Show its changing part, for the page that is open."""
    return _page(request, "queue/now.html", user, config, journal, destination, state, page)


@router.post("/retry")
def retry(
    request: Request,
    user: Operator,
    journal: JournalDep,
    delivery: Annotated[int, Form()],
    reason: Reason,
    back: Back = "",
) -> RedirectResponse:
    """Send one object as soon as can be."""
    admin_actions.retry_delivery(journal, user, delivery, reason)
    return _back(request, back)


@router.post("/retry-destination")
def retry_destination(
    request: Request,
    user: Operator,
    journal: JournalDep,
    destination: Destination,
    reason: Reason,
    back: Back = "",
) -> RedirectResponse:
    """Send everything that waits for a destination as soon as can be."""
    admin_actions.retry_destination(journal, user, destination, reason)
    return _back(request, back)


@router.post("/discard")
def discard(
    request: Request,
    user: Operator,
    journal: JournalDep,
    delivery: Annotated[int, Form()],
    reason: Reason,
    back: Back = "",
) -> RedirectResponse:
    """Give one dead letter up."""
    admin_actions.discard_delivery(journal, user, delivery, reason)
    return _back(request, back)


@router.post("/discard-destination")
def discard_destination(
    request: Request,
    user: Operator,
    journal: JournalDep,
    destination: Destination,
    reason: Reason,
    back: Back = "",
) -> RedirectResponse:
    """Give every dead letter for a destination up."""
    admin_actions.discard_dead_letters(journal, user, destination, reason)
    return _back(request, back)


def _back(request: Request, query: str) -> RedirectResponse:
    known = {key: value for key, value in parse_qsl(query) if key in ("destination", "state", "page")}
    return redirect(request, f"/queue?{urlencode(known)}" if known else "/queue")


def _page(
    request: Request,
    template: str,
    user: User,
    config: ConfigDep,
    journal: JournalDep,
    destination: str,
    state: str,
    page: int,
) -> HTMLResponse:
    states = [known for known in OPEN_STATES if state in ("", known)] or list(OPEN_STATES)
    found = queue_page(journal, config, destination=destination or None, states=states, page=page)
    chosen = {"destination": destination, "state": state if len(states) == 1 else ""}
    return render(
        request,
        template,
        user=user,
        queue=found,
        chosen=chosen,
        query=urlencode({key: value for key, value in {**chosen, "page": found.page}.items() if value}),
        states=OPEN_STATES,
        why_text=why_text(user.language),
    )
