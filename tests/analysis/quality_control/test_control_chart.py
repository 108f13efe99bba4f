"""A drifting scanner is noticed soon, a steady one seldom accused; figures are the published ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis.quality_control.control_chart import (
    CUSUM_H,
    control_chart,
    cusum,
    estimated_shift,
    shewhart_signals,
)
from analysis.quality_control.drift import WARNED_PERCENT

# Montgomery, Introduction to Statistical Quality Control, example 9.1: mean 10, SD 1, shift after scan 20
MONTGOMERY = np.array(
    [
        9.45,
        7.99,
        9.29,
        11.66,
        12.16,
        10.18,
        8.04,
        11.46,
        9.20,
        10.34,
        9.03,
        11.47,
        10.51,
        9.40,
        10.08,
        9.37,
        10.62,
        10.31,
        8.52,
        10.84,
        10.90,
        9.33,
        12.29,
        11.50,
        10.60,
        11.08,
        10.38,
        11.62,
        11.31,
        10.52,
    ]
)
UPPER = [0, 0, 0, 1.16, 2.82, 2.50, 0.04, 1.00, 0, 0, 0, 0.97, 0.98, 0, 0, 0, 0.12, 0, 0, 0.34, 0.74, 0]
UPPER += [1.79, 2.79, 2.89, 3.47, 3.35, 4.47, 5.28, 5.30]

BASELINE = 1.0 + 0.004 * np.array([1, -1] * 10)
"""Twenty scans of mean 1.000 and SD 0.0041 g/cm²."""

z_values = arrays(np.float64, st.integers(1, 60), elements=st.floats(-6, 6))


def test_cusum_gives_the_figures_of_the_textbook():
    high, _ = cusum(MONTGOMERY - 10.0)
    assert np.round(high, 2).tolist() == pytest.approx(UPPER)
    assert np.flatnonzero(high > CUSUM_H)[0] == 28  # period 29


def test_shift_is_dated_and_sized_as_in_the_textbook():
    # a baseline of mean 10 and SD exactly 1, then his data
    baseline = 10 + np.array([1, -1] * 10) * np.sqrt(19 / 20)
    chart = control_chart([*baseline, *MONTGOMERY], 20)
    assert chart is not None
    assert "cusum" in chart.signals[20 + 28]
    shift = estimated_shift(chart, 20 + 28)
    assert shift.first == 20 + 22  # the mean moved between periods 22 and 23
    assert shift.g_cm2 == pytest.approx(1.25, abs=0.005)  # new mean 11.25
    assert shift.percent == pytest.approx(12.5, abs=0.05)


def first_signal(broken: list[bool]) -> int:
    return broken.index(True) + 1


def test_a_scanner_in_control_is_accused_by_the_four_zone_rules_once_in_92_scans():
    rng = np.random.default_rng(20261120)
    runs = [
        first_signal([bool(rules) for rules in shewhart_signals(rng.standard_normal(1200))])
        for _ in range(250)
    ]
    # 91.75 (Champ and Woodall 1987); the standard error of 250 runs is about 6
    assert np.mean(runs) == pytest.approx(91.75, abs=18)


@pytest.mark.parametrize(("shift", "published", "tolerance"), [(1.0, 10.4, 0.5), (2.0, 4.01, 0.2)])
def test_a_shifted_scanner_is_found_by_cusum_as_soon_as_published(shift, published, tolerance):
    rng = np.random.default_rng(7)
    runs = []
    for _ in range(1200):
        high, low = cusum(rng.normal(shift, 1.0, 80))
        runs.append(first_signal(list(np.maximum(high, low) > CUSUM_H)))
    assert np.mean(runs) == pytest.approx(published, abs=tolerance)


@pytest.mark.slow
def test_a_scanner_in_control_is_accused_by_cusum_once_in_465_scans():
    rng = np.random.default_rng(8)
    runs = []
    for _ in range(800):
        high, low = cusum(rng.standard_normal(6000))
        runs.append(first_signal(list(np.maximum(high, low) > CUSUM_H)))
    assert np.mean(runs) == pytest.approx(465, rel=0.12)


@given(z_values)
def test_cusum_never_falls_below_zero_and_mirrors_with_the_sign(z):
    high, low = cusum(z)
    assert (high >= 0).all()
    assert (low >= 0).all()
    mirrored_high, mirrored_low = cusum(-z)
    assert mirrored_high == pytest.approx(low)
    assert mirrored_low == pytest.approx(high)


@given(z_values)
def test_cusum_forgets_once_the_scanner_is_back_on_target(z):
    high, low = cusum(np.concatenate([z, np.zeros(700)]))
    assert high[-1] == 0
    assert low[-1] == 0


@pytest.mark.parametrize(
    ("tail", "rule"),
    [
        ([3.1], "one_beyond_3_sd"),
        ([2.1, 0.0, 2.1], "two_of_three_beyond_2_sd"),
        ([-1.2, -1.1, 0.5, -1.3, -1.2], "four_of_five_beyond_1_sd"),
        ([0.1] * 8, "eight_on_one_side"),
    ],
)
def test_each_zone_rule_sees_its_pattern_and_nothing_less(tail, rule):
    assert rule in shewhart_signals(np.array(tail))[-1]
    assert rule not in shewhart_signals(np.array(tail[1:] or [0.0]))[-1]


def test_scans_on_both_sides_break_no_run_rule():
    assert shewhart_signals(np.array([2.5, -2.5, 1.0, -2.5, 2.5]))[:4] == (
        (),
        (),
        (),
        ("two_of_three_beyond_2_sd",),
    )
    assert shewhart_signals(np.array([0.1, -0.1] * 10))[-1] == ()


def test_band_of_one_and_a_half_percent_holds_even_where_scans_scatter_widely():
    wide = 1.0 + 0.02 * np.array([1, -1] * 10)
    assert control_chart([*wide, 1.016], 20).signals[-1] == ("beyond_band",)
    assert control_chart([*wide, 1.014], 20).signals[-1] == ()


def test_no_judgement_without_a_whole_baseline_or_without_scatter():
    assert control_chart(BASELINE[:19], 20) is None
    assert control_chart([1.0] * 21, 20) is None


@given(st.floats(0.2, 5.0))
def test_judgement_does_not_depend_on_the_scale_of_the_phantom(scale):
    scans = np.concatenate([BASELINE, 1.0 + 0.004 * np.array([0.2, 2.6, 2.9, 3.4, -1.0])])
    assert control_chart(scans * scale, 20).signals == control_chart(scans, 20).signals


def warned(scans):
    chart = control_chart(scans, 25)
    return [
        bool(rules) and abs(estimated_shift(chart, 25 + number).percent) >= WARNED_PERCENT
        for number, rules in enumerate(chart.signals[25:])
    ]


def test_a_scanner_with_a_usual_baseline_seldom_warns_and_a_shift_of_one_percent_soon_does():
    rng = np.random.default_rng(3)
    steady = [warned(1 + 0.004 * rng.standard_normal(125)) for _ in range(40)]
    assert np.mean(steady) < 0.025
    shifted = []
    for _ in range(40):
        scans = 1 + 0.004 * rng.standard_normal(65)
        scans[25:] *= 1.01
        shifted.append(first_signal(warned(scans)))
    assert np.mean(shifted) < 4
