"""Peripheral densitometers are told by their names, wherever these stand; central ones never are."""

from __future__ import annotations

import pytest
from handmade_studies import ANALYSIS_TEXT, HEADER, HOLOGIC_ROWS, calibrated_image, hologic_page, table_text

from analysis.acquisition import read_study
from analysis.acquisition.peripheral import peripheral_finding
from analysis.config import ClinicalContext

DEVICES = [
    "DTX-200",
    "DTX200",
    "Osteometer DTX-100",
    "accuDXA",
    "EXA-3000",
    "Lunar PIXI",
    "Norland pDEXA",
    "AKDX-09 W-I",
]


@pytest.mark.parametrize("device", [*DEVICES, "DCS-600EXV", "p-DXA"])
@pytest.mark.parametrize(
    "keyword", ["ManufacturerModelName", "Manufacturer", "StationName", "SeriesDescription"]
)
def test_a_peripheral_device_is_told_by_any_attribute_that_names_it(device: str, keyword: str) -> None:
    finding = peripheral_finding([calibrated_image(**{keyword: device})])
    assert finding is not None
    assert finding.code == "peripheral_device"


@pytest.mark.parametrize("description", ["Forearm pDXA", "Peripheral DXA forearm", "peripheral densitometry"])
def test_or_by_what_the_study_is_called(description: str) -> None:
    assert peripheral_finding([calibrated_image(StudyDescription=description)]) is not None


def test_or_by_the_model_in_hologics_text() -> None:
    text = ANALYSIS_TEXT.format(table=table_text([HEADER, *HOLOGIC_ROWS])) + 'Model = "accuDXA2";\n'
    assert peripheral_finding([hologic_page(analysis_text=text)]) is not None


@pytest.mark.parametrize(
    "device",
    [
        "Lunar iDXA",
        "Horizon W",
        "Discovery A",
        "Prodigy Advance",
        "DXA",
        "Stratos dR",
        "PIXIUM 4343",
        "XR-800",
    ],
)
def test_a_central_device_is_not_taken_for_one(device: str) -> None:
    assert peripheral_finding([calibrated_image(ManufacturerModelName=device)]) is None


def test_the_image_carries_the_flag_and_the_reason() -> None:
    study = read_study([calibrated_image(ManufacturerModelName="DTX-200")], ClinicalContext())
    assert study.peripheral
    assert "peripheral_device" in {finding.code for finding in study.findings}
    assert not read_study([calibrated_image()], ClinicalContext()).peripheral


def test_a_peripheral_device_named_alone_is_densitometry_enough() -> None:
    image = calibrated_image(RealWorldValueMappingSequence=None, ManufacturerModelName="EXA-3000")
    assert read_study([image], ClinicalContext()).peripheral
