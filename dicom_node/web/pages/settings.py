"""A user's own settings: language, theme, password."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from dicom_node.errors import OperationRefusedError
from dicom_node.web.accounts import Accounts
from dicom_node.web.context import (
    ConfigDep,
    JournalDep,
    SessionsDep,
    User,
    Viewer,
    client_address,
    redirect,
    render,
)
from dicom_node.web.i18n import speaker
from dicom_node.web.pages.login import set_session_cookie
from dicom_node.web.passwords import is_password

__all__ = ["router"]

router = APIRouter()

Password = Annotated[str, Form(max_length=1000)]


@router.get("/settings")
def show(request: Request, user: Viewer, journal: JournalDep) -> HTMLResponse:
    """Show the user's own settings."""
    return _page(request, user, journal)


@router.post("/settings")
def save(
    request: Request,
    user: Viewer,
    journal: JournalDep,
    language: Annotated[Literal["", "en", "zh"], Form()] = "",
    theme: Annotated[Literal["", "light", "dark"], Form()] = "",
) -> RedirectResponse:
    """Remember language and theme."""
    journal.set_preferences(user.name, language=language, theme=theme)
    return redirect(request, "/settings")


@router.post("/settings/password")
def change_password(
    request: Request,
    user: Viewer,
    config: ConfigDep,
    journal: JournalDep,
    sessions: SessionsDep,
    old: Password,
    new: Password,
    again: Password,
) -> Response:
    """Change the user's own password; sessions elsewhere end, this one goes on."""
    _ = speaker(user.language)
    account = journal.account(user.name)
    if account is None or not is_password(old, account.password_hash):
        return _page(request, user, journal, problem=_("The old password is wrong."))
    if new != again:
        return _page(request, user, journal, problem=_("The two new passwords differ."))
    try:
        Accounts(config, journal, user.name, client_address(request)).set_password(user.name, new, "")
    except OperationRefusedError:
        return _page(request, user, journal, problem=_("The new password needs 12 to 256 characters."))
    answer = redirect(request, "/settings")
    set_session_cookie(request, answer, sessions.begin(user.name, client_address(request)))
    return answer


def _page(request: Request, user: User, journal: JournalDep, *, problem: str = "") -> HTMLResponse:
    account = journal.account(user.name)
    return render(
        request,
        "users/settings.html",
        user=user,
        status_code=422 if problem else 200,
        account=account,
        problem=problem,
    )
