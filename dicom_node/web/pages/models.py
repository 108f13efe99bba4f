"""Models: versions, where they come from, how good they are, and which one is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from analysis.risk import SHIPPED_MODELS
from dicom_node.errors import OperationRefusedError
from dicom_node.web.context import Administrator, ConfigDep, JournalDep, Viewer, redirect, render
from dicom_node.web.markdown import as_html
from dicom_node.web.model_plots import plots_of
from dicom_node.workflow import promotion
from dicom_node.workflow.model_reports import (
    EvaluationReport,
    evaluation_report,
    find_figure,
    model_card,
    report_figures,
)
from dicom_node.workflow.model_view import changes_of, find_version, model_detail, model_lines

__all__ = ["router"]

router = APIRouter(prefix="/models")

Reason = Annotated[str, Form(min_length=1, max_length=500)]
Text = Annotated[str, Form(min_length=1, max_length=200)]

_REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'"
)
"""A report is one file that brings its style and pictures along; it runs nothing and loads nothing."""


@router.get("")
def show(request: Request, user: Viewer, config: ConfigDep, journal: JournalDep) -> HTMLResponse:
    """Show every model and what was changed."""
    directory = config.analysis.models
    return render(
        request,
        "models/page.html",
        user=user,
        lines=model_lines(directory),
        changes=changes_of(directory)[:50],
        runs=journal.learning_runs(5),
        learns=config.learning.enabled,
        own=directory.resolve() != SHIPPED_MODELS.resolve(),
    )


@router.post("/promote")
def promote(
    request: Request,
    user: Administrator,
    config: ConfigDep,
    journal: JournalDep,
    name: Text,
    version: Text,
    reason: Reason,
) -> RedirectResponse:
    """Make a version the active one, from the next study on."""
    directory = config.analysis.models
    now = promotion.promote_model(directory, journal, name, version, user=user.name, reason=reason)
    return redirect(request, f"/models/{now.name}/{now.version}?done=promoted")


@router.post("/rollback")
def roll_back(
    request: Request, user: Administrator, config: ConfigDep, journal: JournalDep, name: Text, reason: Reason
) -> RedirectResponse:
    """Make the version before the active one active again."""
    now = promotion.roll_back_model(config.analysis.models, journal, name, user=user.name, reason=reason)
    return redirect(request, f"/models/{now.name}/{now.version}?done=rolled-back")


@router.post("/shadow")
def put_in_shadow(
    request: Request,
    user: Administrator,
    config: ConfigDep,
    journal: JournalDep,
    name: Text,
    version: Text,
    reason: Reason,
) -> RedirectResponse:
    """Have a version computed for every study and told to nobody."""
    directory = config.analysis.models
    promotion.shadow_model(directory, journal, name, version, user=user.name, reason=reason)
    return redirect(request, f"/models/{name}/{version}")


@router.post("/end-shadow")
def end_shadow(
    request: Request, user: Administrator, config: ConfigDep, journal: JournalDep, name: Text, reason: Reason
) -> RedirectResponse:
    """Have the shadow model of a name no longer computed."""
    promotion.end_shadow_of(config.analysis.models, journal, name, user=user.name, reason=reason)
    return redirect(request, "/models")


@router.get("/{name}/{version}")
def show_version(
    request: Request, user: Viewer, config: ConfigDep, name: str, version: str, done: str = ""
) -> HTMLResponse:
    """Show everything that is known of one version."""
    directory = config.analysis.models
    detail = model_detail(directory, name, version)
    line = next(line for line in model_lines(directory) if line.name == name)
    return render(
        request,
        "models/version.html",
        user=user,
        detail=detail,
        line=line,
        plots=plots_of(detail),
        figures=report_figures(detail.report) if detail.report else [],
        own=directory.resolve() != SHIPPED_MODELS.resolve(),
        done=done,
    )


@router.get("/{name}/{version}/card")
def card(request: Request, user: Viewer, config: ConfigDep, name: str, version: str) -> HTMLResponse:
    """Show the model card."""
    directory = config.analysis.models
    text = model_card(directory, find_version(directory, name, version))
    if not text:
        raise OperationRefusedError(f"risk model {name} {version} has no model card")
    return render(
        request,
        "models/card.html",
        user=user,
        name=name,
        version=version,
        card=Markup(as_html(text)),  # noqa: S704
    )


@router.get("/{name}/{version}/figures/{number}")
def figure(user: Viewer, config: ConfigDep, name: str, version: str, number: int) -> Response:
    """Serve one figure of the evaluation report."""
    found = find_figure(_report(config.analysis.models, name, version), number)
    return Response(
        found.content, media_type=found.media_type, headers={"Content-Security-Policy": _REPORT_POLICY}
    )


@router.get("/{name}/{version}/evaluation.{ending}")
def report(user: Viewer, config: ConfigDep, name: str, version: str, ending: str) -> Response:
    """Serve the evaluation report as HTML, PDF or JSON."""
    found = _report(config.analysis.models, name, version)
    path = {"html": found.html, "pdf": found.pdf, "json": found.json}.get(ending)
    if path is None:
        raise OperationRefusedError(f"the evaluation report of {name} {version} is not kept as {ending}")
    return FileResponse(
        path,
        headers={"Content-Security-Policy": _REPORT_POLICY} if ending == "html" else None,
        filename=f"{name}-{version}.{ending}",
        content_disposition_type="attachment" if ending == "json" else "inline",
    )


def _report(directory: Path, name: str, version: str) -> EvaluationReport:
    found = evaluation_report(directory, find_version(directory, name, version))
    if found is None:
        raise OperationRefusedError(f"risk model {name} {version} has no evaluation report")
    return found
