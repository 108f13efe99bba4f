"""What is written of a study that reports numbers without an image."""

from __future__ import annotations

import pytest
from pydicom import Dataset
from pydicom.uid import EnhancedSRStorage
from report_support import make_analysis, make_source

from analysis.errors import AnalysisError
from analysis.results import (
    BmdSource,
    Calibration,
    QualityFinding,
    RegionMeasurement,
    Severity,
    SourceImage,
    StudyAnalysis,
)
from reports import compose
from reports.checks import content_items
from reports.identity import SERIES, ResultKind

VENDOR = BmdSource.VENDOR
REGIONS = {
    "one_third": RegionMeasurement(0.612, VENDOR, None, 2.1, 3.4, -1.4, -0.3, VENDOR),
    "ultradistal": RegionMeasurement(0.33, VENDOR, None, None, None, -2.0, None, VENDOR),
}


def numbers_only(**changes: object) -> StudyAnalysis:
    plain = make_analysis()
    assert plain.source is not None
    source = SourceImage(
        EnhancedSRStorage, plain.source.sop_instance_uid, plain.source.series_instance_uid, 0, 0
    )
    settings: dict[str, object] = {
        "source": source,
        "evidence": None,
        "regions": REGIONS,
        "calibration": Calibration.VENDOR_TABLE,
        "pixel_spacing_mm": None,
        "spacing_source": "",
        "morphometry": {},
        "texture": {},
    }
    return make_analysis(**{**settings, **changes})


def document_source() -> Dataset:
    leave_out = dict.fromkeys(("Rows", "Columns", "PixelSpacing", "PatientOrientation"))
    return make_source(SOPClassUID=EnhancedSRStorage, Modality="SR", **leave_out)


def texts(document: Dataset) -> list[str]:
    return [str(item.TextValue) for item in content_items(document) if "TextValue" in item]


def test_there_are_a_page_of_numbers_and_both_reports_but_nothing_drawn_on_an_image() -> None:
    results = compose(numbers_only(), [document_source()])
    kinds = (ResultKind.SUMMARY, ResultKind.MEASUREMENTS, ResultKind.REPORT, ResultKind.KEY_OBJECTS)
    drawn_elsewhere = [result.SeriesNumber for result in results if result.Modality != "DOC"]
    assert drawn_elsewhere == [SERIES[kind].number for kind in kinds]
    page = results[0]
    assert "SourceImageSequence" not in page
    assert page.PatientID == "4711"


def test_the_measurements_hold_the_vendors_numbers_without_any_outline() -> None:
    measurements = compose(numbers_only(), [document_source()])[1]
    items = list(content_items(measurements))
    assert not any(item.ValueType in ("SCOORD", "IMAGE") for item in items)
    values = {
        item.ConceptNameCodeSequence[0].CodeMeaning: float(item.MeasuredValueSequence[0].NumericValue)
        for item in items
        if item.ValueType == "NUM"
    }
    assert values["BMD 1/3"] == 0.612
    assert values["BMD UD"] == 0.33
    assert values["Fracture risk 10 y"] == pytest.approx(19.87)


def test_the_vendors_document_is_the_evidence() -> None:
    source = document_source()
    for report in compose(numbers_only(), [source])[1:3]:
        listed = [
            item.ReferencedSOPInstanceUID
            for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
            for study in report.get(keyword, ())
            for series in study.ReferencedSeriesSequence
            for item in series.ReferencedSOPSequence
        ]
        assert source.SOPInstanceUID in listed


def test_without_a_risk_the_numbers_still_stand() -> None:
    measurements = compose(numbers_only(risk=None, explanation=()), [document_source()])[1]
    names = [
        item.ConceptNameCodeSequence[0].CodeMeaning
        for item in content_items(measurements)
        if item.ValueType == "NUM"
    ]
    changed = [name for name in names if name in ("BMD change", "BMD change percent", "Least signif. change")]
    assert (len(names), len(changed)) == (10, 3)


def test_the_report_says_that_there_is_no_image() -> None:
    report = compose(numbers_only(), [document_source()])[2]
    assert any("No image: nothing was outlined or measured" in text for text in texts(report))


def test_a_peripheral_device_is_not_told_which_region_to_diagnose_by() -> None:
    finding = QualityFinding("peripheral_device", Severity.WARNING, "A peripheral device.")
    report = compose(numbers_only(quality=(finding,)), [document_source()])[2]
    assert any("WHO T-score categories must not be applied" in text for text in texts(report))
    assert not any("used for diagnosis" in text for text in texts(report))


def test_an_image_without_its_pixels_is_still_a_defect() -> None:
    with pytest.raises(AnalysisError, match="carry its evidence"):
        compose(make_analysis(evidence=None), [make_source()])
