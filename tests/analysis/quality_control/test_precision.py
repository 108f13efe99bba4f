"""Precision error and least significant change as ISCD and Glüer define them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.quality_control.precision import interval_factors, precision_error

patients = st.dictionaries(
    st.text(min_size=1, max_size=4),
    st.lists(st.floats(0.2, 1.2), min_size=2, max_size=4),
    min_size=1,
    max_size=8,
)


def test_duplicate_scans_give_the_square_root_of_half_the_mean_squared_difference():
    scans = {"a": [0.700, 0.708], "b": [0.600, 0.594], "c": [0.500, 0.510]}
    error = precision_error(scans)
    assert error.rms_sd_g_cm2 == pytest.approx(math.sqrt((0.008**2 + 0.006**2 + 0.010**2) / (2 * 3)))
    assert (error.degrees_of_freedom, error.patients, error.scans) == (3, 3, 6)


def test_triplicate_scans_give_iscds_root_of_the_mean_variance():
    rng = np.random.default_rng(3)
    scans = {str(patient): rng.normal(0.65, 0.01, 3) for patient in range(15)}
    by_iscd = math.sqrt(np.mean([np.std(values, ddof=1) ** 2 for values in scans.values()]))
    cv_by_iscd = 100 * math.sqrt(np.mean([np.var(v, ddof=1) / np.mean(v) ** 2 for v in scans.values()]))
    error = precision_error(scans)
    assert error.rms_sd_g_cm2 == pytest.approx(by_iscd)
    assert error.rms_cv_percent == pytest.approx(cv_by_iscd)
    assert error.degrees_of_freedom == 30
    assert error.sufficient


def test_a_precision_of_0_015_means_a_least_significant_change_of_0_042():
    # Bonnick, The determination of LSC: 0.015 g/cm² by 95 % confidence, one scan at either visit
    error = precision_error({"a": [1.0, 1.0 + 0.015 * math.sqrt(2)]})
    assert error.rms_sd_g_cm2 == pytest.approx(0.015)
    assert round(error.lsc_g_cm2, 3) == 0.042


def test_27_degrees_of_freedom_leave_an_upper_90_percent_limit_of_30_percent():
    # Glüer et al. 1995, abstract
    assert interval_factors(27, 0.90)[1] == pytest.approx(1.30, abs=0.01)


def test_arithmetic_mean_of_duplicates_would_flatter_by_a_quarter():
    # Glüer et al. 1995: arithmetic means underestimate duplicates' precision by up to 25 %... here 20 %
    rng = np.random.default_rng(5)
    scans = {str(patient): rng.normal(1.0, 0.01, 2) for patient in range(4000)}
    arithmetic = np.mean([np.std(values, ddof=1) for values in scans.values()])
    error = precision_error(scans)
    assert error.rms_sd_g_cm2 == pytest.approx(0.01, rel=0.03)
    assert arithmetic == pytest.approx(0.01 * math.sqrt(2 / math.pi), rel=0.03)


def test_the_interval_holds_the_true_precision_in_95_of_100_studies():
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(400):
        low, high = precision_error({str(p): rng.normal(0.7, 0.008, 3) for p in range(15)}).rms_sd_interval
        held += low <= 0.008 <= high
    assert 0.92 <= held / 400 <= 0.98


@given(patients, st.floats(0.1, 10.0))
def test_scale_changes_the_sd_in_proportion_and_the_cv_not_at_all(scans, scale):
    plain = precision_error(scans)
    scaled = precision_error({patient: [scale * v for v in values] for patient, values in scans.items()})
    assert scaled.rms_sd_g_cm2 == pytest.approx(scale * plain.rms_sd_g_cm2, abs=1e-9)
    assert scaled.rms_cv_percent == pytest.approx(plain.rms_cv_percent, abs=1e-7)


@given(patients)
def test_who_was_scanned_once_says_nothing_about_precision(scans):
    with_single = precision_error({**scans, "scanned once": [0.9]})
    assert with_single == precision_error(scans)


def test_single_scans_only_give_no_precision():
    assert precision_error({"a": [0.7], "b": [0.6]}) is None
