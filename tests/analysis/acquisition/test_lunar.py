"""GE Lunar's SR and Image Comments."""

from __future__ import annotations

import pytest
from handmade_studies import calibrated_image, container, lunar_study, num
from hypothesis import given
from hypothesis import strategies as st

from analysis.acquisition import VendorRegion, read_study
from analysis.acquisition.lunar import structured_report
from analysis.acquisition.lunar_comments import image_comments
from analysis.config import ClinicalContext
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
