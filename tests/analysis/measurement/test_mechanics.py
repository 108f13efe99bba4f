"""The mechanical model: scaling laws, convergence, and silence where it has nothing to stand on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.config import MechanicsAssumptions
from analysis.measurement.mechanics import CATALOGUE, measure_mechanics
from analysis.measurement.regions import place_regions
from analysis.segmentation import find_forearm

STRAINS = ("mean_strain_index", "maximum_strain", "ultradistal_mean_strain", "one_third_mean_strain")


@pytest.fixture(scope="module")
def deformed(scan):
    phantom = scan(2)
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
    slabs = place_regions(anatomy, phantom.spacing_mm, phantom.truth.forearm_length_mm).slabs

    def measured(factor=1.0, *, weight_kg=60.0, cv=0.01, regions=slabs, **assumptions):
        return measure_mechanics(
            phantom.density_g_cm2 * np.float32(factor),
            anatomy,
            regions,
            density_cv=dict.fromkeys(slabs, cv),
            weight_kg=weight_kg,
            assumptions=replace(MechanicsAssumptions(), **assumptions),
        )

    measured.anatomy = anatomy
    return measured


def test_strain_follows_body_mass_and_stiffness_does_not(deformed):
    light, heavy = deformed(weight_kg=50.0).values, deformed(weight_kg=75.0).values
    for name in STRAINS:
        assert heavy[name] == pytest.approx(1.5 * light[name], rel=1e-9)
    assert heavy["axial_stiffness_n_mm"] == light["axial_stiffness_n_mm"]


def test_stiffness_follows_the_modulus(deformed):
    soft, stiff = deformed(compact_modulus_mpa=8500.0).values, deformed().values
    assert stiff["axial_stiffness_n_mm"] == pytest.approx(2 * soft["axial_stiffness_n_mm"], rel=1e-9)
    assert soft["mean_strain_index"] == pytest.approx(2 * stiff["mean_strain_index"], rel=1e-9)


@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0])
def test_losing_a_tenth_of_the_mineral_softens_the_bone_by_the_power_law(deformed, exponent):
    # compact bone is set so dense that no element is clipped to it
    law = {"density_exponent": exponent, "compact_mineral_g_cm3": 2.0}
    whole, lost = deformed(**law).values, deformed(0.9, **law).values
    expected = 0.9**exponent
    assert lost["axial_stiffness_n_mm"] / whole["axial_stiffness_n_mm"] == pytest.approx(expected, rel=0.01)
    assert lost["bending_stiffness_n_mm"] / whole["bending_stiffness_n_mm"] == pytest.approx(
        expected, rel=0.01
    )
    assert whole["mean_strain_index"] / lost["mean_strain_index"] == pytest.approx(expected, rel=0.02)


def test_the_mesh_has_converged(deformed):
    by_side = {side: deformed(element_mm=side).values for side in (0.8, 0.5)}
    for name, limit in {"axial_stiffness_n_mm": 0.01, "bending_stiffness_n_mm": 0.02}.items():
        assert by_side[0.8][name] == pytest.approx(by_side[0.5][name], rel=limit)
    for name in STRAINS:
        assert by_side[0.8][name] == pytest.approx(by_side[0.5][name], rel=0.02)


def test_a_unit_load_stands_in_for_an_unknown_body_mass_and_is_said(deformed):
    unknown = deformed(weight_kg=None)
    message = next(f.message for f in unknown.findings if f.code == "mechanics_assumptions")
    assert "unit load of 1000 N" in message
    assert "relative use only" in message
    weight_kg = 1000.0 / (9.80665 * 0.816)
    assert unknown.values["mean_strain_index"] == pytest.approx(
        deformed(weight_kg=weight_kg).values["mean_strain_index"], rel=1e-9
    )


def test_without_a_one_third_region_nothing_is_modelled_and_the_reason_is_given(deformed):
    absent = deformed(regions={"ultradistal": (10.0, 25.0)})
    assert dict(absent.values) == dict.fromkeys(CATALOGUE)
    assert [finding.code for finding in absent.findings] == ["mechanics_not_measured"]
    assert absent.strain_map is None
    assert not absent.uncertainty


def test_the_strain_map_shows_the_modelled_bone_only(deformed):
    mechanics, anatomy = deformed(), deformed.anatomy
    strain = mechanics.strain_map
    assert (strain[~anatomy.radius_mask] == 0).all()
    assert (strain[anatomy.radius_mask] > 0).mean() > 0.7
    inside = strain[strain > 0]
    assert 1e6 * np.median(inside) == pytest.approx(mechanics.values["mean_strain_index"], rel=0.3)


def test_the_error_of_density_is_carried_by_the_exponent(deformed):
    mechanics = deformed(cv=0.02)
    for name, sd in mechanics.uncertainty.items():
        assert sd == pytest.approx(1.5 * 0.02 * mechanics.values[name])
    assert set(mechanics.uncertainty) == set(CATALOGUE)
