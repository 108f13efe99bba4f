"""The first page: what the node is doing, and what somebody must look after."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from dicom_node.web.context import ArchiveDep, ConfigDep, JournalDep, Viewer, render
from dicom_node.workflow.overview import overview

__all__ = ["router"]

router = APIRouter()


@router.get("/")
def show(
    request: Request, user: Viewer, config: ConfigDep, journal: JournalDep, archive: ArchiveDep
) -> HTMLResponse:
    """Show the whole page."""
    return render(request, "overview/page.html", user=user, overview=overview(config, archive, journal))


@router.get("/overview/now")
def refresh(
    request: Request, user: Viewer, config: ConfigDep, journal: JournalDep, archive: ArchiveDep
) -> HTMLResponse:
    """Show its changing part, for the page that is open."""
    return render(request, "overview/now.html", user=user, overview=overview(config, archive, journal))
