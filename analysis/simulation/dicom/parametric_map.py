"""Areal density as a Parametric Map, and as a Real World Value Mapping object beside a plain DX image."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from analysis.simulation.dicom.common import StudyHeader, code, finish, new_dataset

PARAMETRIC_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.30"
MAPPING_STORAGE = "1.2.840.10008.5.1.4.1.1.67"


def parametric_map(header: StudyHeader, image: Dataset) -> Dataset:
    """Write a calibrated image's density as a Parametric Map of one frame in 32-bit floats.

    Spacing, anatomy and mapping are in the Shared Functional Groups Sequence, as PS3.3 A.75 has it.
    """
    (mapping,) = image.RealWorldValueMappingSequence
    stored = np.frombuffer(image.PixelData, "<u2").reshape(image.Rows, image.Columns)
    scaled = stored * float(mapping.RealWorldValueSlope) + float(mapping.RealWorldValueIntercept)
    density = scaled.astype("<f4")
    dataset = new_dataset(header, PARAMETRIC_MAP_STORAGE, "map", 1)
    _add_series(dataset, image)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = image.Rows, image.Columns
    dataset.BitsAllocated = 32
    dataset.FloatPixelData = density.tobytes()
    dataset.NumberOfFrames = 1
    shared = _item(
        PixelMeasuresSequence=_items(PixelSpacing=list(image.PixelSpacing), SliceThickness="1"),
        PlaneOrientationSequence=_items(ImageOrientationPatient=["1", "0", "0", "0", "0", "1"]),
        FrameAnatomySequence=_items(
            AnatomicRegionSequence=image.AnatomicRegionSequence, FrameLaterality=image.ImageLaterality
        ),
        ParametricMapFrameTypeSequence=_items(FrameType=["DERIVED", "PRIMARY", "BONE", "DENSITY"]),
        PixelValueTransformationSequence=_items(RescaleIntercept="0", RescaleSlope="1", RescaleType="US"),
        RealWorldValueMappingSequence=Sequence([_float_mapping(float(density.min()), float(density.max()))]),
    )
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    frame = _item(
        FrameContentSequence=_items(DimensionIndexValues=[1]),
        PlanePositionSequence=_items(ImagePositionPatient=["0", "0", "0"]),
    )
    dataset.PerFrameFunctionalGroupsSequence = Sequence([frame])
    return finish(dataset)


def separate_mapping(header: StudyHeader, image: Dataset) -> Dataset:
    """Take the density map out of an image and write it as a Real World Value Mapping object (PS3.3 A.46)."""
    dataset = new_dataset(header, MAPPING_STORAGE, "mapping", 2)
    dataset.Modality = "RWV"
    dataset.Manufacturer = image.Manufacturer
    dataset.ManufacturerModelName = image.ManufacturerModelName
    dataset.Laterality = image.ImageLaterality
    dataset.ContentLabel, dataset.ContentDescription = "BMD", "Areal bone mineral density"
    dataset.ContentCreatorName = "SIMULATED^Physicist"
    mappings = image.RealWorldValueMappingSequence
    del image.RealWorldValueMappingSequence
    reference = _item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)
    dataset.ReferencedImageRealWorldValueMappingSequence = _items(
        ReferencedImageSequence=Sequence([reference]), RealWorldValueMappingSequence=mappings
    )
    dataset.ReferencedSeriesSequence = _items(
        SeriesInstanceUID=image.SeriesInstanceUID, ReferencedInstanceSequence=Sequence([reference])
    )
    return finish(dataset)


def _add_series(dataset: Dataset, image: Dataset) -> None:
    dataset.Modality = "OT"
    dataset.Manufacturer = image.Manufacturer
    dataset.ManufacturerModelName = image.ManufacturerModelName
    dataset.DeviceSerialNumber = image.DeviceSerialNumber
    dataset.StudyDescription = dataset.SeriesDescription = image.StudyDescription
    dataset.BodyPartExamined = image.BodyPartExamined
    dataset.FrameOfReferenceUID = f"{dataset.SeriesInstanceUID}.1"
    dataset.PositionReferenceIndicator = ""
    dataset.ImageType = ["DERIVED", "PRIMARY", "BONE", "DENSITY"]
    dataset.ContentQualification = "RESEARCH"
    dataset.ContentLabel, dataset.ContentDescription = "BMD", "Areal bone mineral density"
    dataset.ContentCreatorName = "SIMULATED^Physicist"
    dataset.BurnedInAnnotation = dataset.RecognizableVisualFeatures = "NO"
    dataset.LossyImageCompression = "00"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.AcquisitionContextSequence = Sequence()
    organization = f"{dataset.SeriesInstanceUID}.2"
    dataset.DimensionOrganizationSequence = _items(DimensionOrganizationUID=organization)
    dataset.DimensionIndexSequence = _items(
        DimensionOrganizationUID=organization,
        DimensionIndexPointer=0x00200032,  # Image Position (Patient)
        FunctionalGroupPointer=0x00209113,  # Plane Position Sequence
    )


def _float_mapping(lowest: float, highest: float) -> Dataset:
    return _item(
        DoubleFloatRealWorldValueFirstValueMapped=lowest,
        DoubleFloatRealWorldValueLastValueMapped=highest,
        RealWorldValueIntercept=0.0,
        RealWorldValueSlope=1.0,
        LUTExplanation="Areal bone mineral density",
        LUTLabel="BMD",
        MeasurementUnitsCodeSequence=code("g/cm2", "UCUM", "g/cm2"),
    )


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _items(**attributes: Any) -> Sequence:
    return Sequence([_item(**attributes)])
