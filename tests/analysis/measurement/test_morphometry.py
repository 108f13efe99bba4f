"""The ring model recovers a ring, and says when there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.measurement.morphometry import NAMES, fit_ring, measure_morphometry
from analysis.segmentation import find_forearm

POSITION = np.arange(-10.5, 10.5, 0.2)


def projected_ring(*, diameter, thickness, cavity=0.15, blur=0.4, offset=0.0, centre=0.0):
    """Projection of a ring, blurred numerically on a fine grid: independent of the code under test."""
    fine = np.arange(-14.0, 14.0, 0.01)
    outer, inner = diameter / 2, diameter / 2 - thickness

    def chord(radius):
        return 2 * np.sqrt(np.clip(radius**2 - (fine - centre) ** 2, 0, None))

    height = chord(outer) - chord(inner) + cavity * chord(inner)
    kernel = np.exp(-0.5 * (np.arange(-3, 3.005, 0.01) / blur) ** 2)
    height = np.convolve(height, kernel / kernel.sum(), "same") + offset
    return np.interp(POSITION, fine, height)


RINGS = st.fixed_dictionaries(
    {
        "diameter": st.floats(10.0, 15.0),
        "thickness": st.floats(1.5, 4.0),
        "cavity": st.floats(0.05, 0.3),
        "blur": st.floats(0.25, 0.6),
        "offset": st.floats(-0.3, 0.3),
        "centre": st.floats(-0.5, 0.5),
    }
)


@settings(max_examples=25, deadline=None)
@given(RINGS)
def test_a_ring_is_recovered(truth):
    ring = fit_ring(POSITION, projected_ring(**truth))
    assert ring.diameter_mm == pytest.approx(truth["diameter"], abs=0.06)
    assert ring.thickness_mm == pytest.approx(truth["thickness"], abs=0.06)
    assert ring.blur_mm == pytest.approx(truth["blur"], abs=0.06)


def test_grey_levels_do_not_change_the_geometry():
    height = projected_ring(diameter=12.5, thickness=2.8)
    plain, scaled = fit_ring(POSITION, height), fit_ring(POSITION, 0.05 + 0.3 * height)
    assert scaled.thickness_mm == pytest.approx(plain.thickness_mm, abs=1e-3)


def test_noise_on_a_profile_moves_the_cortex_by_less_than_a_tenth_of_a_millimetre():
    rng = np.random.default_rng(3)
    clean = projected_ring(diameter=12.5, thickness=2.8)
    fits = [
        fit_ring(POSITION, clean + 0.01 * clean.max() * rng.standard_normal(clean.size)) for _ in range(20)
    ]
    assert np.std([ring.thickness_mm for ring in fits]) < 0.1


def test_display_greys_are_flagged_as_relative(scan, display_grey):
    phantom = scan(4)
    grey = display_grey(phantom)
    anatomy = find_forearm(grey, phantom.spacing_mm)
    shape = measure_morphometry(grey, False, anatomy, phantom.spacing_mm, phantom.truth.forearm_length_mm)
    assert "morphometry_relative" in {finding.code for finding in shape.findings}
    assert shape.values["ring_model_bmd_g_cm2"] is None


def test_a_shaft_that_is_no_ring_is_not_measured(scan):
    phantom = scan(4)
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
    flat = np.random.default_rng(0).normal(0.5, 0.2, phantom.density_g_cm2.shape).astype(np.float32)
    shape = measure_morphometry(flat, True, anatomy, phantom.spacing_mm, phantom.truth.forearm_length_mm)
    assert shape.values["cortical_thickness_mm"] is None
    assert "morphometry_not_measured" in {finding.code for finding in shape.findings}


def test_without_spacing_nothing_is_measured_in_millimetres(scan):
    phantom = scan(4)
    anatomy = find_forearm(phantom.density_g_cm2, None)
    shape = measure_morphometry(phantom.density_g_cm2, True, anatomy, None, 250.0)
    assert dict(shape.values) == dict.fromkeys(NAMES)
