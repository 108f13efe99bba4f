"""Our writer says what highdicom says, in at most 0.35 of its time, whatever else the machine does."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "benchmarks"))


def test_a_report_of_306_measurements_is_written_in_at_most_0_35_of_highdicom_s_time() -> None:
    from structured_report import BAR, compare, made_up_study

    times = compare(*made_up_study(), rounds=3)
    ours, theirs = (statistics.median(times[name]) for name in ("own content items", "highdicom's classes"))
    assert ours <= BAR * theirs
