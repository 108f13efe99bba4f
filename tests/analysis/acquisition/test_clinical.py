"""What is known of the patient, and where from."""

from __future__ import annotations

import pytest
from handmade_studies import calibrated_image, hologic_page, lunar_study
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from analysis.acquisition import clinical_context, read_study
from analysis.acquisition.accept import OWN_MODEL_NAME
from analysis.acquisition.forearm import ULNA_TO_HEIGHT, forearm_length
from analysis.config import ClinicalContext


def test_dicom_attributes_are_taken_with_their_names() -> None:
    context, provenance = clinical_context([calibrated_image()], None)
    assert context.sex == "F"
    assert context.age_years == pytest.approx(67.0, abs=0.01)
    assert (context.height_mm, context.weight_kg) == (1650, 62)
    assert provenance["age"] == "67.0 y (Patient's Birth Date)"
    assert provenance["height"] == "1650 mm (Patient's Size)"


def test_site_entries_win_and_unknown_entries_do_not() -> None:
    site = ClinicalContext(age_years=50.0, forearm_length_mm=245.0, prior_fragility_fracture=False)
    context, provenance = clinical_context([calibrated_image()], site)
    assert (context.age_years, context.sex) == (50.0, "F")
    assert context.prior_fragility_fracture is False
    assert provenance["age"] == "50.0 y (site entry)"
    assert provenance["forearm_length"] == "245.0 mm (site entry)"
    assert provenance["prior_fragility_fracture"] == "no (site entry)"
    assert "current_smoker" not in provenance


@pytest.mark.parametrize(
    ("age", "years"), [("067Y", 67.0), ("018M", 1.5), ("67", None), ("", None), ("999Y", None)]
)
def test_patient_age_is_the_fallback(age: str, years: float | None) -> None:
    context, _ = clinical_context([calibrated_image(PatientBirthDate=None, PatientAge=age)], None)
    assert context.age_years == years


@pytest.mark.parametrize("birth", ["", "19591332", "20990101", "18000101"])
def test_an_impossible_birth_date_gives_no_age(birth: str) -> None:
    context, provenance = clinical_context([calibrated_image(PatientBirthDate=birth)], None)
    assert context.age_years is None
    assert "age" not in provenance


@pytest.mark.parametrize("sex", ["O", "U", "", None])
def test_a_sex_other_than_f_or_m_is_unknown(sex: str | None) -> None:
    image = calibrated_image(PatientSex=sex)
    context, _ = clinical_context([image], None)
    assert context.sex is None
    assert "sex_unknown" in {finding.code for finding in read_study([image], context).findings}


def test_objects_that_disagree_leave_a_value_unknown() -> None:
    image, report = lunar_study()
    report.PatientSex = "M"
    assert clinical_context([image, report], None)[0].sex is None


def test_a_report_written_a_day_later_does_not_make_the_age_doubtful() -> None:
    image, report = lunar_study()
    del report.StudyDate
    report.ContentDate = "20260302"
    age = clinical_context([image, report], None)[0].age_years
    assert age is not None
    assert age == clinical_context([image], None)[0].age_years


def test_two_birth_dates_leave_the_age_unknown() -> None:
    image, report = lunar_study()
    report.PatientBirthDate = "19500101"
    assert clinical_context([image, report], None)[0].age_years is None


def test_our_own_results_are_no_source() -> None:
    own = calibrated_image(ManufacturerModelName=OWN_MODEL_NAME, PatientSex="M")
    assert clinical_context([calibrated_image(), own], None)[0].sex == "F"


def test_the_hologic_text_is_the_last_resort() -> None:
    page = hologic_page(PatientSize=None, PatientWeight=None, PatientBirthDate=None, PatientSex=None)
    context, provenance = clinical_context([page], None)
    assert context == ClinicalContext(age_years=67.0, sex="F", height_mm=1650.0, weight_kg=62.5)
    assert provenance["height"] == "1650 mm (Hologic analysis text)"


@pytest.mark.parametrize(("printed", "height_mm"), [("65.0 in", 1651), ("165,0 cm", 1650), ("tall", None)])
def test_printed_heights_carry_their_unit(printed: str, height_mm: float | None) -> None:
    page = hologic_page(analysis_text=f'ScanMode = "a L.Forearm";\nHeight = "{printed}";', PatientSize=None)
    assert clinical_context([page], None)[0].height_mm == pytest.approx(height_mm)


@given(st.binary(max_size=16))
def test_no_bytes_in_a_decimal_string_break_the_reading(content: bytes) -> None:
    image = calibrated_image(PatientSize=None)
    tag = Tag("PatientSize")
    image._dict[tag] = RawDataElement(tag, "DS", len(content), content, 0, False, True)
    height = clinical_context([image], None)[0].height_mm
    assert height is None or 800 < height < 2500


def test_a_decimal_comma_in_patient_size_is_understood() -> None:
    image = calibrated_image(PatientSize=None)
    tag = Tag("PatientSize")
    image._dict[tag] = RawDataElement(tag, "DS", 4, b"1,65", 0, False, True)
    assert clinical_context([image], None)[0].height_mm == 1650


def test_forearm_length_is_the_sites_entry_or_estimated_and_flagged() -> None:
    assert forearm_length(ClinicalContext(forearm_length_mm=245.0, height_mm=1650.0)) == (
        245.0,
        "245 mm (site entry)",
        (),
    )
    length, provenance, findings = forearm_length(ClinicalContext(height_mm=1650.0, sex="F"))
    assert length == pytest.approx(1650 * ULNA_TO_HEIGHT["F"])
    assert provenance == "263 mm (estimated from height)"
    assert [finding.code for finding in findings] == ["forearm_length_estimated"]
    assert forearm_length(ClinicalContext()) == (None, "", ())


def test_a_forearm_length_in_centimetres_is_not_believed() -> None:
    length, _, findings = forearm_length(ClinicalContext(forearm_length_mm=24.5))
    assert length is None
    assert [finding.code for finding in findings] == ["forearm_length_implausible"]
