"""Users of the console and tokens of the REST API, for administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from dicom_node.storage.journal import Journal
from dicom_node.storage.users import Role
from dicom_node.web.accounts import Accounts
from dicom_node.web.context import (
    Administrator,
    ConfigDep,
    JournalDep,
    User,
    client_address,
    redirect,
    render,
)

__all__ = ["router"]

router = APIRouter()

Name = Annotated[str, Form(max_length=200)]
Password = Annotated[str, Form(max_length=1000)]
ChosenRole = Annotated[Role, Form()]
Reason = Annotated[str, Form(min_length=1, max_length=500)]


@router.get("/users")
def show(request: Request, user: Administrator, journal: JournalDep) -> HTMLResponse:
    """Show users and tokens."""
    return _page(request, user, journal)


@router.post("/users")
def add(
    request: Request,
    user: Administrator,
    config: ConfigDep,
    journal: JournalDep,
    name: Name,
    role: ChosenRole,
    password: Password,
    reason: Reason,
) -> RedirectResponse:
    """Make a user."""
    _accounts(request, user, config, journal).add(name, role, password, reason)
    return redirect(request, "/users")


@router.post("/users/role")
def change_role(
    request: Request,
    user: Administrator,
    config: ConfigDep,
    journal: JournalDep,
    name: Name,
    role: ChosenRole,
    reason: Reason,
) -> RedirectResponse:
    """Change what a user may do."""
    _accounts(request, user, config, journal).set_role(name, role, reason)
    return redirect(request, "/users")


@router.post("/users/password")
def change_password(
    request: Request,
    user: Administrator,
    config: ConfigDep,
    journal: JournalDep,
    name: Name,
    password: Password,
    reason: Reason,
) -> RedirectResponse:
    """Give a user a new password."""
    _accounts(request, user, config, journal).set_password(name, password, reason)
    return redirect(request, "/users")


@router.post("/users/disable")
def disable(
    request: Request,
    user: Administrator,
    config: ConfigDep,
    journal: JournalDep,
    name: Name,
    reason: Reason,
) -> RedirectResponse:
    """Let a user log in no more."""
    _accounts(request, user, config, journal).disable(name, reason)
    return redirect(request, "/users")


@router.post("/users/enable")
def enable(
    request: Request,
    user: Administrator,
    config: ConfigDep,
    journal: JournalDep,
    name: Name,
    reason: Reason,
) -> RedirectResponse:
    """Let a user log in again."""
    _accounts(request, user, config, journal).enable(name, reason)
    return redirect(request, "/users")


@router.post("/users/tokens")
def add_token(
    request: Request,
    user: Administrator,
    config: ConfigDep,
    journal: JournalDep,
    name: Name,
    role: ChosenRole,
    reason: Reason,
) -> HTMLResponse:
    """Make a token and show its secret, this once."""
    token, secret = _accounts(request, user, config, journal).add_token(name, role, reason)
    return _page(request, user, journal, made=token.name, secret=secret)


@router.post("/users/tokens/revoke")
def revoke_token(
    request: Request,
    user: Administrator,
    config: ConfigDep,
    journal: JournalDep,
    token_id: Annotated[int, Form()],
    reason: Reason,
) -> RedirectResponse:
    """Make a token useless."""
    _accounts(request, user, config, journal).revoke_token(token_id, reason)
    return redirect(request, "/users")


def _page(
    request: Request, user: User, journal: Journal, *, made: str = "", secret: str = ""
) -> HTMLResponse:
    return render(
        request,
        "users/page.html",
        user=user,
        accounts=journal.accounts(),
        tokens=journal.tokens(),
        roles=list(Role),
        made=made,
        secret=secret,
    )


def _accounts(request: Request, user: User, config: ConfigDep, journal: Journal) -> Accounts:
    return Accounts(config, journal, user.name, client_address(request))
