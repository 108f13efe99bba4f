"""The whole result set of each sample study, judged by dicom3tools, DCMTK and highdicom."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import highdicom
import pytest
from pydicom import Dataset, dcmread

from analysis.engine import analyze
from dicom_node.config import load_analysis_config
from reports import compose
from reports.identity import SERIES, ResultKind
from reports.options import EVERY_RESULT
from reports.render import as_text

pytestmark = [pytest.mark.dciodvfy, pytest.mark.dcmtk]

STUDIES = (
    "02-calibrated-high-risk",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            "01-calibrated-low-risk",
            "03-calibrated-follow-up",
            "04-hologic",
            "05-lunar",
            "07-calibrated-metal",
        )
    ),
)
"""Sample studies that are analysed; the others take the same way with ``slow``."""

KNOWN_NOISE = (
    # dicom3tools counts the Accession Number of a Key Object Selection to its series: PS3.3 C.17.6.2 repeats
    # it in Referenced Request Sequence, the attribute itself stands in General Study (C.7.2.1) as everywhere
    r"Warning - Different information entities for attribute - Element=<AccessionNumber> IE <Series> versus "
    r"<Study> for file .*908\.dcm>",
)


@cache
def source_files(study: str) -> tuple[Path, ...]:
    return tuple(sorted((Path(__file__).parents[2] / "sample_studies" / study).rglob("*.dcm")))


@cache
def results_of(study: str) -> tuple[Dataset, ...]:
    source = [dcmread(path) for path in source_files(study)]
    return tuple(compose(analyze(source, config=load_analysis_config()), source))


def files_of(study: str, folder: Path) -> dict[ResultKind, Path]:
    kinds = {series.number: kind for kind, series in SERIES.items()}
    files = {}
    for result in results_of(study):
        path = folder / f"{result.SeriesNumber}.dcm"
        result.save_as(path, enforce_file_format=True)
        files[kinds[int(result.SeriesNumber)]] = path
    return files


def said(*command: str | Path) -> list[str]:
    run = subprocess.run(
        [str(part) for part in command], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    return (run.stdout + run.stderr).splitlines()


def faults_of_presentation(path: Path) -> list[str]:
    """What dcmpschk faults, but for text beyond ASCII: DCMTK 3.6.7 does not know UTF-8 here."""
    lines = said("dcmpschk", path)
    assert any("Semantic" in line or "Test" in line for line in lines)
    values = [line for line in lines if "Attribute value" in line]
    faults = [line for line in lines if line.startswith("E: Error")]
    foreign = [value for value in values if not value.isascii()]
    return faults if len(foreign) < len(faults) else []


@pytest.mark.parametrize("study", STUDIES)
def test_the_whole_set_is_valid_and_one_with_its_source(study: str, tmp_path: Path) -> None:
    files = files_of(study, tmp_path)
    assert set(files) == {ResultKind(name) for name in EVERY_RESULT}
    for path in files.values():
        findings = said("dciodvfy", "-new", path)
        assert findings, path
        assert [line for line in findings if line.startswith("Error")] == []
    clashes = said("dcentvfy", *source_files(study), *files.values())
    assert [line for line in clashes if not any(re.fullmatch(noise, line) for noise in KNOWN_NOISE)] == []


@pytest.mark.parametrize("study", STUDIES)
def test_other_programs_read_what_was_written(study: str, tmp_path: Path) -> None:
    files = files_of(study, tmp_path)
    assert faults_of_presentation(files[ResultKind.PRESENTATION]) == []
    for kind in (ResultKind.MEASUREMENTS, ResultKind.REPORT):
        assert not [line for line in said("dsrdump", "-q", files[kind]) if line.startswith(("E:", "F:"))]
    document = highdicom.sr.srread(files[ResultKind.MEASUREMENTS])
    content: Any = document.content
    assert len(content.get_planar_roi_measurement_groups()) >= 2
    assert as_text(document) == as_text(dcmread(files[ResultKind.MEASUREMENTS]))
    segmentation = highdicom.seg.segread(files[ResultKind.SEGMENTATION])
    assert segmentation.number_of_segments >= 3


def test_dcentvfy_does_notice_another_patient(tmp_path: Path) -> None:
    study = "02-calibrated-high-risk"
    path = files_of(study, tmp_path)[ResultKind.SUMMARY]
    stranger = dcmread(path)
    stranger.PatientSex = "M" if stranger.PatientSex == "F" else "F"
    stranger.save_as(path)
    assert any("PatientSex" in line for line in said("dcentvfy", *source_files(study), path))
