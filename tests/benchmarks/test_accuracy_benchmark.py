"""The accuracy benchmark: its statistics against known answers, its verdicts, and a run of the whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def disc(radius: float) -> np.ndarray:
    """Share of every pixel inside a circle around (30, 40), by 100 samples each."""
    rows, columns = (np.indices((800, 600)) + 0.5) / 10
    inside = np.hypot(rows - 40, columns - 30) <= radius
    return inside.reshape(80, 10, 60, 10).mean(axis=(1, 3))


def circle(radius: float) -> list[tuple[float, float]]:
    turn = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    return [(30 + radius * np.cos(t), 40 + radius * np.sin(t)) for t in turn]


def test_distance_between_concentric_circles_is_the_difference_of_their_radii():
    from accuracy_parts.statistics import hd95_mm

    tenth_of_a_pixel = 0.05  # as well as the contour of a pixel grid can be known
    assert hd95_mm(circle(17.0), disc(15.0), (0.5, 0.5)) == pytest.approx(1.0, abs=tenth_of_a_pixel)
    assert hd95_mm(circle(15.0), disc(15.0), (0.5, 0.5)) == pytest.approx(0.0, abs=tenth_of_a_pixel)


def test_rms_cv_of_two_scans():
    from accuracy_parts.statistics import rms_cv_percent

    pairs = np.array([[1.0, 1.02], [2.0, 2.0]])
    one = 100 * (0.02 / np.sqrt(2)) / 1.01
    assert rms_cv_percent(pairs) == pytest.approx(np.sqrt(one**2 / 2))


def test_no_failure_in_five_hundred_cases_leaves_room_for_less_than_one_percent():
    from accuracy_parts.statistics import exact_upper

    assert exact_upper(0, 500) == pytest.approx(1 - 0.025 ** (1 / 500))
    assert exact_upper(3, 3) == 1.0


def test_a_goal_is_met_only_by_both_families():
    from accuracy_parts.table import Figure, Goal

    goal = Goal("Dice", "", 0.95, 0.99, {"own": Figure(0.98, 9), "voxel": Figure(0.96, 9)}, at_least=True)
    assert (goal.verdict(goal.must), goal.verdict(goal.aim)) == ("pass", "miss")
    bias = Goal("bias", "%", 0.5, None, {"own": Figure(0.1, 9), "voxel": Figure(-0.6, 9)})
    assert (bias.verdict(bias.must), bias.verdict(bias.aim)) == ("miss", "")
    unknown = Goal("speed", "ms", 5.0, None, {"all": Figure(None, 0)})
    assert unknown.verdict(unknown.must) == "not measured"


def test_a_failed_outline_is_silent_unless_something_is_said():
    from accuracy_parts.table import is_silent

    assert is_silent({"flags": [], "dice": 0.5})
    assert not is_silent({"flags": ["artefact_metal"], "dice": 0.5})
    assert not is_silent({"flags": [], "dice": 0.95})


@pytest.mark.parametrize("family", ["own", "voxel"])
def test_a_turned_picture_keeps_its_arm_and_a_mirrored_one_does_not(family):
    from accuracy_parts.samples import draw_sample, turned

    sample = draw_sample(family, 990_001)
    upside_down = turned(sample, mirrored=False, upside_down=True)
    mirrored = turned(sample, mirrored=True, upside_down=False)
    assert (upside_down.laterality, upside_down.hand_up) == (sample.laterality, not sample.hand_up)
    assert mirrored.laterality != sample.laterality
    assert mirrored.hand_up == sample.hand_up
    np.testing.assert_array_equal(turned(upside_down, mirrored=False, upside_down=True).pixels, sample.pixels)


@pytest.mark.slow
def test_the_whole_benchmark_runs_and_writes_its_page(tmp_path):
    out = tmp_path / "accuracy.md"
    command = [
        sys.executable,
        str(BENCHMARKS / "accuracy.py"),
        "--tiny",
        "--processes",
        "1",
        "--out",
        str(out),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=900)
    text, content = out.read_text(), json.loads(out.with_suffix(".json").read_text())
    assert "one-third BMD against truth: bias" in text
    assert {row["family"] for row in content["clean"]} == {"own", "voxel"}
    assert all(row["must_met"] in ("pass", "miss", "not measured", "") for row in content["goals"])
    for name in ("contact_sheet", "ten_worst"):
        assert 10_000 < (tmp_path / "images" / f"accuracy_{name}.png").stat().st_size < 600_000
