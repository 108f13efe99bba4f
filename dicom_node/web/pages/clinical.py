"""Clinical context and outcomes of a study's patient: what stands, who said so, and forms for operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from analysis.advice.entries import EntryValue
from dicom_node.clinical_catalogue import CATALOGUE, Item
from dicom_node.errors import ConfigurationError, OperationRefusedError
from dicom_node.storage.clinical_records import FRACTURE_SITES, MECHANISMS, OutcomeKind, Source
from dicom_node.web.clinical_actions import ClinicalActions
from dicom_node.web.context import JournalDep, Operator, User, Viewer, redirect, render
from dicom_node.web.i18n import speaker, translatable
from dicom_node.web.pages.studies import name_text
from dicom_node.web.pages.study import StudyUid
from dicom_node.workflow.clinical_view import clinical_view

__all__ = ["clinical_actions", "router"]

router = APIRouter(prefix="/studies/{study_key}/clinical")

Reason = Annotated[str, Form(min_length=1, max_length=500)]
Name = Annotated[str, Form(max_length=100)]
Value = Annotated[str, Form(max_length=500)]
Day = Annotated[str, Form(max_length=10)]
Again = Annotated[bool, Form()]

WORDS: Mapping[str, str] = {
    "fracture": translatable("Fracture"),
    "death": translatable("Death"),
    "end_of_follow_up": translatable("End of follow-up"),
    "wrist": translatable("wrist"),
    "hip": translatable("hip"),
    "spine": translatable("spine"),
    "humerus": translatable("humerus"),
    "other": translatable("other site"),
    "fragility": translatable("fragility"),
    "trauma": translatable("trauma"),
    "unknown": translatable("unknown"),
    "csv": translatable("table"),
    "fhir": translatable("electronic record"),
    "console": translatable("console"),
    "command": translatable("command line"),
    "dicom": translatable("DICOM document"),
    "yes": translatable("yes"),
    "no": translatable("no"),
    "F": translatable("female"),
    "M": translatable("male"),
    "L": translatable("left"),
    "R": translatable("right"),
}
"""Words of the journal -> what the page calls them."""


def clinical_actions(uid: StudyUid, user: Operator, journal: JournalDep) -> ClinicalActions:
    """Return what an operator may enter for the study of the URL."""
    return ClinicalActions(journal, user, uid)


Actions = Annotated[ClinicalActions, Depends(clinical_actions)]


@router.get("")
def show(request: Request, user: Viewer, journal: JournalDep, study_key: int, uid: StudyUid) -> HTMLResponse:
    """Show the page."""
    return _page(request, user, journal, study_key, uid)


@router.post("/facts")
def enter_fact(
    request: Request,
    user: Operator,
    actions: Actions,
    journal: JournalDep,
    study_key: int,
    uid: StudyUid,
    name: Name,
    value: Value,
    since: Day,
    reason: Reason,
    until: Day = "",
    again: Again = False,
) -> Response:
    """Enter something known of the patient."""
    return _entered(
        lambda: actions.enter_fact(name, value, since, until, reason, again=again),
        request,
        user,
        journal,
        study_key,
        uid,
        typed={
            "name": name,
            "value": value,
            "since": since,
            "until": until,
            "reason": reason,
            "form": "fact",
        },
    )


@router.post("/outcomes")
def enter_outcome(
    request: Request,
    user: Operator,
    actions: Actions,
    journal: JournalDep,
    study_key: int,
    uid: StudyUid,
    kind: Annotated[OutcomeKind, Form()],
    on: Day,
    reason: Reason,
    site: Name = "unknown",
    mechanism: Name = "unknown",
    again: Again = False,
) -> Response:
    """Enter what became of the patient."""
    typed = {
        "kind": str(kind),
        "on": on,
        "site": site,
        "mechanism": mechanism,
        "reason": reason,
        "form": "outcome",
    }
    return _entered(
        lambda: actions.enter_outcome(kind, on, site, mechanism, reason, again=again),
        request,
        user,
        journal,
        study_key,
        uid,
        typed=typed,
    )


@router.post("/entries")
def enter_for_study(
    request: Request,
    user: Operator,
    actions: Actions,
    journal: JournalDep,
    study_key: int,
    uid: StudyUid,
    name: Name,
    reason: Reason,
    value: Value = "",
) -> Response:
    """Enter something for this study only."""
    return _entered(
        lambda: actions.enter_for_study(name, value, reason),
        request,
        user,
        journal,
        study_key,
        uid,
        typed={"name": name, "value": value, "reason": reason, "form": "entry"},
    )


@router.post("/facts/withdraw")
def withdraw_fact(
    request: Request, actions: Actions, study_key: int, entry: Annotated[int, Form()], reason: Reason
) -> RedirectResponse:
    """Take a fact back."""
    actions.withdraw_fact(entry, reason)
    return redirect(request, f"/studies/{study_key}/clinical")


@router.post("/outcomes/withdraw")
def withdraw_outcome(
    request: Request, actions: Actions, study_key: int, entry: Annotated[int, Form()], reason: Reason
) -> RedirectResponse:
    """Take an outcome back."""
    actions.withdraw_outcome(entry, reason)
    return redirect(request, f"/studies/{study_key}/clinical")


def _entered(
    enter: Callable[[], None],
    request: Request,
    user: User,
    journal: JournalDep,
    study_key: int,
    uid: str,
    *,
    typed: Mapping[str, str],
) -> Response:
    """Go back to the page; where the entry cannot be, show what was typed and why."""
    try:
        enter()
    except (ConfigurationError, OperationRefusedError) as error:
        return _page(request, user, journal, study_key, uid, typed={**typed, "problem": str(error)})
    return redirect(request, f"/studies/{study_key}/clinical")


def _page(
    request: Request,
    user: User,
    journal: JournalDep,
    study_key: int,
    uid: str,
    *,
    typed: Mapping[str, str] | None = None,
) -> HTMLResponse:
    _ = speaker(user.language)
    found = journal.found_study(study_key)
    return render(
        request,
        "clinical/page.html",
        user=user,
        status_code=422 if typed else 200,
        study=found,
        patient=name_text(found.patient_name) if found is not None else "",
        view=clinical_view(journal, uid),
        word=lambda text: _(WORDS[text]) if text in WORDS else text,
        called=lambda name: CATALOGUE[name].called(user.language) if name in CATALOGUE else name,
        shown=lambda name, value: _shown(name, value, _),
        allowed=lambda item: _allowed(item, _),
        of_patient=[item for item in CATALOGUE.values() if item.of != "study"],
        of_study=[item for item in CATALOGUE.values() if item.of != "patient"],
        kinds=list(OutcomeKind),
        sites=FRACTURE_SITES,
        mechanisms=MECHANISMS,
        sources=Source,
        today=datetime.now(UTC).date().isoformat(),
        typed=typed or {"form": ""},
        may_operate=user.role.may("operator"),
    )


def _shown(name: str, value: EntryValue | None, say: Callable[[str], str]) -> str:
    """Return a value as the page shows it, with its unit."""
    match value:
        case None:
            return say(translatable("taken back"))
        case bool():
            return say(WORDS["yes" if value else "no"])
        case float():
            item = CATALOGUE.get(name)
            return f"{value:g} {item.unit}".strip() if item is not None else f"{value:g}"
        case tuple():
            return ", ".join(value)
        case _:
            return say(WORDS[value]) if value in WORDS else value


def _allowed(item: Item, say: Callable[[str], str]) -> str:
    """Return what may be typed for an item."""
    match item.kind:
        case "yes_no":
            return f"yes / no ({say(WORDS['yes'])} / {say(WORDS['no'])})"
        case "number" | "count":
            return f"{item.limits[0]:g} – {item.limits[1]:g} {item.unit}".strip()
        case "date":
            return "YYYY-MM-DD"
        case "choices":
            return "; ".join(item.choices)
        case _:
            return " / ".join(item.choices)
