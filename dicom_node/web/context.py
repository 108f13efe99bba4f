"""What every route may ask for: journal, archive, configuration, who asks, and a rendered page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from dicom_node.config import NodeConfig
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.users import Role
from dicom_node.web.i18n import preferred_language
from dicom_node.web.rendering import Pages
from dicom_node.web.sessions import COOKIE, Session, Sessions

__all__ = [
    "Administrator",
    "ArchiveDep",
    "ConfigDep",
    "ForbiddenError",
    "JournalDep",
    "LoginRequiredError",
    "NoUsersError",
    "Operator",
    "SessionsDep",
    "User",
    "Viewer",
    "client_address",
    "language_of",
    "redirect",
    "render",
]


@dataclass(frozen=True, slots=True)
class User:
    """Who asks: a person who is logged in, or a program with a token (its name begins with "token ")."""

    name: str
    role: Role
    language: str = "en"
    theme: str = ""
    """Empty: what the system prefers."""


class LoginRequiredError(Exception):
    """Nobody is logged in."""


class NoUsersError(Exception):
    """Nobody could log in: there is no user yet."""


class ForbiddenError(Exception):
    """The user's role does not allow it; `least` would."""

    def __init__(self, user: User, least: Role) -> None:
        super().__init__(f"{user.name!r} is {user.role}; this takes {least}")
        self.user = user
        self.least = least


def _journal(request: Request) -> Journal:
    return cast(Journal, request.app.state.journal)


def _archive(request: Request) -> Archive:
    return cast(Archive, request.app.state.archive)


def _config(request: Request) -> NodeConfig:
    return cast(NodeConfig, request.app.state.config)


def _sessions(request: Request) -> Sessions:
    return cast(Sessions, request.app.state.sessions)


JournalDep = Annotated[Journal, Depends(_journal)]
ArchiveDep = Annotated[Archive, Depends(_archive)]
ConfigDep = Annotated[NodeConfig, Depends(_config)]
SessionsDep = Annotated[Sessions, Depends(_sessions)]

_bearer = HTTPBearer(auto_error=False, description="A token that an administrator made at /users.")
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def current_session(request: Request, sessions: SessionsDep) -> Session | None:
    """Return the session of the request's cookie, if it holds."""
    cookie = request.cookies.get(COOKIE)
    return sessions.session(cookie) if cookie else None


def current_user(
    request: Request,
    journal: JournalDep,
    sessions: SessionsDep,
    session: Annotated[Session | None, Depends(current_session)],
    bearer: _Bearer,
) -> User:
    """Return who asks; raises `LoginRequiredError`, or `NoUsersError` where nobody can log in yet."""
    user = _user(request, journal, sessions, session, bearer)
    request.state.user = user
    return user


def _user(
    request: Request,
    journal: Journal,
    sessions: Sessions,
    session: Session | None,
    bearer: HTTPAuthorizationCredentials | None,
) -> User:
    if bearer is not None:
        token = sessions.token(bearer.credentials)
        if token is None:
            raise LoginRequiredError
        return User(f"token {token.name}", token.role, language_of(request))
    if session is None:
        raise LoginRequiredError if journal.has_users() else NoUsersError
    account = session.account
    request.state.csrf_token = sessions.csrf_token(session.key)
    return User(account.name, account.role, account.language or language_of(request), account.theme)


class _AtLeast:
    """A dependency: a user of that role or a higher one."""

    def __init__(self, least: Role) -> None:
        self._least = least

    def __call__(self, user: Annotated[User, Depends(current_user)]) -> User:
        if not user.role.may(self._least):
            raise ForbiddenError(user, self._least)
        return user


Viewer = Annotated[User, Depends(_AtLeast(Role.VIEWER))]
Operator = Annotated[User, Depends(_AtLeast(Role.OPERATOR))]
Administrator = Annotated[User, Depends(_AtLeast(Role.ADMINISTRATOR))]


def language_of(request: Request) -> str:
    """Return the language that the browser asks for."""
    return preferred_language(request.headers.get("accept-language", ""))


def client_address(request: Request) -> str:
    """Return the address of the browser; a trusted proxy's word for it counts."""
    return request.client.host if request.client else ""


def redirect(request: Request, path: str) -> RedirectResponse:
    """Send the browser to a page of ours after a change, so that a reload does not repeat it."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", status_code=303)


def render(
    request: Request,
    template: str,
    *,
    user: User | None = None,
    status_code: int = 200,
    **values: object,
) -> HTMLResponse:
    """Render a page for a user, in the user's language.

    Templates find besides `values`: ``_``, ``_n``, ``user``, ``root`` (the path before every link),
    ``csrf_token``, ``language``, ``navigation``, ``path`` (of this page) and ``asset(name)``.
    """
    pages = cast(Pages, request.app.state.pages)
    html = pages.render(
        template,
        user=user,
        role=user.role if user else None,
        language=user.language if user else language_of(request),
        root=request.scope.get("root_path", ""),
        path=request.url.path.removeprefix(request.scope.get("root_path", "")),
        csrf_token=getattr(request.state, "csrf_token", ""),
        values=values,
    )
    return HTMLResponse(html, status_code=status_code)
