"""dciodvfy finds no error in the results of 200 odd but legal sources."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from odd_sources import CASES, odd_source

from reports import compose
from reports.options import ResultName

pytestmark = [pytest.mark.dciodvfy, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

UNDRAWN: tuple[ResultName, ...] = ("measurements", "report", "segmentation", "presentation", "key_objects")
"""Pictures do not depend on what is odd about a source beyond their header, which these have as well."""


@pytest.mark.parametrize("number", range(CASES), ids="source {:03d}".format)
def test_no_result_of_an_odd_source_has_an_error(number: int, tmp_path: Path) -> None:
    odd = odd_source(number)
    for result in compose(odd.analysis, [odd.source], options=replace(odd.options, results=UNDRAWN)):
        path = tmp_path / f"{result.SeriesNumber}.dcm"
        result.save_as(path, enforce_file_format=True)
        run = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        findings = run.stderr.splitlines()
        assert findings, odd
        assert [line for line in findings if line.startswith("Error")] == [], odd
