"""The node speaks to whom its configuration names, and to nobody else: no library calls its makers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DICOM_NODE = Path(sys.executable).parent / "dicom-node"
SAMPLE = Path(__file__).parents[2] / "sample_studies" / "01-calibrated-low-risk"


@pytest.mark.slow
@pytest.mark.strace
def test_an_analysis_calls_nobody_and_leaves_nothing_in_the_users_home(tmp_path: Path) -> None:
    home, calls = tmp_path / "home", tmp_path / "calls"
    home.mkdir()
    done = subprocess.run(
        [
            *("strace", "-f", "-q", "-o", calls, "-e", "trace=connect,sendto,sendmsg,sendmmsg"),
            *(DICOM_NODE, "analyze", SAMPLE, "--out", tmp_path / "out"),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},  # libraries keep silent where they notice a CI
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out").rglob("*.dcm"))
    called = [line for line in calls.read_text().splitlines() if "AF_INET" in line]
    assert called == []
    assert [path for path in home.rglob("*") if "microsoft" in str(path).lower()] == []
