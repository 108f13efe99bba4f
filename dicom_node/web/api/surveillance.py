"""Surveillance, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from dicom_node.storage.surveillance import FigureKind
from dicom_node.web.context import JournalDep, Viewer
from dicom_node.workflow.surveillance.view import figure_document

__all__ = ["router"]

router = APIRouter(prefix="/surveillance", tags=["surveillance"])

State = Literal["open", "all"]


class AlarmModel(BaseModel):
    """A limit that was crossed."""

    id: int
    scanner: str = Field(description="Empty: all scanners together.")
    kind: FigureKind
    subject: str
    month: str = Field(description="YYYY-MM that raised it.")
    figure: str = Field(description="What was found, in words.")
    raised_at: str
    ended_month: str
    ended_at: str = Field(description="Empty while it is open.")


class FigureModel(BaseModel):
    """One figure of one scanner and month."""

    scanner: str = Field(description="Empty: all scanners together.")
    month: str
    kind: FigureKind
    subject: str = Field(description="Finding, feature, model or horizon in years.")
    judged: bool = Field(description="Whether there was enough to hold it against its limit.")
    crossed: bool
    detail: dict[str, Any] = Field(description="What it is made of, by kind; see docs/surveillance.md.")


class SurveillanceRunModel(BaseModel):
    """One run."""

    id: int
    state: str
    reason: str
    started_at: str
    finished_at: str
    studies: int
    figures: int


@router.get("/alarms")
def list_alarms(user: Viewer, journal: JournalDep, state: State = "open") -> list[AlarmModel]:
    """List alarms, open ones first."""
    found = journal.surveillance_alarms(only_open=state == "open", limit=1000)
    return [AlarmModel(**asdict(alarm)) for alarm in found]


@router.get("/figures")
def list_figures(
    user: Viewer, journal: JournalDep, kind: FigureKind | None = None, scanner: str | None = None
) -> list[FigureModel]:
    """List the figures of the last run, by scanner, kind, subject and month."""
    return [FigureModel(**figure_document(one)) for one in journal.surveillance_figures(kind or "", scanner)]


@router.get("/runs")
def list_runs(user: Viewer, journal: JournalDep) -> list[SurveillanceRunModel]:
    """List the newest runs, newest first."""
    return [SurveillanceRunModel(**asdict(run)) for run in journal.surveillance_runs()]
