"""Texture is complete, follows the IBSI reference, and does not depend on how the arm lies."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import AnalysisError
from analysis.measurement import texture
from analysis.measurement.regions import place_regions
from analysis.measurement.texture import (
    EXPECTED_FEATURES,
    measure_texture,
    radiomics_features,
    variogram_features,
)
from analysis.segmentation import find_forearm

# IBSI-1 digital phantom and mask (theibsi/data_sets, CC BY 4.0), slices of the third axis
IBSI_PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [1, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 1, 1, 1], [1, 1, 9, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ],
    dtype=float,
)
IBSI_MASK = np.ones((4, 4, 5), bool)
IBSI_MASK[1, 2, 0] = IBSI_MASK[2, 2, 2] = IBSI_MASK[2, 0, 3] = IBSI_MASK[2, 0, 4] = False
IBSI_MASK[3, 0, 3] = IBSI_MASK[3, 0, 4] = False


@pytest.mark.parametrize(
    ("feature", "reference"),
    # consensus "very strong", aggregation "2D, averaged", three digits
    [("JointEntropy", 2.05), ("Contrast", 5.28), ("MaximumProbability", 0.519)],
)
def test_glcm_features_agree_with_the_ibsi_reference(feature, reference):
    slices = [
        radiomics_features(values, mask, bin_width=1.0)
        for values, mask in zip(IBSI_PHANTOM, IBSI_MASK, strict=True)
    ]
    mean = np.mean([features[f"original_glcm_{feature}"] for features in slices])
    assert mean == pytest.approx(reference, rel=0.002)


@pytest.fixture(scope="module")
def ultradistal(scan):
    def measured(seed, *, turned=False, radiomics=True):
        phantom = scan(seed)
        pixels = phantom.density_g_cm2[::-1, ::-1].copy() if turned else phantom.density_g_cm2
        anatomy = find_forearm(pixels, phantom.spacing_mm)
        placed = place_regions(anatomy, phantom.spacing_mm, None)
        return measure_texture(pixels, True, anatomy, placed.masks["ultradistal"], radiomics=radiomics)

    return measured


def test_every_feature_of_a_real_region_is_there_and_finite(ultradistal):
    values = ultradistal(0).values
    assert sum(name.startswith("original_") for name in values) == EXPECTED_FEATURES == 102
    assert np.isfinite(list(values.values())).all()


def test_a_missing_feature_is_an_error_and_not_a_gap(monkeypatch):
    monkeypatch.setattr(texture, "EXPECTED_FEATURES", 103)
    with pytest.raises(AnalysisError, match="102 features"):
        radiomics_features(IBSI_PHANTOM[0], IBSI_MASK[0], bin_width=1.0)


def test_the_same_scan_gives_the_same_texture_twice(ultradistal):
    assert ultradistal(0).values == ultradistal(0).values


@pytest.mark.parametrize("seed", range(3))
def test_turning_the_scan_by_180_degrees_hardly_changes_texture(ultradistal, seed):
    upright, turned = (ultradistal(seed, turned=t, radiomics=False).values for t in (False, True))
    assert turned["variogram_slope"] == pytest.approx(upright["variogram_slope"], abs=0.08)
    assert turned["variogram_sill"] == pytest.approx(upright["variogram_sill"], rel=0.08)


def test_white_noise_has_no_slope_and_twice_its_variance_as_sill():
    values = np.random.default_rng(5).normal(0.4, 0.03, (80, 80))
    features = variogram_features(values, np.ones((80, 80), bool))
    assert features["variogram_slope"] == pytest.approx(0.0, abs=0.05)
    assert features["variogram_sill"] == pytest.approx(2 * 0.03**2, rel=0.05)
    assert features["variogram_snr"] < 0.5


def test_a_smooth_field_has_a_slope_and_a_high_signal_to_noise_ratio():
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(6).standard_normal((80, 80)), 1.5)
    field = 0.4 + 0.03 * field / field.std()
    features = variogram_features(field, np.ones((80, 80), bool))
    assert features["variogram_slope"] > 1.0
    assert features["variogram_snr"] > 3.0


def test_greys_are_flagged_as_not_comparable(scan, display_grey):
    phantom = scan(1)
    grey = display_grey(phantom)
    anatomy = find_forearm(grey, phantom.spacing_mm)
    placed = place_regions(anatomy, phantom.spacing_mm, None)
    measured = measure_texture(grey, False, anatomy, placed.masks["ultradistal"])
    assert "texture_not_comparable" in {finding.code for finding in measured.findings}


def test_no_region_no_texture(scan):
    phantom = scan(1)
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
    assert not measure_texture(phantom.density_g_cm2, True, anatomy, None).values
