"""Shaft, section moments, wrist and bow against simulated truth; what cannot be measured is absent with a
reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.measurement.forearm_shape import BOW_START_MM
from analysis.measurement.morphometry import CATALOGUE, NAMES, measure_morphometry
from analysis.measurement.regions import place_regions
from analysis.segmentation import find_forearm
from analysis.simulation.anatomy import DENSITOMETER_SCALE, SAMPLE_MM, build_anatomy
from analysis.simulation.voxel import draw_voxel_case, render_voxel

COMPACT = 1.05


@pytest.fixture(scope="module")
def shape(as_image):
    def measured(phantom, pixels=None, **changes):
        image = replace(as_image(phantom), **changes)
        if pixels is not None:
            image = replace(image, pixels=pixels.astype(np.float32))
        anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
        placed = place_regions(anatomy, image.spacing_mm, image.forearm_length_mm)
        return measure_morphometry(image, anatomy, placed.slabs, COMPACT)

    return measured


def codes(morphometry):
    return {finding.code for finding in morphometry.findings}


def test_both_walls_and_the_width_agree_with_the_truth(scan, shape):
    for seed in range(6):
        phantom = scan(seed)
        radius = build_anatomy(phantom.subject).geometry.radius
        shift = np.interp(phantom.truth.forearm_length_mm / 3, radius.z, radius.medullary_shift)
        values = shape(phantom).values
        wall = phantom.truth.cortical_thickness_mm
        assert values["cortical_thickness_mm"] == pytest.approx(wall, abs=0.05)
        assert values["cortical_thickness_radial_mm"] == pytest.approx(wall - shift, abs=0.08)
        assert values["cortical_thickness_ulnar_mm"] == pytest.approx(wall + shift, abs=0.08)
        assert values["shaft_diameter_mm"] == pytest.approx(phantom.truth.shaft_diameter_mm, abs=0.1)


@pytest.mark.parametrize("blur_mm", [0.25, 0.36, 0.5])
def test_the_scanner_s_blur_is_found_and_does_not_thin_the_wall(scan, shape, blur_mm):
    phantom = scan(3, blur_mm=blur_mm)
    values = shape(phantom).values
    # sampling the anatomy and averaging bins add some blur of their own
    assert values["image_blur_mm"] == pytest.approx(blur_mm, abs=0.08)
    assert values["cortical_thickness_mm"] == pytest.approx(phantom.truth.cortical_thickness_mm, abs=0.06)


@pytest.mark.slow
def test_walls_of_sections_that_are_no_ellipses_agree_with_the_truth(scan, as_image):
    errors = []
    for seed in range(10):
        phantom = render_voxel(draw_voxel_case(np.random.default_rng([seed, 9]), largest_tilt_degrees=10))
        length = phantom.truth.forearm_length_mm
        image = replace(
            as_image(scan(0)),
            pixels=phantom.pixels,
            spacing_mm=phantom.spacing_mm,
            forearm_length_mm=length,
        )
        anatomy = find_forearm(image.pixels, image.spacing_mm)
        placed = place_regions(anatomy, image.spacing_mm, length)
        values = measure_morphometry(image, anatomy, placed.slabs, COMPACT).values
        errors.append(values["cortical_thickness_mm"] - phantom.truth.cortical_thickness_mm)
    assert abs(np.mean(errors)) < 0.1
    assert np.max(np.abs(errors)) < 0.2


def test_walls_are_given_along_the_shaft(scan, shape):
    phantom = scan(1)
    radius = build_anatomy(phantom.subject).geometry.radius
    profile = shape(phantom).thickness_profile
    truth = np.interp(profile.level_mm, radius.z, radius.cortical_thickness)
    measured = (profile.radial_mm + profile.ulnar_mm) / 2
    assert np.ptp(profile.level_mm) > 30
    assert np.abs(measured - truth).max() < 0.15
    # the wall thins towards the wrist
    assert measured[0] < measured[-1]


def test_section_moments_are_those_of_the_projected_mineral(scan, shape):
    for seed in range(4):
        phantom = scan(seed)
        values = shape(phantom).values
        for name, (low, high) in {
            "ultradistal": (10.0, 25.0),
            "one_third": (
                phantom.truth.forearm_length_mm / 3 - 10,
                phantom.truth.forearm_length_mm / 3 + 10,
            ),
        }.items():
            area, inertia = true_moments(phantom.subject, low, high)
            assert values[f"{name}_bone_area_mm2"] == pytest.approx(area, rel=0.02)
            assert values[f"{name}_inertia_mm4"] == pytest.approx(inertia, rel=0.04)
            assert 0 < values[f"{name}_section_modulus_mm3"] < values[f"{name}_inertia_mm4"]


def true_moments(subject, low, high):
    """Area and second moment of the noiseless map, row by row."""
    anatomy = build_anatomy(subject)
    rows = (anatomy.z >= low) & (anatomy.z < high)
    bone_mm = 10 * anatomy.radius_density[rows] / COMPACT
    area = bone_mm.sum(axis=1) * SAMPLE_MM
    centre = (bone_mm @ anatomy.x) * SAMPLE_MM / area
    inertia = (bone_mm * (anatomy.x[None] - centre[:, None]) ** 2).sum(axis=1) * SAMPLE_MM
    return area.mean(), inertia.mean()


def test_a_ring_of_known_mineral_has_the_moments_of_the_textbook(scan, shape):
    """A phantom's shaft is nearly a ring, so area and mineral agree with each other."""
    phantom = scan(2)
    values = shape(phantom).values
    mineral = 10 * phantom.truth.regions["one_third"].bmd_g_cm2 * phantom.truth.shaft_diameter_mm / COMPACT
    assert values["one_third_bone_area_mm2"] == pytest.approx(mineral, rel=0.02)
    assert values["cortical_area_mm2"] * DENSITOMETER_SCALE == pytest.approx(mineral, rel=0.2)


def test_the_bow_and_where_it_is_agree_with_the_centre_line(scan, shape):
    for seed in range(5):
        phantom = scan(seed)
        radius = build_anatomy(phantom.subject).geometry.radius
        z = np.linspace(BOW_START_MM + 1.5, phantom.truth.forearm_length_mm / 3 + 8.5, 60)
        centre = np.interp(z, radius.z, radius.centre)
        bow = centre - np.interp(z, [z[0], z[-1]], [centre[0], centre[-1]])
        assert shape(phantom).values["shaft_bow_mm"] == pytest.approx(bow[np.abs(bow).argmax()], abs=0.15)


def test_ulnar_variance_follows_the_truth(scan, shape):
    errors = []
    for seed in range(8):
        phantom = scan(seed)
        plate = build_anatomy(phantom.subject).geometry.end_plate
        errors.append(shape(phantom).values["ulnar_variance_mm"] - plate.ulnar_corner[1])
    # the head's surface lies at one level in all of these phantoms
    assert np.std(errors) < 0.3
    assert -6.0 < np.mean(errors) < -4.5


def test_every_value_has_a_unit_a_source_and_where_measured_a_plausible_error(scan, shape):
    morphometry = shape(scan(4))
    assert set(morphometry.values) == set(NAMES) == set(CATALOGUE)
    assert all(item.unit and item.source and item.description for item in CATALOGUE.values())
    assert set(morphometry.uncertainty) == set(NAMES)
    for name, sd in morphometry.uncertainty.items():
        assert morphometry.values[name] is not None
        assert sd > 0
    assert 0.04 < morphometry.uncertainty["cortical_thickness_mm"] < 0.15


def test_display_greys_are_flagged_as_relative(scan, shape, display_grey):
    phantom = scan(4)
    morphometry = shape(phantom, display_grey(phantom), density=False)
    assert "morphometry_relative" in codes(morphometry)
    assert morphometry.values["ring_model_bmd_g_cm2"] is None
    assert morphometry.values["one_third_inertia_mm4"] is None


def test_a_shaft_that_shows_no_section_is_not_measured(scan, shape):
    phantom = scan(4)
    flat = np.random.default_rng(0).normal(0.5, 0.2, phantom.density_g_cm2.shape)
    morphometry = shape(phantom, flat)
    assert morphometry.values["cortical_thickness_mm"] is None
    assert "morphometry_not_measured" in codes(morphometry)
    assert "cortical_thickness_mm" not in morphometry.uncertainty


def test_without_the_one_third_region_only_the_wrist_is_measured(scan, shape):
    values = shape(scan(4), forearm_length_mm=None).values
    assert values["cortical_thickness_mm"] is None
    assert values["radial_inclination_deg"] is not None
    assert values["ultradistal_inertia_mm4"] is not None


def test_metal_over_the_wrist_withholds_its_shape_and_says_so(scan, shape):
    morphometry = shape(scan(0, artefact="metal"))
    assert "wrist_shape_not_measured" in codes(morphometry)
    for name in ("distal_width_mm", "radial_inclination_deg", "ulnar_variance_mm"):
        assert morphometry.values[name] is None
        assert name not in morphometry.uncertainty
    assert morphometry.values["cortical_thickness_mm"] is not None


def test_without_spacing_nothing_is_measured_in_millimetres(scan, shape):
    assert dict(shape(scan(4), spacing_mm=None).values) == dict.fromkeys(NAMES)
