"""Security headers on every answer, and CSRF tokens on every change."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicom_node.web.context import SessionsDep, current_session
from dicom_node.web.sessions import COOKIE, FORM_COOKIE, Session

__all__ = [
    "CONTENT_SECURITY_POLICY",
    "FRAMED_BY_OUR_PAGES",
    "HEADERS",
    "CsrfError",
    "SecurityHeaders",
    "UnderPath",
    "check_csrf",
]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "frame-src 'self'",  # a study's PDF
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}

FRAMED_BY_OUR_PAGES = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
}
"""For a PDF that a page shows in a frame: what the route sets itself is left as it is."""

_SAFE = ("GET", "HEAD", "OPTIONS")


class CsrfError(Exception):
    """A change was asked for without the token of the session that asks."""


class SecurityHeaders:
    """Adds the headers; patient data is never kept by a cache."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                is_static = scope["path"].removeprefix(scope.get("root_path", "")).startswith("/static/")
                headers.setdefault(
                    "Cache-Control", "public, max-age=31536000, immutable" if is_static else "no-store"
                )
            await send(message)

        await self._app(scope, receive, send_guarded if scope["type"] == "http" else send)


class UnderPath:
    """Tells routes below which path a proxy serves the console, whether it hands that on or not."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._root_path:
            scope["root_path"] = self._root_path
            if not scope["path"].startswith(f"{self._root_path}/"):
                scope["path"] = self._root_path + scope["path"]
        await self._app(scope, receive, send)


async def check_csrf(
    request: Request, sessions: SessionsDep, session: Annotated[Session | None, Depends(current_session)]
) -> None:
    """A dependency of every route: a change that a cookie allows needs the token that the page was given.

    A request with a bearer token needs none: no other site can make a browser send that.

    Raises
    ------
    CsrfError
    """
    if request.method in _SAFE or request.headers.get("authorization", "").startswith("Bearer "):
        return
    if session is None and COOKIE in request.cookies and not _is_login(request):
        return  # the session is over: the route asks for a login
    key = request.cookies.get(FORM_COOKIE) if session is None else session.key
    token = request.headers.get("x-csrf-token") or await _token_of_form(request)
    if not key or not token or not sessions.is_csrf_token(key, token):
        raise CsrfError


def _is_login(request: Request) -> bool:
    return request.url.path.endswith("/login")


async def _token_of_form(request: Request) -> str:
    if "form" not in request.headers.get("content-type", ""):
        return ""
    value = (await request.form()).get("csrf_token")
    return value if isinstance(value, str) else ""
