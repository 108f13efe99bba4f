"""A study made by hand: a synthetic picture, round numbers, and everything a report can say."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from analysis.results import (
    BmdSource,
    Calibration,
    Contribution,
    HorizonRisk,
    ImageEvidence,
    Laterality,
    ModelIdentity,
    Polygon,
    QualityFinding,
    Recommendation,
    ReferenceIdentity,
    RegionChange,
    RegionMeasurement,
    RiskEstimate,
    Severity,
    SourceImage,
    Status,
    StudyAnalysis,
)

ROWS, COLUMNS, SPACING = 300, 200, 0.5
STUDY_UID, SERIES_UID, INSTANCE_UID = "2.25.1001", "2.25.1002", "2.25.1003"
BONE = slice(110, 145)
SLABS = {"ultradistal": (40, 70), "mid": (70, 150), "one_third": (150, 190)}


def make_source(**changes: Any) -> Dataset:
    """A CR image as a densitometer sends it; ``name=None`` leaves an attribute out."""
    attributes: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "SOPClassUID": ComputedRadiographyImageStorage,
        "SOPInstanceUID": INSTANCE_UID,
        "StudyInstanceUID": STUDY_UID,
        "SeriesInstanceUID": SERIES_UID,
        "StudyDate": "20261105",
        "StudyTime": "101500",
        "SeriesDate": "20261105",
        "AcquisitionDate": "20261105",
        "AcquisitionTime": "101731",
        "AccessionNumber": "A-77",
        "Modality": "CR",
        "Manufacturer": "Synthetic Densitometers",
        "ManufacturerModelName": "Phantom 1",
        "StudyDescription": "Forearm DXA",
        "PatientName": "Doe^Jane",
        "PatientID": "4711",
        "PatientBirthDate": "19580314",
        "PatientSex": "F",
        "PatientAge": "068Y",
        "PatientSize": "1.63",
        "BodyPartExamined": "FOREARM",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "StudyID": "S1",
        "ReferringPhysicianName": "Smith^Jane",
        "Laterality": "L",
        "PatientOrientation": ["L", "F"],
        "PixelSpacing": [SPACING, SPACING],
        "Rows": ROWS,
        "Columns": COLUMNS,
    }
    attributes.update(changes)
    dataset = Dataset()
    for keyword, value in attributes.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def make_analysis(**changes: Any) -> StudyAnalysis:
    """An analysed left forearm with a risk estimate and a prior."""
    attributes: dict[str, Any] = {
        "study_instance_uid": STUDY_UID,
        "status": Status.ANALYZED,
        "reason": "",
        "identity": "5e" * 32,
        "engine_version": "0.1.0",
        "laterality": Laterality.LEFT,
        "pixel_spacing_mm": (SPACING, SPACING),
        "spacing_source": "PixelSpacing",
        "calibration": Calibration.REAL_WORLD_VALUE_MAP,
        "device": "Synthetic Densitometers Phantom 1",
        "source": SourceImage(ComputedRadiographyImageStorage, INSTANCE_UID, SERIES_UID, ROWS, COLUMNS),
        "reference": ReferenceIdentity("iscd-atlas-female", "iscd.org/dxaatlas"),
        "regions": _regions(),
        "morphometry": {
            "cortical_thickness_mm": 2.6149,
            "medullary_width_mm": 6.6302,
            "shaft_diameter_mm": 11.86,
        },
        "texture": {
            "variogram_slope": 0.8123,
            "original_glcm_JointEntropy": 5.18234,
            "original_glcm_Contrast": 3.0417,
        },
        "quality": (
            QualityFinding(
                "forearm_length_estimated",
                Severity.WARNING,
                "Forearm length 242 mm is estimated from the patient's height; enter the measured length to "
                "place the one-third region exactly.",
            ),
            QualityFinding("no_reference", Severity.INFO, "The reference has no curve for the mid radius."),
        ),
        "risk": _risk(),
        "explanation": (
            Contribution("one_third.bmd_g_cm2", 0.5563, 0.4127, "g/cm2"),
            Contribution("age_years", 68.6, 0.3518, "a"),
            Contribution("morphometry.cortical_thickness_mm", 2.6149, -0.0821, "mm"),
        ),
        "recommendations": (
            Recommendation(
                "investigation",
                "Confirm with DXA of hip and lumbar spine before any treatment decision.",
                "ISCD 2023 Official Positions",
                "confirm-central",
            ),
        ),
        "changes": (
            RegionChange("one_third", "2.25.9", date(2024, 11, 1), 2.01, -0.0214, -3.704, -1.84, 1.5, True),
            RegionChange("mid", "2.25.9", date(2024, 11, 1), 2.01, -0.004, -0.81, -0.40, None, None),
        ),
        "context": {"age": "68.6 y (Patient's Birth Date)", "sex": "F (Patient's Sex)"},
        "evidence": _evidence(),
    }
    attributes.update(changes)
    return StudyAnalysis(**attributes)


def _box(first_row: int, last_row: int) -> Polygon:
    left, right = float(BONE.start), float(BONE.stop)
    return ((left, first_row), (right, first_row), (right, last_row), (left, last_row))


def _regions() -> dict[str, RegionMeasurement]:
    pixels = BmdSource.PIXELS
    return {
        "ultradistal": RegionMeasurement(
            0.3471, pixels, 0.0042, 1.8223, 5.25, -1.65517, -0.21, pixels, _box(*SLABS["ultradistal"])
        ),
        "mid": RegionMeasurement(0.4912, pixels, 0.0038, 6.8768, 14.0, None, None, None, _box(*SLABS["mid"])),
        "one_third": RegionMeasurement(
            0.5563, pixels, 0.0035, 3.8941, 7.0, -2.29500, -0.46, pixels, _box(*SLABS["one_third"])
        ),
        "total": RegionMeasurement(0.4797, pixels, 0.0031, 12.5932, 26.25, None, None, None, _box(40, 190)),
    }


def _risk() -> RiskEstimate:
    probabilities = {1: 0.0214, 3: 0.0632, 5: 0.1041, 10: 0.19873}
    return RiskEstimate(
        {year: HorizonRisk(p, (0.7 * p, 1.35 * p)) for year, p in probabilities.items()},
        "moderate",
        ModelIdentity(
            "radius-bmd-structure",
            "1",
            "simulated cohort of 4000 subjects; trained on simulated data, research use only",
            "ab" * 32,
        ),
        "10-year probability below 10 % low, 10 to 25 % moderate, above 25 % high",
    )


def _evidence() -> ImageEvidence:
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
    radius = np.zeros((ROWS, COLUMNS), dtype=bool)
    radius[30:280, BONE] = True
    ulna = np.zeros_like(radius)
    ulna[60:280, 70:92] = True
    display = np.where(radius, 0.75, np.where(ulna, 0.7, 0.25)).astype(np.float32)
    display += (0.08 * np.sin(rows / 3.0) * np.cos(columns / 2.0)).astype(np.float32)
    driver = np.where(radius, 0.6 * np.sin(rows / 40.0), 0.0).astype(np.float32)
    driver[190:] = 0.0
    driver[:40] = 0.0
    density = np.where(radius, 0.55, 0.05).astype(np.float32)
    return ImageEvidence(
        np.clip(display, 0.0, 1.0),
        radius,
        ulna,
        _box(30, 280),
        density,
        driver,
        "Contribution per cm² of bone to the 10-year log-odds.",
        True,
    )
