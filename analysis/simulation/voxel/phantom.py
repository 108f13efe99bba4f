"""Render a voxel case: rays, blur, photons, and the truth on the picture's own grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.results import Laterality
from analysis.simulation.voxel.artefacts import added_density, line_shifts
from analysis.simulation.voxel.bones import STYLOID_TIP_MM, ForearmVolume, build_forearm
from analysis.simulation.voxel.case import VoxelCase, VoxelScan
from analysis.simulation.voxel.hand import hand_bones, project_hand
from analysis.simulation.voxel.imaging import bin_down, blur, display, expose, line_spread_fwhm
from analysis.simulation.voxel.projection import AXIS_X_MM, Pose, network, project_bone
from analysis.simulation.voxel.truth import (
    FrameTruth,
    Point,
    VoxelRegion,
    VoxelTruth,
    along_axis,
    frame_truth,
)

Map = NDArray[np.float32]
Array = NDArray[np.float64]

FINEST_MM = 0.2
"""Rays are at most this far apart."""
SOFT_G_CM3 = 1.03


@dataclass(frozen=True, slots=True, eq=False)
class VoxelPhantom:
    """One simulated scan.

    Attributes
    ----------
    pixels : ndarray of float32, (rows, columns)
        Areal density in g/cm² if `density`, else 8-bit display greys 0–1.
    exact : ndarray of float32, (rows, columns)
        All bone without blur, noise, scatter or artefact, g/cm².
    soft_tissue_g_cm2 : ndarray of float32, (rows, columns)
    spacing_mm : (row, column)
    """

    case: VoxelCase
    pixels: Map
    density: bool
    exact: Map
    soft_tissue_g_cm2: Map
    truth: VoxelTruth

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Row and column spacing in mm."""
        return self.case.scan.spacing_mm


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """Where every sub-pixel of the picture looks; maps of (across, along) in mm."""

    across: Map
    along: Map
    factors: tuple[int, int]
    direction: tuple[float, float]
    shift: Array
    """Motion of every fine row, mm to the right."""


def render_voxel(case: VoxelCase) -> VoxelPhantom:
    """Scan a forearm.

    Returns
    -------
    VoxelPhantom
        The same case gives the same phantom on one machine.
    """
    scan, subject = case.scan, case.subject
    rng = np.random.default_rng([scan.seed, 7])
    forearm, pose = build_forearm(subject), Pose(scan.pronation_degrees, scan.lift_degrees)
    frame = frame_truth(case, forearm, pose)
    view = _view(scan, rng)
    covers, bone = _bones(case, forearm, pose, view)
    soft = _soft_tissue(view, scan, subject.size)
    fine_mm = scan.spacing_mm[0] / view.factors[0], scan.spacing_mm[1] / view.factors[1]
    spoiled = bone + added_density(scan.artefact, view.across, view.along, soft, rng)
    blurred = bin_down(blur(spoiled, fine_mm, scan), view.factors)
    coarse_soft = bin_down(soft, view.factors)
    pixels = expose(blurred, coarse_soft, scan, rng)
    if scan.grey is not None:
        pixels = display(pixels, coarse_soft, scan.grey)
    radius, ulna = (bin_down(cover, view.factors) for cover in covers)
    return VoxelPhantom(
        case,
        pixels,
        scan.grey is None,
        bin_down(bone, view.factors),
        coarse_soft,
        _truth(case, frame, view, radius, ulna),
    )


def _view(scan: VoxelScan, rng: np.random.Generator) -> _View:
    shape = [round(side / mm) for side, mm in zip(scan.field_mm, scan.spacing_mm, strict=True)]
    factors = [int(np.ceil(mm / FINEST_MM - 1e-6)) for mm in scan.spacing_mm]
    fine = [
        (np.arange(n * f) + 0.5) * mm / f for n, f, mm in zip(shape, factors, scan.spacing_mm, strict=True)
    ]
    y, x = (side - n * mm / 2 for side, n, mm in zip(fine, shape, scan.spacing_mm, strict=True))
    shift = line_shifts(scan.artefact, y, rng)
    x_map = x[None, :] - shift[:, None]
    direction = _direction(scan)
    across = (x_map * direction[1] - y[:, None] * direction[0]) * _mirror(scan)
    along = x_map * direction[0] + y[:, None] * direction[1]
    across0, along0 = _centre(scan)
    return _View(
        (across + across0).astype(np.float32),
        (along + along0).astype(np.float32),
        (factors[0], factors[1]),
        direction,
        shift,
    )


def _direction(scan: VoxelScan) -> tuple[float, float]:
    """The forearm frame's z axis in the picture: unit vector (right, down)."""
    turn = np.radians(scan.tilt_degrees + (0 if scan.hand_up else 180))
    return float(np.sin(turn)), float(np.cos(turn))


def _mirror(scan: VoxelScan) -> int:
    """Palm down from above with the hand up, a left arm has its thumb on the right."""
    return 1 if scan.laterality is Laterality.LEFT else -1


def _centre(scan: VoxelScan) -> Point:
    """(across, along) mm in the middle of the picture."""
    return AXIS_X_MM - scan.offset_mm, scan.field_mm[0] / 2 - scan.hand_margin_mm


def _bones(case: VoxelCase, forearm: ForearmVolume, pose: Pose, view: _View) -> tuple[tuple[Map, Map], Map]:
    """Silhouettes of radius and ulna, and the areal density of all bones."""
    subject = case.subject
    trabeculae = network(subject)
    radius, radius_cover = project_bone(forearm.radius, pose, view.across, view.along, trabeculae)
    ulna, ulna_cover = project_bone(forearm.ulna, pose, view.across, view.along, trabeculae)
    styloid, styloid_cover = _styloid(forearm, pose, view)
    hand = hand_bones(subject, forearm.radius, case.scan.deviation_degrees)
    wall = subject.cortical_density_g_cm3
    density = radius + np.maximum(ulna, styloid) + project_hand(hand, pose, wall, view.across, view.along)
    covers = ((radius_cover >= 0.5), (np.maximum(ulna_cover, styloid_cover) >= 0.5))
    return (covers[0].astype(np.float32), covers[1].astype(np.float32)), density


def _styloid(forearm: ForearmVolume, pose: Pose, view: _View) -> tuple[Map, Map]:
    """Density and cover of the ulnar styloid: a cone from its base to a round tip."""
    x, y, base, base_radius, density = (float(value) for value in forearm.styloid)
    ends = pose.to_picture(np.array([[x, y, STYLOID_TIP_MM], [x, y, base]]))
    span = ends[1] - ends[0]
    length = float(np.hypot(*span))
    du, dv = view.across - np.float32(ends[0, 0]), view.along - np.float32(ends[0, 1])
    run = np.clip((du * span[0] + dv * span[1]) / length**2, 0, 1)
    away = np.hypot(du - run * span[0], dv - run * span[1])
    radius = STYLOID_TIP_MM + (base_radius - STYLOID_TIP_MM) * run
    chord = 2 * np.sqrt(np.clip(radius**2 - away**2, 0, None))
    return (density * chord / 10).astype(np.float32), (away <= radius).astype(np.float32)


def _soft_tissue(view: _View, scan: VoxelScan, size: float) -> Map:
    """Areal density of arm and hand, g/cm²."""
    level = np.array([-90, -50, -25, -5, 15, 50, 100, 180])
    half_width = np.interp(view.along, level, size * np.array([42, 41, 36, 30, 28.5, 31, 37, 44]))
    depth = np.interp(view.along, level, np.array([0.55, 0.6, 0.75, 0.85, 0.9, 1.0, 1.1, 1.2]))
    u = (view.across - AXIS_X_MM) / half_width
    chord = scan.soft_depth_mm * depth * np.sqrt(np.clip(1 - np.abs(u) ** 2.3, 0, None))
    return np.asarray(SOFT_G_CM3 * chord / 10, np.float32)


def _truth(case: VoxelCase, frame: FrameTruth, view: _View, radius: Map, ulna: Map) -> VoxelTruth:
    scan, subject = case.scan, case.subject

    def to_picture(point: Point) -> Point:
        return _to_picture(point, scan, view)

    mirror = _mirror(scan)
    dx, dy = view.direction
    across, along = frame.axis[0] * mirror, frame.axis[1]
    return VoxelTruth(
        laterality=scan.laterality,
        hand_up=scan.hand_up,
        radius_mask=radius >= 0.5,
        ulna_mask=ulna >= 0.5,
        radius_cover=radius,
        ulna_cover=ulna,
        end_plate=to_picture(frame.end_plate),
        ulnar_styloid=to_picture(frame.tip),
        one_third=to_picture(frame.one_third),
        axis_direction=(across * dy + along * dx, along * dy - across * dx),
        regions={
            name: replace(region, in_field=_in_field(region, frame, view, radius))
            for name, region in frame.regions.items()
        },
        forearm_length_mm=subject.forearm_length_mm,
        cortical_thickness_mm=frame.cortical_thickness_mm,
        shaft_diameter_mm=frame.shaft_diameter_mm,
        medullary_width_mm=frame.shaft_diameter_mm - 2 * frame.cortical_thickness_mm,
        trabecular_period_mm=subject.trabecular_period_mm,
        bone_volume_fraction=subject.bone_volume_fraction,
        blur_fwhm_mm=line_spread_fwhm(scan),
        artefact=scan.artefact,
    )


def _to_picture(point: Point, scan: VoxelScan, view: _View) -> Point:
    """Forearm frame (mm) to (column, row), motion included."""
    across0, along0 = _centre(scan)
    across, along = (point[0] - across0) * _mirror(scan), point[1] - along0
    dx, dy = view.direction
    x, y = across * dy + along * dx, along * dy - across * dx
    height, width = (
        n / f * mm for n, f, mm in zip(view.across.shape, view.factors, scan.spacing_mm, strict=True)
    )
    row = (y + height / 2) / scan.spacing_mm[0]
    x += float(view.shift[int(np.clip(row * view.factors[0], 0, view.shift.size - 1))])
    return float((x + width / 2) / scan.spacing_mm[1]), float(row)


def _in_field(region: VoxelRegion, frame: FrameTruth, view: _View, radius: Map) -> bool:
    """True if no border of the picture cuts the region."""
    coarse = tuple(bin_down(side, view.factors).astype(np.float64) for side in (view.across, view.along))
    distance = along_axis(coarse[0], coarse[1], frame.tip, frame.axis)
    inside = (distance >= region.slab_mm[0]) & (distance < region.slab_mm[1]) & (radius > 0)
    pixel = float(np.abs(np.diff(distance, axis=0)).max())
    if not inside.any():
        return False
    reached = distance[inside]
    complete = reached.min() < region.slab_mm[0] + 2 * pixel and reached.max() > region.slab_mm[1] - 2 * pixel
    border = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    return bool(complete and not border.any())
