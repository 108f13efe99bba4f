"""The ladder of pixel-spacing attributes."""

from __future__ import annotations

import pytest
from handmade_studies import calibrated_image

from analysis.acquisition.spacing import pixel_spacing

LADDER = {
    "PixelSpacing": [0.6, 0.5],
    "ImagerPixelSpacing": [0.7, 0.55],
    "NominalScannedPixelSpacing": [0.8, 0.4],
}


@pytest.mark.parametrize("first", range(3))
def test_the_highest_rung_present_is_used_and_named(first: int) -> None:
    image = calibrated_image(
        PixelSpacing=None, ImagerPixelSpacing=None, ExposedArea=[40, 72], ManufacturerModelName="Lunar iDXA"
    )
    for keyword in list(LADDER)[first:]:
        setattr(image, keyword, LADDER[keyword])
    spacing = pixel_spacing(image)
    assert spacing.source == list(LADDER)[first]
    assert spacing.mm == tuple(LADDER[spacing.source])


def test_exposed_area_is_width_then_height_over_the_size_of_the_image() -> None:
    image = calibrated_image(PixelSpacing=None, ImagerPixelSpacing=None, ExposedArea=[40, 72])
    image.ManufacturerModelName = "Lunar iDXA"
    spacing = pixel_spacing(image)
    assert spacing.mm == (72 / 120, 40 / 80)
    assert [finding.code for finding in spacing.findings] == ["spacing_from_exposed_area"]


def test_exposed_area_of_another_maker_is_no_measure_of_the_picture() -> None:
    image = calibrated_image(PixelSpacing=None, ImagerPixelSpacing=None, ExposedArea=[40, 72])
    image.Manufacturer = "Somebody else"
    assert pixel_spacing(image).mm is None


@pytest.mark.parametrize("absurd", [[0, 0], [100, 100], [0.6, 0.001]])
def test_an_implausible_rung_is_passed_over_and_reported(absurd: list[float]) -> None:
    spacing = pixel_spacing(calibrated_image(PixelSpacing=absurd, ImagerPixelSpacing=[0.7, 0.55]))
    assert spacing.source == "ImagerPixelSpacing"
    assert [finding.code for finding in spacing.findings] == ["spacing_implausible", "spacing_at_detector"]


def test_decimal_commas_and_single_values_do_not_break_the_ladder() -> None:
    image = calibrated_image(PixelSpacing=None, ImagerPixelSpacing=[0.6])
    image.add_new("NominalScannedPixelSpacing", "LO", ["0,6", "0,5"])
    assert pixel_spacing(image).mm == (0.6, 0.5)


def test_no_attribute_means_no_spacing() -> None:
    spacing = pixel_spacing(calibrated_image(PixelSpacing=None, ImagerPixelSpacing=None))
    assert (spacing.mm, spacing.source) == (None, "")
