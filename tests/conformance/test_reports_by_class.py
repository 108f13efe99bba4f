"""Both reports are sound in every Structured Report class a site may choose, with everything they can say."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from highdicom.sr import srread
from pydicom import Dataset
from report_support import make_analysis, make_source

from analysis.results import DensitometricDiagnosis, ModelIdentity, SegmentationQuality, StudyAnalysis
from reports.options import ReportOptions, SrClass
from reports.source import ReportContext, report_context
from reports.structured_report import measurement_report
from reports.text_report import text_report
from reports.texture import TEXTURE

IODS: dict[SrClass, str] = {
    "enhanced": "EnhancedSR",
    "comprehensive": "ComprehensiveSR",
    "comprehensive_3d": "Comprehensive3DSR",
}
WRITERS: dict[str, Callable[[ReportContext], Dataset]] = {
    "measurements": measurement_report,
    "report": text_report,
}


def everything() -> StudyAnalysis:
    network = ModelIdentity("forearm-net", "2", "simulated forearms", "cd" * 32)
    return make_analysis(
        segmentation=SegmentationQuality("network", network, score=0.987, agreement=0.9912),
        diagnosis=DensitometricDiagnosis("low_bone_mass", basis="T-score -2.3 of the one-third radius"),
        uncertainty={"cortical_thickness_mm": 0.05},
        mechanics={"mean_strain_index": 2150.0},
        texture=dict.fromkeys(TEXTURE, 1.25),
        assumptions=("postmenopausal",),
    )


@pytest.fixture(params=[(name, iod) for name in WRITERS for iod in IODS], ids=" ".join)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    name, sr_class = request.param
    options = ReportOptions(sr_class=sr_class, texture=tuple(TEXTURE))
    path = tmp_path / "document.dcm"
    document = WRITERS[name](report_context(everything(), [make_source()], options=options))
    document.save_as(path, enforce_file_format=True)
    return path, IODS[sr_class]


@pytest.mark.dciodvfy
def test_the_class_is_the_one_chosen_and_has_no_error(written: tuple[Path, str]) -> None:
    path, iod = written
    run = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    lines = (run.stdout + run.stderr).splitlines()
    assert iod in lines
    assert [line for line in lines if line.startswith("Error")] == []


@pytest.mark.dcmtk
def test_dcmtk_reads_the_tree_against_the_constraints_of_its_class(written: tuple[Path, str]) -> None:
    path, _ = written
    # it cuts long texts within a character
    run = subprocess.run(
        ["dsrdump", str(path)], capture_output=True, text=True, errors="replace", check=False
    )
    assert run.returncode == 0
    assert [line for line in run.stderr.splitlines() if line.startswith("E:")] == []


def test_highdicom_reads_it_again(written: tuple[Path, str]) -> None:
    path, _ = written
    document = srread(path)
    if document.content.__class__.__name__ == "MeasurementReport":
        assert len(document.content.get_planar_roi_measurement_groups()) == 4  # type: ignore[attr-defined]
    else:
        assert document.ConceptNameCodeSequence[0].CodeValue == "18748-4"
