"""SR-2, the report in words: complete, in order, with proper decimals, and readable as plain text."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from report_support import make_analysis, make_source

from analysis.results import (
    Contribution,
    DensitometricDiagnosis,
    ModelIdentity,
    Recommendation,
    SegmentationQuality,
    StudyAnalysis,
)
from analysis.wording import Language
from reports.checks import content_items
from reports.options import ReportOptions, SrClass
from reports.render import as_text
from reports.sentences import shape_sentences
from reports.source import report_context
from reports.structured_report import measurement_report
from reports.text_report import text_report


def report(analysis: StudyAnalysis) -> Dataset:
    return text_report(report_context(analysis, [make_source()]))


def sections(document: Dataset) -> list[str]:
    return [
        item.ConceptNameCodeSequence[0].CodeMeaning
        for item in document.ContentSequence
        if item.ValueType == "CONTAINER"
    ]


def test_the_research_statement_comes_first_then_what_a_report_has_in_its_usual_order() -> None:
    assert sections(report(make_analysis())) == [
        "Summary",
        "Indications for Procedure",
        "Findings",
        "Previous Findings",
        "Impressions",
        "Impressions",  # the explanation again, in Chinese
        "Recommendations",
        "Current Procedure Descriptions",
    ]
    summary = next(item for item in report(make_analysis()).ContentSequence if item.ValueType == "CONTAINER")
    assert summary.ContentSequence[0].TextValue == "AI - RESEARCH USE ONLY - NOT FOR DIAGNOSIS"


def test_its_title_is_not_the_one_that_viewers_show_as_outlines_only() -> None:
    assert report(make_analysis()).ConceptNameCodeSequence[0].CodeValue == "18748-4"


def test_every_kind_of_statement_is_there_with_proper_decimals() -> None:
    text = " ".join(as_text(report(make_analysis())).split())
    for expected in (
        "Fracture risk category: Moderate risk. Rule: 10-year probability below 10 % low",
        "Fracture risk within 10 y: 19.9 % (90 % interval 13.9 to 26.8 %)",
        "One-third radius: BMD 0.556 ± 0.004 g/cm², T-score -2.3, Z-score -0.5, BMC 3.89 g, area 7.00 cm²",
        "BMD measured on the pixels",
        "-0.021 g/cm² (-3.7 %, -1.8 % per year) in 2.0 y since 2024-11-01; exceeds the least significant "
        "change of 1.5 %",
        "no least significant change known for this region",
        "One-third radius BMD 0.556 g/cm², 2.3 SD below the reference, raises the estimated risk most",
        "Cortical thickness 2.61 mm lowers the estimated risk (-0.08).",
        "Confirm with DXA of hip and lumbar spine before any treatment decision. [ISCD 2023",
        "Warning: Forearm length 242 mm is estimated",
        "trained on simulated data, research use only",
        "Calibration: Real World Value Mapping of the image",
        "age 68.6 y (Patient's Birth Date)",
    ):
        assert expected in text


def test_a_change_within_the_least_significant_change_says_so() -> None:
    analysis = make_analysis()
    small = replace(analysis.changes[0], change_percent=0.6, significant=False)
    text = as_text(report(replace(analysis, changes=(small,))))
    assert "(+0.6 %" in text
    assert "within the least significant change of 1.5 %" in text


def test_many_drivers_are_listed_largest_first_and_the_rest_summed_up() -> None:
    drivers = tuple(Contribution(f"texture.feature_{n}", 1.0, n / 10) for n in range(1, 10))
    text = as_text(report(make_analysis(explanation=drivers)))
    rest = text.index("3 further inputs together raise the estimated risk (+0.60)")
    assert text.index("Feature 9") < text.index("Feature 8") < rest


def test_sections_without_content_are_left_out() -> None:
    analysis = make_analysis(risk=None, explanation=(), changes=(), recommendations=(), quality=())
    assert sections(report(analysis)) == [
        "Summary",
        "Indications for Procedure",  # "not given"
        "Findings",
        "Previous Findings",  # "no earlier study"
        "Current Procedure Descriptions",
    ]
    assert "No fracture risk was computed" in as_text(report(analysis))


def test_no_number_of_a_vendor_is_claimed_as_measured() -> None:
    context = report_context(make_analysis(), [make_source()])
    text = as_text(measurement_report(context))
    assert "Measured on calibrated pixels" in text
    assert "Copied from the densitometer" not in text


def test_it_says_who_drew_the_outlines_and_how_far_to_trust_them() -> None:
    network = ModelIdentity("forearm-net", "2", "simulated forearms, research use only", "ab" * 32)
    found = SegmentationQuality("network", network, score=0.987, agreement=0.9912)
    text = as_text(report(make_analysis(segmentation=found)))
    assert "Outlines by the network method (forearm-net version 2; simulated forearms, research" in text
    assert "probability of a good radius outline 98.7 %, agreement of two methods 0.991 (Dice)" in text
    classical = SegmentationQuality("classical", None, score=0.5)
    sure = SegmentationQuality("classical", None, score=0.99993)
    assert "outline above 99 %" in as_text(report(make_analysis(segmentation=sure)))
    assert "Outlines by the classical method (no network)" in as_text(
        report(make_analysis(segmentation=classical))
    )


def test_the_ulna_and_both_bones_are_told_after_the_radius() -> None:
    measured = make_analysis().regions["one_third"]
    others = {"ulna": {"one_third": replace(measured, bmd_g_cm2=0.41)}, "both": {"one_third": measured}}
    text = as_text(report(make_analysis(other_bones=others)))
    assert "One-third ulna: BMD 0.410 ± 0.004 g/cm²" in text
    assert "One-third radius and ulna: BMD 0.556" in text
    assert text.index("Total radius") < text.index("One-third ulna")


def test_the_mechanical_model_is_told_as_a_model() -> None:
    text = as_text(report(make_analysis(mechanics={"mean_strain_index": 2150.0, "maximum_strain": None})))
    assert "Model of a fall on the hand (relative use only): mean strain index 2150 µstrain" in text


def test_abbreviations_keep_their_capitals_and_units_are_written_as_people_do() -> None:
    shape = {"one_third_inertia_mm4": 637.2, "cortical_index": 0.387, "radial_inclination_deg": 21.3}
    text = " ".join(as_text(report(make_analysis(morphometry=shape))).split())
    assert "Shape of the radius: radial inclination 21.3 °, cortical index 0.387, CSMI 1/3 637 mm⁴" in text


def test_a_shape_is_told_with_its_standard_deviation_where_one_is_known() -> None:
    shape = {"cortical_thickness_mm": 2.2149, "shaft_bow_mm": 0.34}
    told = make_analysis(morphometry=shape, uncertainty={"cortical_thickness_mm": 0.0512})
    text = as_text(report(told))
    assert "Shape of the radius: cortical thickness 2.21 ± 0.05 mm, shaft bow 0.34 mm" in text


def test_the_explanation_is_told_in_chinese_too_and_the_section_says_so() -> None:
    document = report(make_analysis())
    assert document.SpecificCharacterSet == "ISO_IR 192"
    section = [
        item
        for item in document.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Impressions"
    ][1]
    language, *texts = section.ContentSequence
    assert language.ConceptCodeSequence[0].CodeValue == "zh"
    assert texts[1].TextValue == (
        "桡骨远端1/3骨密度 0.556 g/cm²，低于参考值 2.3 个标准差，是使估计风险升高最多的因素（+0.41）。"
    )


def test_the_chinese_text_survives_writing_and_reading() -> None:
    stored = BytesIO()
    report(make_analysis()).save_as(stored)
    stored.seek(0)
    assert "使估计风险降低" in as_text(dcmread(stored))


def with_options(analysis: StudyAnalysis, **options: Any) -> Dataset:
    return text_report(report_context(analysis, [make_source()], options=ReportOptions(**options)))


def references(document: Dataset) -> list[tuple[str, str]]:
    return [
        (reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID)
        for item in content_items(document)
        if item.ValueType == "COMPOSITE"
        for reference in item.ReferencedSOPSequence
    ]


def listed_evidence(document: Dataset) -> list[tuple[str, str]]:
    return [
        (instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID)
        for study in document.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]


@pytest.mark.parametrize("sr_class", ["comprehensive", "enhanced", "comprehensive_3d"])
def test_it_refers_to_the_measurements_of_the_same_analysis(sr_class: SrClass) -> None:
    options = ReportOptions(sr_class=sr_class)
    context = report_context(make_analysis(), [make_source()], options=options)
    measurements, document = measurement_report(context), text_report(context)
    expected = (measurements.SOPClassUID, measurements.SOPInstanceUID)
    assert references(document) == [expected]
    assert expected in listed_evidence(document)


def test_where_a_site_has_no_measurements_made_the_report_refers_to_none_and_is_another_object() -> None:
    alone = with_options(make_analysis(), results=("report", "summary"))
    assert references(alone) == []
    assert [uid for _, uid in listed_evidence(alone)] == [make_source().SOPInstanceUID]
    assert "series 901" not in as_text(alone)
    assert alone.SOPInstanceUID != report(make_analysis()).SOPInstanceUID


def test_the_indication_is_that_of_the_order_and_its_absence_is_said() -> None:
    ordered = make_source(RequestedProcedureDescription="Forearm DXA, hyperparathyroidism")
    document = text_report(report_context(make_analysis(), [ordered]))
    assert "Forearm DXA, hyperparathyroidism" in as_text(document)
    assert "indication is not given" in as_text(report(make_analysis()))


def test_the_category_of_the_one_third_radius_is_an_impression_with_its_basis() -> None:
    diagnosis = DensitometricDiagnosis("osteoporosis", basis="T-score -2.6 of the one-third radius (WHO)")
    text = as_text(report(make_analysis(diagnosis=diagnosis)))
    assert "osteoporosis" in text
    assert "T-score -2.6 of the one-third radius (WHO)" in text


def test_advice_names_guideline_strength_and_what_was_not_known() -> None:
    advice = Recommendation(
        "treatment",
        "Start treatment.",
        "Table 3",
        guideline="AACE/ACE 2020",
        strength="grade A",
        inputs_missing=("renal function",),
    )
    text = as_text(report(make_analysis(recommendations=(advice,), assumptions=("postmenopausal",))))
    for said in (
        "Start treatment. [AACE/ACE 2020; grade A; Table 3; not known: renal function]",
        "postmenopausal",
    ):
        assert said in text


def test_a_first_study_says_that_there_is_nothing_to_compare_with() -> None:
    assert "No earlier study of the same forearm" in as_text(report(make_analysis(changes=())))


def test_a_chinese_report_is_chinese_and_explains_itself_in_english_too() -> None:
    document = with_options(make_analysis(), language="zh")
    assert document.ContentSequence[0].ConceptCodeSequence[0].CodeValue == "zh"
    text = as_text(document)
    assert "桡骨" in text
    assert "raises the estimated risk most" in text
    assert [item.ConceptNameCodeSequence[0].CodeMeaning for item in document.ContentSequence][-1] == (
        "Current Procedure Descriptions"
    )


def test_it_names_the_software_of_the_densitometer_where_the_image_does() -> None:
    source = make_source(SoftwareVersions=["13.6.0.5", "APEX"])
    text = as_text(text_report(report_context(make_analysis(), [source])))
    assert "Densitometer software: 13.6.0.5; APEX" in text
    assert "Densitometer software" not in as_text(report(make_analysis()))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_findings_are_broken_into_lines_that_a_viewer_can_show_unwrapped(language: Language) -> None:
    context = report_context(make_analysis(), [make_source()], options=ReportOptions(language=language))
    told = shape_sentences(make_analysis(), language)
    found = [
        str(item.TextValue)
        for item in content_items(text_report(context))
        if item.get("ConceptNameCodeSequence") and item.ConceptNameCodeSequence[0].CodeValue == "121071"
    ]
    assert told
    for sentence in told:
        assert "".join(sentence.split()) in ["".join(text.split()) for text in found]
    lines = [line for text in found for line in text.split("\r\n")]
    assert max(sum(2 if letter >= "\u3000" else 1 for letter in line) for line in lines) <= 80
    assert len(lines) > len(found)


def test_the_lines_of_a_finding_stay_below_its_heading_in_plain_text() -> None:
    lines = as_text(report(make_analysis())).splitlines()
    start = next(number for number, line in enumerate(lines) if "Findings" in line)
    end = next(number for number, line in enumerate(lines) if "Previous Findings" in line)
    assert end - start > 5
    assert all(line.startswith("    ") for line in lines[start + 1 : end])
