"""GE Lunar's way: an 8-bit CR crop without spacing, and the numbers in an Enhanced SR.

What the real files show: BodyPartExamined and Laterality present but empty, site and side in Protocol Name,
the scan's size in Exposed Area as width\\height in whole millimetres, Implicit VR, and scores as text with
the language's decimal comma.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ComputedRadiographyImageStorage, EnhancedSRStorage, ImplicitVRLittleEndian

from analysis.results import Laterality
from analysis.simulation.dicom.common import StudyHeader, code, finish, new_dataset
from analysis.simulation.vendor import VendorNumbers

LABELS = {"ultradistal": "Radius UD", "one_third": "Radius 33%", "total": "Radius Total"}
HIGHEST_GREY = 252
"""Largest value seen in real files."""
SCHEME = "99SIMLUNAR"


def lunar_image(
    header: StudyHeader,
    display: NDArray[np.float64],
    field_of_view_mm: tuple[float, float],
    laterality: Laterality,
) -> Dataset:
    """Write a display image (0–1) of known width and height in mm as a CR object."""
    dataset = new_dataset(header, ComputedRadiographyImageStorage, "image", 1)
    _add_device(dataset, laterality)
    dataset.Modality = "CR"
    dataset.BodyPartExamined = dataset.ViewPosition = dataset.Laterality = ""
    dataset.PatientOrientation = ""
    grey = np.round(HIGHEST_GREY * np.clip(display, 0, 1)).astype(np.uint8)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = grey.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    pixels = grey.tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OW"  # Implicit VR knows no OB for native pixels (PS3.5 A.1)
    dataset.ExposedArea = [round(side) for side in field_of_view_mm]
    return finish(dataset, ImplicitVRLittleEndian)


def lunar_report(
    header: StudyHeader, image: Dataset, numbers: Mapping[str, VendorNumbers], laterality: Laterality
) -> Dataset:
    """Write the vendor's numbers as an Enhanced SR that names the image."""
    dataset = new_dataset(header, EnhancedSRStorage, "report", 2)
    _add_device(dataset, laterality)
    dataset.Modality = "SR"
    dataset.ReferencedPerformedProcedureStepSequence = Sequence()
    dataset.PerformedProcedureCodeSequence = Sequence()
    dataset.CurrentRequestedProcedureEvidenceSequence = Sequence([_evidence(image)])
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"
    scan = dataset.ProtocolName
    regions = [_region(label, numbers[name]) for name, label in LABELS.items()]
    dataset.ValueType = "CONTAINER"
    dataset.ContinuityOfContent = "SEPARATE"
    dataset.ConceptNameCodeSequence = code("DXA_RESULTS", SCHEME, "DXA Results")
    dataset.ContentSequence = Sequence([container(scan, [_image_reference(image), *regions])])
    return finish(dataset, ImplicitVRLittleEndian)


def container(title: str, children: Iterable[Dataset]) -> Dataset:
    """A container of an SR with its content items."""
    item = Dataset()
    item.RelationshipType, item.ValueType, item.ContinuityOfContent = "CONTAINS", "CONTAINER", "SEPARATE"
    item.ConceptNameCodeSequence = code(title.upper().replace(" ", "_")[:16], SCHEME, title)
    item.ContentSequence = Sequence(list(children))
    return item


def number(name: str, value: float, decimals: int, unit: str) -> Dataset:
    """A NUM item as the vendor prints it."""
    measured = Dataset()
    measured.NumericValue = f"{value:.{decimals}f}"
    measured.MeasurementUnitsCodeSequence = code(unit, "UCUM", unit)
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "NUM"
    item.ConceptNameCodeSequence = code(name, SCHEME, name)
    item.MeasuredValueSequence = Sequence([measured])
    return item


def _add_device(dataset: Dataset, laterality: Laterality) -> None:
    dataset.Manufacturer = "simulated GE Lunar"
    dataset.ManufacturerModelName = "simulated Lunar"
    dataset.StudyDescription = "DXA"
    dataset.ProtocolName = "Left Forearm" if laterality is Laterality.LEFT else "Right Forearm"
    dataset.PerformedProcedureStepDescription = dataset.ProtocolName


def _region(label: str, numbers: VendorNumbers) -> Dataset:
    items = [
        number("BMD", numbers.bmd_g_cm2, 3, "g/cm2"),
        number("BMC", numbers.bmc_g, 2, "g"),
        number("AREA", numbers.area_cm2, 2, "cm2"),
    ]
    if numbers.t_score is not None and numbers.z_score is not None:
        items += [_text("BMD_TSCORE", numbers.t_score), _text("BMD_ZSCORE", numbers.z_score)]
    return container(label, items)


def _text(name: str, value: float) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence = code(name, SCHEME, name)
    item.TextValue = f"{value:.1f}".replace(".", ",")
    return item


def _reference(image: Dataset) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return reference


def _image_reference(image: Dataset) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "IMAGE"
    item.ReferencedSOPSequence = Sequence([_reference(image)])
    return item


def _evidence(image: Dataset) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = image.SeriesInstanceUID
    series.ReferencedSOPSequence = Sequence([_reference(image)])
    study = Dataset()
    study.StudyInstanceUID = image.StudyInstanceUID
    study.ReferencedSeriesSequence = Sequence([series])
    return study
