"""DCMTK reads and renders both reports with the names of their values, as its users' viewers do."""

from __future__ import annotations

import html
import re
import subprocess
from pathlib import Path

import pytest
from report_support import make_analysis, make_source

from reports import compose

pytestmark = pytest.mark.dcmtk


def rendered(number: int, folder: Path) -> str:
    path = folder / "document.dcm"
    source = make_source(PatientName="王^小东")
    compose(make_analysis(), [source])[number].save_as(path, enforce_file_format=True)
    page = folder / "document.html"
    subprocess.run(["dsr2html", str(path), str(page)], check=True, capture_output=True)
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", page.read_text(encoding="utf-8"))).split())


def test_the_measurements_are_rendered_with_their_names(tmp_path: Path) -> None:
    text = rendered(1, tmp_path)
    for expected in ("BMD 1/3: 0.5563 g/cm2", "Fracture risk 10 y: 19.87 %", "Tracking Identifier"):
        assert expected in text


def test_the_report_reads_well_and_keeps_chinese_names(tmp_path: Path) -> None:
    text = rendered(3, tmp_path)
    assert "Recommendation: Confirm with DXA of hip and lumbar spine" in text
    assert "小东 王" in text
