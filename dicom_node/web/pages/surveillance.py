"""Surveillance: whether models still fit what scanners send, in pictures by scanner and month."""

from __future__ import annotations

import json
from typing import cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from analysis.wording import Language
from dicom_node.storage.connection import utc_now
from dicom_node.web.context import ConfigDep, JournalDep, Viewer, render
from dicom_node.web.surveillance_page import alarm_lines, pictures_of
from dicom_node.workflow.surveillance.view import figure_document, figures_as_csv, surveillance_view

__all__ = ["router"]

router = APIRouter(prefix="/surveillance")


@router.get("")
def show(request: Request, user: Viewer, config: ConfigDep, journal: JournalDep) -> HTMLResponse:
    """Show alarms and every scanner's pictures."""
    view = surveillance_view(journal)
    language = cast(Language, user.language)
    return render(
        request,
        "surveillance/page.html",
        user=user,
        view=view,
        settings=config.surveillance,
        alarms=alarm_lines(view, view.open_alarms, language),
        past=alarm_lines(view, view.past_alarms[:20], language),
        scanners=pictures_of(view, config.surveillance, language, f"{utc_now():%Y-%m}"),
    )


@router.get("/figures.csv")
def download_csv(user: Viewer, journal: JournalDep) -> Response:
    """Give every figure as a table."""
    return _file(
        figures_as_csv(journal.surveillance_figures()), "text/csv; charset=utf-8", "surveillance.csv"
    )


@router.get("/figures.json")
def download_json(user: Viewer, journal: JournalDep) -> Response:
    """Give every figure with all that it is made of."""
    figures = [figure_document(one) for one in journal.surveillance_figures()]
    return _file(json.dumps(figures, indent=1, ensure_ascii=False), "application/json", "surveillance.json")


def _file(content: str, media_type: str, name: str) -> Response:
    return Response(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
