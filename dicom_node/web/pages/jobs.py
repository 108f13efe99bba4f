"""Jobs of the node's clock: what became of them, when they come next, run now, pause."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from dicom_node.web import admin_actions
from dicom_node.web.context import JournalDep, Operator, User, Viewer, redirect, render
from dicom_node.web.durations import duration_speaker
from dicom_node.web.job_words import job_speaker

__all__ = ["router"]

router = APIRouter(prefix="/jobs")

Name = Annotated[str, Form(min_length=1, max_length=200)]
Reason = Annotated[str, Form(min_length=1, max_length=500)]


@router.get("")
def show(request: Request, user: Viewer, journal: JournalDep) -> HTMLResponse:
    """Show every job."""
    return _page(request, "jobs/page.html", user, journal)


@router.get("/now")
def refresh(request: Request, user: Viewer, journal: JournalDep) -> HTMLResponse:
    """Show the changing part, for the page that is open."""
    return _page(request, "jobs/now.html", user, journal)


@router.get("/history")
def history(request: Request, user: Viewer, journal: JournalDep, name: str) -> HTMLResponse:
    """Show the remembered runs of one job."""
    return render(
        request,
        "jobs/history.html",
        user=user,
        job=journal.job(name),
        runs=journal.job_history(name, limit=100),
        duration=duration_speaker(user.language),
        purpose=job_speaker(user.language),
    )


@router.post("/run")
def run(
    request: Request, user: Operator, journal: JournalDep, name: Name, reason: Reason
) -> RedirectResponse:
    """Have the running node run a job now."""
    admin_actions.run_job(journal, user, name, reason)
    return redirect(request, "/jobs")


@router.post("/pause")
def pause(
    request: Request, user: Operator, journal: JournalDep, name: Name, reason: Reason
) -> RedirectResponse:
    """Keep a job from running."""
    admin_actions.pause_job(journal, user, name, reason)
    return redirect(request, "/jobs")


@router.post("/resume")
def resume(
    request: Request, user: Operator, journal: JournalDep, name: Name, reason: Reason
) -> RedirectResponse:
    """Let a paused job run again."""
    admin_actions.resume_job(journal, user, name, reason)
    return redirect(request, "/jobs")


def _page(request: Request, template: str, user: User, journal: JournalDep) -> HTMLResponse:
    jobs = journal.jobs()
    order = {"failed": 0, "": 2, "done": 2}
    return render(
        request,
        template,
        user=user,
        jobs=sorted(jobs, key=lambda job: (1 if job.pause else order[job.outcome], job.name)),
        duration=duration_speaker(user.language),
        purpose=job_speaker(user.language),
    )
