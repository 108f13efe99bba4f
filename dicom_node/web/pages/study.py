"""One study: what happened, what was measured, what people say of it and do with it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from analysis.measurement.reference import ReferenceCurve, load_reference
from dicom_node.storage.clinical_records import Verdict
from dicom_node.web.context import (
    ArchiveDep,
    ConfigDep,
    JournalDep,
    Operator,
    User,
    Viewer,
    redirect,
    render,
)
from dicom_node.web.pages.studies import dicom_day_text, name_text
from dicom_node.web.pictures import PicturesDep
from dicom_node.web.study_actions import StudyActions
from dicom_node.web.study_files import ResultFiles, picture_order
from dicom_node.web.study_page import page_values
from dicom_node.workflow.study_view import StudyPage, study_page

__all__ = ["router"]

router = APIRouter(prefix="/studies")

Reason = Annotated[str, Form(min_length=1, max_length=500)]
LayerName = Literal["image", "mask", "drivers", "density", "strain"]


def study_uid(study_key: int, journal: JournalDep) -> str:
    """Return the Study Instance UID that a URL's key stands for; 404 if there is none."""
    found = journal.found_study(study_key)
    if found is None:
        raise HTTPException(404, "no such study was received")
    return found.study_instance_uid


StudyUid = Annotated[str, Depends(study_uid)]


def load_study(study_key: int, journal: JournalDep, archive: ArchiveDep, config: ConfigDep) -> StudyPage:
    """Gather what a study's page shows; 404 if there is no such study."""
    reference = _reference(config.analysis.reference)
    page = study_page(journal, archive, study_key, reference=reference)
    if page is None:
        raise HTTPException(404, "no such study was received")
    return page


ShownStudy = Annotated[StudyPage, Depends(load_study)]


def study_actions(
    uid: StudyUid, user: Operator, config: ConfigDep, journal: JournalDep, archive: ArchiveDep
) -> StudyActions:
    """Return what an operator may do with the study of the URL."""
    return StudyActions(config, journal, archive, user, uid)


Actions = Annotated[StudyActions, Depends(study_actions)]


@router.get("/{study_key}")
def show(request: Request, user: Viewer, page: ShownStudy) -> HTMLResponse:
    """Show the whole page."""
    return _rendered(request, "study/page.html", user, page)


@router.get("/{study_key}/now")
def refresh(request: Request, user: Viewer, page: ShownStudy, analysis: int = 0) -> HTMLResponse:
    """Show how it stands, for the page that is open and shows the result of `analysis`."""
    return _rendered(request, "study/notices.html", user, page, shown=analysis)


@router.get("/{study_key}/way")
def way(request: Request, user: Viewer, page: ShownStudy) -> HTMLResponse:
    """Show what happened to it, for the page that is open."""
    return _rendered(request, "study/way.html", user, page)


@router.get("/{study_key}/pictures/{layer}.png")
def picture(
    user: Viewer,
    page: ShownStudy,
    pictures: PicturesDep,
    archive: ArchiveDep,
    journal: JournalDep,
    layer: LayerName,
) -> Response:
    """Return the image, or one layer over it."""
    return pictures.answer(picture_order(page, journal, archive, layer))


@router.get("/{study_key}/results/{sop_instance_uid}.dcm")
def download(
    user: Viewer, uid: StudyUid, journal: JournalDep, archive: ArchiveDep, sop_instance_uid: str
) -> Response:
    """Return a result object as it was sent."""
    return ResultFiles(journal, archive, uid).download(sop_instance_uid)


@router.get("/{study_key}/results/{sop_instance_uid}.pdf")
def document(
    user: Viewer, uid: StudyUid, journal: JournalDep, archive: ArchiveDep, sop_instance_uid: str
) -> Response:
    """Return the PDF that a result carries."""
    return ResultFiles(journal, archive, uid).document(sop_instance_uid)


@router.get("/{study_key}/results/{sop_instance_uid}.png")
def result_picture(
    user: Viewer,
    uid: StudyUid,
    journal: JournalDep,
    archive: ArchiveDep,
    pictures: PicturesDep,
    sop_instance_uid: str,
) -> Response:
    """Return a result that is a picture."""
    return pictures.answer(ResultFiles(journal, archive, uid).page_order(sop_instance_uid))


@router.get("/{study_key}/results/{sop_instance_uid}/text")
def report_text(
    request: Request,
    user: Viewer,
    uid: StudyUid,
    journal: JournalDep,
    archive: ArchiveDep,
    sop_instance_uid: str,
) -> HTMLResponse:
    """Show a Structured Report as text, for the page that is open."""
    text = ResultFiles(journal, archive, uid).text(sop_instance_uid)
    return render(request, "study/report.html", user=user, text=text)


@router.post("/{study_key}/reprocess")
def reprocess(request: Request, actions: Actions, study_key: int, reason: Reason) -> RedirectResponse:
    """Have the study analysed again."""
    actions.reprocess(reason)
    return redirect(request, f"/studies/{study_key}")


@router.post("/{study_key}/resend")
def resend(
    request: Request,
    actions: Actions,
    study_key: int,
    reason: Reason,
    destination: Annotated[str, Form(max_length=200)] = "",
) -> RedirectResponse:
    """Have what stands sent again."""
    actions.resend(reason, destination)
    return redirect(request, f"/studies/{study_key}")


@router.post("/{study_key}/hold")
def hold(request: Request, actions: Actions, study_key: int, reason: Reason) -> RedirectResponse:
    """Hold the study back."""
    actions.hold(reason)
    return redirect(request, f"/studies/{study_key}")


@router.post("/{study_key}/release")
def release(request: Request, actions: Actions, study_key: int, reason: Reason) -> RedirectResponse:
    """Let it go on."""
    actions.release(reason)
    return redirect(request, f"/studies/{study_key}")


@router.post("/{study_key}/side")
def correct_side(
    request: Request,
    actions: Actions,
    study_key: int,
    reason: Reason,
    laterality: Annotated[Literal["L", "R", ""], Form()] = "",  # an empty field counts as none
) -> RedirectResponse:
    """Enter the side; empty takes an entry back."""
    actions.correct("laterality", laterality or None, reason)
    return redirect(request, f"/studies/{study_key}")


@router.post("/{study_key}/forearm-length")
def correct_length(
    request: Request,
    actions: Actions,
    study_key: int,
    reason: Reason,
    forearm_length_mm: Annotated[float | Literal[""], Form()] = "",
) -> RedirectResponse:
    """Enter the length of the forearm in mm; empty takes an entry back."""
    actions.correct("forearm_length_mm", None if forearm_length_mm == "" else forearm_length_mm, reason)
    return redirect(request, f"/studies/{study_key}")


@router.post("/{study_key}/opinion")
def opine(
    request: Request,
    actions: Actions,
    study_key: int,
    analysis_id: Annotated[int, Form()],
    verdict: Annotated[Verdict, Form()],
    comment: Annotated[str, Form(max_length=2000)] = "",
) -> RedirectResponse:
    """Agree with a result, disagree or amend it."""
    actions.opine(analysis_id, verdict, comment)
    return redirect(request, f"/studies/{study_key}")


def _rendered(
    request: Request, template: str, user: User, page: StudyPage, *, shown: int | None = None
) -> HTMLResponse:
    return render(
        request,
        template,
        user=user,
        day=dicom_day_text,
        name=name_text,
        shown=shown,
        may_operate=user.role.may("operator"),
        **page_values(page, user.language),
    )


@cache
def _reference(path: Path) -> ReferenceCurve:
    return load_reference(path)
