"""Studies that report a forearm without showing it."""

from __future__ import annotations

import pytest
from handmade_studies import (
    ANALYSIS_TEXT,
    HEADER,
    HOLOGIC_ROWS,
    calibrated_image,
    container,
    hologic_page,
    lunar_study,
    num,
    table_text,
)
from pydicom.dataset import Dataset

from analysis.acquisition import NumbersOnly, VendorRegion, clinical_context, read_study
from analysis.config import ClinicalContext
from analysis.errors import NotApplicable, RejectedInput
from analysis.results import Laterality

ONE_THIRD = VendorRegion(0.701, 1.9, 2.71, -1.9, 0.4)


def numbers(*objects: Dataset) -> NumbersOnly:
    study = read_study(objects, ClinicalContext())
    assert isinstance(study, NumbersOnly)
    return study


def codes(study: NumbersOnly) -> set[str]:
    return {finding.code for finding in study.findings}


def encapsulated_pdf(**attributes: str) -> Dataset:
    document = calibrated_image(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", SOPInstanceUID="1.2.3.5", Modality="DOC", PixelData=None
    )
    document.EncapsulatedDocument = b"%PDF-1.4 BMD 0.999 g/cm2 "
    for keyword, value in attributes.items():
        setattr(document, keyword, value)
    return document


def test_an_sr_alone_gives_the_vendors_numbers_and_names_itself_as_source() -> None:
    _, report = lunar_study()
    study = numbers(report)
    assert dict(study.vendor.regions) == {"one_third": ONE_THIRD}
    assert study.laterality is Laterality.RIGHT
    assert study.source.sop_instance_uid == "1.2.3.4"
    assert (study.source.rows, study.source.columns) == (0, 0)
    assert "numbers_without_image" in codes(study)


def test_a_spine_image_beside_a_forearm_sr_does_not_stand_in_its_way() -> None:
    _, report = lunar_study()
    assert (
        numbers(calibrated_image(BodyPartExamined="LSPINE"), report).vendor.regions["one_third"] == ONE_THIRD
    )


def test_a_pdf_beside_an_sr_is_mentioned_and_never_read() -> None:
    _, report = lunar_study()
    study = numbers(encapsulated_pdf(), report)
    assert study.vendor.regions["one_third"].bmd_g_cm2 == 0.701
    assert "document_not_read" in codes(study)


def test_a_pdf_alone_is_declined_honestly() -> None:
    with pytest.raises(NotApplicable, match="numbers printed in a PDF are not read") as declined:
        read_study([encapsulated_pdf()], ClinicalContext())
    assert declined.value.code == "document_only"


def test_a_pdf_with_the_vendors_text_in_its_header_gives_these_numbers() -> None:
    document = encapsulated_pdf(SeriesDescription="Left forearm report")
    text = ANALYSIS_TEXT.format(table=table_text([HEADER, *HOLOGIC_ROWS]))
    document.private_block(0x0021, "Hologic", create=True).add_new(0x01, "LT", text)
    study = numbers(document)
    assert study.vendor.regions["one_third"].bmd_g_cm2 == 0.6
    assert study.laterality is Laterality.LEFT
    assert "document_not_read" not in codes(study)


def test_srs_of_both_arms_and_no_image_are_refused_not_mixed() -> None:
    _, right = lunar_study()
    _, left = lunar_study()
    left.SOPInstanceUID = "1.2.3.9"
    left.ContentSequence[0].ConceptNameCodeSequence[0].CodeMeaning = "Left Forearm"
    with pytest.raises(RejectedInput, match=r"1\.2\.3") as refused:
        read_study([right, left], ClinicalContext())
    assert refused.value.code == "vendor_numbers_ambiguous"


def test_one_sr_of_both_arms_gives_the_arm_of_the_image() -> None:
    image, report = lunar_study()
    left = container("Left Forearm", [container("Radius 33%", [num("BMD", "0.333")])])
    report.ContentSequence.append(left)
    study = read_study([image, report], ClinicalContext())
    assert study.vendor is not None
    assert study.vendor.regions["one_third"].bmd_g_cm2 == 0.701
    with pytest.raises(RejectedInput, match="both forearms"):
        read_study([report], ClinicalContext())


def test_an_sr_of_the_hip_is_no_forearms() -> None:
    _, report = lunar_study()
    report.ContentSequence[0].ConceptNameCodeSequence[0].CodeMeaning = "DualFemur"
    report.ContentSequence[0].ContentSequence[0] = container("Total", [num("BMD", "0.9")])
    with pytest.raises(NotApplicable):
        read_study([report], ClinicalContext())


def test_age_and_sex_come_from_the_sr() -> None:
    _, report = lunar_study()
    context, provenance = clinical_context([report], None)
    assert (round(context.age_years or 0), context.sex) == (67, "F")
    assert "age" in provenance


def test_scan_files_and_a_bitmap_are_mentioned_and_never_read() -> None:
    page = hologic_page()
    block = page.private_block(0x0023, "HOLOGIC", create=True)
    block.add_new(0x02, "OB", b"P file")
    page.private_block(0x0029, "HOLOGIC", create=True).add_new(0x00, "OB", b"BM" + bytes(30))
    findings = {finding.code: finding.message for finding in read_study([page], ClinicalContext()).findings}
    assert "P file" in findings["vendor_files_embedded"]
    assert "R file" not in findings["vendor_files_embedded"]
    assert "embedded_bitmap_ignored" in findings
