"""The REST API's description: OpenAPI as JSON, and as a page that loads nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse

from dicom_node.web.context import Viewer, render

__all__ = ["router"]

router = APIRouter()


@router.get("/api/openapi.json")
def document(request: Request, user: Viewer) -> JSONResponse:
    """Return the OpenAPI document."""
    return JSONResponse(_openapi(request))


@router.get("/api/docs")
def page(request: Request, user: Viewer) -> HTMLResponse:
    """Show the same to people."""
    described = _openapi(request)
    return render(
        request,
        "api/page.html",
        user=user,
        described=described,
        operations=_by_tag(described),
        resolve=lambda schema: _resolved(described, schema),
    )


def _openapi(request: Request) -> dict[str, Any]:
    app = request.app
    described: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=[{"url": request.scope.get("root_path", "") or "/"}],
    )
    return described


def _by_tag(described: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["other"])[0]
            found.setdefault(tag, []).append({"path": path, "method": method.upper(), **operation})
    return found


def _resolved(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow one ``$ref``."""
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = described["components"]["schemas"][name] if name else schema
    return found
