"""Clinical context and outcomes of a study's patient, for programs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from dicom_node.storage.clinical_records import OutcomeKind, Told
from dicom_node.web.clinical_actions import ClinicalActions
from dicom_node.web.context import JournalDep, Viewer
from dicom_node.web.pages.clinical import clinical_actions
from dicom_node.web.pages.study import StudyUid
from dicom_node.workflow.clinical_view import clinical_view

__all__ = ["router"]

router = APIRouter(prefix="/studies/{study_key}/clinical", tags=["clinical context"])
Actions = Annotated[ClinicalActions, Depends(clinical_actions)]

DAY = r"^\d{4}-\d{2}-\d{2}$"
Value = float | bool | str | tuple[str, ...]


class Source(BaseModel):
    """How something came to be known."""

    source: str = Field(description="csv, fhir, console, command or dicom")
    origin: str
    reference: str
    recorded_by: str
    recorded_at: str
    reason: str


class Fact(BaseModel):
    """Something known of the patient from a day on."""

    id: int
    name: str = Field(description="As docs/outcomes.md lists them.")
    value: Value
    since: str
    until: str
    counts: bool = Field(description="Whether it counts for this study.")
    stands: bool = Field(description="Neither superseded nor withdrawn.")
    told: Source


class OutcomeModel(BaseModel):
    """What became of the patient."""

    id: int
    kind: OutcomeKind
    on: str
    site: str
    mechanism: str
    stands: bool
    told: Source


class Entry(BaseModel):
    """What was entered for this study only; no value: taken back."""

    id: int
    name: str
    value: Value | None
    stands: bool
    told: Source


class Clinical(BaseModel):
    """All that was ever told of a study and its patient, newest first."""

    facts: list[Fact]
    outcomes: list[OutcomeModel]
    entries: list[Entry]
    conflicts: dict[str, str] = Field(
        description="Names that contradict themselves for this study -> the day."
    )


class Reasoned(BaseModel):
    """Why."""

    reason: str = Field(min_length=1, max_length=500)


class NewFact(Reasoned):
    """A fact to enter."""

    name: str = Field(max_length=100)
    value: str = Field(max_length=500, description="yes and no, numbers and words as in a table.")
    since: str = Field(pattern=DAY)
    until: str = Field("", max_length=10)
    analyse_again: bool = False


class NewOutcome(Reasoned):
    """An outcome to enter."""

    kind: OutcomeKind
    on: str = Field(pattern=DAY)
    site: str = Field("unknown", max_length=20, description="Of a fracture.")
    mechanism: str = Field("unknown", max_length=20, description="Of a fracture.")
    analyse_again: bool = False


class NewEntry(Reasoned):
    """An entry for this study; an empty value takes an earlier one back."""

    name: str = Field(max_length=100)
    value: str = Field("", max_length=500)


@router.get("")
def show(user: Viewer, journal: JournalDep, uid: StudyUid) -> Clinical:
    """Give what is known, and all before it."""
    view = clinical_view(journal, uid)
    return Clinical(
        facts=[
            Fact(
                id=item.id,
                name=item.name,
                value=item.value,
                since=item.valid_from,
                until=item.valid_until,
                counts=item.id in view.counted,
                stands=item in view.facts,
                told=_source(item.told, item.recorded_at),
            )
            for item in view.fact_history
        ],
        outcomes=[
            OutcomeModel(
                id=item.id,
                kind=item.kind,
                on=item.occurred_on,
                site=item.site,
                mechanism=item.mechanism,
                stands=item in view.outcomes,
                told=_source(item.told, item.recorded_at),
            )
            for item in view.outcome_history
        ],
        entries=[
            Entry(
                id=item.id,
                name=item.field,
                value=item.value,
                stands=item in view.entries,
                told=_source(item.told, item.recorded_at),
            )
            for item in view.entry_history
        ],
        conflicts=dict(view.conflicts),
    )


@router.post("/facts", status_code=204)
def enter_fact(actions: Actions, new: NewFact) -> None:
    """Enter something known of the patient; it supersedes what stands of that day."""
    actions.enter_fact(new.name, new.value, new.since, new.until, new.reason, again=new.analyse_again)


@router.post("/outcomes", status_code=204)
def enter_outcome(actions: Actions, new: NewOutcome) -> None:
    """Enter what became of the patient."""
    actions.enter_outcome(new.kind, new.on, new.site, new.mechanism, new.reason, again=new.analyse_again)


@router.post("/entries", status_code=204)
def enter_for_study(actions: Actions, new: NewEntry) -> None:
    """Enter something for this study only; it is analysed again and the new result supersedes the old one."""
    actions.enter_for_study(new.name, new.value, new.reason)


@router.post("/facts/{entry}/withdraw", status_code=204)
def withdraw_fact(actions: Actions, entry: int, why: Reasoned) -> None:
    """Take a fact back; it stays in the history."""
    actions.withdraw_fact(entry, why.reason)


@router.post("/outcomes/{entry}/withdraw", status_code=204)
def withdraw_outcome(actions: Actions, entry: int, why: Reasoned) -> None:
    """Take an outcome back; it stays in the history."""
    actions.withdraw_outcome(entry, why.reason)


def _source(told: Told, recorded_at: str) -> Source:
    return Source(
        source=told.source,
        origin=told.origin,
        reference=told.reference,
        recorded_by=told.recorded_by,
        recorded_at=recorded_at,
        reason=told.reason,
    )
