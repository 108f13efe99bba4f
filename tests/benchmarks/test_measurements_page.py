"""The page of measurements is the one that the engine's catalogues give."""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent


def test_the_page_of_measurements_says_what_the_engine_s_catalogues_say() -> None:
    sys.path.insert(0, str(REPOSITORY / "benchmarks"))
    from measurements_page import page

    written = (REPOSITORY / "docs" / "measurements.md").read_text(encoding="utf-8")
    assert written == page(), "run: .venv/bin/python benchmarks/measurements_page.py"
