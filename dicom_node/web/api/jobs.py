"""Jobs of the node's clock, for programs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from dicom_node.storage.jobs import Job
from dicom_node.web import admin_actions
from dicom_node.web.context import JournalDep, Operator, Viewer

__all__ = ["router"]

router = APIRouter(prefix="/jobs", tags=["jobs"])


class JobModel(BaseModel):
    """One periodic job; counts are those since the node's start."""

    name: str
    period_seconds: float
    started_at: str = Field(description="Of the last run that ended; empty if there was none.")
    seconds: float
    outcome: str = Field(description="done, failed, or empty if no run has ended.")
    reason: str = Field(description="Class of what a failed run raised.")
    runs: int
    failures: int
    next_run_at: str
    paused_by: str = Field(description="Empty unless it is paused.")
    pause_reason: str


class RunModel(BaseModel):
    """One remembered run."""

    started_at: str
    seconds: float
    outcome: str
    reason: str


class JobWish(BaseModel):
    """Which job, and why."""

    name: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=500)


@router.get("")
def list_jobs(user: Viewer, journal: JournalDep) -> list[JobModel]:
    """List every job of the node that runs now or ran last."""
    return [_job(job) for job in journal.jobs()]


@router.get("/runs")
def list_runs(
    user: Viewer, journal: JournalDep, name: str, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> list[RunModel]:
    """List the remembered runs of one job, newest first."""
    runs = journal.job_history(journal.job(name).name, limit=limit)
    return [
        RunModel(started_at=run.started_at, seconds=run.seconds, outcome=run.outcome, reason=run.reason)
        for run in runs
    ]


@router.post("/run", status_code=202)
def run(user: Operator, journal: JournalDep, wanted: JobWish) -> JobModel:
    """Have the running node run a job now."""
    admin_actions.run_job(journal, user, wanted.name, wanted.reason)
    return _job(journal.job(wanted.name))


@router.post("/pause")
def pause(user: Operator, journal: JournalDep, wanted: JobWish) -> JobModel:
    """Keep a job from running, over restarts too."""
    admin_actions.pause_job(journal, user, wanted.name, wanted.reason)
    return _job(journal.job(wanted.name))


@router.post("/resume")
def resume(user: Operator, journal: JournalDep, wanted: JobWish) -> JobModel:
    """Let a paused job run again."""
    admin_actions.resume_job(journal, user, wanted.name, wanted.reason)
    return _job(journal.job(wanted.name))


def _job(job: Job) -> JobModel:
    return JobModel(
        name=job.name,
        period_seconds=job.period_seconds,
        started_at=job.started_at,
        seconds=job.seconds,
        outcome=job.outcome,
        reason=job.reason,
        runs=job.runs,
        failures=job.failures,
        next_run_at=job.next_run_at,
        paused_by=job.pause.paused_by if job.pause else "",
        pause_reason=job.pause.reason if job.pause else "",
    )
