"""How density is spread within a region, on bones whose distribution is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from straight_forearm import LENGTH_MM, RADIUS_DENSITY, RADIUS_MM, straight_forearm

from analysis.measurement.density_distribution import (
    CATALOGUE,
    PERCENTILES,
    Distribution,
    measure_distribution,
)
from analysis.measurement.regions import PARTS, place_regions


def described(paint: Any = None, spoiled: frozenset[str] = frozenset(), **changes: Any) -> Distribution:
    image, anatomy = straight_forearm(**changes)
    if paint is not None:
        across, along = anatomy.frame.of_pixels(image.pixels.shape)
        inside = anatomy.radius_mask
        pixels = np.zeros_like(image.pixels)
        pixels[inside] = paint(across + anatomy.ulnar_styloid[0] * 0.4, along)[inside]
        image = replace(image, pixels=pixels)
    placed = place_regions(anatomy, image.spacing_mm, LENGTH_MM)
    return measure_distribution(image, anatomy, placed, spoiled)


def test_every_quantity_has_a_unit_a_source_and_an_uncertainty() -> None:
    found = described()
    assert set(found.values) == set(CATALOGUE)
    assert set(found.uncertainty) == set(CATALOGUE)
    for name, quantity in CATALOGUE.items():
        suffix = quantity.unit.replace("g/cm2/mm", "g_cm2_mm").replace("g/cm2", "g_cm2")
        assert name.endswith(suffix)
        assert quantity.description
        assert quantity.source


def test_a_uniform_bone_has_no_spread_and_no_shape() -> None:
    found = described().values
    for region in PARTS:
        assert found[f"{region}_mean_g_cm2"] == pytest.approx(RADIUS_DENSITY, rel=1e-5)
        for name in ("sd_g_cm2", "skewness_1", "kurtosis_1", "entropy_bit", "axial_gradient_g_cm2_mm"):
            assert found[f"{region}_{name}"] == pytest.approx(0.0, abs=1e-6)
        assert found[f"{region}_high_density_fraction_1"] == 1.0
    assert found["ultradistal_shell_to_core_1"] == pytest.approx(1.0)
    assert found["one_third_trough_to_peak_1"] == pytest.approx(1.0)


@settings(max_examples=10, deadline=None)
@given(st.floats(-0.004, 0.004))
def test_the_axial_gradient_is_the_slope_along_the_forearm(ramp: float) -> None:
    found = described(ramp_per_mm=ramp).values
    for region in PARTS:
        assert found[f"{region}_axial_gradient_g_cm2_mm"] == pytest.approx(ramp, abs=1e-5)


def test_the_transverse_gradient_is_the_slope_across() -> None:
    middle = sum(RADIUS_MM) / 2
    found = described(lambda across, along: 0.7 + 0.02 * (across - middle))
    # the rim's blur reaches into the region, whence a little more than the slope itself
    assert found.values["mid_p50_g_cm2"] == pytest.approx(0.7, abs=0.005)
    assert found.values["mid_transverse_gradient_g_cm2_mm"] > 0.02
    assert found.values["mid_axial_gradient_g_cm2_mm"] == pytest.approx(0.0, abs=1e-5)


def test_moments_and_entropy_of_a_two_valued_bone_are_those_of_a_coin() -> None:
    # rows of 0.4 mm in turn 0.6 and 0.9: mean 0.75, SD 0.15, symmetric, excess kurtosis −2, one bit
    found = described(lambda across, along: np.where(np.floor(along / 0.4) % 2 == 0, 0.6, 0.9)).values
    for region in ("mid", "one_third"):
        assert found[f"{region}_mean_g_cm2"] == pytest.approx(0.75, abs=0.005)
        assert found[f"{region}_sd_g_cm2"] == pytest.approx(0.15, abs=0.001)
        assert found[f"{region}_skewness_1"] == pytest.approx(0.0, abs=0.1)
        assert found[f"{region}_kurtosis_1"] == pytest.approx(-2.0, abs=0.02)
        assert found[f"{region}_entropy_bit"] == pytest.approx(1.0, abs=0.01)
        assert found[f"{region}_high_density_fraction_1"] == pytest.approx(0.5, abs=0.03)


def test_wall_and_core_peaks_and_trough_are_told_apart() -> None:
    middle, half = sum(RADIUS_MM) / 2, (RADIUS_MM[1] - RADIUS_MM[0]) / 2
    found = described(lambda across, along: np.where(half - np.abs(across - middle) < 2.5, 1.0, 0.4)).values
    assert found["ultradistal_shell_g_cm2"] == pytest.approx(1.0, abs=1e-3)
    assert found["ultradistal_core_g_cm2"] == pytest.approx(0.4, abs=1e-3)
    assert found["ultradistal_shell_to_core_1"] == pytest.approx(2.5, rel=1e-2)
    assert found["one_third_cortical_peak_g_cm2"] == pytest.approx(1.0, abs=0.01)
    assert found["one_third_medullary_trough_g_cm2"] == pytest.approx(0.4, abs=0.01)


@settings(max_examples=5, deadline=None)
@given(st.floats(0.5, 1.8))
def test_density_scales_what_is_density_and_leaves_shape_alone(factor: float) -> None:
    def grainy(across: Any, along: Any) -> Any:
        return 0.6 + 0.1 * np.sin(across * 3) * np.cos(along * 2) + 0.002 * along

    plain = described(grainy).values
    scaled = described(lambda across, along: factor * grainy(across, along)).values
    for name, quantity in CATALOGUE.items():
        if name.endswith(("fraction_1", "entropy_bit")):
            continue
        power = 0 if quantity.unit == "1" else 1
        assert scaled[name] == pytest.approx(plain[name] * factor**power, rel=1e-3, abs=1e-4)


def test_percentiles_ascend() -> None:
    found = described(lambda across, along: 0.6 + 0.003 * along, blur_mm=0.4).values
    for region in PARTS:
        row = [found[f"{region}_p{p:02d}_g_cm2"] for p in PERCENTILES]
        assert row == sorted(row)


def test_soft_tissue_changes_nothing() -> None:
    plain, raised = described().values, described(soft_tissue=0.08).values
    for region in PARTS:
        assert raised[f"{region}_mean_g_cm2"] == pytest.approx(plain[f"{region}_mean_g_cm2"], abs=1e-4)


def test_what_an_artefact_overlaps_and_what_is_not_calibrated_is_left_out() -> None:
    assert not any(name.startswith("mid_") for name in described(spoiled=frozenset({"mid"})).values)
    assert described(density=False).values == {}
