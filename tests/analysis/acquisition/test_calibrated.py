"""Density from Real World Value Mapping, and never without it."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from handmade_studies import calibrated_image, density_item
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from analysis.acquisition import read_study
from analysis.acquisition.calibrated import density_map
from analysis.config import ClinicalContext
from analysis.errors import RejectedInput
from analysis.results import Calibration

VALUES = np.array([[0, 10, 20, 30]], dtype=np.uint16)


def mapped(*items: Dataset) -> tuple[list[float], list[str]]:
    density, findings = density_map(
        calibrated_image(RealWorldValueMappingSequence=Sequence(list(items))), VALUES
    )
    assert density is not None
    return [round(float(value), 6) for value in density[0]], [finding.code for finding in findings]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_pixels_of_a_calibrated_file_are_areal_density(syntax: str) -> None:
    buffer = BytesIO()
    calibrated_image(TransferSyntaxUID=syntax).save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    image = read_study([dcmread(buffer)], ClinicalContext())
    assert (image.density, image.calibration) == (True, Calibration.REAL_WORLD_VALUE_MAP)
    expected = np.arange(120 * 80).reshape(120, 80) * 0.0001
    np.testing.assert_allclose(image.pixels, expected, atol=1e-6)
    assert image.spacing_mm == (0.6, 0.5)


def test_slope_maps_linearly() -> None:
    assert mapped(density_item(0, 30, slope=0.01)) == ([0.0, 0.1, 0.2, 0.3], [])


def test_a_table_maps_value_by_value() -> None:
    table = [value / 50 for value in range(31)]
    assert mapped(density_item(0, 30, table=table)) == ([0.0, 0.2, 0.4, 0.6], [])


def test_milligrams_become_grams() -> None:
    densities, _ = mapped(density_item(0, 30, slope=10.0, unit="mg/cm2"))
    assert densities == [0.0, 0.1, 0.2, 0.3]


def test_values_outside_the_mapped_range_are_held_at_its_end_and_reported() -> None:
    densities, codes = mapped(density_item(10, 20, slope=0.01))
    assert densities == [0.1, 0.1, 0.2, 0.2]
    assert codes == ["values_outside_density_map"]


def test_two_maps_each_serve_their_own_range() -> None:
    densities, codes = mapped(density_item(0, 15, slope=0.01), density_item(16, 40, slope=0.02))
    assert (densities, codes) == ([0.0, 0.1, 0.4, 0.6], [])


def test_a_map_to_another_unit_is_no_density() -> None:
    image = calibrated_image(
        Modality="BMD",
        RealWorldValueMappingSequence=Sequence([density_item(0, 65535, slope=1.0, unit="[hnsf'U]")]),
    )
    study = read_study([image], ClinicalContext())
    assert (study.density, study.calibration) == (False, Calibration.NONE)
    assert (study.pixels.min(), study.pixels.max()) == (0.0, 1.0)


@pytest.mark.parametrize(("unit", "slope"), [("mg/cm2", 0.1), ("kg/m2", 0.001)])
def test_other_units_of_areal_density_are_converted(unit: str, slope: float) -> None:
    assert mapped(density_item(0, 30, slope=slope, unit=unit))[0] == pytest.approx([0, 1e-3, 2e-3, 3e-3])


@pytest.mark.parametrize("slope", [1.0, 1e-9])
def test_densities_that_no_bone_has_are_refused_with_the_cure(slope: float) -> None:
    image = calibrated_image(RealWorldValueMappingSequence=Sequence([density_item(0, 65535, slope=slope)]))
    with pytest.raises(RejectedInput, match=r"0\.2 and 10 g/cm².*slope, intercept and unit") as refused:
        read_study([image], ClinicalContext())
    assert refused.value.code == "implausible_density"


@pytest.mark.parametrize(
    "item",
    [
        density_item(0, 30),
        density_item(30, 0, slope=0.1),
        density_item(0, 30, table=[0.1, 0.2]),
        density_item(0, 9, slope=0.0),
    ],
)
def test_an_unusable_map_is_refused_with_its_section(item: Dataset) -> None:
    with pytest.raises(RejectedInput, match=r"C\.7\.6\.16\.2\.11") as refused:
        mapped(item)
    assert refused.value.code == "unusable_density_map"
