"""The numba kernels give pyradiomics' values, on any region that pyradiomics accepts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analysis.measurement.texture import radiomic_classes, reference_engine

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # pyradiomics averages over no direction

PIXEL_MM = 0.5
BIN_WIDTH = 0.025

RELATIVE = 1e-8
ABSOLUTE = 1e-12
"""Third moments and correlations of symmetric regions cancel to rounding."""
ABSOLUTE_OF_ROOTS = 1e-7
"""The same under a square root, e.g. the minor axis of pixels on one line."""
ROOTS = {"glcm_Imc2", "glcm_MCC", "shape2D_Elongation", "shape2D_MinorAxisLength"}


def assert_engines_agree(values, mask):
    own, reference = (
        engine.intensity_features(values, mask, bin_width=BIN_WIDTH, pixel_mm=PIXEL_MM)
        | engine.shape2d_features(mask, pixel_mm=PIXEL_MM)
        for engine in (radiomic_classes, reference_engine)
    )
    assert own.keys() == reference.keys()
    assert len(own) == 102
    for name, expected in reference.items():
        absolute = ABSOLUTE_OF_ROOTS if name in ROOTS else ABSOLUTE
        assert own[name] == pytest.approx(expected, rel=RELATIVE, abs=absolute, nan_ok=True), name


def spans_two_rows_and_columns(mask):
    return mask.any(axis=0).sum() >= 2 and mask.any(axis=1).sum() >= 2


@st.composite
def regions(draw):
    """Any small region: holes, islands, two-row strips, levels on the edges of bins, flat, negative."""
    shape = draw(st.integers(2, 12)), draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = {
        "density": lambda: rng.normal(0.4, 0.08, shape),
        "on bin edges": lambda: np.round(rng.normal(0.4, 0.08, shape) / BIN_WIDTH) * BIN_WIDTH,
        "flat": lambda: np.full(shape, rng.choice([0.1, 0.25, 0.4, -0.3])),
        "three levels": lambda: 0.1 * rng.integers(1, 4, shape),
        "around zero": lambda: rng.normal(0.0, 0.02, shape),
    }[draw(st.sampled_from(["density", "on bin edges", "flat", "three levels", "around zero"]))]()
    mask = rng.random(shape) < draw(st.sampled_from([0.3, 0.6, 0.9, 1.0]))
    assume(spans_two_rows_and_columns(mask))
    return np.asarray(values, np.float64), mask


@given(regions())
@settings(max_examples=150, deadline=None)
def test_any_region_gives_the_reference_engines_values(region):
    assert_engines_agree(*region)


@pytest.mark.slow
@given(regions())
@settings(max_examples=3000, deadline=None)
def test_thousands_of_regions_give_the_reference_engines_values(region):
    assert_engines_agree(*region)


def test_a_large_region_with_holes_and_islands():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:60, 0:70]
    mask = (np.hypot(rows - 28, columns - 30) < 25) & ~(np.hypot(rows - 20, columns - 30) < 6)
    mask |= np.hypot(rows - 50, columns - 62) < 5
    assert_engines_agree(0.4 + 0.1 * np.sin(columns / 5) + rng.normal(0, 0.05, mask.shape), mask)


def test_pixels_that_touch_no_other():
    mask = np.zeros((7, 7), bool)
    mask[::2, ::2] = True
    assert_engines_agree(np.random.default_rng(1).normal(0.4, 0.1, mask.shape), mask)


def test_two_pixels_far_apart():
    mask = np.zeros((6, 6), bool)
    mask[0, 0] = mask[5, 3] = True
    assert_engines_agree(np.random.default_rng(2).normal(0.4, 0.1, mask.shape), mask)


@pytest.mark.parametrize("value", [0.0, 0.1, 0.4, -0.3])
def test_a_completely_flat_region(value):
    assert_engines_agree(np.full((9, 11), value), np.ones((9, 11), bool))


def test_a_direction_that_holds_one_level_only():
    values = np.array([[0.1, 0.3], [0.1, 0.3], [0.1, 0.3]])
    assert_engines_agree(values, np.ones(values.shape, bool))


def test_a_strip_of_two_rows():
    assert_engines_agree(np.random.default_rng(3).normal(0.4, 0.1, (2, 40)), np.ones((2, 40), bool))
