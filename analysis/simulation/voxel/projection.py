"""Line integrals through the forearm's volume, ray by ray, compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.voxel.bones import FIRST_Z_MM, Z_STEP_MM, BoneVolume
from analysis.simulation.voxel.case import VoxelSubject
from analysis.simulation.voxel.trabeculae import TILE, VOXELS_PER_PERIOD, trabecular_tile

if TYPE_CHECKING:
    from collections.abc import Callable

    def njit(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...

else:
    from numba import njit

Map = NDArray[np.float32]

STEP_MM = 0.25
"""Step along a ray."""
ENDOSTEAL_RAMP_MM = 0.5
"""Width over which the wall passes into the cavity."""
SUBCHONDRAL_MM = 1.0
SUBCHONDRAL_SHARE = 0.75
"""Thickness of the plate under the joint and its density over the wall's (assumption)."""
TRABECULAR_G_CM3 = 1.0
"""Mineral of solid trabecular bone on a densitometer's scale (assumption)."""
AXIS_X_MM = -2.0
"""Where the axis of pronation runs between the bones."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Turn about the forearm's long axis and out of the picture plane."""

    pronation_degrees: float
    lift_degrees: float

    def to_picture(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(x, y, z) mm of the forearm to (across, along) mm in the picture plane; shape (n, 3) to (n, 2)."""
        turn, lift = np.radians([self.pronation_degrees, self.lift_degrees])
        x, y, z = points.T
        across = AXIS_X_MM + (x - AXIS_X_MM) * np.cos(turn) - y * np.sin(turn)
        depth = (x - AXIS_X_MM) * np.sin(turn) + y * np.cos(turn)
        return np.stack([across, z - depth * np.tan(lift)], axis=1)


class Network(NamedTuple):
    """A trabecular network: its tile and the map from forearm mm to the tile's voxels, (3, 3)."""

    tile: NDArray[np.int8]
    turn: Map


def network(subject: VoxelSubject) -> Network:
    """The network of a subject, turned askew so that repeats of the tile never stack along a ray."""
    askew = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
    voxels = VOXELS_PER_PERIOD / subject.trabecular_period_mm
    scale = np.diag([voxels, voxels, voxels / subject.trabecular_stretch])
    return Network(trabecular_tile(subject.shape_seed), (askew @ scale).astype(np.float32))


def project_bone(
    bone: BoneVolume, pose: Pose, across: Map, along: Map, trabeculae: Network
) -> tuple[Map, Map]:
    """Project one long bone.

    Parameters
    ----------
    bone : BoneVolume
    pose : Pose
    across, along : ndarray of float32, any equal shape
        Where each ray meets the picture plane, mm in the forearm frame.
    trabeculae : Network

    Returns
    -------
    density : ndarray of float32
        Areal density, g/cm².
    cover : ndarray of float32
        0–1, 0.5 on the silhouette.
    """
    turn, lift = np.radians([pose.pronation_degrees, pose.lift_degrees])
    rays = _Rays(
        np.ascontiguousarray(across).reshape(-1),
        np.ascontiguousarray(along).reshape(-1),
        np.zeros(across.size, np.float32),
        np.zeros(across.size, np.float32),
    )
    volume = _Volume(
        bone.outer,
        bone.inner,
        bone.centre,
        bone.outer.max(axis=1),
        bone.cortical,
        bone.cut,
        np.float32(bone.marrow),
        bone.surface,
    )
    posed = np.array([np.cos(turn), np.sin(turn), np.tan(lift), np.cos(lift)], np.float32)
    _march(rays, volume, posed, trabeculae)
    return rays.density.reshape(across.shape), rays.cover.reshape(across.shape)


class _Rays(NamedTuple):
    across: Map
    along: Map
    density: Map
    cover: Map


class _Volume(NamedTuple):
    outer: Map
    inner: Map
    centre: Map
    reach: Map
    cortical: Map
    cut: Map
    marrow: np.float32
    surface: Map


# One body on purpose: handing arrays to a helper for every sample costs eight times the arithmetic.
@njit(cache=True, fastmath=True, nogil=True)
def _march(rays: _Rays, bone: _Volume, pose: Map, trabeculae: Network) -> None:  # noqa: PLR0915
    """Sum the volume along every ray; borders are softened over one step, so sums do not depend on phase."""
    ray_across, ray_along, density, cover = rays
    outer, inner, centre, reach, cortical, cut, marrow, surface = bone
    tile, turn = trabeculae
    rows, angles = outer.shape
    c, s, slope = pose[0], pose[1], pose[2]
    # a whole number of tiles makes every index positive, so that int() rounds down
    whole = np.float32(32 * TILE)
    axis_x, step_mm = np.float32(AXIS_X_MM), np.float32(STEP_MM)
    for ray in range(ray_across.size):
        a, z0 = ray_across[ray] - axis_x, ray_along[ray]
        row = int((z0 - FIRST_Z_MM) / Z_STEP_MM + 0.5)
        if row < 4 or row >= rows - 4:
            continue
        x0, y0 = centre[row, 0] - axis_x, centre[row, 1]
        beside, far = a - (x0 * c - y0 * s), reach[row] + np.float32(1.0)
        if abs(beside) > far:
            continue
        count = int(2 * np.sqrt(far * far - beside * beside) / STEP_MM) + 1
        first = x0 * s + y0 * c - np.float32(0.5) * np.float32(count - 1) * step_mm
        total, seen = np.float32(0.0), np.float32(0.0)
        for step in range(count):
            depth = first + np.float32(step) * step_mm
            x, y, z = a * c + depth * s + axis_x, depth * c - a * s, z0 + depth * slope
            level = int((z - np.float32(FIRST_Z_MM)) / np.float32(Z_STEP_MM) + np.float32(0.5))
            if level < 0 or level >= rows:
                continue
            u, v = x - centre[level, 0], y - centre[level, 1]
            r = np.sqrt(u * u + v * v)
            if r > reach[level] + step_mm:
                continue
            flat = abs(u) + abs(v) + np.float32(1e-6)
            p = np.float32(1.0) - u / flat if v >= 0 else np.float32(3.0) + u / flat
            p *= np.float32(angles) * np.float32(0.25)
            k = int(p)
            part = p - np.float32(k)
            k, after = k % angles, (k + 1) % angles
            inside = _ramp((outer[level, k] * (1 - part) + outer[level, after] * part - r) / step_mm)
            if inside <= 0:
                continue
            u, v = x - surface[4], y - surface[7]
            end = surface[0] + surface[1] * x + surface[2] * y
            end += surface[3] * max(
                np.float32(1.0) - (u * u + v * v) / (surface[5] * surface[5]), np.float32(0)
            )
            if surface[6] != 0:
                end += surface[6] * np.exp(-(u * u) / np.float32(2.56))
            inside *= _ramp((z - end) / step_mm)
            if inside <= 0:
                continue
            seen = max(seen, inside)
            wall = r - (inner[level, k] * (1 - part) + inner[level, after] * part)
            wall = _ramp(wall / np.float32(ENDOSTEAL_RAMP_MM))
            plate = _ramp((np.float32(SUBCHONDRAL_MM) - (z - end)) / np.float32(0.4))
            wall = max(wall, np.float32(SUBCHONDRAL_SHARE) * plate)
            value = wall * cortical[level]
            if wall < 1:
                i = int(turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z + whole) & (TILE - 1)
                j = int(turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z + whole) & (TILE - 1)
                m = int(turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z + whole) & (TILE - 1)
                solid = _ramp((np.float32(tile[i, j, m]) - cut[level]) * np.float32(0.1))
                value += (1 - wall) * (marrow + np.float32(TRABECULAR_G_CM3) * solid)
            total += inside * value
        density[ray] = total * np.float32(STEP_MM / 10) / pose[3]
        cover[ray] = seen


@njit(cache=True, fastmath=True, nogil=True)
def _ramp(value: np.float32) -> np.float32:
    return min(max(value + np.float32(0.5), np.float32(0.0)), np.float32(1.0))
