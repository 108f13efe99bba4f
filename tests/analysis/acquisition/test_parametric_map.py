"""Density in Parametric Maps and in Real World Value Mapping objects of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from handmade_studies import COLUMNS, ROWS, calibrated_image, density_item
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from analysis.acquisition import RadiusImage, read_study
from analysis.acquisition.calibrated import MAPPING_STORAGE, with_separate_map
from analysis.acquisition.functional_groups import flattened
from analysis.config import ClinicalContext
from analysis.errors import NotApplicable, RejectedInput
from analysis.results import Laterality

DENSITY = np.linspace(0, 1.2, ROWS * COLUMNS).reshape(ROWS, COLUMNS)


def float_item(unit: str = "g/cm2", slope: float = 1.0) -> Dataset:
    item = density_item(0, 1, slope=slope, unit=unit)
    del item.RealWorldValueFirstValueMapped, item.RealWorldValueLastValueMapped
    item.DoubleFloatRealWorldValueFirstValueMapped = 0.0
    item.DoubleFloatRealWorldValueLastValueMapped = 1200.0
    return item


def parametric_map(
    values: np.ndarray[Any, Any] = DENSITY,
    *,
    kind: str = "<f4",
    item: Dataset | None = None,
    per_frame: bool = False,
) -> Dataset:
    """One frame; what a DX image says in its header stands in functional groups."""
    image = calibrated_image(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.30",
        Modality="OT",
        RealWorldValueMappingSequence=None,
        PixelSpacing=None,
        ImagerPixelSpacing=None,
        ImageLaterality=None,
        BodyPartExamined=None,
        PixelData=None,
    )
    image.BitsAllocated = np.dtype(kind).itemsize * 8
    keyword = {"<f4": "FloatPixelData", "<f8": "DoubleFloatPixelData", "<u2": "PixelData"}[kind]
    setattr(image, keyword, values.astype(kind).tobytes())
    if kind != "<u2":
        del image.BitsStored, image.HighBit, image.PixelRepresentation
    image.NumberOfFrames = 1
    groups, measures, anatomy, region = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [0.6, 0.5]
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "14975008", "SCT", "Forearm"
    anatomy.AnatomicRegionSequence, anatomy.FrameLaterality = Sequence([region]), "L"
    groups.PixelMeasuresSequence = Sequence([measures])
    groups.FrameAnatomySequence = Sequence([anatomy])
    groups.RealWorldValueMappingSequence = Sequence([item or float_item()])
    shared, frames = (Dataset(), groups) if per_frame else (groups, Dataset())
    image.SharedFunctionalGroupsSequence = Sequence([shared])
    image.PerFrameFunctionalGroupsSequence = Sequence([frames])
    return image


def read(*objects: Dataset) -> RadiusImage:
    study = read_study(objects, ClinicalContext())
    assert isinstance(study, RadiusImage)
    return study


@pytest.mark.parametrize("kind", ["<f4", "<f8"])
@pytest.mark.parametrize("per_frame", [False, True])
def test_floats_are_read_with_what_the_functional_groups_say(kind: str, per_frame: bool) -> None:
    image = read(parametric_map(kind=kind, per_frame=per_frame))
    assert image.density
    np.testing.assert_allclose(image.pixels, DENSITY, atol=1e-6)
    assert (image.spacing_mm, image.laterality) == ((0.6, 0.5), Laterality.LEFT)
    assert (image.source.rows, image.source.columns) == (ROWS, COLUMNS)


def test_integers_with_a_slope_are_read_too() -> None:
    stored = np.round(DENSITY * 1000)
    image = read(parametric_map(stored, kind="<u2", item=density_item(0, 2000, slope=0.001)))
    np.testing.assert_allclose(image.pixels, stored / 1000, atol=1e-6)


def test_a_map_in_milligrams_is_brought_to_grams() -> None:
    image = read(parametric_map(DENSITY * 1000, item=float_item("mg/cm2")))
    np.testing.assert_allclose(image.pixels, DENSITY, atol=1e-4)


def test_a_map_of_something_else_is_declined() -> None:
    with pytest.raises(NotApplicable) as declined:
        read(parametric_map(item=float_item("mm2/s")))
    assert declined.value.code == "not_densitometry"


def test_padding_and_what_is_no_number_are_air_and_are_counted() -> None:
    values = DENSITY.copy()
    values[0, :3], values[1, :4], values[2, 0] = np.nan, -1000.0, np.inf
    image = parametric_map(values)
    image.FloatPixelPaddingValue = -1000.0
    study = read(image)
    assert (study.pixels[0, :3] == 0).all()
    assert (study.pixels[1, :4] == 0).all()
    (finding,) = (finding for finding in study.findings if finding.code == "undefined_pixels")
    assert finding.message.startswith("8 pixels")
    assert "values_outside_density_map" not in {finding.code for finding in study.findings}


def test_two_frames_are_refused() -> None:
    image = parametric_map(np.stack([DENSITY, DENSITY]))
    image.NumberOfFrames = 2
    with pytest.raises(RejectedInput) as refused:
        read(image)
    assert refused.value.code == "multiple_frames"


def test_flattening_leaves_the_original_alone() -> None:
    image = parametric_map()
    before = image.to_json()
    assert "PixelSpacing" in flattened(image)
    assert image.to_json() == before
    assert flattened(calibrated_image()).PixelSpacing == [0.6, 0.5]


def mapping_object(
    image_uid: str = "1.2.3.1", uid: str = "1.2.3.9", time: str = "10", slope: float = 1e-4
) -> Dataset:
    mapping, group, reference = Dataset(), Dataset(), Dataset()
    mapping.SOPClassUID, mapping.SOPInstanceUID, mapping.Modality = MAPPING_STORAGE, uid, "RWV"
    mapping.StudyInstanceUID, mapping.SeriesInstanceUID = "1.2.3", f"{uid}.1"
    mapping.ContentDate, mapping.ContentTime = "20260301", time
    reference.ReferencedSOPInstanceUID = image_uid
    group.ReferencedImageSequence = Sequence([reference])
    group.RealWorldValueMappingSequence = Sequence([density_item(0, 65535, slope=slope)])
    mapping.ReferencedImageRealWorldValueMappingSequence = Sequence([group])
    return mapping


def bare_image() -> Dataset:
    return calibrated_image(RealWorldValueMappingSequence=None)


def test_a_map_of_its_own_object_calibrates_the_image_it_names() -> None:
    study = read(bare_image(), mapping_object())
    np.testing.assert_allclose(study.pixels, read(calibrated_image()).pixels)
    assert "density_map_separate" in {finding.code for finding in study.findings}


def test_a_map_for_another_image_calibrates_nothing() -> None:
    with pytest.raises(NotApplicable):
        read(bare_image(), mapping_object(image_uid="1.2.3.77"))


def test_of_two_maps_the_later_is_used_and_the_earlier_named() -> None:
    later, earlier = mapping_object(uid="1.2.3.8", time="11"), mapping_object(slope=2e-4)
    study = read(later, earlier, bare_image())
    np.testing.assert_allclose(study.pixels, read(calibrated_image()).pixels)
    (finding,) = (f for f in study.findings if f.code == "density_map_passed_over")
    assert "1.2.3.9" in finding.message


def test_an_images_own_map_wins() -> None:
    image, findings = with_separate_map(calibrated_image(), [mapping_object(slope=5e-4)])
    assert image.RealWorldValueMappingSequence[0].RealWorldValueSlope == 1e-4
    assert [finding.code for finding in findings] == ["density_map_passed_over"]
