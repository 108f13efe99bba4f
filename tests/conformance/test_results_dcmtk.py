"""DCMTK reads the results: reports with the names of their values, outlines as a presentation state."""

from __future__ import annotations

import html
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from report_support import make_analysis, make_source

from reports import ReportOptions, compose
from reports.options import ResultName

pytestmark = pytest.mark.dcmtk


def result(name: ResultName, folder: Path, **source: Any) -> Path:
    path = folder / f"{name}.dcm"
    options = ReportOptions(results=(name,))
    (made,) = compose(make_analysis(), [make_source(**source)], options=options)
    made.save_as(path, enforce_file_format=True)
    return path


def rendered(name: ResultName, folder: Path) -> str:
    path = result(name, folder, PatientName="王^小东")
    page = folder / "document.html"
    subprocess.run(["dsr2html", str(path), str(page)], check=True, capture_output=True)
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", page.read_text(encoding="utf-8"))).split())


def test_the_measurements_are_rendered_with_their_names(tmp_path: Path) -> None:
    text = rendered("measurements", tmp_path)
    for expected in ("BMD 1/3: 0.5563 g/cm2", "Fracture risk 10 y: 19.87 %", "Tracking Identifier"):
        assert expected in text


def test_the_report_reads_well_and_keeps_chinese_names(tmp_path: Path) -> None:
    text = rendered("report", tmp_path)
    assert "Recommendation: Confirm with DXA of hip and lumbar spine" in text
    assert "小东 王" in text


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_the_outlines_are_a_presentation_state_that_dcmtk_can_check(tmp_path: Path, photometric: str) -> None:
    path = result("presentation", tmp_path, PhotometricInterpretation=photometric)
    run = subprocess.run(["dcmpschk", str(path)], capture_output=True, text=True, check=True)
    assert "Test passed" in run.stderr
