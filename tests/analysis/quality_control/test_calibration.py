"""A scanner's scale from a phantom of known densities."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.acquisition.calibrated import density_map
from analysis.acquisition.pixels import stored_values
from analysis.quality_control.calibration import PhantomReading, fit_scale
from analysis.quality_control.step_phantom import read_steps
from analysis.simulation.step_phantom import step_phantom_density, step_phantom_image

CERTIFICATE = (0.2, 0.4, 0.6, 0.9, 1.2)


def readings(values, certificate=CERTIFICATE):
    return [PhantomReading(true, value) for true, value in zip(certificate, values, strict=True)]


def test_readings_on_a_line_give_that_line_without_error():
    fit = fit_scale(readings([(true - 0.03) / 1.05 for true in CERTIFICATE]))
    assert fit.slope == pytest.approx(1.05)
    assert fit.intercept == pytest.approx(0.03)
    assert fit.see_g_cm2 == pytest.approx(0, abs=1e-9)
    assert fit.linear


def test_figures_agree_with_ordinary_regression_turned_around():
    # x = 1..4, y = 2.1, 3.9, 6.2, 7.8: y = 0.15 + 1.94 x, residual sum of squares 0.082
    fit = fit_scale(readings([2.1, 3.9, 6.2, 7.8], [1.0, 2.0, 3.0, 4.0]))
    assert fit.slope == pytest.approx(1 / 1.94)
    assert fit.intercept == pytest.approx(-0.15 / 1.94)
    scatter = np.sqrt(0.082 / 2)
    assert fit.see_g_cm2 == pytest.approx(scatter / 1.94)
    assert fit.slope_se == pytest.approx(scatter / np.sqrt(5) / 1.94**2)
    student = 4.302653  # t at 0.975, 2 degrees of freedom
    assert fit.slope_interval[0] == pytest.approx(1 / (1.94 + student * scatter / np.sqrt(5)))


def test_intervals_hold_the_true_scale_in_95_of_100_calibrations():
    rng = np.random.default_rng(4)
    held_slope = held_intercept = 0
    for _ in range(500):
        noisy = [(true - 0.02) / 0.97 + rng.normal(0, 0.004) for true in CERTIFICATE * 3]
        fit = fit_scale(readings(noisy, CERTIFICATE * 3))
        held_slope += fit.slope_interval[0] <= 0.97 <= fit.slope_interval[1]
        held_intercept += fit.intercept_interval[0] <= 0.02 <= fit.intercept_interval[1]
    assert 0.92 <= held_slope / 500 <= 0.98
    assert 0.92 <= held_intercept / 500 <= 0.98


@given(st.floats(0.01, 100.0))
def test_the_unit_of_the_readings_only_changes_the_slope(unit):
    values = [0.19, 0.41, 0.6, 0.88, 1.21]
    plain, scaled = fit_scale(readings(values)), fit_scale(readings([unit * value for value in values]))
    assert scaled.slope * unit == pytest.approx(plain.slope)
    assert scaled.intercept == pytest.approx(plain.intercept)
    assert scaled.see_g_cm2 == pytest.approx(plain.see_g_cm2)


def test_a_scanner_that_saturates_is_not_called_linear():
    assert not fit_scale(readings([0.2, 0.4, 0.6, 0.85, 1.0])).linear


@pytest.mark.parametrize(
    ("values", "certificate", "message"),
    [
        ([1.0, 2.0, 3.0], [0.1, 0.2, 0.3], "at least 4 readings"),
        ([1.0, 2.0, 1.0, 2.0], [0.1, 0.2, 0.1, 0.2], "three densities"),
        ([4.0, 3.0, 2.0, 1.0], [0.1, 0.2, 0.3, 0.4], "do not rise"),
    ],
)
def test_what_cannot_carry_a_calibration_is_refused(values, certificate, message):
    with pytest.raises(ValueError, match=message):
        fit_scale(readings(values, certificate))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("order", [CERTIFICATE, CERTIFICATE[::-1], (0.6, 0.2, 1.2, 0.4, 0.9)])
def test_steps_are_found_whatever_their_order_and_direction(order, turned):
    image = step_phantom_density(order, seed=1)
    assert read_steps(image.T if turned else image, 5) == pytest.approx(sorted(CERTIFICATE), abs=0.003)


@pytest.mark.parametrize("steps", [4, 7])
def test_a_wrong_number_of_steps_is_noticed(steps):
    with pytest.raises(ValueError, match="do not stand apart"):
        read_steps(step_phantom_density(CERTIFICATE, seed=1), steps)


def test_an_empty_scan_holds_no_phantom():
    noise = np.random.default_rng(1).normal(0, 0.01, (80, 60)).astype(np.float32)
    with pytest.raises(ValueError, match="phantom"):
        read_steps(noise, 5)


def test_a_scan_of_a_miscalibrated_scanner_gives_its_correction():
    scans = [
        step_phantom_image(
            CERTIFICATE, seed=seed, study_date=date(2026, 3, seed), gain=0.96, offset_g_cm2=0.012
        )
        for seed in (1, 2, 3)
    ]
    found = []
    for scan in scans:
        density, _ = density_map(scan, stored_values(scan))
        found += readings(read_steps(density, 5))
    fit = fit_scale(found)
    assert fit.slope == pytest.approx(1 / 0.96, rel=0.003)
    assert fit.intercept == pytest.approx(-0.012 / 0.96, abs=0.003)
    assert fit.see_g_cm2 < 0.004
    assert fit.linear
