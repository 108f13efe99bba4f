"""The configuration check: what the doctor finds, as it finds it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from dicom_node.web.changes import record_change
from dicom_node.web.checkups import CheckupDep
from dicom_node.web.context import ConfigDep, JournalDep, Operator, User, redirect, render
from dicom_node.workflow.checkup import Report

__all__ = ["router"]

router = APIRouter(prefix="/doctor")


@router.get("")
def show(request: Request, user: Operator, config: ConfigDep, checkup: CheckupDep) -> HTMLResponse:
    """Show the last check."""
    return _page(request, "doctor/page.html", user, config, checkup.report)


@router.get("/now")
def refresh(request: Request, user: Operator, config: ConfigDep, checkup: CheckupDep) -> HTMLResponse:
    """Show its changing part, for the page that is open."""
    return _page(request, "doctor/now.html", user, config, checkup.report)


@router.post("/check")
def check(request: Request, user: Operator, journal: JournalDep, checkup: CheckupDep) -> RedirectResponse:
    """Check again."""
    if checkup.begin():
        record_change(journal, user, "doctor.check", "configuration", "")
    return redirect(request, "/doctor")


def _page(request: Request, template: str, user: User, config: ConfigDep, report: Report) -> HTMLResponse:
    return render(request, template, user=user, report=report, file=config.path)
