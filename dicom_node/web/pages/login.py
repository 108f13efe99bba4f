"""Logging in and out."""

from __future__ import annotations

import logging
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from dicom_node.observe.audit_changes import audit_authentication
from dicom_node.web.context import (
    ConfigDep,
    JournalDep,
    NoUsersError,
    SessionsDep,
    client_address,
    current_session,
    render,
)
from dicom_node.web.sessions import COOKIE, FORM_COOKIE, LoginRefusedError, Session, Sessions

__all__ = ["router"]

logger = logging.getLogger(__name__)

router = APIRouter()

SessionDep = Annotated[Session | None, Depends(current_session)]


@router.get("/login")
def show(
    request: Request, journal: JournalDep, sessions: SessionsDep, session: SessionDep, next: str = "/"
) -> Response:
    """Show the form; who is logged in goes on."""
    if not journal.has_users():
        raise NoUsersError
    if session is not None:
        return RedirectResponse(_target(request, next), status_code=303)
    return _form(request, sessions, next)


@router.post("/login")
def log_in(
    request: Request,
    journal: JournalDep,
    config: ConfigDep,
    sessions: SessionsDep,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """Check name and password, begin a session."""
    address = client_address(request)
    try:
        account, cookie = sessions.log_in(name.strip(), password, address)
    except LoginRefusedError as error:
        known = journal.account(name.strip())  # a password typed as a name must not reach the log
        who = known.name if known else "unknown"
        logger.warning("login of %s from %s refused", who, address)
        audit_authentication(config, journal, user=who, address=address, login=True, success=False)
        return _form(request, sessions, next, name=name, refused=error)
    audit_authentication(config, journal, user=account.name, address=address, login=True, success=True)
    answer = RedirectResponse(_target(request, next), status_code=303)
    answer.delete_cookie(FORM_COOKIE, path=_cookie_path(request))
    set_session_cookie(request, answer, cookie)
    return answer


@router.post("/logout")
def log_out(
    request: Request, journal: JournalDep, config: ConfigDep, sessions: SessionsDep, session: SessionDep
) -> Response:
    """End the session."""
    if session is not None:
        sessions.log_out(session)
        audit_authentication(
            config,
            journal,
            user=session.account.name,
            address=client_address(request),
            login=False,
            success=True,
        )
    answer = RedirectResponse(f"{request.scope.get('root_path', '')}/login", status_code=303)
    answer.delete_cookie(COOKIE, path=_cookie_path(request))
    return answer


def set_session_cookie(request: Request, answer: Response, cookie: str) -> None:
    """Give the browser its session: for pages of this site, out of scripts' reach."""
    answer.set_cookie(
        COOKIE,
        cookie,
        path=_cookie_path(request),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def _form(
    request: Request,
    sessions: Sessions,
    next_page: str,
    *,
    name: str = "",
    refused: LoginRefusedError | None = None,
) -> Response:
    key = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(16)
    request.state.csrf_token = sessions.csrf_token(key)
    status = 200 if refused is None else 429 if refused.wait_seconds else 403
    answer = render(
        request,
        "login/login.html",
        status_code=status,
        name=name,
        next=next_page,
        refused=refused is not None,
        minutes=round(refused.wait_seconds / 60) if refused else 0,
    )
    if refused and refused.wait_seconds:
        answer.headers["Retry-After"] = str(round(refused.wait_seconds))
    answer.set_cookie(
        FORM_COOKIE,
        key,
        path=_cookie_path(request),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def _target(request: Request, next_page: str) -> str:
    """Return where to go on: a page of ours, whatever the address said."""
    ours = next_page.startswith("/") and not next_page.startswith(("//", "/\\"))
    path = next_page if ours and next_page.isprintable() else "/"
    return f"{request.scope.get('root_path', '')}{path}"


def _cookie_path(request: Request) -> str:
    return f"{request.scope.get('root_path', '')}/"
