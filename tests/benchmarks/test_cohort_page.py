"""The page of the simulated cohort tells the parameters that are in force."""

from __future__ import annotations

import sys
from pathlib import Path

from analysis.simulation.cohort.parameters import parameters
from analysis.simulation.cohort.targets import all_targets

REPOSITORY = Path(__file__).parent.parent.parent
REMEDY = "run: .venv/bin/python benchmarks/cohort_page.py"


def test_the_page_shows_every_parameter_as_it_is_and_every_published_figure() -> None:
    sys.path.insert(0, str(REPOSITORY / "benchmarks"))
    from cohort_page import parameter_tables

    written = (REPOSITORY / "docs" / "cohort.md").read_text(encoding="utf-8")
    assert parameter_tables(parameters().values()) in written, REMEDY
    assert all(f"| {target.name} | {target.published:g}" in written for target in all_targets()), REMEDY
    assert "research use only" in written
