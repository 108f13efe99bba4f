"""GE Lunar's SR and Image Comments."""

from __future__ import annotations

from datetime import date

import pytest
from handmade_studies import calibrated_image, container, lunar_study, num
from hypothesis import given
from hypothesis import strategies as st

from analysis.acquisition import VendorRegion, VendorReport, read_study
from analysis.acquisition.lunar import structured_report
from analysis.acquisition.lunar_comments import image_comments
from analysis.config import ClinicalContext
from analysis.errors import NotApplicable
from analysis.results import Calibration, Laterality

XML = (
    '<DXA_RESULTS><EXAM_DATE id="82">19/02/2018</EXAM_DATE><SCAN type="{scan}" id="19">'
    '<ROI region="Radius 33%" id="0"><BMD units=" g/cm2" id="3">0,826</BMD><BMD_PYA units="%">80</BMD_PYA>'
    '<BMD_TSCORE id="6">-1.5</BMD_TSCORE><BMD_ZSCORE>0.7</BMD_ZSCORE><BMC units=" g">2.00</BMC>'
    '<AREA units=" cm2">2.42</AREA></ROI><ROI region="Both Total"><BMD>0.5</BMD></ROI></SCAN></DXA_RESULTS>'
)


def test_an_image_and_its_report_are_read_together() -> None:
    image = read_study(lunar_study(), ClinicalContext())
    assert image.vendor is not None
    assert dict(image.vendor.regions) == {"one_third": VendorRegion(0.701, 1.9, 2.71, -1.9, 0.4)}
    assert image.calibration is Calibration.VENDOR_TABLE
    assert image.laterality is Laterality.RIGHT
    assert (image.spacing_mm, image.spacing_source) == ((0.6, 0.5), "ExposedArea")


@given(
    st.decimals(min_value=-9, max_value=9, places=1), st.sampled_from([".", ","]), st.sampled_from(["-", "−"])
)
def test_scores_written_as_text_are_read_with_either_sign(value: object, point: str, minus: str) -> None:
    _, report = lunar_study(t_score=str(value).replace(".", point).replace("-", minus))
    found, _ = structured_report(report)
    assert found is not None
    assert found.regions["one_third"].t_score == float(str(value))


def test_trends_and_radius_plus_ulna_are_not_current_radius_results() -> None:
    _, report = lunar_study()
    found, _ = structured_report(report)
    assert found is not None
    assert set(found.regions) == {"one_third"}
    assert found.regions["one_third"].bmd_g_cm2 == 0.701


def test_a_report_of_the_other_arm_gives_no_numbers_to_this_one() -> None:
    image, right = lunar_study()
    _, left = lunar_study()
    left.SOPInstanceUID = "1.2.3.9"
    left.ContentSequence[0].ConceptNameCodeSequence[0].CodeMeaning = "Left Forearm"
    left.ContentSequence[0].ContentSequence[0] = container("Radius 33%", [num("BMD", "0.333")])
    found = read_study([image, left, right], ClinicalContext()).vendor
    assert found is not None
    assert found.regions["one_third"].bmd_g_cm2 == 0.701


def test_a_later_report_replaces_an_earlier_one_and_says_so() -> None:
    image, first = lunar_study()
    _, second = lunar_study()
    first.ContentDate, second.ContentDate, second.SOPInstanceUID = "20260301", "20260302", "1.2.3.0"
    second.ContentSequence[0].ContentSequence[0] = container("Radius 33%", [num("BMD", "0.710")])
    study = read_study([image, second, first], ClinicalContext())
    assert study.vendor is not None
    assert study.vendor.regions["one_third"].bmd_g_cm2 == 0.71
    assert "vendor_reports_differ" in {finding.code for finding in study.findings}


def test_results_in_image_comments_are_read() -> None:
    found, findings = image_comments(calibrated_image(ImageComments=XML.format(scan="Left Forearm")))
    assert findings == ()
    assert found is not None
    assert dict(found.regions) == {"one_third": VendorRegion(0.826, 2.0, 2.42, -1.5, 0.7, 80)}


@pytest.mark.parametrize(
    "comments",
    [
        XML.format(scan="DualFemur"),
        XML[:100],
        '<!DOCTYPE x [<!ENTITY a "b">]><DXA_RESULTS>&a;</DXA_RESULTS>',
        "Forearm, patient moved",
    ],
)
def test_other_broken_or_hostile_comments_are_passed_over(comments: str) -> None:
    assert image_comments(calibrated_image(ImageComments=comments))[0] is None


def exams(course: list[tuple[str, str]], template: str) -> str:
    return "".join(template.format(date=when, bmd=bmd) for when, bmd in course)


NEW_EXAM = '<EXAM date="{date}"><BMD>{bmd}</BMD><CHANGE type="PCHANGE_VS_PREVIOUS">-1</CHANGE></EXAM>'
OLD_EXAM = "<EXAM><EXAM_DATE>{date}</EXAM_DATE><BMD>{bmd}</BMD><YAT>-1,0</YAT><AMZ>0,2</AMZ></EXAM>"
COURSE = [("05/03/2022", "0.660"), ("04/03/2024", "0.650"), ("01/03/2026", "0.640")]
"""Oldest first; the day of the handmade studies, 1 March 2026, is the last."""


def new_form(course: list[tuple[str, str]]) -> str:
    roi = '<ROI region="Radius 33%"><BMD>0.640</BMD><BMD_TSCORE>-1.0</BMD_TSCORE></ROI>'
    return (
        f'<DXA_RESULTS><EXAM_DATE>01/03/2026</EXAM_DATE><SCAN type="Left Forearm">{roi}'
        f'<TREND region="Radius 33%">{exams(course, NEW_EXAM)}</TREND></SCAN></DXA_RESULTS>'
    )


def old_form(course: list[tuple[str, str]], region: str = "<TREND_ROI>Radius 33%</TREND_ROI>") -> str:
    return (
        '<DENSITOMETRY_RESULTS><CURRENT_EXAM><SCAN type="Left Forearm"><TREND>'
        f"{region}{exams(course, OLD_EXAM)}</TREND></SCAN></CURRENT_EXAM></DENSITOMETRY_RESULTS>"
    )


def read_comments(comments: str, day: date | None = None) -> tuple[VendorReport | None, list[str]]:
    report, findings = image_comments(calibrated_image(ImageComments=comments), day=day)
    return report, [finding.code for finding in findings]


STUDY_DAY = date(2026, 3, 1)


def test_the_new_form_has_the_current_examination_first_and_its_course_becomes_history() -> None:
    report, codes = read_comments(new_form(COURSE[::-1]), STUDY_DAY)
    assert report is not None
    assert report.regions["one_third"].bmd_g_cm2 == 0.64
    assert [(prior.day.isoformat(), prior.bmd_g_cm2) for prior in report.history] == [
        ("2022-03-05", 0.66),
        ("2024-03-04", 0.65),
    ]
    assert codes == ["vendor_history"]


@pytest.mark.parametrize(
    "region",
    [
        "<TREND_ROI>Radius 33%</TREND_ROI>",
        '<TREND_ROI region="Radius 33%"/>',
        "<TREND_ROI><REGION>Radius 33%</REGION></TREND_ROI>",
    ],
)
def test_the_old_form_has_it_last(region: str) -> None:
    report, codes = read_comments(old_form(COURSE, region), STUDY_DAY)
    assert report is not None
    assert report.regions["one_third"] == VendorRegion(0.64, t_score=-1.0, z_score=0.2)
    assert [prior.bmd_g_cm2 for prior in report.history] == [0.66, 0.65]
    assert codes == ["vendor_history"]


def test_without_a_date_that_can_be_told_the_order_of_the_form_decides() -> None:
    ambiguous = [("05/03/2022", "0.660"), ("04/03/2024", "0.650")]
    report, codes = read_comments(old_form(ambiguous))
    assert report is not None
    assert report.regions["one_third"].bmd_g_cm2 == 0.65
    assert (report.history, codes) == ((), ["vendor_history_unassigned"])


def test_a_date_that_contradicts_the_order_wins_and_is_reported() -> None:
    report, codes = read_comments(old_form(COURSE[::-1]), STUDY_DAY)
    assert report is not None
    assert report.regions["one_third"].bmd_g_cm2 == 0.64
    assert "vendor_exam_order" in codes


@given(
    st.lists(st.dates(date(1995, 1, 1), date(2025, 12, 31)), min_size=1, max_size=5, unique=True),
    st.sampled_from(["%d/%m/%Y", "%m/%d/%Y"]),
)
def test_priors_are_dated_rightly_or_left_out(days: list[date], form: str) -> None:
    days = [*sorted(days), STUDY_DAY]
    course = [(f"{day:{form}}", f"0.{600 + n}") for n, day in enumerate(days)]
    report, _ = read_comments(old_form(course), STUDY_DAY)
    assert report is not None
    assert report.regions["one_third"].bmd_g_cm2 == round(0.6 + (len(days) - 1) / 1000, 3)
    assert [(prior.day, prior.bmd_g_cm2) for prior in report.history] == [
        (day, round(0.6 + n / 1000, 3)) for n, day in enumerate(days[:-1])
    ]


def test_trend_containers_of_an_sr_become_history() -> None:
    _, report = lunar_study()
    trend = container("Trend Radius 33%", [container(when, [num("BMD", bmd)]) for when, bmd in COURSE[::-1]])
    report.ContentSequence[0].ContentSequence[2] = trend
    found, findings = structured_report(report, day=STUDY_DAY)
    assert found is not None
    assert found.regions["one_third"].bmd_g_cm2 == 0.701
    assert [prior.bmd_g_cm2 for prior in found.history] == [0.66, 0.65]
    assert [finding.code for finding in findings] == ["vendor_history"]


def test_a_region_held_twice_with_other_numbers_is_left_out() -> None:
    _, report = lunar_study()
    report.ContentSequence[0].ContentSequence.append(container("Radius 33%", [num("BMD", "0.777")]))
    found, findings = structured_report(report)
    assert found is None or "one_third" not in found.regions
    assert "vendor_table_ambiguous" in {finding.code for finding in findings}


def test_one_quantity_with_two_values_is_absent() -> None:
    _, report = lunar_study()
    report.ContentSequence[0].ContentSequence[0].ContentSequence.append(num("BMD", "0.799"))
    found, _ = structured_report(report)
    assert found is not None
    assert found.regions["one_third"].bmd_g_cm2 is None
    assert found.regions["one_third"].t_score == -1.9


def test_xml_that_was_cut_off_at_the_longest_image_comments_is_reported() -> None:
    long = new_form(COURSE[::-1]).replace("<DXA_RESULTS>", "<DXA_RESULTS>" + "<X></X>" * 1500)
    report, codes = read_comments(long[:10240])
    assert (report, codes) == (None, ["vendor_xml_unreadable"])
    assert read_comments(long)[0] is not None


@pytest.mark.parametrize(
    "hostile",
    [
        '<!DOCTYPE x [<!ENTITY a "0.9">]>' + XML.format(scan="Forearm").replace("0,826", "&a;"),
        "<DXA_RESULTS><!DOCTYPE y [<!ENTITY z SYSTEM 'file:///etc/passwd'>]>&z;</DXA_RESULTS>",
        "<DXA_RESULTS>" + "<a>" * 5000 + "</DXA_RESULTS>",
        "<DXA_RESULTS>\x01</DXA_RESULTS>",
    ],
)
def test_hostile_xml_gives_nothing_and_says_so(hostile: str) -> None:
    assert read_comments(hostile) == (None, ["vendor_xml_unreadable"])


@given(st.text(max_size=300))
def test_no_comments_break_the_reader_or_become_a_number(text: str) -> None:
    for comments in (text, f"<DXA_RESULTS>{text}</DXA_RESULTS>"):
        report, _ = read_comments(comments)
        assert report is None


def test_text_around_the_xml_is_no_obstacle() -> None:
    report, _ = read_comments(f"Patient moved. {XML.format(scan='Left Forearm')} Repeat.")
    assert report is not None
    assert report.regions["one_third"].bmd_g_cm2 == 0.826


def test_side_and_site_come_from_the_protocol_name() -> None:
    left = read_study([lunar_study(ProtocolName="Left Forearm")[0]], ClinicalContext())
    assert left.laterality is Laterality.LEFT
    with pytest.raises(NotApplicable, match="hip"):
        read_study([lunar_study(ProtocolName="Left Femur")[0]], ClinicalContext())
