"""The second phantom family: its truth is checked against closed forms and against its own picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import fft
from scipy.stats import norm

from analysis.results import Laterality
from analysis.simulation.voxel import VOXEL_ARTEFACTS, VoxelCase, draw_voxel_case, render_voxel, rescan
from analysis.simulation.voxel.bones import ANGLES, BoneVolume, build_forearm, levels
from analysis.simulation.voxel.imaging import blur, line_spread_fwhm
from analysis.simulation.voxel.projection import Pose, network, project_bone
from analysis.simulation.voxel.trabeculae import LEVELS_PER_SD, VOXELS_PER_PERIOD, trabecular_tile


def case(seed: int = 5, **changes: object) -> VoxelCase:
    drawn = draw_voxel_case(np.random.default_rng(seed), spacing_mm=(0.5, 0.5))
    return replace(drawn, scan=replace(drawn.scan, **changes))  # type: ignore[arg-type]


def test_a_solid_cylinder_projects_to_its_chords():
    rows = levels().size
    table = np.full((rows, ANGLES), 6.0, np.float32)
    none = np.zeros(8, np.float32)
    none[0], none[5] = -1000.0, 1.0
    cylinder = BoneVolume(
        outer=table,
        inner=0 * table,
        centre=np.zeros((rows, 2), np.float32),
        cortical=np.full(rows, 1.2, np.float32),
        cut=np.full(rows, 200, np.float32),
        marrow=1.2,
        surface=none,
    )
    across = np.linspace(-7, 7, 141, dtype=np.float32)
    along = np.full_like(across, 50)
    density, cover = project_bone(cylinder, Pose(0.0, 0.0), across, along, network(case().subject))
    expected = 1.2 * 2 * np.sqrt(np.clip(36 - across.astype(float) ** 2, 0, None)) / 10
    inner = np.abs(across) < 5.8
    np.testing.assert_allclose(density[inner], expected[inner], rtol=0.02)
    assert density.sum() * 0.1 == pytest.approx(1.2 * np.pi * 36 / 10, rel=0.004)
    edges = across[cover >= 0.5]
    assert (edges[0], edges[-1]) == pytest.approx((-6, 6), abs=0.11)


@pytest.mark.parametrize("pronation", [-10.0, 7.0, 35.0])
def test_turning_the_forearm_about_its_axis_keeps_its_mineral(pronation):
    subject = case().subject
    radius = build_forearm(subject).radius
    across, along = np.meshgrid(np.arange(-30, 35, 0.25), np.arange(30.0, 95.0, 0.25))

    def mineral(pose: Pose) -> float:
        density, _ = project_bone(
            radius, pose, across.astype(np.float32), along.astype(np.float32), network(subject)
        )
        return float(density.sum(dtype=np.float64)) * 0.25**2 / 100

    assert mineral(Pose(pronation, 0.0)) == pytest.approx(mineral(Pose(0.0, 0.0)), rel=0.002)


@pytest.mark.parametrize("tilt", [-18.0, 4.0])
def test_the_truth_agrees_with_a_sum_over_the_blur_free_picture(tilt):
    phantom = render_voxel(case(tilt_degrees=tilt))
    truth, (row_mm, column_mm) = phantom.truth, phantom.spacing_mm
    rows, columns = np.indices(phantom.exact.shape) + 0.5
    dx, dy = truth.axis_direction
    tip = truth.ulnar_styloid
    along = (columns - tip[0]) * column_mm * dx + (rows - tip[1]) * row_mm * dy
    for name in ("mid", "one_third"):
        region = truth.regions[name]
        pixel = abs(dx) * column_mm + abs(dy) * row_mm
        part = np.clip(
            np.minimum(along - region.slab_mm[0], region.slab_mm[1] - along) / pixel + 0.5, 0, 1
        ) * (truth.radius_cover > 0)
        area = (part * truth.radius_cover).sum() * row_mm * column_mm / 100
        content = (part * phantom.exact).sum() * row_mm * column_mm / 100
        assert area == pytest.approx(region.area_cm2, rel=0.006)
        assert content == pytest.approx(region.bmc_g, rel=0.004)
        assert content / area == pytest.approx(region.bmd_g_cm2, rel=0.005)


def test_the_one_third_bmd_depends_on_where_it_is_measured():
    phantom = render_voxel(case(11))
    steep = replace(phantom.case.subject, cortex_slope_per_mm=0.006)
    regions = render_voxel(VoxelCase(steep, phantom.case.scan)).truth.regions
    assert regions["mid"].bmd_g_cm2 < 0.97 * regions["one_third"].bmd_g_cm2


def test_the_network_has_the_planted_period():
    tile = trabecular_tile(3).astype(np.float64)
    for fraction in (0.1, 0.2):
        solid = tile > LEVELS_PER_SD * norm.isf(fraction)
        assert solid.mean() == pytest.approx(fraction, abs=0.01)
        power = np.abs(fft.rfftn(solid - solid.mean())) ** 2
        first, last = fft.fftfreq(128), fft.rfftfreq(128)
        number = np.sqrt(first[:, None, None] ** 2 + first[None, :, None] ** 2 + last[None, None, :] ** 2)
        bins = np.arange(0.02, 0.4, 0.01)
        which = np.digitize(number.ravel(), bins)
        mean = np.bincount(which, power.ravel(), bins.size + 1) / np.bincount(which, minlength=bins.size + 1)
        peak = bins[int(np.argmax(mean[1:-1]))] + 0.005
        assert 1 / peak == pytest.approx(VOXELS_PER_PERIOD, rel=0.1)


def test_the_blur_keeps_mineral_and_has_the_width_it_names():
    scan = replace(
        case().scan, focal_spot_mm=(0.6, 0.6), detector_mm=0.005, tail_share=0.0, spacing_mm=(0.2, 0.2)
    )
    assert line_spread_fwhm(scan)[0] == pytest.approx(0.6, abs=0.02)  # a box of 0.6 seen by pixels of 0.2
    point = np.zeros((120, 120), np.float32)
    point[60, 60] = 1.0
    spread = blur(point, (0.2, 0.2), replace(scan, detector_mm=0.15))
    assert spread.sum() == pytest.approx(1.0, abs=0.01)
    assert spread.max() < 0.2


@pytest.mark.parametrize("laterality", Laterality)
@pytest.mark.parametrize("hand_up", [True, False])
def test_a_left_arm_with_its_hand_up_has_the_radius_on_the_right(laterality, hand_up):
    truth = render_voxel(case(laterality=laterality, hand_up=hand_up, tilt_degrees=6.0)).truth
    radius, ulna = (np.argwhere(mask).mean(axis=0)[1] for mask in (truth.radius_mask, truth.ulna_mask))
    on_the_right = radius > ulna
    assert on_the_right == ((laterality is Laterality.LEFT) == hand_up)
    assert (truth.axis_direction[1] > 0) == hand_up
    assert (truth.end_plate[1] < truth.one_third[1]) == hand_up


def test_landmarks_lie_on_their_bones():
    truth = render_voxel(case(9, tilt_degrees=-12.0)).truth
    column, row = truth.one_third
    assert truth.radius_mask[int(row), int(column)]
    dx, dy = truth.axis_direction
    for mask, (column, row) in (
        (truth.radius_mask, truth.end_plate),
        (truth.ulna_mask, truth.ulnar_styloid),
    ):
        inside, outside = ((int(row + side * dy * 8), int(column + side * dx * 8)) for side in (1, -1))
        assert mask[inside]
        assert not mask[outside]


def test_the_same_case_gives_the_same_picture_and_a_rescan_another_of_the_same_arm():
    first = case(21)
    again = rescan(first, np.random.default_rng(2))
    np.testing.assert_array_equal(render_voxel(first).pixels, render_voxel(first).pixels)
    other = render_voxel(again)
    assert again.subject == first.subject
    assert again.scan.pronation_degrees != first.scan.pronation_degrees
    one, two = (t.regions["one_third"].bmd_g_cm2 for t in (render_voxel(first).truth, other.truth))
    assert two == pytest.approx(one, rel=0.05)
    assert all(region.in_field for region in other.truth.regions.values())


def test_a_low_dose_scan_is_five_times_noisier():
    usual = case(31, line_noise=0.0, fat_g_cm2=0.0, scatter_g_cm2=(0.0, 0.0, 0.0))
    noisy = replace(usual, scan=replace(usual.scan, photons_per_mm2=usual.scan.photons_per_mm2 / 25))

    def noise(scan: VoxelCase) -> float:
        phantom = render_voxel(scan)
        steps, empty = np.diff(phantom.pixels, axis=1), phantom.exact[:, 1:] + phantom.exact[:, :-1] == 0
        return float(np.median(np.abs(steps[empty])))

    assert noise(noisy) == pytest.approx(5 * noise(usual), rel=0.1)


def test_a_cropped_field_says_which_regions_it_cuts():
    distal = render_voxel(draw_voxel_case(np.random.default_rng(1), artefact="crop_distal")).truth
    proximal = render_voxel(draw_voxel_case(np.random.default_rng(1), artefact="crop_proximal")).truth
    assert proximal.regions["ultradistal"].in_field
    assert not proximal.regions["one_third"].in_field
    assert distal.regions["one_third"].in_field


def test_grey_values_are_eight_bit_steps():
    phantom = render_voxel(draw_voxel_case(np.random.default_rng(4), spacing_mm=(0.6, 0.6), grey=True))
    assert not phantom.density
    np.testing.assert_allclose(phantom.pixels * 255, np.round(phantom.pixels * 255), atol=1e-4)
    assert phantom.pixels.max() <= 1.0


@pytest.mark.parametrize("artefact", VOXEL_ARTEFACTS)
def test_every_artefact_can_be_drawn(artefact):
    drawn = draw_voxel_case(np.random.default_rng(8), spacing_mm=(0.6, 0.6), artefact=artefact)
    phantom = render_voxel(drawn)
    assert phantom.truth.artefact == artefact
    assert np.isfinite(phantom.pixels).all()
    clean = render_voxel(replace(drawn, scan=replace(drawn.scan, artefact=None)))
    if artefact in ("metal", "jewellery", "cast", "overlap"):
        assert (phantom.pixels - clean.pixels).max() > 0.04
    if artefact.startswith("motion"):
        assert (phantom.truth.radius_mask != clean.truth.radius_mask).sum() > 20
