"""Studies for programs: search, one study whole, its files, and what operators do with it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from dicom_node.storage.clinical_records import Verdict
from dicom_node.storage.study_search import LONGEST_COUNT, FoundStudy, StudyFilter
from dicom_node.web.api.bodies import Reason
from dicom_node.web.context import ArchiveDep, JournalDep, Viewer
from dicom_node.web.pages.study import LayerName, ShownStudy, StudyUid, study_actions
from dicom_node.web.pictures import PicturesDep
from dicom_node.web.study_actions import StudyActions
from dicom_node.web.study_files import ResultFiles, picture_order
from dicom_node.workflow.study_view import StudyPage

__all__ = ["router"]

router = APIRouter(prefix="/studies", tags=["studies"])
Actions = Annotated[StudyActions, Depends(study_actions)]

TOLD_AS_NUMBERS: dict[str, Any] = {"analyses": {"__all__": {"result_json"}}, "analysis": {"result_json"}}
"""Left out of a study: the journal's text of what stands under ``numbers``."""

DICOM_DAY = r"^(\d{8})?$"
FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/dicom": {}}},
    404: {"description": "The study has no such result."},
    410: {"description": "The file is no longer kept."},
}
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}}},
    404: {"description": "The study has no such picture."},
}


class SearchModel(BaseModel):
    """What is searched for; empty = anything. It stands in the body, so that no URL names a patient."""

    patient: str = Field("", max_length=200, description="Parts of name or ID, in any order and case.")
    dated_from: str = Field("", pattern=DICOM_DAY, description="Study Date, YYYYMMDD, included.")
    dated_until: str = Field("", pattern=DICOM_DAY, description="Study Date, YYYYMMDD, included.")
    received_from: str = Field("", max_length=40, description="Time of the first object, included.")
    received_until: str = Field("", max_length=40, description="Time of the first object, not included.")
    scanner: str = Field("", max_length=200)
    state: str = Field("", max_length=20)
    risk: Literal["", "low", "moderate", "high"] = ""
    finding: str = Field("", max_length=100, description="Code of a quality finding.")
    held: bool = False
    before: int | None = Field(None, description="`next` of the page before this one.")
    limit: int = Field(50, ge=1, le=500)


class StudyLine(BaseModel):
    """One study in a list."""

    study_key: int
    study_instance_uid: str
    state: str
    reason: str
    study_date: str
    received_at: str
    patient_name: str
    patient_id: str
    scanner: str
    station: str
    laterality: str
    risk_category: str
    risk_10_years: float | None = Field(description="Probability, 0 to 1.")
    engine_version: str
    model_version: str
    held: bool
    findings: int = Field(description="Quality findings that are warnings or errors.")
    deliveries: int
    delivered: int
    dead: int


class StudyList(BaseModel):
    """One page of a search, last received first."""

    studies: list[StudyLine]
    count: int | None = Field(
        description=f"How many fit, on the first page only; {LONGEST_COUNT + 1}: more than {LONGEST_COUNT}."
    )
    next: int | None = Field(description="To be sent as `before` for the next page; null on the last one.")


class Resending(Reason):
    """What is sent again."""

    destination: str = Field("", max_length=200, description="Empty: every destination.")


class Correction(Reason):
    """What is entered for a study; null takes an earlier entry back."""

    field: Literal["laterality", "forearm_length_mm"]
    value: Literal["L", "R"] | float | None


class OpinionModel(BaseModel):
    """What a radiologist says of a result."""

    analysis_id: int
    verdict: Verdict
    comment: str = Field("", max_length=2000)
    amendments: dict[str, str] = Field(
        default_factory=dict, description='By what they are about, e.g. {"one_third.t_score": "-2.1"}.'
    )


class Done(BaseModel):
    """What an operation came to."""

    done: bool = True
    objects: int | None = None


@router.post("/search")
def search(user: Viewer, journal: JournalDep, wanted: SearchModel) -> StudyList:
    """Find studies."""
    chosen = StudyFilter(**wanted.model_dump(exclude={"before", "limit"}))
    count = None
    if wanted.before is None:
        found, count = journal.search_and_count(chosen, limit=wanted.limit + 1)
    else:
        found = journal.search_studies(chosen, before=wanted.before, limit=wanted.limit + 1)
    page = found[: wanted.limit]
    return StudyList(
        studies=[_line(study) for study in page],
        count=count,
        next=page[-1].study_key if len(found) > wanted.limit else None,
    )


@router.get("/{study_key}", response_model_exclude=TOLD_AS_NUMBERS)
def show(user: Viewer, page: ShownStudy) -> StudyPage:
    """Return everything the study's page shows: its way, its numbers with provenance, what people said."""
    return page


@router.get("/{study_key}/results/{sop_instance_uid}", response_class=Response, responses=FILE)
def download(
    user: Viewer, uid: StudyUid, journal: JournalDep, archive: ArchiveDep, sop_instance_uid: str
) -> Response:
    """Return a result object as it was sent."""
    return ResultFiles(journal, archive, uid).download(sop_instance_uid)


@router.get("/{study_key}/pictures/{layer}", response_class=Response, responses=PICTURE)
def picture(
    user: Viewer,
    page: ShownStudy,
    pictures: PicturesDep,
    archive: ArchiveDep,
    journal: JournalDep,
    layer: LayerName,
) -> Response:
    """Return the analysed image (grey values as red · 256 + green) or a layer over it, as PNG."""
    return pictures.answer(picture_order(page, journal, archive, layer))


@router.post("/{study_key}/reprocess")
def reprocess(actions: Actions, why: Reason) -> Done:
    """Have the study analysed again."""
    actions.reprocess(why.reason)
    return Done()


@router.post("/{study_key}/resend")
def resend(actions: Actions, what: Resending) -> Done:
    """Have what stands sent again."""
    return Done(objects=actions.resend(what.reason, what.destination))


@router.post("/{study_key}/hold")
def hold(actions: Actions, why: Reason) -> Done:
    """Hold the study back."""
    actions.hold(why.reason)
    return Done()


@router.post("/{study_key}/release")
def release(actions: Actions, why: Reason) -> Done:
    """Let a held study go on."""
    actions.release(why.reason)
    return Done()


@router.post("/{study_key}/entries")
def correct(actions: Actions, entry: Correction) -> Done:
    """Correct side or forearm length; a result made before is superseded."""
    actions.correct(entry.field, entry.value, entry.reason)
    return Done()


@router.post("/{study_key}/opinions")
def opine(actions: Actions, opinion: OpinionModel) -> Done:
    """Agree with a result, disagree or amend it."""
    actions.opine(opinion.analysis_id, opinion.verdict, opinion.comment, opinion.amendments)
    return Done()


def _line(study: FoundStudy) -> StudyLine:
    return StudyLine(**asdict(study))
