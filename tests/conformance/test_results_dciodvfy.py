"""dciodvfy finds no error in any result, whatever the source left out."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import EnhancedSRStorage, SecondaryCaptureImageStorage
from report_support import INSTANCE_UID, SERIES_UID, make_analysis, make_source

from analysis.results import BmdSource, Calibration, RegionMeasurement, SourceImage, StudyAnalysis
from reports import compose

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
    "a Chinese name": (make_analysis(), {"SpecificCharacterSet": "GB18030", "PatientName": "王^小东"}),
}


@pytest.mark.parametrize("case", CASES)
def test_no_result_has_an_error(case: str, tmp_path: Path) -> None:
    analysis, changes = CASES[case]
    for result in compose(analysis, [make_source(**changes)]):
        path = tmp_path / f"{result.SeriesNumber}.dcm"
        result.save_as(path, enforce_file_format=True)
        run = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        findings = run.stderr.splitlines()
        assert any("SCImage" in line or "ComprehensiveSR" in line for line in [*findings, run.stdout])
        assert [line for line in findings if line.startswith("Error")] == []
