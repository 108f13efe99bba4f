"""What validators overlook is found before a result leaves: every rule is broken once on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydicom import Dataset
from report_support import make_analysis, make_source

from analysis.errors import AnalysisError
from reports import compose
from reports.checks import check_results, content_items
from reports.source import ReportContext, report_context
from reports.structured_report import measurement_report


def a_group(document: Dataset) -> Dataset:
    return next(item for item in content_items(document) if _code(item) == "125007")


def an_outline(document: Dataset) -> Dataset:
    return next(item for item in content_items(document) if item.ValueType == "SCOORD")


def _code(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def without_child(document: Dataset, code: str) -> None:
    group = a_group(document)
    group.ContentSequence = [child for child in group.ContentSequence if _code(child) != code]


def without_outline(document: Dataset) -> None:
    group = a_group(document)
    group.ContentSequence = [child for child in group.ContentSequence if child.ValueType != "SCOORD"]


def opened(document: Dataset) -> None:
    an_outline(document).GraphicData = an_outline(document).GraphicData[:-2]


def shortened(document: Dataset) -> None:
    an_outline(document).GraphicData = [1, 1, 9, 1, 9, 9, 1, 9, 1, 1]


def moved_out(document: Dataset) -> None:
    an_outline(document).GraphicData = [x + 150 for x in an_outline(document).GraphicData]


def renamed_source(document: Dataset) -> None:
    an_outline(document).ContentSequence[0].ConceptNameCodeSequence[0].CodeValue = "260753009"


def with_frame_number(document: Dataset) -> None:
    an_outline(document).ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber = 1


def continuous(document: Dataset) -> None:
    a_group(document).ContinuityOfContent = "CONTINUOUS"


def long_meaning(document: Dataset) -> None:
    a_group(document).ConceptNameCodeSequence[0].CodeMeaning = "x" * 65


def without_evidence(document: Dataset) -> None:
    del document.CurrentRequestedProcedureEvidenceSequence


def shared_tracking(document: Dataset) -> None:
    groups = [item for item in content_items(document) if _code(item) == "125007"]
    uids = [child for group in groups for child in group.ContentSequence if _code(child) == "112040"]
    uids[1].UID = uids[0].UID


def other_patient(document: Dataset) -> None:
    document.PatientID = "someone else"


def other_maker(document: Dataset) -> None:
    document.ManufacturerModelName = "Something else"


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda document: without_child(document, "112039"), "112039"),
        (lambda document: without_child(document, "112040"), "112040"),
        (without_outline, "exactly one outline"),
        (opened, "closed outlines"),
        (shortened, "at least 6 points"),
        (moved_out, "within the image of 200 x 300"),
        (renamed_source, "Original Source"),
        (with_frame_number, "as a whole"),
        (continuous, "SEPARATE"),
        (long_meaning, "64 characters"),
        (without_evidence, "evidence exactly once"),
        (shared_tracking, "tracking UID of its own"),
        (other_patient, "agree with its source image on PatientID"),
        (other_maker, "name this product"),
    ],
)
def test_a_broken_rule_is_named(spoil: Callable[[Dataset], None], rule: str) -> None:
    document, context = document_and_context()
    spoil(document)
    with pytest.raises(AnalysisError, match=rule):
        check_results([document], context)


def test_results_that_share_a_uid_are_refused() -> None:
    document, context = document_and_context()
    with pytest.raises(AnalysisError, match="distinct SOP Instance UIDs"):
        check_results([document, document], context)


def test_sound_results_pass() -> None:
    document, context = document_and_context()
    check_results([document], context)


def test_an_outline_beyond_the_image_stops_compose_itself() -> None:
    analysis = make_analysis()
    outside = replace(analysis.regions["mid"], polygon=((0, 0), (250, 0), (250, 50)))
    with pytest.raises(AnalysisError, match="outlines within the image"):
        compose(replace(analysis, regions={**analysis.regions, "mid": outside}), [make_source()])


def document_and_context() -> tuple[Dataset, ReportContext]:
    context = report_context(make_analysis(), [make_source()])
    return measurement_report(context), context
