"""Carpals and metacarpals: clusters of tilted ellipsoids that overlap in the picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.voxel.bones import BoneVolume
from analysis.simulation.voxel.case import VoxelSubject
from analysis.simulation.voxel.projection import Pose

Map = NDArray[np.float32]
Array = NDArray[np.float64]

JOINT_GAP_MM = 2.0
"""Cartilage between the end plate and the carpus."""
SHELL_MM = 0.45
SPONGIOSA_G_CM3 = 0.24
BLUNTNESS = 2.8
"""Exponent of the blocks' outline in the picture; 2 would be an ellipse."""


class Ellipsoid(NamedTuple):
    """Centre (x, y, z), half axes (across, along, depth) in mm, and turn in the picture plane in degrees."""

    centre: tuple[float, float, float]
    half_axes: tuple[float, float, float]
    turn_degrees: float


# x, y, z relative to the end plate's middle, half axes, turn: assumption, read off normal wrists
_CARPALS = (
    ((7.5, 0.0, -7.5), (5.6, 8.4, 6.0), -35.0),  # scaphoid
    ((9.5, 0.5, -12.0), (4.6, 5.4, 5.0), -20.0),
    ((-4.5, 0.0, -7.6), (6.6, 6.4, 7.0), 5.0),  # lunate
    ((-14.5, 1.0, -11.5), (5.6, 6.2, 6.0), 30.0),  # triquetrum
    ((-16.0, -9.0, -13.0), (4.4, 5.4, 4.4), 0.0),  # pisiform, in front of it
    ((-1.0, 0.0, -19.5), (6.2, 9.6, 7.2), 0.0),  # capitate
    ((-10.5, -1.0, -20.5), (6.0, 8.0, 7.0), 20.0),  # hamate
    ((-11.0, -8.0, -21.0), (2.4, 3.6, 4.0), 10.0),  # its hook
    ((7.0, 0.5, -22.5), (4.6, 6.2, 6.0), 5.0),  # trapezoid
    ((14.0, -2.0, -20.0), (5.8, 6.4, 6.2), -25.0),  # trapezium
)
_METACARPALS = (
    ((25.0, -5.0, -42.0), 22.0, -38.0),
    ((11.5, 0.0, -60.0), 33.0, -7.0),
    ((0.5, 0.5, -61.0), 33.0, 0.0),
    ((-9.5, 0.0, -57.0), 29.0, 7.0),
    ((-18.5, -0.5, -53.0), 26.5, 15.0),
)
"""Centre, half length, turn in degrees."""


def hand_bones(subject: VoxelSubject, radius: BoneVolume, deviation_degrees: float) -> list[Ellipsoid]:
    """The hand of a subject, bent sideways about the middle of the end plate."""
    rng = np.random.default_rng([subject.shape_seed, 2])
    size = subject.size
    middle = (float(radius.surface[4]), float(radius.surface[0] + radius.surface[1] * radius.surface[4]))
    bend = np.radians(deviation_degrees)
    bones = []

    def placed(centre: tuple[float, float, float]) -> tuple[float, float, float]:
        x, y, z = (size * value for value in centre)
        return (
            middle[0] + x * np.cos(bend) - z * np.sin(bend),
            y,
            middle[1] - JOINT_GAP_MM + x * np.sin(bend) + z * np.cos(bend),
        )

    for centre, (across, along, depth), turn in _CARPALS:
        grown = size * rng.uniform(0.93, 1.05, 3)
        half_axes = (across * float(grown[0]), along * float(grown[1]), depth * float(grown[2]))
        bones.append(Ellipsoid(placed(centre), half_axes, turn + deviation_degrees + rng.uniform(-8, 8)))
    for centre, half_length, turn in _METACARPALS:
        head = rng.uniform(4.0, 4.7) * size
        bones.append(Ellipsoid(placed(centre), (head, half_length * size, head), turn + deviation_degrees))
        reach = 0.82 * half_length
        base = (
            centre[0] - reach * float(np.sin(np.radians(turn))),
            centre[1],
            centre[2] + reach,
        )
        bones.append(Ellipsoid(placed(base), (6.2 * size, 6.0 * size, 6.0 * size), turn))
    return bones


def project_hand(bones: list[Ellipsoid], pose: Pose, wall_g_cm3: float, across: Map, along: Map) -> Map:
    """Areal density (g/cm²) of hollow ellipsoids seen along the beam.

    Pronation moves the bones but is not allowed to turn them: each is near round about the long axis.
    """
    density = np.zeros_like(across)
    centres = pose.to_picture(np.array([bone.centre for bone in bones]))
    farthest = max(max(bone.half_axes) for bone in bones)
    near = along < centres[:, 1].max() + farthest
    if not near.any():
        return density
    u, v = across[near], along[near]
    total = np.zeros_like(u)
    for bone, (x, z) in zip(bones, centres, strict=True):
        close = np.flatnonzero(np.hypot(u - x, v - z) < 1.3 * max(bone.half_axes))
        turn = np.radians(bone.turn_degrees)
        du, dv = u[close] - np.float32(x), v[close] - np.float32(z)
        first = du * np.cos(turn) + dv * np.sin(turn)
        second = dv * np.cos(turn) - du * np.sin(turn)
        outer = _chord(first, second, bone.half_axes, 0.0)
        inner = _chord(first, second, bone.half_axes, SHELL_MM)
        total[close] += (wall_g_cm3 * (outer - inner) + SPONGIOSA_G_CM3 * inner) / 10
    density[near] = total
    return density


def _chord(first: Map, second: Map, half_axes: tuple[float, ...], shell: float) -> Map:
    a, b, c = (axis - shell for axis in half_axes)
    radius = np.abs(first / a) ** BLUNTNESS + np.abs(second / b) ** BLUNTNESS
    chord = 2 * c * np.sqrt(np.clip(1 - radius, 0, None))
    return np.asarray(chord, np.float32)
