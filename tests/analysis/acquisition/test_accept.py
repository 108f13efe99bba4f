"""Which studies are analysed, which are declined, and the reason that is given."""

from __future__ import annotations

from io import BytesIO

import pytest
from handmade_studies import calibrated_image, density_item, hologic_page, lunar_study
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from analysis.acquisition import read_study
from analysis.acquisition.accept import OWN_MODEL_NAME, find_forearm
from analysis.config import ClinicalContext
from analysis.errors import NotApplicable, RejectedInput
from analysis.results import Laterality


@pytest.mark.parametrize(
    "declared",
    [
        {"BodyPartExamined": "ARM"},
        {"BodyPartExamined": "RADIUSULNA"},
        {"BodyPartExamined": "", "ProtocolName": "Left Forearm"},
        {"BodyPartExamined": "EXTREMITY", "SeriesDescription": "DXA L.Forearm"},
        {"BodyPartExamined": None, "PerformedProcedureStepDescription": "Forearm"},
        {"BodyPartExamined": None, "StudyDescription": "DXA left forearm"},
        {"BodyPartExamined": None, "StudyDescription": "左前臂骨密度", "SpecificCharacterSet": "GB18030"},
    ],
)
def test_a_forearm_is_recognised_by_whichever_attribute_names_it(declared: dict[str, str | None]) -> None:
    image = calibrated_image(**declared)
    assert find_forearm([image]).image is image


@pytest.mark.parametrize(
    ("declared", "site"),
    [
        ({"BodyPartExamined": "LSPINE"}, "spine"),
        ({"BodyPartExamined": "", "ProtocolName": "AP Spine"}, "spine"),
        ({"BodyPartExamined": "", "ProtocolName": "DualFemur"}, "hip"),
        ({"BodyPartExamined": "", "ProtocolName": "Total Body"}, "whole body"),
        ({"BodyPartExamined": "CHEST"}, r"another body part, .*\(0018,0015\) = 'CHEST'"),
    ],
)
def test_a_densitometry_of_another_site_is_declined_by_name(declared: dict[str, str], site: str) -> None:
    with pytest.raises(NotApplicable, match=site) as declined:
        find_forearm([calibrated_image(**declared)])
    assert declined.value.code == "other_body_part"


def test_the_forearm_is_picked_out_of_a_study_of_spine_and_forearm() -> None:
    spine = calibrated_image(BodyPartExamined="LSPINE")
    forearm = hologic_page()
    assert find_forearm([spine, forearm]).image is forearm


def test_an_image_that_names_forearm_and_spine_is_refused_with_both_attributes() -> None:
    with pytest.raises(RejectedInput, match=r"'ARM'.*'AP Spine'") as refused:
        find_forearm([calibrated_image(BodyPartExamined="ARM", ProtocolName="AP Spine")])
    assert refused.value.code == "body_part_conflict"


def test_two_forearm_images_in_one_study_are_refused() -> None:
    with pytest.raises(RejectedInput, match="2 forearm images") as refused:
        find_forearm([calibrated_image(), hologic_page()])
    assert refused.value.code == "two_forearm_images"
    assert not isinstance(refused.value, NotApplicable)


def test_the_same_image_sent_twice_counts_once() -> None:
    assert find_forearm([calibrated_image(), calibrated_image()]).image == calibrated_image()


def test_a_plain_radiograph_of_the_wrist_is_declined() -> None:
    radiograph = calibrated_image(BodyPartExamined="WRIST", RealWorldValueMappingSequence=None)
    with pytest.raises(NotApplicable) as declined:
        find_forearm([radiograph])
    assert declined.value.code == "not_densitometry"


@pytest.mark.parametrize(("unit", "named"), [("[hnsf'U]", "UCUM [hnsf'U]"), ("g/cm^2", "UCUM g/cm^2")])
def test_a_map_to_another_unit_is_named_where_it_is_declined(unit: str, named: str) -> None:
    item = density_item(0, 65535, slope=1.0, unit=unit)
    with pytest.raises(NotApplicable) as declined:
        find_forearm([calibrated_image(RealWorldValueMappingSequence=Sequence([item]))])
    assert f"is to {named}, not to UCUM g/cm2" in str(declined.value)


def test_a_radiograph_stays_a_radiograph_beside_a_written_report() -> None:
    report = Dataset()
    report.SOPClassUID, report.SOPInstanceUID, report.Modality = "1.2.840.10008.5.1.4.1.1.88.11", "1.9", "SR"
    report.StudyInstanceUID, report.SeriesInstanceUID = "1.2.3", "1.8"
    report.SeriesDescription = "Wrist radiograph report"
    radiograph = calibrated_image(BodyPartExamined="WRIST", RealWorldValueMappingSequence=None)
    with pytest.raises(NotApplicable) as declined:
        find_forearm([radiograph, report])
    assert declined.value.code == "not_densitometry"


def test_a_colour_photograph_is_declined() -> None:
    photograph = hologic_page(
        analysis_text="",
        BodyPartExamined="",
        Manufacturer="Camera",
        ManufacturerModelName="Phone",
        Modality="XC",
    )
    with pytest.raises(NotApplicable):
        find_forearm([photograph])


def test_a_ct_is_declined_with_its_modality() -> None:
    scan = calibrated_image(SOPClassUID="1.2.840.10008.5.1.4.1.1.2", Modality="CT")
    with pytest.raises(NotApplicable, match="CT") as declined:
        find_forearm([scan])
    assert declined.value.code == "other_modality"


def test_a_raw_image_is_declined_with_the_cure() -> None:
    with pytest.raises(NotApplicable, match="For Presentation") as declined:
        find_forearm([calibrated_image(SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1.1")])
    assert declined.value.code == "for_processing"


def test_a_pdf_without_an_image_is_declined_with_the_cure() -> None:
    with pytest.raises(NotApplicable, match="numbers printed in a PDF are not read") as declined:
        find_forearm([calibrated_image(SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", Modality="DOC")])
    assert declined.value.code == "document_only"


def test_our_own_results_are_never_input() -> None:
    heat_map = hologic_page(ManufacturerModelName=OWN_MODEL_NAME)
    image = calibrated_image()
    assert find_forearm([heat_map, image]).image is image
    with pytest.raises(NotApplicable) as declined:
        find_forearm([heat_map])
    assert declined.value.code == "own_results"


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"]
)
def test_an_object_without_its_uids_is_refused(keyword: str) -> None:
    with pytest.raises(RejectedInput, match="UID") as refused:
        find_forearm([calibrated_image(**{keyword: None})])
    assert refused.value.code == "missing_uid"


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"])
@pytest.mark.parametrize("uid", ["../../../tmp/evil", r"1.2\3", "1..2", "1.02", "1.2/3", "1." + "2" * 63])
def test_an_illegal_uid_is_refused_before_anything_is_named_by_it(keyword: str, uid: str) -> None:
    image = calibrated_image()
    image[keyword] = RawDataElement(Tag(keyword), "UI", len(uid), uid.encode(), 0, False, True)
    with pytest.raises(RejectedInput, match=r"PS3\.5 9\.1") as refused:
        find_forearm([image])
    assert refused.value.code == "illegal_uid"


def test_objects_of_two_studies_are_refused() -> None:
    other = calibrated_image(StudyInstanceUID="9.9", SOPInstanceUID="9.9.9")
    with pytest.raises(RejectedInput) as refused:
        find_forearm([calibrated_image(), other])
    assert refused.value.code == "several_studies"


@pytest.mark.parametrize("charset", ["GB18030", "GBK", "ISO_IR 192"])
def test_a_study_described_in_chinese_is_read_from_its_file(charset: str) -> None:
    image = calibrated_image(BodyPartExamined=None, ImageLaterality=None, SpecificCharacterSet=charset)
    image.PatientName, image.StudyDescription = "王^小东", "左前臂骨密度"
    buffer = BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    study = read_study([dcmread(buffer)], ClinicalContext())
    assert study.laterality is Laterality.LEFT


def test_text_in_an_undeclared_character_set_is_no_obstacle() -> None:
    image = calibrated_image()
    tag, content = Tag("StudyDescription"), "Knochendichte Größe".encode("latin-1")
    image._dict[tag] = RawDataElement(tag, "LO", len(content), content, 0, False, True)
    assert find_forearm([image]).image is image


def test_the_order_of_the_objects_does_not_matter() -> None:
    image, report = lunar_study()
    there = read_study([image, report], ClinicalContext())
    back = read_study([report, image], ClinicalContext())
    assert there.vendor == back.vendor
    assert there.findings == back.findings
