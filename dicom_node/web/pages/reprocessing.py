"""Reprocessing: what is analysed again, how far it has come, what a new choice of studies would do."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from dicom_node.storage.journal import Journal
from dicom_node.storage.reprocessing import ItemState, PlanState
from dicom_node.web import reprocessing_actions
from dicom_node.web.context import ConfigDep, JournalDep, Operator, User, Viewer, redirect, render
from dicom_node.web.durations import duration_speaker
from dicom_node.web.finding_words import finding_name
from dicom_node.web.i18n import speaker
from dicom_node.web.reprocessing_form import NewReprocessing, SelectionForm
from dicom_node.web.selection_words import pace_speaker, selection_speaker
from dicom_node.workflow.model_versions import VersionsInForce
from dicom_node.workflow.reprocess_plans import preview, progress

__all__ = ["router"]

router = APIRouter(prefix="/jobs/reprocessing")

SHOWN = 50
"""Studies named on a page."""

Name = Annotated[str, Form(min_length=1, max_length=200)]
Reason = Annotated[str, Form(min_length=1, max_length=500)]
Position = Annotated[int, Query(ge=0)]


@router.get("")
def show(request: Request, user: Viewer, journal: JournalDep) -> HTMLResponse:
    """Show plans and jobs that make them."""
    return _overview(request, "jobs/reprocessing.html", user, journal)


@router.get("/now")
def refresh(request: Request, user: Viewer, journal: JournalDep) -> HTMLResponse:
    """Show the changing part, for the page that is open."""
    return _overview(request, "jobs/reprocessing_now.html", user, journal)


@router.get("/new")
def fill_in(
    request: Request, user: Operator, config: ConfigDep, journal: JournalDep, model_older_than: str = ""
) -> HTMLResponse:
    """Show an empty form; a link may have set that studies of an older model are meant."""
    return render(
        request,
        "jobs/new.html",
        user=user,
        choices=journal.search_choices(),
        in_force=VersionsInForce(config),
        model_older_than=model_older_than,
        finding_word=partial(finding_name, speaker(user.language)),
    )


@router.post("/preview")
def dry_run(
    request: Request,
    user: Operator,
    config: ConfigDep,
    journal: JournalDep,
    wanted: Annotated[SelectionForm, Form()],
) -> HTMLResponse:
    """Say what it would do, and do nothing."""
    selection = wanted.selection(journal)
    found = preview(journal, config, selection, wanted.pace())
    changing = set(found.changing_model)
    shown = [study for study in found.studies if study.study_instance_uid in changing][:SHOWN]
    return render(
        request,
        "jobs/preview.html",
        user=user,
        found=found,
        shown=[(study, journal.study_key(study.study_instance_uid)) for study in shown],
        duration=duration_speaker(user.language),
    )


@router.post("")
def create(
    request: Request,
    user: Operator,
    config: ConfigDep,
    journal: JournalDep,
    wanted: Annotated[NewReprocessing, Form()],
) -> RedirectResponse:
    """Make a plan now, or a job that makes plans."""
    if wanted.cron.strip():
        reprocessing_actions.create_job(journal, user, wanted)
        return redirect(request, "/jobs/reprocessing")
    plan = reprocessing_actions.create_plan(journal, config, user, wanted)
    return redirect(request, f"/jobs/reprocessing/{plan}")


@router.post("/remove")
def remove(
    request: Request, user: Operator, journal: JournalDep, name: Name, reason: Reason
) -> RedirectResponse:
    """Forget a job."""
    reprocessing_actions.remove_job(journal, user, name, reason)
    return redirect(request, "/jobs/reprocessing")


@router.get("/{plan}")
def show_plan(
    request: Request,
    user: Viewer,
    journal: JournalDep,
    plan: int,
    state: ItemState | None = None,
    after: Position = 0,
) -> HTMLResponse:
    """Show one plan and its studies."""
    return _plan(request, "jobs/plan.html", user, journal, plan, state, after)


@router.get("/{plan}/now")
def refresh_plan(
    request: Request,
    user: Viewer,
    journal: JournalDep,
    plan: int,
    state: ItemState | None = None,
    after: Position = 0,
) -> HTMLResponse:
    """Show the changing part, for the page that is open."""
    return _plan(request, "jobs/plan_now.html", user, journal, plan, state, after)


@router.post("/{plan}/pause")
def pause(
    request: Request, user: Operator, journal: JournalDep, plan: int, reason: Reason
) -> RedirectResponse:
    """Queue nothing more of a plan for now."""
    reprocessing_actions.pause_plan(journal, user, plan, reason)
    return redirect(request, f"/jobs/reprocessing/{plan}")


@router.post("/{plan}/resume")
def resume(
    request: Request, user: Operator, journal: JournalDep, plan: int, reason: Reason
) -> RedirectResponse:
    """Let a paused plan go on."""
    reprocessing_actions.resume_plan(journal, user, plan, reason)
    return redirect(request, f"/jobs/reprocessing/{plan}")


@router.post("/{plan}/cancel")
def cancel(
    request: Request, user: Operator, journal: JournalDep, plan: int, reason: Reason
) -> RedirectResponse:
    """End a plan."""
    reprocessing_actions.cancel_plan(journal, user, plan, reason)
    return redirect(request, f"/jobs/reprocessing/{plan}")


def _overview(request: Request, template: str, user: User, journal: Journal) -> HTMLResponse:
    plans = [(plan, progress(journal, plan)) for plan in journal.plans(limit=SHOWN)]
    running = (PlanState.RUNNING, PlanState.PAUSED)
    return render(
        request,
        template,
        user=user,
        open_plans=[item for item in plans if item[0].state in running],
        ended_plans=[item for item in plans if item[0].state not in running],
        jobs=journal.reprocessing_jobs(),
        selection_text=selection_speaker(user.language),
        pace_text=pace_speaker(user.language),
    )


def _plan(
    request: Request,
    template: str,
    user: User,
    journal: Journal,
    number: int,
    state: ItemState | None,
    after: int,
) -> HTMLResponse:
    plan = journal.plan(number)
    items = journal.plan_items(number, state=state, limit=SHOWN + 1, after=after)
    shown = items[:SHOWN]
    return render(
        request,
        template,
        user=user,
        plan=plan,
        progress=progress(journal, plan),
        items=[(item, journal.study_key(item.study_instance_uid)) for item in shown],
        states=[known for known in ItemState if plan.items.get(known)],
        state=state,
        after=after,
        next_after=shown[-1].position if len(items) > SHOWN else None,
        selection_text=selection_speaker(user.language),
        pace_text=pace_speaker(user.language),
    )
