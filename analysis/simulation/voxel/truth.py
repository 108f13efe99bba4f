"""What a perfect measurement of a voxel forearm would have found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.results import Laterality
from analysis.simulation.voxel.bones import (
    ANGLES,
    STYLOID_TIP_MM,
    BoneVolume,
    ForearmVolume,
    end_plate_level,
    levels,
)
from analysis.simulation.voxel.case import VoxelArtefact, VoxelCase
from analysis.simulation.voxel.projection import STEP_MM, Pose, network, project_bone

Array = NDArray[np.float64]
Map = NDArray[np.float32]
Point = tuple[float, float]

ULTRADISTAL_MM = (10.0, 25.0)
ONE_THIRD_LENGTH_MM = 20.0
AXIS_START_MM = 15.0
CELL_MM = STEP_MM


@dataclass(frozen=True, slots=True)
class VoxelRegion:
    """Noise-free densitometry of one region of the radius; the slab is in mm from the styloid tip."""

    slab_mm: tuple[float, float]
    bmd_g_cm2: float
    bmc_g: float
    area_cm2: float
    in_field: bool
    """False where the picture's border cuts the region off."""


@dataclass(frozen=True, slots=True)
class FrameTruth:
    """Truth that does not depend on the picture's grid, in the forearm's picture plane (across, along) mm.

    Attributes
    ----------
    tip, end_plate, radial_styloid, ulnar_corner, one_third : (float, float)
        Radial styloid and ulnar corner are the ends of the articular surface.
    axis : (float, float)
        Unit vector, proximal: the line midway between the outer borders of both bones, fitted from
        `AXIS_START_MM` to the proximal end of the one-third region. Regions are cut perpendicular to it.
    cortical_thickness_mm : float
        (diameter - medullary width) / 2, both silhouettes of the projection at the one-third level, across
        the axis.
    regions : mapping of name to VoxelRegion
    """

    tip: Point
    end_plate: Point
    radial_styloid: Point
    ulnar_corner: Point
    one_third: Point
    axis: Point
    cortical_thickness_mm: float
    shaft_diameter_mm: float
    regions: Mapping[str, VoxelRegion]


@dataclass(frozen=True, slots=True, eq=False)
class VoxelTruth:
    """Everything known about a voxel phantom; points are (column, row) on its own grid.

    Attributes
    ----------
    radius_mask, ulna_mask : ndarray of bool, (rows, columns)
        Pixels at least half inside the silhouette.
    radius_cover, ulna_cover : ndarray of float32, (rows, columns)
        Share of each pixel inside the silhouette; their 0.5 contour is the sub-pixel outline.
    end_plate : point
        Middle of the articular surface: midway across between ulnar corner and radial styloid, at the mean
        level along the beam.
    ulnar_styloid : point
    one_third : point
        Middle of the radius's silhouette at a third of the forearm length.
    axis_direction : (float, float)
        Unit vector along the forearm, in millimetre space, pointing proximally.
    blur_fwhm_mm : (float, float)
        Line spread along rows and columns, pixel aperture included.
    artefact : str or None
    """

    laterality: Laterality
    hand_up: bool
    radius_mask: NDArray[np.bool_]
    ulna_mask: NDArray[np.bool_]
    radius_cover: Map
    ulna_cover: Map
    end_plate: Point
    ulnar_styloid: Point
    one_third: Point
    axis_direction: tuple[float, float]
    regions: Mapping[str, VoxelRegion]
    forearm_length_mm: float
    cortical_thickness_mm: float
    shaft_diameter_mm: float
    medullary_width_mm: float
    trabecular_period_mm: float
    bone_volume_fraction: float
    blur_fwhm_mm: tuple[float, float]
    artefact: VoxelArtefact | None


def region_slabs(forearm_length_mm: float) -> dict[str, tuple[float, float]]:
    """Distal and proximal end of each region, mm proximal to the tip of the ulnar styloid (Hologic)."""
    distal = forearm_length_mm / 3 - ONE_THIRD_LENGTH_MM / 2
    proximal = distal + ONE_THIRD_LENGTH_MM
    return {
        "ultradistal": ULTRADISTAL_MM,
        "mid": (ULTRADISTAL_MM[1], distal),
        "one_third": (distal, proximal),
        "total": (ULTRADISTAL_MM[0], proximal),
    }


def silhouette(bone: BoneVolume, pose: Pose, *, inner: bool = False) -> tuple[Array, Array]:
    """Smallest and largest `across` (mm) of a bone or of its cavity at every table level."""
    border = bone.inner if inner else bone.outer
    p = np.arange(ANGLES) * 4 / ANGLES
    x = np.where(p <= 2, 1 - p, p - 3)
    y = np.where(p <= 2, 1 - np.abs(x), np.abs(x) - 1)
    length = np.hypot(x, y)
    z = np.broadcast_to(levels()[:, None], border.shape)
    points = np.stack(
        [bone.centre[:, :1] + border * (x / length), bone.centre[:, 1:] + border * (y / length), z], axis=-1
    )
    across = Pose(pose.pronation_degrees, 0.0).to_picture(points.reshape(-1, 3))[:, 0].reshape(border.shape)
    return across.min(axis=1), across.max(axis=1)


def frame_truth(case: VoxelCase, forearm: ForearmVolume, pose: Pose) -> FrameTruth:
    """Landmarks, shaft and regions of a posed forearm, from its volume."""
    third = case.subject.forearm_length_mm / 3
    x, y, *_ = forearm.styloid
    centre = pose.to_picture(np.array([[x, y, STYLOID_TIP_MM]], dtype=np.float64))[0]
    tip = (float(centre[0]), float(centre[1]) - STYLOID_TIP_MM)
    axis = _axis(forearm, pose, third)
    density, cover, across, along = _raster(case, forearm, pose, third)
    corner, styloid = (_surface_corner(forearm.radius, pose, side) for side in (-1, 1))
    outer, cavity = silhouette(forearm.radius, pose), silhouette(forearm.radius, pose, inner=True)
    middle = (outer[0] + outer[1]) / 2
    # where the line perpendicular to the axis at the one-third level meets the radius's midline
    level = along_axis(middle, levels(), tip, axis)
    z = float(np.interp(third, level, levels()))
    diameter, width = (float(np.interp(z, levels(), high - low)) for low, high in (outer, cavity))
    distance = along_axis(across[None, :], along[:, None], tip, axis)
    return FrameTruth(
        tip=tip,
        end_plate=_end_plate(forearm.radius, pose, (corner[0] + styloid[0]) / 2),
        radial_styloid=styloid,
        ulnar_corner=corner,
        one_third=(float(np.interp(z, levels(), middle)), z),
        axis=axis,
        cortical_thickness_mm=(diameter - width) / 2,
        shaft_diameter_mm=diameter,
        regions={
            name: _region(slab, density, cover, distance)
            for name, slab in region_slabs(case.subject.forearm_length_mm).items()
        },
    )


def along_axis(across: Array, along: Array, tip: Point, axis: Point) -> Array:
    """Distance (mm) proximal to the styloid tip, along the forearm's axis."""
    return np.asarray((across - tip[0]) * axis[0] + (along - tip[1]) * axis[1])


def _axis(forearm: ForearmVolume, pose: Pose, third: float) -> Point:
    z = levels()
    fitted = (z >= AXIS_START_MM) & (z <= third + ONE_THIRD_LENGTH_MM / 2)
    outer = (silhouette(forearm.radius, pose)[1] + silhouette(forearm.ulna, pose)[0]) / 2
    turn = float(np.arctan(np.polyfit(z[fitted], outer[fitted], 1)[0]))
    return float(np.sin(turn)), float(np.cos(turn))


def _raster(
    case: VoxelCase, forearm: ForearmVolume, pose: Pose, third: float
) -> tuple[Map, Map, Array, Array]:
    """The radius alone on a fine upright grid: density, cover, across and along (mm)."""
    low, high = silhouette(forearm.radius, pose)
    along = np.arange(-22.0, third + 14.0, CELL_MM)
    across = np.arange(float(low.min()) - 1.0, float(high.max()) + 1.0, CELL_MM)
    grid = np.meshgrid(across.astype(np.float32), along.astype(np.float32))
    density, cover = project_bone(forearm.radius, pose, grid[0], grid[1], network(case.subject))
    # one step of the ray is one cell: the softened border is the share of the cell inside
    return density, cover, across, along


def _surface_corner(bone: BoneVolume, pose: Pose, side: int) -> Point:
    """Ulnar (-1) or radial (+1) end of the articular surface: where it meets the silhouette."""
    border = silhouette(bone, pose)[0 if side < 0 else 1]
    across = float(bone.surface[4])
    for _ in range(12):
        point = _end_plate(bone, pose, across)
        across = 0.5 * (across + float(np.interp(point[1], levels(), border)))
    return point


def _end_plate(bone: BoneVolume, pose: Pose, across: float) -> Point:
    """The articular surface, averaged along the beam, where it projects to `across`."""
    x = across
    for _ in range(4):
        point = pose.to_picture(np.array([(x, *end_plate_level(bone, x))]))[0]
        x += across - float(point[0])
    return float(point[0]), float(point[1])


def _region(slab: tuple[float, float], density: Map, cover: Map, distance: Array) -> VoxelRegion:
    part = np.clip(np.minimum(distance - slab[0], slab[1] - distance) / CELL_MM + 0.5, 0, 1)
    cell = CELL_MM**2 / 100
    content, area = float((part * density).sum() * cell), float((part * cover).sum() * cell)
    return VoxelRegion(slab, content / area, content, area, in_field=True)
