"""Where a site wants it, a study that was not analysed is answered: why, and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset
from report_support import STUDY_UID, make_analysis, make_source

from analysis.results import QualityFinding, Severity, Status, StudyAnalysis
from reports import ReportOptions, compose
from reports.checks import content_items
from reports.identity import MANUFACTURER_MODEL_NAME

REASON = "Image 2.25.1003 shows a spine, not a forearm."
FINDING = QualityFinding("motion", Severity.ERROR, "The arm moved during the scan.")


def declined(status: Status = Status.REJECTED, **changes: Any) -> StudyAnalysis:
    nothing = dict.fromkeys(("source", "evidence", "risk", "laterality", "pixel_spacing_mm"))
    empty: dict[str, Any] = {"regions": {}, "morphometry": {}, "texture": {}, "context": {}}
    lists: dict[str, Any] = dict.fromkeys(("explanation", "recommendations", "changes"), ())
    found = {"status": status, "reason": REASON, "quality": (FINDING,)}
    return make_analysis(**{**nothing, **empty, **lists, **found, **changes})


def refused(
    analysis: StudyAnalysis, *source: Dataset, predecessors: tuple[Dataset, ...] = (), **options: Any
) -> list[Dataset]:
    wish = ReportOptions(**{"refusals": "all", **options})
    return compose(analysis, source or [make_source()], predecessors=predecessors, options=wish)


def said(document: Dataset) -> str:
    return "\n".join(str(item.TextValue) for item in content_items(document) if "TextValue" in item)


@pytest.mark.parametrize(
    ("status", "refusals", "answered"),
    [
        (Status.REJECTED, "none", False),
        (Status.NOT_APPLICABLE, "none", False),
        (Status.REJECTED, "rejected", True),
        (Status.NOT_APPLICABLE, "rejected", False),
        (Status.REJECTED, "all", True),
        (Status.NOT_APPLICABLE, "all", True),
    ],
)
def test_a_site_chooses_which_studies_are_answered(status: Status, refusals: str, answered: bool) -> None:
    assert bool(refused(declined(status), refusals=refusals)) is answered


def test_an_analysed_study_is_never_refused() -> None:
    kinds = {result.SeriesDescription for result in compose(make_analysis(), [make_source()])}
    assert kinds == {result.SeriesDescription for result in refused(make_analysis())}


def test_the_page_comes_first_and_both_stay_in_the_study_of_the_patient() -> None:
    page, report = refused(declined())
    assert (page.Modality, report.Modality) == ("OT", "SR")
    for result in (page, report):
        assert (result.StudyInstanceUID, result.PatientID) == (STUDY_UID, "4711")
        assert result.SeriesDescription.startswith("Not analysed")
    assert page.SeriesInstanceUID != report.SeriesInstanceUID


def test_the_report_says_why_what_to_do_and_what_was_noticed() -> None:
    text = said(refused(declined())[1])
    for expected in ("RESEARCH USE ONLY", "could not be analysed", REASON, "send the study again", "moved"):
        assert expected in text


def test_the_refusal_speaks_the_readers_language() -> None:
    assert "仅供研究" in said(refused(declined(), language="zh")[1])


@pytest.mark.parametrize("shown", [True, False])
def test_the_page_admits_whether_it_names_the_patient(shown: bool) -> None:
    page, _ = refused(declined(), patient_on_summary=shown)
    assert page.BurnedInAnnotation == ("YES" if shown else "NO")


def test_a_study_made_of_our_own_results_is_never_answered() -> None:
    own = make_source(ManufacturerModelName=MANUFACTURER_MODEL_NAME)
    assert refused(declined(), own) == []
    page, _ = refused(declined(), own, make_source(PatientID="4712"))
    assert page.PatientID == "4712"


def test_a_study_of_which_nothing_can_be_named_is_not_answered() -> None:
    assert refused(declined(), make_source(SOPInstanceUID="not a UID")) == []
    assert compose(declined(), [], options=ReportOptions(refusals="all")) == []


def test_a_second_refusal_replaces_the_first_but_no_report_does() -> None:
    _, first = refused(declined())
    _, second = refused(declined(identity="77" * 32), predecessors=(first,))
    replaced = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert replaced.ReferencedSOPInstanceUID == first.SOPInstanceUID
    for result in compose(make_analysis(), [make_source()], predecessors=[first]):
        assert "PredecessorDocumentsSequence" not in result


def test_the_same_refusal_gives_the_same_bytes() -> None:
    assert refused(declined()) == refused(declined())
