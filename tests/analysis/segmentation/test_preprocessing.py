"""Every preprocessing step does one thing, and none touches what is measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.config import PREPROCESSING
from analysis.errors import RejectedInput
from analysis.segmentation import find_forearm
from analysis.segmentation.preprocessing import denoise, is_display_grey, prepare


def displayed(phantom, gamma):
    low, high = np.percentile(phantom.density_g_cm2, (1.0, 99.8))
    grey = np.clip((phantom.density_g_cm2 - low) / (high - low), 0, 1) ** gamma
    return (np.round(grey * 255) / 255).astype(np.float32)


@pytest.mark.parametrize("gamma", [0.4, 0.7, 1.5, 2.5])
def test_the_shafts_tell_how_steep_a_display_curve_is(scan, gamma):
    errors = []
    for seed in range(5):
        phantom = scan(seed)
        picture = prepare(displayed(phantom, gamma), phantom.spacing_mm, PREPROCESSING, density=False)
        errors.append(abs(np.log(picture.grey_exponent / gamma)))
    assert np.median(errors) < 0.2


def test_a_steep_display_curve_does_not_widen_the_bone(scan):
    phantom = scan(1)
    true_area = phantom.truth.radius_mask.sum()
    grey = displayed(phantom, 0.4)
    without = tuple(step for step in PREPROCESSING if step != "grey_standardisation")
    area, area_without = (
        find_forearm(grey, phantom.spacing_mm, method="classical", preprocessing=steps).radius_mask.sum()
        for steps in (PREPROCESSING, without)
    )
    assert abs(area / true_area - 1) < 0.02
    assert area_without / true_area - 1 > 0.03


def test_density_keeps_its_greys(scan):
    phantom = scan(2)
    picture = prepare(phantom.density_g_cm2, phantom.spacing_mm, PREPROCESSING, density=True)
    assert picture.grey_exponent == 1.0
    assert (picture.pixels == phantom.density_g_cm2).all()


def test_oblong_pixels_need_their_correction(scan):
    spacing = (0.55, 0.3)
    phantom = scan(1, spacing_mm=spacing, rows=273, columns=350)
    picture = prepare(phantom.density_g_cm2, spacing, PREPROCESSING, density=True)
    square = prepare(phantom.density_g_cm2, spacing, ("contrast_normalisation",), density=True)
    assert picture.spacing_mm == spacing
    assert square.spacing_mm[0] == square.spacing_mm[1] == pytest.approx(np.sqrt(0.55 * 0.3))


def test_metal_is_excluded_and_painted_over_only_where_it_is(scan):
    phantom = scan(0, artefact="metal")
    picture = prepare(phantom.density_g_cm2, phantom.spacing_mm, PREPROCESSING, density=True)
    assert picture.excluded.any()
    assert (picture.pixels[~picture.excluded] == phantom.density_g_cm2[~picture.excluded]).all()
    assert picture.pixels[picture.excluded].max() < phantom.density_g_cm2.max() / 2


def test_denoising_quietens_noise_and_leaves_a_quiet_picture_alone(scan):
    phantom = scan(3)
    quiet = prepare(phantom.density_g_cm2, phantom.spacing_mm, (), density=True)
    assert denoise(quiet) is quiet
    rng = np.random.default_rng(1)
    noise = (0.15 * rng.standard_normal(quiet.pixels.shape)).astype(np.float32)
    loud = prepare(phantom.density_g_cm2 + noise, phantom.spacing_mm, (), density=True)
    assert np.std(denoise(loud).pixels - quiet.pixels) < 0.6 * np.std(loud.pixels - quiet.pixels)


@given(st.floats(0.01, 100.0), st.floats(-5.0, 5.0))
def test_common_greys_do_not_depend_on_the_scanner_s_scale(factor, offset):
    picture = np.random.default_rng(1).random((60, 60))
    common, scaled = (
        prepare(pixels, (0.5, 0.5), ("contrast_normalisation",), density=True).values
        for pixels in (picture, picture * factor + offset)
    )
    assert np.allclose(common, scaled, atol=1e-6)


def test_display_greys_are_told_from_density():
    assert is_display_grey(np.array([[0.0, 1.0]]))
    assert not is_display_grey(np.array([[-0.02, 0.9]]))
    assert not is_display_grey(np.array([[0.0, 1.3]]))


def test_pixels_without_a_finite_value_are_refused():
    with pytest.raises(RejectedInput, match="finite"):
        prepare(np.full((60, 60), np.nan), (0.5, 0.5), PREPROCESSING, density=True)
