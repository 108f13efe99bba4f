"""The radius is found in any forearm scan, however it lies and however its greys are scaled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.errors import RejectedInput
from analysis.results import Laterality
from analysis.segmentation import find_forearm

SEEDS = range(12)


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.mark.parametrize("seed", SEEDS)
def test_calibrated_scan_gives_radius_direction_and_side(scan, seed):
    phantom = scan(seed)
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
    assert dice(anatomy.radius_mask, phantom.truth.radius_mask) > 0.985
    assert dice(anatomy.ulna_mask, phantom.truth.ulna_mask) > 0.96
    assert anatomy.hand_up == phantom.truth.hand_up
    assert anatomy.radius_is_right_of_ulna == (phantom.truth.laterality is Laterality.LEFT)
    assert anatomy.confidence > 0.6


@pytest.mark.parametrize("seed", SEEDS)
def test_landmarks_lie_where_they_are(scan, seed):
    phantom = scan(seed)
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
    truth = phantom.truth
    spacing = np.array(phantom.spacing_mm[::-1])
    styloid = np.subtract(anatomy.ulnar_styloid, truth.ulnar_styloid) * spacing
    end_plate = np.subtract(anatomy.end_plate, truth.end_plate) * spacing
    assert abs(styloid @ truth.axis_direction) < 1.0
    assert abs(end_plate @ truth.axis_direction) < 1.5
    assert np.degrees(np.arccos(np.dot(anatomy.axis_direction, truth.axis_direction))) < 1.5


@pytest.mark.parametrize("seed", SEEDS)
def test_display_grey_serves_as_well_as_density(scan, display_grey, seed):
    phantom = scan(seed)
    anatomy = find_forearm(display_grey(phantom), phantom.spacing_mm)
    assert dice(anatomy.radius_mask, phantom.truth.radius_mask) > 0.97
    assert anatomy.radius_is_right_of_ulna == (phantom.truth.laterality is Laterality.LEFT)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 5),
    greys=st.fixed_dictionaries(
        {
            "gamma": st.floats(0.5, 1.7),
            "soft": st.floats(0.0, 0.08),
            "top_percentile": st.floats(98.0, 100.0),
        }
    ),
)
def test_no_grey_curve_or_window_loses_the_radius(scan, display_grey, seed, greys):
    phantom = scan(seed)
    grey = display_grey(phantom, **greys)
    anatomy = find_forearm(grey, phantom.spacing_mm)
    assert dice(anatomy.radius_mask, phantom.truth.radius_mask) > 0.95
    assert anatomy.hand_up == phantom.truth.hand_up


@pytest.mark.parametrize("seed", range(4))
def test_unknown_spacing_does_not_hide_the_radius(scan, display_grey, seed):
    phantom = scan(seed)
    anatomy = find_forearm(display_grey(phantom), None)
    assert dice(anatomy.radius_mask, phantom.truth.radius_mask) > 0.96


@pytest.mark.parametrize("seed", range(4))
def test_a_scan_turned_by_180_degrees_shows_the_same_arm(scan, seed):
    phantom = scan(seed)
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
    turned = find_forearm(phantom.density_g_cm2[::-1, ::-1].copy(), phantom.spacing_mm)
    assert turned.radius_is_right_of_ulna == anatomy.radius_is_right_of_ulna
    assert turned.hand_up != anatomy.hand_up
    assert dice(turned.radius_mask[::-1, ::-1], anatomy.radius_mask) > 0.995


def test_a_mirrored_scan_shows_the_other_arm(scan):
    phantom = scan(0)
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
    mirrored = find_forearm(phantom.density_g_cm2[:, ::-1].copy(), phantom.spacing_mm)
    assert mirrored.radius_is_right_of_ulna != anatomy.radius_is_right_of_ulna


@pytest.mark.parametrize("spacing", [(0.55, 0.3), (0.3, 0.55)])
def test_oblong_pixels_are_no_obstacle(scan, spacing):
    phantom = scan(1, spacing_mm=spacing, rows=round(150 / spacing[0]), columns=round(105 / spacing[1]))
    anatomy = find_forearm(phantom.density_g_cm2, spacing)
    assert dice(anatomy.radius_mask, phantom.truth.radius_mask) > 0.98


@pytest.mark.parametrize("tilt", [-20.0, -15.0, 15.0, 20.0])
def test_an_arm_tilted_by_20_degrees_is_still_found(scan, tilt):
    phantom = scan(2, tilt_degrees=tilt)
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
    assert dice(anatomy.radius_mask, phantom.truth.radius_mask) > 0.97


@pytest.mark.parametrize("seed", range(4))
def test_a_fracture_plate_is_seen_and_the_bone_found_under_it(scan, seed):
    phantom = scan(seed, artefact="metal")
    anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
    assert anatomy.metal_mask[phantom.density_g_cm2 > 3.0].all()
    assert dice(anatomy.radius_mask, phantom.truth.radius_mask) > 0.97


@pytest.mark.slow
def test_bone_without_metal_is_not_called_metal(scan):
    for seed in SEEDS:
        phantom = scan(seed)
        assert not find_forearm(phantom.density_g_cm2, phantom.spacing_mm).metal_mask.any()


@pytest.mark.parametrize("seed", range(6))
def test_an_arm_that_moved_is_noticed_and_a_still_one_is_not(scan, seed):
    for artefact, expected in (("motion", True), (None, False)):
        phantom = scan(seed, artefact=artefact)
        anatomy = find_forearm(phantom.density_g_cm2, phantom.spacing_mm)
        assert ("motion_suspected" in {finding.code for finding in anatomy.findings}) is expected


def test_a_bracelet_across_the_arm_does_not_cut_it(scan):
    phantom = scan(5)
    pixels = phantom.density_g_cm2.copy()
    middle = pixels.shape[0] // 2
    pixels[middle : middle + 12] += 4.0
    anatomy = find_forearm(pixels, phantom.spacing_mm)
    assert anatomy.metal_mask[middle : middle + 12].all()
    assert dice(anatomy.radius_mask, phantom.truth.radius_mask) > 0.97


def test_a_scan_without_wrist_is_refused_with_a_cure(scan):
    phantom = scan(3, hand_up=True, tilt_degrees=0.0)
    row = int(phantom.truth.end_plate[1] + 25 / phantom.spacing_mm[0])
    with pytest.raises(RejectedInput, match=r"Repeat|Send") as refusal:
        find_forearm(phantom.density_g_cm2[row:], phantom.spacing_mm)
    assert refusal.value.code in ("radius_not_found", "distal_end_not_found")


NO_FOREARMS = {
    "noise": np.random.default_rng(1).normal(0, 1, (300, 200)),
    "one colour": np.full((300, 200), 0.4),
    "one bar": np.pad(np.ones((300, 30)), ((0, 0), (80, 90))),
    "a disc": (np.hypot(*np.ogrid[-150:150, -100:100]) < 60).astype(float),
    "thumbnail": np.ones((20, 20)),
    "not a number": np.full((300, 200), np.nan),
}


@pytest.mark.parametrize("name", NO_FOREARMS)
def test_what_is_no_forearm_is_refused_with_a_cure(name):
    with pytest.raises(RejectedInput, match=r"Send|Repeat|Export") as refusal:
        find_forearm(NO_FOREARMS[name].astype(np.float32), (0.4, 0.4))
    assert refusal.value.code in ("radius_not_found", "distal_end_not_found")
