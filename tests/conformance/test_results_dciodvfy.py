"""dciodvfy finds no error in any result, whatever the source left out."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import EnhancedSRStorage, SecondaryCaptureImageStorage
from report_support import INSTANCE_UID, SERIES_UID, make_analysis, make_source

from analysis.results import BmdSource, Calibration, RegionMeasurement, SourceImage, StudyAnalysis
from reports import compose
from reports.encapsulated_document import encapsulated_document
from reports.source import report_context

pytestmark = pytest.mark.dciodvfy

VENDOR_NUMBERS = {
    "one_third": RegionMeasurement(
        0.612, BmdSource.VENDOR, None, 2.1, 3.4, -1.4, -0.3, BmdSource.VENDOR, ((9, 9), (40, 9), (40, 60))
    ),
    "ultradistal": RegionMeasurement(0.33, BmdSource.VENDOR, None, None, None, -2.0, None, BmdSource.VENDOR),
}


def of_a_report_page() -> StudyAnalysis:
    analysis = make_analysis(regions=VENDOR_NUMBERS, calibration=Calibration.VENDOR_TABLE)
    source = analysis.source
    assert source is not None
    page = SourceImage(
        SecondaryCaptureImageStorage, source.sop_instance_uid, source.series_instance_uid, 300, 200
    )
    return make_analysis(regions=VENDOR_NUMBERS, calibration=Calibration.VENDOR_TABLE, source=page)


CASES: dict[str, tuple[StudyAnalysis, dict[str, Any]]] = {
    "a calibrated image": (make_analysis(), {}),
    "a vendor's report page": (
        of_a_report_page(),
        {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "OT", "BodyPartExamined": "ARM"},
    ),
    "a bare header": (
        make_analysis(laterality=None, pixel_spacing_mm=None, risk=None, explanation=()),
        dict.fromkeys(
            (
                "PatientBirthDate",
                "PatientSex",
                "PatientAge",
                "PatientSize",
                "StudyID",
                "AccessionNumber",
                "Laterality",
                "PatientOrientation",
                "PixelSpacing",
                "BodyPartExamined",
                "SpecificCharacterSet",
                "ReferringPhysicianName",
            )
        ),
    ),
    "numbers without an image": (
        make_analysis(
            source=SourceImage(EnhancedSRStorage, INSTANCE_UID, SERIES_UID, 0, 0),
            evidence=None,
            regions=VENDOR_NUMBERS,
            calibration=Calibration.VENDOR_TABLE,
            pixel_spacing_mm=None,
            morphometry={},
            texture={},
        ),
        {
            "SOPClassUID": EnhancedSRStorage,
            "Modality": "SR",
            **dict.fromkeys(("Rows", "Columns", "PixelSpacing", "PatientOrientation")),
        },
    ),
    "a report page in colour": (
        of_a_report_page(),
        {
            "SOPClassUID": SecondaryCaptureImageStorage,
            "Modality": "OT",
            "SamplesPerPixel": 3,
            "PhotometricInterpretation": "RGB",
        },
    ),
    "a Chinese name": (make_analysis(), {"SpecificCharacterSet": "GB18030", "PatientName": "王^小东"}),
}


IODS = (
    "SCImage",
    "ComprehensiveSR",
    "Segmentation",
    "GrayscaleSoftcopyPresentationState",
    "ColorSoftcopyPresentationState",
    "EncapsulatedPDF",
    "KeyObjectSelectionDocument",
)


def errors(result: Dataset, folder: Path) -> list[str]:
    path = folder / f"{result.SeriesNumber}.dcm"
    result.save_as(path, enforce_file_format=True)
    run = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    findings = run.stderr.splitlines()
    assert any(iod in line for line in [*findings, run.stdout] for iod in IODS)
    return [line for line in findings if line.startswith("Error")]


@pytest.mark.parametrize("case", CASES)
def test_no_result_has_an_error(case: str, tmp_path: Path) -> None:
    analysis, changes = CASES[case]
    for result in compose(analysis, [make_source(**changes)]):
        assert errors(result, tmp_path) == []


def test_a_pdf_of_any_length_is_wrapped_without_error(tmp_path: Path) -> None:
    context = report_context(make_analysis(), [make_source()])
    for pages in (b"%PDF-1.7 even", b"%PDF-1.7 odd"):
        assert errors(encapsulated_document(pages, context), tmp_path) == []
