"""Whose way of speaking an object follows is told by several features, never by one tag."""

from __future__ import annotations

import pytest
from handmade_studies import calibrated_image, hologic_page, lunar_study
from pydicom.dataset import Dataset

from analysis.acquisition.dialect import Dialect, recognise


def plain(**attributes: str) -> Dataset:
    return calibrated_image(RealWorldValueMappingSequence=None, **attributes)


def test_each_dialect_is_recognised_with_its_evidence() -> None:
    assert recognise(calibrated_image()).dialect is Dialect.CALIBRATED
    page = recognise(hologic_page())
    assert page.dialect is Dialect.HOLOGIC
    assert {"maker named", "Body Part Examined ARM"} < set(page.evidence)
    image, report = lunar_study()
    assert recognise(image).dialect is Dialect.LUNAR
    report.Manufacturer, report.ProtocolName = "GE Healthcare Lunar", "Right Forearm"
    assert recognise(report).dialect is Dialect.LUNAR


def test_a_page_without_its_maker_is_still_hologics() -> None:
    page = hologic_page(Manufacturer="", ManufacturerModelName="", BodyPartExamined="")
    assert recognise(page).dialect is Dialect.HOLOGIC


def test_a_lunar_image_without_its_maker_is_still_lunars() -> None:
    """As de-identified files are."""
    image, _ = lunar_study(Manufacturer="", ManufacturerModelName="")
    assert recognise(image).dialect is Dialect.LUNAR


@pytest.mark.parametrize(
    "one_feature",
    [
        {"Manufacturer": "HOLOGIC"},
        {"BodyPartExamined": "ARM"},
        {"Manufacturer": "GE Lunar"},
        {"BodyPartExamined": "", "ProtocolName": "Left Forearm"},
    ],
)
def test_one_feature_alone_names_no_dialect(one_feature: dict[str, str]) -> None:
    recognised = recognise(plain(**one_feature))
    assert recognised.dialect is Dialect.PLAIN
    assert len(recognised.evidence) == 1


def test_features_of_both_vendors_name_neither() -> None:
    page = plain(Manufacturer="HOLOGIC", BodyPartExamined="ARM", ManufacturerModelName="Lunar iDXA")
    page.ImageComments = "<DXA_RESULTS></DXA_RESULTS>"
    assert recognise(page).dialect is Dialect.PLAIN


def test_the_creator_of_a_mammography_family_is_not_hologics_densitometry() -> None:
    image = plain()
    image.private_block(0x0019, "HOLOGIC, Inc.", create=True).add_new(0x01, "LO", "x")
    assert recognise(image).evidence == ()
