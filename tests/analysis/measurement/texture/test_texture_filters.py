"""Filtered images, local patterns and fractal dimensions, against other software and analytic truth."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from radiomics.featureextractor import RadiomicsFeatureExtractor
from scipy.ndimage import gaussian_filter

from analysis.measurement.texture.filters import LOG_SIGMAS_MM
from analysis.measurement.texture.fractal import fractal_features
from analysis.measurement.texture.local_patterns import pattern_features
from analysis.measurement.texture.measure import family_features
from analysis.measurement.texture.patch import GRID_MM, Patch

BIN_WIDTH = 0.025


def textured_patch(shape=(41, 57), margin=10):
    rng = np.random.default_rng(4)
    field = gaussian_filter(rng.standard_normal(shape), 1.2)
    values = 0.4 + 0.06 * field / field.std()
    mask = np.zeros(shape, bool)
    mask[margin:-margin, margin:-margin] = True
    return Patch(values, values, mask)


def test_filtered_families_are_those_of_pyradiomics():
    """Its own filters, its own classes, on an image with odd sides, where the wavelet pads."""
    patch = textured_patch()
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    extractor = RadiomicsFeatureExtractor(binWidth=BIN_WIDTH, additionalInfo=False)
    extractor.disableAllImageTypes()
    extractor.enableImageTypeByName("LoG", customArgs={"sigma": list(LOG_SIGMAS_MM)})
    extractor.enableImageTypeByName("Wavelet")
    extractor.disableAllFeatures()
    for group in ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"):
        extractor.enableFeatureClassByName(group)
    image, label = (sitk.GetImageFromArray(part) for part in (patch.values, patch.mask.astype(np.uint8)))
    for part in (image, label):
        part.SetSpacing((GRID_MM, GRID_MM))
    reference = extractor.execute(image, label)
    own = family_features(patch, ("log", "wavelet"), bin_width=BIN_WIDTH)
    assert own.keys() == reference.keys()
    assert len(own) == 279 + 372
    for name, value in reference.items():
        assert own[name] == pytest.approx(float(value), rel=1e-8, abs=1e-12), name


def test_a_pattern_of_single_bright_pixels_has_no_denser_neighbours_there():
    values = np.zeros((30, 30))
    values[::5, ::5] = 1.0
    features = pattern_features(values, values > 0)
    assert features["lbp_p8_r1_0"] == 1.0
    assert sum(features.values()) == pytest.approx(2.0)  # one histogram for each circle


def test_patterns_do_not_see_differences_below_their_step():
    values = 0.4 + 1e-5 * np.random.default_rng(1).standard_normal((30, 30))
    inner = np.zeros(values.shape, bool)
    inner[3:-3, 3:-3] = True
    assert pattern_features(values, inner)["lbp_p8_r1_8"] == 1.0


def power_law_surface(beta, seed=0, side=256):
    """A Gaussian surface whose power falls as frequency to the -beta: dimension 4 - beta/2."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) * frequency ** (-beta / 2)
    spectrum[0, 0] = 0.0
    return np.fft.irfft2(spectrum)


@pytest.mark.parametrize("dimension", [2.2, 2.5, 2.8])
def test_a_surface_of_known_dimension_is_found_by_its_spectrum(dimension):
    surface = power_law_surface(8 - 2 * dimension)
    found = fractal_features(surface, np.ones(surface.shape, bool))
    assert found["fractal_power_spectrum"] == pytest.approx(dimension, abs=0.1)


def test_rougher_surfaces_have_a_larger_box_dimension():
    surfaces = [power_law_surface(8 - 2 * dimension) for dimension in (2.2, 2.5, 2.8)]
    found = [fractal_features(s, np.ones(s.shape, bool))["fractal_box_counting"] for s in surfaces]
    assert found == sorted(found)
    assert found[0] == pytest.approx(2.2, abs=0.1)
    # a few pixels cannot show the whole range of a rough surface
    assert 2.3 < found[2] < 2.8


def test_a_flat_region_has_no_dimension():
    flat = np.full((40, 40), 0.4)
    assert np.isnan(list(fractal_features(flat, np.ones(flat.shape, bool)).values())).all()
