"""Radius and ulna as volumes: tables of cross sections that are not ellipses, and surfaces that end them.

Forearm frame, mm: ``x`` towards the thumb, ``y`` towards the back of the hand, ``z`` proximally with 0 at the
tip of the ulnar styloid. A cross section is star-shaped about its centre; its outer and inner border are
tabulated over a pseudo-angle that needs no arctangent:
``p = 1 - x/(|x|+|y|)`` for ``y >= 0`` and ``3 + x/(|x|+|y|)`` below, so that 0, 1, 2, 3 point to +x, +y,
-x, -y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.stats import norm

from analysis.simulation.voxel.case import VoxelSubject
from analysis.simulation.voxel.trabeculae import LEVELS_PER_SD

Array = NDArray[np.float64]
Table = NDArray[np.float32]

FIRST_Z_MM, LAST_Z_MM, Z_STEP_MM = -24.0, 175.0, 0.25
ANGLES = 256
STYLOID_TIP_MM = 1.5
"""Radius of the ulnar styloid's round tip."""

# level mm, full width, full depth, centre x, centre y: a woman of average size. Assumptions, read off normal
# anatomy and held to the widths, areas and depths in the literature (dry radii 15-18 mm deep; shaft 11.5-13.5
# mm; total area 197-232 mm² in the metaphysis).
_RADIUS = np.array(
    [
        (-24, 20.0, 13.0, 11.0, 0.5),
        (-12, 25.0, 15.5, 9.3, 0.5),
        (-4, 28.2, 17.6, 8.2, 0.6),
        (3, 29.4, 18.4, 7.6, 0.6),
        (9, 28.0, 17.8, 7.7, 0.4),
        (14, 25.2, 16.4, 8.2, 0.2),
        (20, 21.6, 14.6, 8.8, 0.0),
        (27, 18.0, 13.0, 9.3, 0.0),
        (36, 15.0, 11.8, 9.7, 0.0),
        (48, 12.4, 10.8, 10.2, 0.2),
        (64, 11.3, 10.4, 10.8, 0.5),
        (84, 11.0, 10.6, 11.3, 0.8),
        (110, 11.4, 11.0, 11.5, 0.8),
        (176, 12.2, 11.6, 10.5, 0.0),
    ]
)
_ULNA = np.array(
    [
        (-24, 9.0, 9.0, -15.6, 2.0),
        (2, 12.6, 12.4, -15.6, 2.0),
        (7, 14.8, 14.4, -15.7, 2.0),
        (12, 14.6, 14.4, -15.5, 1.9),
        (18, 12.2, 12.8, -15.0, 1.6),
        (26, 10.6, 11.6, -14.3, 1.2),
        (40, 10.2, 11.4, -13.4, 0.8),
        (64, 10.8, 12.0, -12.4, 0.2),
        (100, 11.6, 12.8, -11.6, -0.4),
        (176, 13.2, 14.6, -10.4, -1.0),
    ]
)
_SHAFT = np.array(
    [(-24, 0.0), (12, 0.0), (24, 0.16), (36, 0.45), (50, 0.75), (66, 0.94), (80, 1.0), (176, 1.0)]
)
"""Level mm, weight of the shaft's shape and wall; the rest is the metaphysis's."""
_FRACTION = np.array(
    [(-24, 1.3), (8, 1.25), (18, 1.0), (28, 0.72), (40, 0.38), (55, 0.16), (75, 0.05), (176, 0.02)]
)
"""Level mm, trabecular volume fraction relative to 18 mm."""


@dataclass(frozen=True, slots=True, eq=False)
class BoneVolume:
    """One long bone; tables over ``z = FIRST_Z_MM + i * Z_STEP_MM``, see the module's head for angles.

    Attributes
    ----------
    outer, inner : ndarray of float32, (levels, ANGLES)
        Distance (mm) of periosteal and endosteal border from the section's centre.
    centre : ndarray of float32, (levels, 2)
        x and y of that centre.
    cortical : ndarray of float32, (levels,)
        Density of the wall, g/cm³.
    cut : ndarray of float32, (levels,)
        Level at which the trabecular field is cut, in units of `trabecular_tile`.
    marrow : float
        Mineral between trabeculae and on the cavity's rough wall, g/cm³.
    surface : ndarray of float32, (8,)
        Distal end: ``z = s0 + s1 x + s2 y + s3 max(0, 1 - ((x - s4)² + (y - s7)²)/s5²)
        + s6 exp(-((x - s4)/1.6)²)``, x and y from the section's frame.
    """

    outer: Table
    inner: Table
    centre: Table
    cortical: Table
    cut: Table
    marrow: float
    surface: Table


@dataclass(frozen=True, slots=True, eq=False)
class ForearmVolume:
    """Radius, ulna and the ulnar styloid, a cone with a round tip at z = 0."""

    radius: BoneVolume
    ulna: BoneVolume
    styloid: Table
    """x and y of its axis, z of its base, radius of its base, density g/cm³."""


def levels() -> Array:
    """z of every table row, mm."""
    return np.arange(FIRST_Z_MM, LAST_Z_MM, Z_STEP_MM)


def build_forearm(subject: VoxelSubject) -> ForearmVolume:
    """Build the bones of a subject."""
    rng = np.random.default_rng([subject.shape_seed, 1])
    radius, ulna = _radius(subject, rng), _ulna(subject, rng)
    row = int((8.0 - FIRST_Z_MM) / Z_STEP_MM)
    half_width = float(ulna.outer[row, ANGLES // 2])
    x, y = float(ulna.centre[row, 0]) - half_width + 3.1 * subject.size, float(ulna.centre[row, 1]) + 2.0
    base = subject.styloid_length_mm + 4.5
    styloid = np.array([x, y, base, 3.3 * subject.size, 0.7 * subject.cortical_density_g_cm3], np.float32)
    return ForearmVolume(radius, ulna, styloid)


def _radius(subject: VoxelSubject, rng: np.random.Generator) -> BoneVolume:
    z = levels()
    angle = _angles()
    stretched = _stretched(z, subject)
    width, depth, x, y = _profile(_RADIUS, stretched)
    shaft = _profile(_SHAFT, stretched)[0]
    x = x + subject.bow_mm[0] * np.exp(-(((stretched - 70) / 34) ** 2))
    relief = _wobble(angle, rng)[None, :]
    relief = relief + subject.crest * shaft[:, None] * _ridge(angle, np.pi, 0.42)
    distal = np.exp(-(((z - 13) / 9) ** 2))[:, None]
    relief = relief + subject.lister * distal * _ridge(angle, np.radians(104), 0.2)
    relief = relief - subject.volar_flattening * (1 - 0.5 * shaft[:, None]) * _ridge(angle, 1.5 * np.pi, 0.75)
    notch = np.exp(-(((z - 8) / 5) ** 2))[:, None]
    relief = relief - subject.sigmoid_notch * notch * _ridge(angle, np.pi, 0.45)
    # the styloid process narrows on its radial side towards its tip
    taper = np.clip(0.03 * np.logaddexp(0, (5.0 - z) / 2.5) * 2.5, 0, 0.5)[:, None]
    relief = relief - taper * _ridge(angle, 0.0, 0.9)
    wall = _wall(subject, z, shaft, subject.shaft_cortex_mm)
    unequal = 1 + subject.wall_asymmetry * shaft[:, None] * np.cos(angle - np.pi)[None, :]
    unequal = unequal + 0.08 * np.cos(2 * angle + rng.uniform(0, 2 * np.pi))[None, :]
    plate_x = 7.6 * subject.size
    inclination = np.tan(np.radians(subject.inclination_degrees))
    middle = subject.styloid_length_mm + subject.ulnar_variance_mm - 14.0 * subject.size * inclination
    surface = (
        middle + inclination * plate_x,
        -inclination,
        -np.tan(np.radians(subject.palmar_tilt_degrees)),
        subject.sag_mm,
        plate_x,
        13.0 * subject.size,
        -0.25 * subject.sag_mm,
        0.0,
    )
    return _volume(subject, (width, depth, x, y), relief, wall[:, None] * unequal, surface)


def _ulna(subject: VoxelSubject, rng: np.random.Generator) -> BoneVolume:
    z = levels()
    angle = _angles()
    stretched = _stretched(z, subject)
    # the head keeps its place below the styloid, whatever the styloid's length
    width, depth, x, y = _profile(_ULNA, stretched - (subject.styloid_length_mm - 5.0))
    shaft = _profile(_SHAFT, stretched)[0]
    x = x - subject.wrist_gap_mm * np.exp(-np.clip(stretched - 6, 0, None) / 30)
    x = x + subject.bow_mm[1] * np.exp(-(((stretched - 70) / 32) ** 2))
    relief = _wobble(angle, rng)[None, :] + 0.6 * subject.crest * shaft[:, None] * _ridge(angle, 0.0, 0.45)
    relief = relief + 0.06 * shaft[:, None] * np.cos(3 * angle + 0.7)[None, :]
    wall = _wall(subject, z, shaft, 0.88 * subject.shaft_cortex_mm)
    unequal = 1 + 0.6 * subject.wall_asymmetry * shaft[:, None] * np.cos(angle)[None, :]
    head = (subject.size * (-15.7 - subject.wrist_gap_mm), 2.0 * subject.size)
    surface = (subject.styloid_length_mm + 3.0, 0.0, 0.0, -3.4, head[0], 7.6 * subject.size, 0.0, head[1])
    return _volume(subject, (width, depth, x, y), relief, wall[:, None] * unequal, surface)


def _volume(
    subject: VoxelSubject,
    shape: tuple[Array, Array, Array, Array],
    relief: Array,
    wall: Array,
    surface: tuple[float, ...],
) -> BoneVolume:
    width, depth, x, y = (subject.size * value for value in shape)
    z, cosine, sine = levels(), np.cos(_angles()), np.sin(_angles())
    ellipse = 1 / np.hypot(2 * cosine / width[:, None], 2 * sine / depth[:, None])
    outer = ellipse * (1 + relief)
    inner = np.maximum(outer - wall, 0.12 * outer)
    fraction = subject.bone_volume_fraction * _profile(_FRACTION, _stretched(z, subject))[0]
    third = subject.forearm_length_mm / 3
    return BoneVolume(
        outer=outer.astype(np.float32),
        inner=inner.astype(np.float32),
        centre=np.stack([x, y], axis=1).astype(np.float32),
        cortical=(subject.cortical_density_g_cm3 * (1 + subject.density_slope_per_mm * (z - third))).astype(
            np.float32
        ),
        cut=(LEVELS_PER_SD * norm.isf(np.clip(fraction, 0.002, 0.6))).astype(np.float32),
        marrow=0.03,
        surface=np.array(surface, np.float32),
    )


def _wall(subject: VoxelSubject, z: Array, shaft: Array, shaft_cortex_mm: float) -> Array:
    growth = 1 + subject.cortex_slope_per_mm * (z - subject.forearm_length_mm / 3)
    return shaft * shaft_cortex_mm * growth + (1 - shaft) * subject.distal_cortex_mm * (1 + 0.01 * (z - 18))


def _stretched(z: Array, subject: VoxelSubject) -> Array:
    """Profile level of each z: the wrist keeps its place, the shaft stretches with the forearm."""
    return np.where(z < 15, z, 15 + (z - 15) * (255.0 / subject.forearm_length_mm) ** 0.7)


def _profile(table: Array, z: Array) -> Array:
    return np.asarray(PchipInterpolator(table[:, 0], table[:, 1:], extrapolate=True)(z).T)


def end_plate_level(bone: BoneVolume, x: float) -> tuple[float, float]:
    """Middle y of a bone's distal surface at `x`, and the surface's mean z over the bone's depth there, mm.

    The mean is where a sharp edge of the same mineral would lie: rims and hollow of the surface overlap in
    the picture.
    """
    s = [float(value) for value in bone.surface]
    level = int((s[0] + s[1] * x - FIRST_Z_MM) / Z_STEP_MM)
    middle = float(bone.centre[level, 1])
    front, back = float(bone.outer[level, 3 * ANGLES // 4]), float(bone.outer[level, ANGLES // 4])
    y = np.linspace(middle - 0.9 * front, middle + 0.9 * back, 41)
    bowl = np.clip(1 - ((x - s[4]) ** 2 + (y - s[7]) ** 2) / s[5] ** 2, 0, None)
    z = s[0] + s[1] * x + s[2] * y + s[3] * bowl + s[6] * np.exp(-((x - s[4]) ** 2) / 2.56)
    return middle, float(z.mean())


def _angles() -> Array:
    """True angle (radians from +x towards +y) of every pseudo-angle of the tables."""
    p = np.arange(ANGLES) * 4 / ANGLES
    x = np.where(p <= 2, 1 - p, p - 3)
    y = np.where(p <= 2, 1 - np.abs(x), np.abs(x) - 1)
    return np.asarray(np.arctan2(y, x))


def _ridge(angle: Array, where: float, width: float) -> Array:
    away = (angle - where + np.pi) % (2 * np.pi) - np.pi
    return np.asarray(np.exp(-((away / width) ** 2)))


def _wobble(angle: Array, rng: np.random.Generator) -> Array:
    """Individual departure of the outline: harmonics three to six."""
    total = np.zeros_like(angle)
    for harmonic in range(3, 7):
        total += rng.normal(0, 0.03 / harmonic) * np.cos(harmonic * angle + rng.uniform(0, 2 * np.pi))
    return total
