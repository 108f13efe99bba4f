"""A densitometer as one would wish: DX For Presentation with a Real World Value Mapping to g/cm²."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalXRayImageStorageForPresentation

from analysis.simulation.dicom.common import StudyHeader, code, finish, new_dataset

SLOPE_G_CM2 = 0.0002
INTERCEPT_G_CM2 = -0.2
"""Below zero, so that noise around an empty background is not cut off (a clipped mean would be biased)."""
HIGHEST = 2**15 - 1


class Site(NamedTuple):
    """Body part as DICOM names it."""

    body_part_examined: str
    anatomic_region: tuple[str, str, str]
    study_description: str
    laterality: Literal["L", "R", "U"]
    """Value of Image Laterality (0020,0062); "U" = unpaired."""
    patient_orientation: tuple[str, str]


FOREARM_REGION = ("14975008", "SCT", "Forearm")
SPINE_REGION = ("122496007", "SCT", "Lumbar spine")


def forearm_site(laterality: Literal["L", "R"], hand_up: bool) -> Site:
    """Forearm, palm down; with the hand up the rows run to the patient's left, the columns to the head."""
    side = "Left" if laterality == "L" else "Right"
    orientation = ("L", "H") if hand_up else ("R", "F")
    return Site("FOREARM", FOREARM_REGION, f"DXA {side} Forearm", laterality, orientation)


def calibrated_image(
    header: StudyHeader, density_g_cm2: NDArray[np.float32], spacing_mm: tuple[float, float], site: Site
) -> Dataset:
    """Write areal density as a DX image.

    Parameters
    ----------
    header : StudyHeader
    density_g_cm2 : ndarray of float32, (rows, columns)
        Values outside −0.2…6.35 g/cm² saturate.
    spacing_mm : (row, column)
    site : Site

    Returns
    -------
    pydicom.Dataset
        With file meta, ready to be saved.
    """
    dataset = new_dataset(header, DigitalXRayImageStorageForPresentation, "calibrated", 1)
    _add_study(dataset, site)
    _add_pixels(dataset, density_g_cm2, spacing_mm)
    _add_acquisition(dataset, site)
    dataset.RealWorldValueMappingSequence = Sequence([_density_mapping()])
    return finish(dataset)


def _add_study(dataset: Dataset, site: Site) -> None:
    dataset.Modality = "DX"
    dataset.Manufacturer = "simulated"
    dataset.ManufacturerModelName = "calibrated densitometer"
    dataset.DeviceSerialNumber = "SIM-1"
    dataset.StudyDescription = site.study_description
    dataset.SeriesDescription = "Areal bone mineral density"
    dataset.ProtocolName = site.study_description
    dataset.BodyPartExamined = site.body_part_examined
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.AnatomicRegionSequence = code(*site.anatomic_region)
    dataset.ImageLaterality = site.laterality
    dataset.PatientOrientation = list(site.patient_orientation)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.AcquisitionDate = dataset.StudyDate
    dataset.AcquisitionTime = dataset.StudyTime


def _add_pixels(dataset: Dataset, density: NDArray[np.float32], spacing_mm: tuple[float, float]) -> None:
    stored = np.clip(np.round((density - INTERCEPT_G_CM2) / SLOPE_G_CM2), 0, HIGHEST).astype("<u2")
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 15, 14
    dataset.PixelRepresentation = 0
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.PixelSpacing = dataset.ImagerPixelSpacing = [f"{side:.4f}" for side in spacing_mm]
    # dense bone bright: a higher value means that less X-ray came through
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    low, high = ((value - INTERCEPT_G_CM2) / SLOPE_G_CM2 for value in (-0.05, 1.15))
    dataset.WindowCenter, dataset.WindowWidth = f"{(low + high) / 2:.0f}", f"{high - low:.0f}"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"


def _add_acquisition(dataset: Dataset, site: Site) -> None:
    dataset.KVP = "100"
    dataset.DetectorType = "SCINTILLATOR"
    dataset.PositionerType = "NONE"
    view = code("272479007", "SCT", "postero-anterior projection")
    view[0].ViewModifierCodeSequence = Sequence()
    dataset.ViewCodeSequence = view
    dataset.ViewPosition = "PA"
    dataset.AcquisitionContextSequence = Sequence()
    dataset.DerivationDescription = f"Simulated dual-energy decomposition, {site.study_description}"


def _density_mapping() -> Dataset:
    """Real World Value Mapping (PS3.3 C.7.6.16.2.11): stored value -> g/cm²."""
    mapping = Dataset()
    mapping.RealWorldValueFirstValueMapped = 0
    mapping.RealWorldValueLastValueMapped = HIGHEST
    mapping.RealWorldValueIntercept = INTERCEPT_G_CM2
    mapping.RealWorldValueSlope = SLOPE_G_CM2
    mapping.LUTExplanation = "Areal bone mineral density"
    mapping.LUTLabel = "BMD"
    mapping.MeasurementUnitsCodeSequence = code("g/cm2", "UCUM", "g/cm2")
    return mapping
