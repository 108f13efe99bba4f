"""SR-1 read back by highdicom: every number equals the analysis, and viewers can draw it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from highdicom.sr import srread
from hypothesis import given
from hypothesis import strategies as st
from report_support import COLUMNS, ROWS, make_analysis, make_source

from analysis.errors import AnalysisError, ConfigurationError
from analysis.results import (
    BmdSource,
    DensitometricDiagnosis,
    DiagnosticCategory,
    Laterality,
    RegionMeasurement,
    StudyAnalysis,
)
from reports import codes as coded
from reports.checks import content_items
from reports.options import ReportOptions
from reports.regions_of_interest import MINIMUM_POINTS, closed_polyline
from reports.source import report_context
from reports.structured_report import measurement_report
from reports.text_report import text_report


def reread(analysis: StudyAnalysis) -> Any:
    context = report_context(analysis, [make_source()])
    buffer = io.BytesIO()
    measurement_report(context).save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return srread(buffer)


def groups_by_finding(document: Any) -> dict[str, Any]:
    groups = document.content.get_planar_roi_measurement_groups()
    return {group.finding_type.value: group for group in groups}


def numbers(group: Any) -> dict[str, float]:
    return {m.name.value: float(m.value) for m in group.get_measurements()}


def test_every_measured_number_reads_back_exactly() -> None:
    analysis = make_analysis()
    groups = groups_by_finding(reread(analysis))
    for region, measured in analysis.regions.items():
        read = numbers(groups["ROI_RADIUS" if region == "total" else coded.REGION_FINDINGS[region].value])
        expected = {
            coded.REGION_BMD[region].value: measured.bmd_g_cm2,
            coded.T_SCORE.value: measured.t_score,
            coded.Z_SCORE.value: measured.z_score,
            coded.AREA.value: measured.area_cm2,
            coded.BMC.value: measured.bmc_g,
            coded.BMD_UNCERTAINTY.value: measured.bmd_uncertainty_g_cm2,
        }
        for concept, value in expected.items():
            assert read.get(concept) == value, (region, concept)


def with_ulna() -> StudyAnalysis:
    """Ulna 40 columns left of the radius, and both bones together."""
    radius = make_analysis().regions
    ulna = {
        region: replace(measured, bmd_g_cm2=0.41, polygon=tuple((x - 40.0, y) for x, y in measured.polygon))
        for region, measured in radius.items()
    }
    both = {region: replace(measured, bmd_g_cm2=0.48, polygon=()) for region, measured in radius.items()}
    return make_analysis(other_bones={"ulna": ulna, "both": both})


def test_outlines_are_few_enough_to_be_read_beside_the_bone() -> None:
    assert list(groups_by_finding(reread(with_ulna()))) == [
        "ROI_13",
        "ROI_UD",
        "ROI_MID",
        "ROI_RADIUS",
    ]


def test_the_total_is_told_with_the_analysed_radius_and_names_its_region() -> None:
    group = groups_by_finding(reread(make_analysis()))["ROI_RADIUS"]
    (total,) = [item for item in group.get_measurements() if item.name.value == "BMD_TOTAL"]
    assert total.value == 0.4797
    assert [site.value.value for site in total.finding_sites] == ["ROI_TOTAL"]


def test_ulna_and_both_bones_together_are_told_each_with_its_region() -> None:
    group = groups_by_finding(reread(with_ulna()))["ROI_RADIUS"]
    read = {item.name.value: item for item in group.get_measurements()}
    for name, site, value in (("BMD_13_ULNA", "ROI_13_ULNA", 0.41), ("BMD_UD_BOTH", "ROI_UD_BOTH", 0.48)):
        assert read[name].value == value
        assert [found.value.value for found in read[name].finding_sites] == [site]


def test_every_risk_and_its_interval_read_back_in_percent() -> None:
    analysis = make_analysis()
    read = numbers(groups_by_finding(reread(analysis))[coded.RADIUS_FINDING.value])
    assert analysis.risk is not None
    for year, estimate in analysis.risk.horizons.items():
        assert read[f"FX_RISK_{year}Y"] == pytest.approx(100 * estimate.probability)
        assert read[f"RISK_{year}Y_LOW"] == pytest.approx(100 * estimate.interval[0])
        assert read[f"RISK_{year}Y_HIGH"] == pytest.approx(100 * estimate.interval[1])


def test_shape_and_texture_read_back_where_they_were_measured() -> None:
    groups = groups_by_finding(reread(make_analysis()))
    radius, ultradistal = numbers(groups["ROI_RADIUS"]), numbers(groups["ROI_UD"])
    assert (radius["CORT_THICKNESS"], ultradistal["TU9B"]) == (2.6149, 5.18234)


def test_the_mechanical_model_s_numbers_stand_with_the_radius() -> None:
    analysis = make_analysis(mechanics={"mean_strain_index": 2150.0, "axial_stiffness_n_mm": 8123.4})
    read = numbers(groups_by_finding(reread(analysis))["ROI_RADIUS"])
    assert (read["STRAIN_MEAN"], read["STIFF_AXIAL"]) == (2150.0, 8123.4)
    assert "STIFF_BENDING" not in read


def test_a_number_that_was_not_measured_is_absent_and_never_zero() -> None:
    read = numbers(groups_by_finding(reread(make_analysis()))["ROI_MID"])
    assert coded.T_SCORE.value not in read
    assert coded.Z_SCORE.value not in read


def test_the_outline_reads_back_as_the_region_on_the_source_grid() -> None:
    analysis = make_analysis()
    outline = groups_by_finding(reread(analysis))["ROI_UD"].roi.value
    corners = {tuple(point) for point in outline}
    assert corners >= set(analysis.regions["ultradistal"].polygon)


def test_site_side_algorithm_and_model_are_named() -> None:
    document = reread(make_analysis())
    group = groups_by_finding(document)["ROI_13"]
    assert group.finding_sites[0].value.value == "47728000"
    assert group.finding_sites[0].laterality.value == "7771000"
    text = "\n".join(str(item.get("TextValue", "")) for item in content_items(document))
    assert "ab" * 32 in text
    assert "trained on simulated data, research use only" in text
    assert "Real World Value Mapping" in text


def test_without_a_known_side_none_is_named() -> None:
    analysis = replace(make_analysis(), laterality=None)
    assert groups_by_finding(reread(analysis))["ROI_13"].finding_sites[0].laterality is None


def test_the_right_side_is_coded_right() -> None:
    analysis = replace(make_analysis(), laterality=Laterality.RIGHT)
    assert groups_by_finding(reread(analysis))["ROI_13"].finding_sites[0].laterality.value == "24028007"


def test_vendor_numbers_say_that_they_were_copied() -> None:
    vendor = BmdSource.VENDOR
    measured = RegionMeasurement(
        0.6, vendor, None, 2.1, 3.5, -1.5, -0.4, vendor, ((10, 10), (40, 10), (40, 50))
    )
    document = reread(make_analysis(regions={"one_third": measured}))
    methods = [
        item.ConceptCodeSequence[0].CodeValue
        for item in content_items(document)
        if item.ValueType == "CODE" and item.ConceptNameCodeSequence[0].CodeMeaning == "Measurement Method"
    ]
    assert set(methods) == {"FROM_VENDOR"}


def test_numbers_of_a_region_that_could_not_be_outlined_stand_with_the_radius_and_name_their_region() -> None:
    vendor = BmdSource.VENDOR
    measured = RegionMeasurement(0.6, vendor, None, 2.1, 3.5, -1.5, None, vendor)
    groups = groups_by_finding(reread(make_analysis(regions={"one_third": measured})))
    assert set(groups) == {"ROI_RADIUS"}
    assert numbers(groups["ROI_RADIUS"])["BMD_13"] == 0.6
    scores = [m for m in groups["ROI_RADIUS"].get_measurements() if m.name.value == "T_SCORE"]
    assert scores[0].finding_sites[0].value.value == "ROI_13"


def test_an_analysis_without_risk_still_has_its_radius_group() -> None:
    groups = groups_by_finding(reread(make_analysis(risk=None, explanation=())))
    assert not [name for name in numbers(groups["ROI_RADIUS"]) if "RISK" in name]


def test_the_first_group_is_the_region_a_diagnosis_may_rest_on_and_shows_five_numbers() -> None:
    groups = reread(make_analysis()).content.get_planar_roi_measurement_groups()
    assert groups[0].finding_type.value == "ROI_13"
    assert [m.name.meaning for m in groups[0].get_measurements()][:5] == [
        "BMD 1/3",
        "T-score",
        "Z-score",
        "Area",
        "BMC",
    ]


def test_every_code_has_a_short_code_value() -> None:
    for item in content_items(reread(make_analysis())):
        for keyword in ("ConceptNameCodeSequence", "ConceptCodeSequence"):
            assert all("CodeValue" in code for code in item.get(keyword, ()))


def test_names_of_measurements_fit_beside_the_picture() -> None:
    groups = reread(with_ulna()).content.get_planar_roi_measurement_groups()
    names = [measured.name.meaning for group in groups for measured in group.get_measurements()]
    assert names
    assert max(map(len, names)) <= 20


def test_the_category_and_the_research_statement_stand_in_the_qualitative_evaluations() -> None:
    document = reread(make_analysis())
    container = next(
        item
        for item in content_items(document)
        if item.ValueType == "CONTAINER" and item.ConceptNameCodeSequence[0].CodeValue == "C0034375"
    )
    assert container.ContentSequence[0].TextValue == "AI - RESEARCH USE ONLY - NOT FOR DIAGNOSIS"
    assert container.ContentSequence[1].ConceptCodeSequence[0].CodeMeaning == "Moderate risk"
    assert document.ContentQualification == "RESEARCH"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_stops_the_report_and_is_named(value: float) -> None:
    with pytest.raises(AnalysisError, match=r"Shaft diameter is (nan|inf)"):
        reread(make_analysis(morphometry={"shaft_diameter_mm": value}))


def test_an_outline_without_area_stops_the_report() -> None:
    with pytest.raises(AnalysisError, match="encloses nothing"):
        closed_polyline(((1.0, 1.0), (2.0, 2.0)))


point = st.tuples(st.floats(0, COLUMNS), st.floats(0, ROWS))


@given(st.lists(point, min_size=3, max_size=30))
def test_an_outline_is_closed_long_enough_and_keeps_its_points(polygon: list[tuple[float, float]]) -> None:
    line = closed_polyline(tuple(polygon))
    assert len(line) >= MINIMUM_POINTS
    assert np.array_equal(line[0], line[-1])
    assert {tuple(p) for p in line} >= {tuple(p) for p in polygon}
    assert line[:, 0].min() >= 0
    assert line[:, 0].max() <= COLUMNS


def test_each_report_names_the_report_of_its_kind_that_it_replaces() -> None:
    source = make_source()
    old = report_context(replace(make_analysis(), identity="old"), [source])
    replaced = [measurement_report(old), text_report(old)]
    context = report_context(make_analysis(), [source], predecessors=replaced)
    for write, earlier in zip((measurement_report, text_report), replaced, strict=True):
        (study,) = write(context).PredecessorDocumentsSequence
        (series,) = study.ReferencedSeriesSequence
        assert [item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence] == [
            earlier.SOPInstanceUID
        ]


def test_a_report_never_replaces_itself() -> None:
    context = report_context(make_analysis(), [make_source()])
    again = report_context(make_analysis(), [make_source()], predecessors=[measurement_report(context)])
    assert "PredecessorDocumentsSequence" not in measurement_report(again)


def child_of(group: Any, name: str) -> Any:
    found = [item for item in group[0].ContentSequence if item.ConceptNameCodeSequence[0].CodeMeaning == name]
    assert len(found) == 1, name
    return found[0]


def test_where_texture_was_measured_the_first_five_numbers_are_bmd_t_z_texture_and_area() -> None:
    group = groups_by_finding(reread(make_analysis()))["ROI_UD"]
    names = [measured.name.meaning for measured in group.get_measurements()]
    assert names[:6] == ["BMD UD", "T-score", "Z-score", "Variogram slope", "Area", "BMC"]


def test_the_image_library_shows_the_image_the_numbers_come_from() -> None:
    document = reread(make_analysis())
    library = next(
        item
        for item in document.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Image Library"
    )
    (entry,) = library.ContentSequence[0].ContentSequence
    assert entry.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == make_source().SOPInstanceUID
    told = {
        item.ConceptNameCodeSequence[0].CodeMeaning: (
            item.MeasuredValueSequence[0].FloatingPointValue
            if item.ValueType == "NUM"
            else item.ConceptCodeSequence[0].CodeMeaning
        )
        for item in entry.ContentSequence
    }
    assert told == {
        "Modality": "Computed Radiography",
        "Target Region": "Forearm",
        "Image Laterality": "Left",
        "Pixel Data Rows": ROWS,
        "Pixel Data Columns": COLUMNS,
        "Horizontal Pixel Spacing": 0.5,
        "Vertical Pixel Spacing": 0.5,
    }


def test_an_image_of_unknown_side_scale_and_modality_claims_none_in_the_library() -> None:
    context = report_context(
        make_analysis(laterality=None, pixel_spacing_mm=None), [make_source(Modality="OT")]
    )
    text = str(measurement_report(context))
    assert "Pixel Data Rows" in text
    assert not [word for word in ("Image Laterality", "Pixel Spacing'", "'Modality'") if word in text]


def test_a_change_stands_in_its_region_with_the_least_significant_change_and_the_study_compared() -> None:
    group = groups_by_finding(reread(make_analysis()))["ROI_13"]
    read = numbers(group)
    assert (read["BMD_CHANGE"], read["BMD_CHANGE_PCT"], read["LSC_PCT"]) == (-0.0214, -3.704, 1.5)
    significance = child_of(group, "Significance of BMD change").ConceptCodeSequence[0]
    assert (significance.CodeValue, significance.CodeMeaning) == ("386134007", "Significant")
    assert child_of(group, "Date of compared study").Date == "20241101"
    assert child_of(group, "Compared Study Instance UID").UID == "2.25.9"


def test_a_change_that_nothing_can_judge_says_so_and_a_prior_without_uid_has_none() -> None:
    change = replace(make_analysis().changes[1], prior_study_instance_uid="")
    group = groups_by_finding(reread(make_analysis(changes=(change,))))["ROI_MID"]
    undecided = child_of(group, "Significance of BMD change").ConceptCodeSequence[0].CodeMeaning
    assert undecided == "Significance Undetermined"
    assert "LSC_PCT" not in numbers(group)
    assert "Compared Study Instance UID" not in str(group)


@pytest.mark.parametrize(
    ("category", "code"),
    [
        ("normal", ("17621005", "SCT")),
        ("low_bone_mass", ("312894000", "SCT")),
        ("osteoporosis", ("64859006", "SCT")),
        ("within_expected_range", ("Z_EXPECTED", "99RADIUSDXA")),
        ("below_expected_range", ("Z_BELOW", "99RADIUSDXA")),
    ],
)
def test_the_densitometric_category_is_coded_with_the_one_third_radius_only(
    category: DiagnosticCategory, code: tuple[str, str]
) -> None:
    diagnosis = DensitometricDiagnosis(category, basis="T-score -2.3")
    groups = groups_by_finding(reread(make_analysis(diagnosis=diagnosis)))
    value = child_of(groups["ROI_13"], "Densitometric category").ConceptCodeSequence[0]
    assert (value.CodeValue, value.CodingSchemeDesignator) == code
    assert not [name for name, group in groups.items() if name != "ROI_13" and "DXA_CATEGORY" in str(group)]


def test_where_no_category_may_be_given_the_report_says_why_and_codes_none() -> None:
    diagnosis = DensitometricDiagnosis(None, reason="The one-third radius has no T-score.")
    document = reread(make_analysis(diagnosis=diagnosis))
    said = [
        item for item in content_items(document) if "DXA_CATEGORY" in str(item.ConceptNameCodeSequence[0])
    ]
    assert [item.ValueType for item in said] == ["TEXT"]
    assert "has no T-score" in said[0].TextValue


def test_the_uncertainty_of_a_shape_names_the_shape_it_belongs_to() -> None:
    analysis = make_analysis(uncertainty={"cortical_thickness_mm": 0.0512, "unheard_of": 1.0})
    group = groups_by_finding(reread(analysis))["ROI_RADIUS"]
    (uncertainty,) = [m for m in group.get_measurements() if m.name.value == "UNCERTAINTY_SD"]
    assert (float(uncertainty.value), uncertainty.unit.value) == (0.0512, "mm")
    assert uncertainty[0].ContentSequence[0].ConceptCodeSequence[0].CodeMeaning == "Cortical thickness"


def test_a_texture_that_has_no_code_stops_the_report_and_names_the_setting() -> None:
    options = ReportOptions(texture=("original_glcm_Contrst",))
    context = report_context(make_analysis(), [make_source()], options=options)
    with pytest.raises(ConfigurationError, match="texture"):
        measurement_report(context)


def test_a_chinese_report_says_its_language_and_keeps_its_codes_in_english() -> None:
    context = report_context(make_analysis(), [make_source()], options=ReportOptions(language="zh"))
    document = measurement_report(context)
    assert document.ContentSequence[0].ConceptCodeSequence[0].CodeValue == "zh"
    for item in content_items(document):
        assert item.ConceptNameCodeSequence[0].CodeMeaning.isascii()
    assert any(not str(item.get("TextValue", "")).isascii() for item in content_items(document))
