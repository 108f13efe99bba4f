"""A phantom's picture and its truth agree, however the arm lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from analysis.results import Laterality
from analysis.simulation import (
    Acquisition,
    Phantom,
    draw_acquisition,
    draw_subject,
    render,
    true_measurements,
)
from analysis.simulation import anatomy as anatomy_module
from analysis.simulation.anatomy import (
    CORTICAL_MINERAL_G_CM3,
    DENSITOMETER_SCALE,
    POROSITY_OF_THAT_COHORT,
    TRABECULAR_CALIBRATION,
    TRABECULAR_MINERAL_G_CM3,
    build_anatomy,
)
from analysis.simulation.detector import poisson_counts
from analysis.simulation.truth import region_slabs
from analysis.simulation.view import image_map

SUBJECT = draw_subject(np.random.default_rng(3), age=60, sex="F")
REGIONS = ("ultradistal", "mid", "one_third", "total")

acquisitions = st.builds(
    Acquisition,
    laterality=st.sampled_from(Laterality),
    hand_up=st.booleans(),
    tilt_degrees=st.floats(-10, 10),
    spacing_mm=st.tuples(st.floats(0.3, 0.5), st.floats(0.3, 0.5)),
    offset_mm=st.tuples(st.floats(-4, 4), st.floats(-3, 3)),
)


def cover(polygon: NDArray[np.float64], shape: tuple[int, ...], factor: int = 8) -> NDArray[np.float64]:
    """Share of every pixel inside a polygon of (column, row) points."""
    fine = Image.new("L", (shape[1] * factor, shape[0] * factor))
    ImageDraw.Draw(fine).polygon([(x * factor - 0.5, y * factor - 0.5) for x, y in polygon], fill=1)
    return np.asarray(fine).reshape(shape[0], factor, shape[1], factor).mean((1, 3))


def widened(polygon: NDArray[np.float64], margin: float) -> NDArray[np.float64]:
    """A region's outline with both sides moved out by `margin` pixels."""
    left, right = polygon[: len(polygon) // 2], polygon[len(polygon) // 2 :][::-1]
    outward = (right - left) / np.linalg.norm(right - left, axis=1)[:, None]
    return np.vstack([left - margin * outward, (right + margin * outward)[::-1]])


def measured_content(phantom: Phantom, region: str, margin_mm: float) -> float:
    row_mm, column_mm = phantom.spacing_mm
    polygon = widened(np.array(phantom.truth.polygons[region]), margin_mm / column_mm)
    weight = cover(polygon, phantom.density_g_cm2.shape)
    return float((weight * phantom.density_g_cm2).sum() * row_mm * column_mm / 100)


def test_true_mineral_is_the_ring_models_to_a_thousandth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        anatomy_module, "projected_fluctuation", lambda bone, shape, sample, seed: np.zeros(shape, np.float32)
    )
    bone, radius = SUBJECT.bone, build_anatomy(SUBJECT).geometry.radius
    a, b, t = radius.half_width, radius.half_depth, radius.cortical_thickness
    cortical = np.pi * (a * b - (a - t) * (b - t)) * CORTICAL_MINERAL_G_CM3
    cortical *= (1 - bone.cortical_porosity) / (1 - POROSITY_OF_THAT_COHORT)
    trabecular = np.pi * (a - t) * (b - t) * TRABECULAR_MINERAL_G_CM3 * TRABECULAR_CALIBRATION
    trabecular *= bone.bone_volume_fraction * radius.trabecular_factor
    g_per_mm = DENSITOMETER_SCALE * (cortical + trabecular) / 1000
    for name, (distal, proximal) in region_slabs(SUBJECT.forearm_length_mm).items():
        z = np.linspace(distal, proximal, 20001)
        truth = true_measurements(SUBJECT)[name]
        assert truth.bmc_g == pytest.approx(np.trapezoid(np.interp(z, radius.z, g_per_mm), z), rel=1e-3)
        assert truth.area_cm2 == pytest.approx(np.trapezoid(np.interp(z, radius.z, 2 * a), z) / 100, rel=1e-3)
        assert truth.bmd_g_cm2 == pytest.approx(truth.bmc_g / truth.area_cm2)


def test_total_is_the_sum_of_its_parts() -> None:
    truth = true_measurements(SUBJECT)
    for quantity in ("bmc_g", "area_cm2"):
        parts = sum(getattr(truth[name], quantity) for name in ("ultradistal", "mid", "one_third"))
        assert getattr(truth["total"], quantity) == pytest.approx(parts)


@pytest.mark.parametrize("seed", range(4))
def test_the_picture_holds_the_true_mineral(seed: int) -> None:
    rng = np.random.default_rng(seed)
    phantom = render(draw_subject(rng), draw_acquisition(rng), seed)
    for region in ("mid", "one_third"):
        assert measured_content(phantom, region, 2.0) == pytest.approx(
            phantom.truth.regions[region].bmc_g, rel=0.015
        )
    assert measured_content(phantom, "ultradistal", 1.0) == pytest.approx(
        phantom.truth.regions["ultradistal"].bmc_g, rel=0.02
    )


@settings(max_examples=12, deadline=None)
@given(acquisition=acquisitions)
def test_truth_lies_where_the_picture_shows_it(acquisition: Acquisition) -> None:
    truth = render(SUBJECT, acquisition, seed=1).truth
    rows, columns = acquisition.rows, acquisition.columns
    for column, row in (truth.end_plate, truth.ulnar_styloid):
        assert 0 < column < columns
        assert 0 < row < rows
    row_mm, column_mm = acquisition.spacing_mm
    for region in ("ultradistal", "one_third"):
        inside = cover(np.array(truth.polygons[region]), (rows, columns))
        area = inside.sum() * row_mm * column_mm / 100
        assert area == pytest.approx(truth.regions[region].area_cm2, rel=0.015)
        assert (truth.radius_mask[inside == 1]).mean() > 0.99
    assert not (truth.radius_mask & truth.ulna_mask).any()


@settings(max_examples=12, deadline=None)
@given(acquisition=acquisitions)
def test_a_palm_down_left_arm_has_its_radius_on_the_right_when_the_hand_is_up(
    acquisition: Acquisition,
) -> None:
    truth = render(SUBJECT, acquisition, seed=1).truth
    radius, ulna = (np.argwhere(mask).mean(axis=0) for mask in (truth.radius_mask, truth.ulna_mask))
    right_of_ulna = bool(radius[1] > ulna[1]) is acquisition.hand_up
    assert right_of_ulna is (acquisition.laterality is Laterality.LEFT)
    assert (truth.axis_direction[1] > 0) is acquisition.hand_up
    assert np.hypot(*truth.axis_direction) == pytest.approx(1)


@given(acquisition=acquisitions, point=st.tuples(st.floats(-50, 50), st.floats(-20, 110)))
def test_image_and_bone_coordinates_convert_back_and_forth(
    acquisition: Acquisition, point: tuple[float, float]
) -> None:
    image = image_map(acquisition, (0.0, 40.0))
    there_and_back = image.to_bone(image.to_image(np.array([point])))[0]
    assert there_and_back == pytest.approx(point, abs=1e-9)


def test_the_same_seed_gives_the_same_picture_and_another_seed_other_noise() -> None:
    acquisition = Acquisition()
    first, again, other = (render(SUBJECT, acquisition, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.density_g_cm2, again.density_g_cm2)
    assert not np.array_equal(first.density_g_cm2, other.density_g_cm2)
    assert first.truth.regions == other.truth.regions


def test_turning_the_arm_round_turns_the_picture_by_180_degrees() -> None:
    acquisition = Acquisition(photons_per_mm2=1e12, fat_error=0.0, tilt_degrees=5.0)
    up = render(SUBJECT, acquisition, seed=1).density_g_cm2
    down = render(SUBJECT, replace(acquisition, hand_up=False), seed=1).density_g_cm2
    assert np.abs(up - down[::-1, ::-1]).max() < 1e-3


def test_noise_grows_as_photons_become_fewer() -> None:
    def noise(photons: float) -> float:
        pair = [render(SUBJECT, Acquisition(photons_per_mm2=photons), seed).density_g_cm2 for seed in (1, 2)]
        return float((pair[0] - pair[1])[SHAFT].std())

    mask = render(SUBJECT, Acquisition(), 1).truth.radius_mask
    SHAFT = mask & (np.arange(mask.shape[0]) > 200)[:, None]  # noqa: N806
    assert noise(4e5) == pytest.approx(2 * noise(1.6e6), rel=0.15)
    assert noise(1.6e6) < 0.04


@pytest.mark.parametrize("expected", [4.0, 60.0, 2.0e4])
def test_counts_are_poisson(expected: float) -> None:
    counts = poisson_counts(np.full(200_000, expected), np.random.default_rng(1))
    assert counts.mean() == pytest.approx(expected, rel=0.01)
    assert counts.var() == pytest.approx(expected, rel=0.04)
    assert (counts == np.round(counts)).all()
    assert counts.min() >= 0


def test_a_metal_plate_is_denser_than_any_bone_and_leaves_the_truth_alone() -> None:
    clean, plated = (render(SUBJECT, Acquisition(artefact=artefact), 1) for artefact in (None, "metal"))
    assert clean.density_g_cm2.max() < 2.0
    dense = plated.density_g_cm2 > 2.0
    assert 1.5 < dense.sum() * 0.4**2 / 100 < 8.0  # cm²
    assert plated.truth.radius_mask[dense].mean() > 0.9
    assert plated.truth.regions == clean.truth.regions


def test_motion_displaces_scan_lines_and_the_mask_follows() -> None:
    still, moved = (render(SUBJECT, Acquisition(artefact=artefact), 1) for artefact in (None, "motion"))
    inside = moved.density_g_cm2[moved.truth.radius_mask].mean()
    assert inside == pytest.approx(still.density_g_cm2[still.truth.radius_mask].mean(), rel=0.02)
    assert (moved.truth.radius_mask ^ still.truth.radius_mask).any(axis=1).sum() > 20


@pytest.mark.parametrize("seed", range(5))
def test_a_cropped_scan_ends_before_the_one_third_region_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    acquisition = draw_acquisition(rng, artefact="crop")
    truth = render(draw_subject(rng), acquisition, seed).truth
    rows = [row for _, row in truth.polygons["one_third"]]
    assert max(rows) > acquisition.rows or min(rows) < 0
    assert 0 < truth.ulnar_styloid[1] < acquisition.rows


@pytest.mark.parametrize("seed", range(8))
def test_an_ordinary_scan_holds_every_region(seed: int) -> None:
    rng = np.random.default_rng(seed)
    acquisition = draw_acquisition(rng)
    truth = render(draw_subject(rng), acquisition, seed).truth
    points = np.array(truth.polygons["total"])
    assert (points > 0).all()
    assert (points < (acquisition.columns, acquisition.rows)).all()
