"""The key objects: what to look at first, in this order; and the PDF as an object of the study."""

from __future__ import annotations

import pytest
from report_support import INSTANCE_UID, STUDY_UID, make_analysis, make_source

from analysis.errors import AnalysisError
from reports import ReportOptions, compose
from reports.checks import content_items
from reports.encapsulated_document import encapsulated_document
from reports.identity import SERIES, ResultKind
from reports.source import report_context


def test_the_summary_comes_first_then_the_reports_then_the_image() -> None:
    results = compose(make_analysis(), [make_source()])
    by_number = {result.SeriesNumber: result.SOPInstanceUID for result in results}
    kinds = (ResultKind.SUMMARY, ResultKind.MEASUREMENTS, ResultKind.REPORT)
    expected = [*(by_number[SERIES[kind].number] for kind in kinds), INSTANCE_UID]
    named = [
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in content_items(results[-1])
        if "ReferencedSOPSequence" in item
    ]
    assert named == expected


def test_everything_named_is_in_the_evidence_of_the_study() -> None:
    selection = compose(make_analysis(), [make_source()])[-1]
    (study,) = selection.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == STUDY_UID
    listed = [
        item.ReferencedSOPInstanceUID
        for s in study.ReferencedSeriesSequence
        for item in s.ReferencedSOPSequence
    ]
    assert len(listed) == 4 and INSTANCE_UID in listed


@pytest.mark.parametrize(("language", "words"), [("en", "Look at these first"), ("zh", "仅供研究")])
def test_the_description_speaks_the_readers_language(language: str, words: str) -> None:
    options = ReportOptions(results=("key_objects",), language=language)  # type: ignore[arg-type]
    (selection,) = compose(make_analysis(), [make_source()], options=options)
    assert any(words in str(item.get("TextValue", "")) for item in content_items(selection))


@pytest.mark.parametrize("pages", [b"%PDF-1.7 even", b"%PDF-1.7 odd"])
def test_a_pdf_of_any_length_comes_out_as_it_went_in(pages: bytes) -> None:
    document = encapsulated_document(pages, report_context(make_analysis(), [make_source()]))
    assert document.EncapsulatedDocumentLength == len(pages)
    assert document.EncapsulatedDocument[: len(pages)] == pages
    assert len(document.EncapsulatedDocument) % 2 == 0
    assert document.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert document.SourceInstanceSequence[0].ReferencedSOPInstanceUID == INSTANCE_UID


def test_what_is_no_pdf_is_not_sent_as_one() -> None:
    with pytest.raises(AnalysisError, match="does not begin with %PDF-"):
        encapsulated_document(b"<html>", report_context(make_analysis(), [make_source()]))
