"""A node that is killed while it reprocesses supersedes each study's report once, no more and no less."""

from __future__ import annotations

from pathlib import Path

import pytest
from reprocessing_drill import run_drill


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_kills_while_sixty_studies_are_reprocessed(tmp_path: Path) -> None:
    report = run_drill(tmp_path, studies=60, kills=2)
    assert report.holds, report
    assert len(report.kills) == 2
    assert report.items == {"changed": 60}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_kills_while_the_real_engine_analyses_six_studies_again(tmp_path: Path) -> None:
    report = run_drill(tmp_path, studies=6, kills=2, standin=False)
    assert report.holds, report
