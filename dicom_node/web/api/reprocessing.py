"""Reprocessing, for programs: dry run, plans, schedules."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from dicom_node.storage.journal import Journal
from dicom_node.storage.reprocessing import ItemState, PlanState, ReprocessingJob, ReprocessingPlan
from dicom_node.web import reprocessing_actions
from dicom_node.web.api.bodies import Reason
from dicom_node.web.context import ConfigDep, JournalDep, Operator, Viewer
from dicom_node.web.reprocessing_form import NewReprocessing, SelectionForm
from dicom_node.workflow.reprocess_plans import preview, progress

__all__ = ["router"]

router = APIRouter(prefix="/reprocessing", tags=["reprocessing"])


class PreviewModel(BaseModel):
    """What a plan would do."""

    studies: int
    changing_model: list[str] = Field(description="Study Instance UIDs, at most 1,000.")
    changing_model_count: int
    changing_engine_count: int
    never_analysed: int
    to_fetch: int = Field(description="Studies whose originals must be fetched back.")
    can_fetch: bool
    by_model: dict[str, int] = Field(description='Studies by the model of their result; "" without a risk.')
    models: list[str] = Field(description="Versions in force.")
    engine: str
    seconds: float | None = Field(description="How long it would take; null if that is unknown.")


class PlanModel(BaseModel):
    """One plan and how far it has come."""

    id: int
    job: str
    selection: str
    hours: str
    studies_per_hour: float
    state: PlanState
    waits_for: str
    requested_by: str
    reason: str
    created_at: str
    ended_at: str
    studies: int
    settled: int
    items: dict[str, int]
    per_hour: float | None
    expected_end: str


class ItemModel(BaseModel):
    """One study of a plan."""

    study_instance_uid: str
    position: int
    state: ItemState
    reason: str
    queued_at: str
    ended_at: str


class ScheduleModel(BaseModel):
    """A job that makes a plan whenever its cron expression comes."""

    name: str
    selection: str
    cron: str
    hours: str
    studies_per_hour: float
    source: str
    created_by: str
    reason: str
    next_at: str
    last_at: str


class Made(BaseModel):
    """What was made: a plan, or a job that makes plans."""

    plan: int | None
    first_at: str = Field(description="When the job comes first; empty for a plan.")


class NamedReason(Reason):
    """Which job, and why."""

    name: str = Field(min_length=1, max_length=200)


@router.post("/preview")
def dry_run(user: Operator, config: ConfigDep, journal: JournalDep, wanted: SelectionForm) -> PreviewModel:
    """Say what a plan would do, and do nothing."""
    found = preview(journal, config, wanted.selection(journal), wanted.pace())
    return PreviewModel(
        studies=len(found.studies),
        changing_model=list(found.changing_model[:1000]),
        changing_model_count=len(found.changing_model),
        changing_engine_count=len(found.changing_engine),
        never_analysed=found.never_analysed,
        to_fetch=found.to_fetch,
        can_fetch=found.can_fetch,
        by_model=dict(found.by_model),
        models=list(found.models),
        engine=found.engine,
        seconds=found.seconds,
    )


@router.post("", status_code=201)
def create(user: Operator, config: ConfigDep, journal: JournalDep, wanted: NewReprocessing) -> Made:
    """Make a plan now or, with a cron expression and a name, a job that makes plans."""
    if wanted.cron.strip():
        return Made(plan=None, first_at=reprocessing_actions.create_job(journal, user, wanted).isoformat())
    return Made(plan=reprocessing_actions.create_plan(journal, config, user, wanted), first_at="")


@router.get("/plans")
def list_plans(
    user: Viewer, journal: JournalDep, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> list[PlanModel]:
    """List plans, newest first."""
    return [_plan(journal, plan) for plan in journal.plans(limit=limit)]


@router.get("/plans/{plan}")
def show_plan(user: Viewer, journal: JournalDep, plan: int) -> PlanModel:
    """Tell how one plan stands."""
    return _plan(journal, journal.plan(plan))


@router.get("/plans/{plan}/studies")
def list_items(
    user: Viewer,
    journal: JournalDep,
    plan: int,
    state: ItemState | None = None,
    after: Annotated[int, Query(ge=0, description="Only positions after this one.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ItemModel]:
    """List the studies of a plan in their order."""
    return [
        ItemModel(
            study_instance_uid=item.study_instance_uid,
            position=item.position,
            state=item.state,
            reason=item.reason,
            queued_at=item.queued_at,
            ended_at=item.ended_at,
        )
        for item in journal.plan_items(plan, state=state, limit=limit, after=after)
    ]


@router.post("/plans/{plan}/pause")
def pause(user: Operator, journal: JournalDep, plan: int, why: Reason) -> PlanModel:
    """Queue nothing more of a plan for now."""
    reprocessing_actions.pause_plan(journal, user, plan, why.reason)
    return _plan(journal, journal.plan(plan))


@router.post("/plans/{plan}/resume")
def resume(user: Operator, journal: JournalDep, plan: int, why: Reason) -> PlanModel:
    """Let a paused plan go on."""
    reprocessing_actions.resume_plan(journal, user, plan, why.reason)
    return _plan(journal, journal.plan(plan))


@router.post("/plans/{plan}/cancel")
def cancel(user: Operator, journal: JournalDep, plan: int, why: Reason) -> PlanModel:
    """End a plan; what is queued is still analysed."""
    reprocessing_actions.cancel_plan(journal, user, plan, why.reason)
    return _plan(journal, journal.plan(plan))


@router.get("/schedules")
def list_schedules(user: Viewer, journal: JournalDep) -> list[ScheduleModel]:
    """List the jobs that make plans."""
    return [_schedule(job) for job in journal.reprocessing_jobs()]


@router.post("/schedules/remove", status_code=204)
def remove_schedule(user: Operator, journal: JournalDep, wanted: NamedReason) -> None:
    """Forget a job; the plans it has made go on."""
    reprocessing_actions.remove_job(journal, user, wanted.name, wanted.reason)


def _plan(journal: Journal, plan: ReprocessingPlan) -> PlanModel:
    come = progress(journal, plan)
    return PlanModel(
        id=plan.id,
        job=plan.job,
        selection=str(plan.selection),
        hours=plan.pace.hours,
        studies_per_hour=plan.pace.studies_per_hour,
        state=plan.state,
        waits_for=plan.waits_for,
        requested_by=plan.requested_by,
        reason=plan.reason,
        created_at=plan.created_at,
        ended_at=plan.ended_at,
        studies=plan.studies,
        settled=come.settled,
        items={state.value: count for state, count in plan.items.items()},
        per_hour=come.per_hour,
        expected_end=come.expected_end.isoformat() if come.expected_end else "",
    )


def _schedule(job: ReprocessingJob) -> ScheduleModel:
    return ScheduleModel(
        name=job.name,
        selection=str(job.selection),
        cron=job.cron,
        hours=job.pace.hours,
        studies_per_hour=job.pace.studies_per_hour,
        source=job.source,
        created_by=job.created_by,
        reason=job.reason,
        next_at=job.next_at,
        last_at=job.last_at,
    )
