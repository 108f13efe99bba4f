"""The REST API's description: OpenAPI as JSON, and as a page that loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse

from dicom_node.web.context import Viewer, render

__all__ = ["router"]

router = APIRouter()

Document = Mapping[str, Any]
Type = list[tuple[str, str]]
"""Texts that spell a type one after the other, each with the schema that it names, or an empty text."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    place: str
    """Of a parameter: path or query; of a field: its description."""
    type: Type
    required: bool


@dataclass(frozen=True, slots=True)
class _Operation:
    id: str
    method: str
    path: str
    description: str
    parameters: list[_Field]
    bodies: dict[str, Type]
    """Media type -> type."""
    answers: list[tuple[str, str, Type]]
    """Status, what it means, type of the content."""


@dataclass(frozen=True, slots=True)
class _Schema:
    name: str
    description: str
    fields: list[_Field]
    type: Type


@router.get("/api/openapi.json")
def document(request: Request, user: Viewer) -> JSONResponse:
    """Return the OpenAPI document."""
    return JSONResponse(_openapi(request.app))


@router.get("/api/docs")
def page(request: Request, user: Viewer) -> HTMLResponse:
    """Show the same to people."""
    described = _openapi(request.app)
    by_tag: dict[str, list[_Operation]] = {}
    for tag, operation in _operations(described):
        by_tag.setdefault(tag, []).append(operation)
    return render(
        request,
        "api/page.html",
        user=user,
        description=described["info"]["description"],
        operations=by_tag,
        schemas=[_schema(name, item) for name, item in described["components"]["schemas"].items()],
        server=str(request.base_url).rstrip("/"),
    )


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Describe every route once; FastAPI takes a third of a second for it."""
    if not hasattr(app.state, "openapi"):
        app.state.openapi = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
    return cast(dict[str, Any], app.state.openapi)


def _operations(described: Document) -> Iterator[tuple[str, _Operation]]:
    for path, methods in described["paths"].items():
        for method, item in methods.items():
            content = item.get("requestBody", {}).get("content", {})
            yield (
                item.get("tags", ["other"])[0],
                _Operation(
                    id=item["operationId"],
                    method=method.upper(),
                    path=path,
                    description=item.get("description") or item.get("summary", ""),
                    parameters=[_parameter(part) for part in item.get("parameters", ())],
                    bodies={media: _type(part.get("schema", {})) for media, part in content.items()},
                    answers=[_answer(status, part) for status, part in item["responses"].items()],
                ),
            )


def _parameter(part: Document) -> _Field:
    return _Field(part["name"], part["in"], _type(part.get("schema", {})), part.get("required", False))


def _answer(status: str, part: Document) -> tuple[str, str, Type]:
    content: Document = next(iter(part.get("content", {}).values()), {})
    return status, part.get("description", ""), _type(content["schema"]) if content.get("schema") else []


def _schema(name: str, item: Document) -> _Schema:
    required = item.get("required", ())
    fields = [
        _Field(field, part.get("description", ""), _type(part), field in required)
        for field, part in item.get("properties", {}).items()
    ]
    return _Schema(name, item.get("description", ""), fields, _type(item))


def _type(schema: Document) -> Type:
    """Spell a JSON Schema (OpenAPI 3.1) as people write types."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [(name, name)]
    if "anyOf" in schema:
        parts = [_type(choice) for choice in schema["anyOf"]]
        return [piece for part in parts for piece in [(" | ", ""), *part]][1:]
    if schema.get("type") == "array":
        return [("[", ""), *_type(schema.get("items", {})), ("]", "")]
    if "enum" in schema:
        return [(" | ".join(f'"{value}"' for value in schema["enum"]), "")]
    return [(str(schema.get("type", "any")), "")]
