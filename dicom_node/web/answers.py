"""How the console answers when something is amiss: a page for people, JSON for programs, no traceback."""

from __future__ import annotations

import logging
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from dicom_node.errors import NodeError, RejectedInput
from dicom_node.storage.users import Role
from dicom_node.web.context import ForbiddenError, LoginRequiredError, NoUsersError, User, language_of, render
from dicom_node.web.i18n import speaker
from dicom_node.web.security import HEADERS, CsrfError

__all__ = ["add_answers"]

logger = logging.getLogger(__name__)


def add_answers(app: FastAPI) -> None:
    """Register an answer for everything that a route may raise."""
    app.add_exception_handler(LoginRequiredError, _login_required)
    app.add_exception_handler(NoUsersError, _no_users)
    app.add_exception_handler(ForbiddenError, _forbidden)
    app.add_exception_handler(CsrfError, _stale_page)
    app.add_exception_handler(NodeError, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _wrong_input)
    app.add_exception_handler(Exception, _defect)


def _login_required(request: Request, _error: Exception) -> Response:
    if _is_api(request):
        return JSONResponse(
            {"detail": "no valid token; send the header Authorization: Bearer TOKEN"},
            status_code=401,
            headers={"WWW-Authenticate": "Bearer"},
        )
    root = request.scope.get("root_path", "")
    path = request.url.path.removeprefix(root) or "/"
    target = f"{root}/login"
    if path != "/" and request.method == "GET" and "hx-request" not in request.headers:
        target += "?" + urlencode({"next": path})
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": target})
    return RedirectResponse(target, status_code=303)


def _no_users(request: Request, _error: Exception) -> Response:
    if _is_api(request):
        return JSONResponse({"detail": "no user has been made yet: dicom-node user add"}, status_code=503)
    return render(request, "login/first_user.html", status_code=503)


def _forbidden(request: Request, error: Exception) -> Response:
    assert isinstance(error, ForbiddenError)  # noqa: S101 - registered for nothing else
    if _is_api(request):
        return JSONResponse({"detail": str(error)}, status_code=403)
    _ = speaker(error.user.language)
    roles = {Role.OPERATOR: _("operators"), Role.ADMINISTRATOR: _("administrators")}
    return _problem(
        request,
        403,
        _("Your role does not allow this"),
        _("This is for {roles}. An administrator can change your role.", roles=roles.get(error.least, "")),
        user=error.user,
    )


def _stale_page(request: Request, _error: Exception) -> Response:
    _ = speaker(language_of(request))
    return _problem(
        request,
        403,
        _("This page is out of date"),
        _("Nothing was changed. Load the page again and repeat what you did."),
    )


def _refused(request: Request, error: Exception) -> Response:
    _ = speaker(language_of(request))
    status = 422 if isinstance(error, RejectedInput) else 409
    return _problem(request, status, _("This cannot be done"), str(error))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    _ = speaker(language_of(request))
    title = _("There is nothing here") if error.status_code == 404 else _("This cannot be done")
    explained = error.detail if error.detail != "Not Found" else _("The address is wrong or out of date.")
    return _problem(request, error.status_code, title, str(explained), headers=error.headers)


def _wrong_input(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    # what was sent stays out of the answer and of the log: it may name a patient
    places = [".".join(str(part) for part in item["loc"]) + f": {item['msg']}" for item in error.errors()]
    return _problem(
        request, 422, speaker(language_of(request))("The input is not complete"), "; ".join(places)
    )


def _defect(request: Request, error: Exception) -> Response:
    logger.error("a page failed", exc_info=error)
    _ = speaker(language_of(request))
    answer = _problem(
        request, 500, _("Something went wrong here"), _("The node goes on working. The log says more.")
    )
    answer.headers.update(HEADERS)  # this answer does not pass the middleware
    return answer


def _problem(
    request: Request,
    status: int,
    title: str,
    text: str,
    *,
    user: User | None = None,
    headers: object = None,
) -> Response:
    extra = dict(headers) if isinstance(headers, dict) else {}
    if _is_api(request):
        return JSONResponse({"detail": text}, status_code=status, headers=extra)
    template = "parts/problem_part.html" if "hx-request" in request.headers else "problem.html"
    answer = render(
        request,
        template,
        user=user or getattr(request.state, "user", None),
        status_code=status,
        title=title,
        text=text,
    )
    answer.headers.update(extra)
    return answer


def _is_api(request: Request) -> bool:
    root = request.scope.get("root_path", "")
    return request.url.path.removeprefix(root).startswith("/api/") and not request.url.path.endswith("/docs")
