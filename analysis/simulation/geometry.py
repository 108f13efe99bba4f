"""The bones of the forearm as ring models in the bone frame.

Bone frame, mm: ``z`` runs proximally along the forearm with 0 at the tip of the ulnar styloid; ``x`` runs
from the ulna towards the radius; the beam looks along the third axis. A long bone is, at every ``z``, an
ellipse (half width in the picture, half depth along the beam) with a cortical shell.

Profiles are for a woman with an outer radius diameter of 11.5 mm and a 255 mm ulna; they scale with size
across and with length along. Their values are assumptions read off normal anatomy, anchored where a source
exists: dry distal radii are 15.4–17.8 mm deep; radial inclination 24 ± 3.8°, ulnar variance −0.45 ± 2.0 mm
on 400 wrists (Hadi & Wijiono 2013); total area 197–232 mm² at the HR-pQCT site (Walker 2009); outer
diameter and cortex at 33 % as in `subject`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from analysis.simulation.subject import Subject

Array = NDArray[np.float64]

REFERENCE_LENGTH_MM = 255.0
REFERENCE_DIAMETER_MM = 11.5
HR_PQCT_SITE_MM = 19.5
"""Centre of the XtremeCT-I stack: 9.5 mm offset + 4.5 mm from the end plate at 5.5 mm."""
ULNAR_HEAD_MM = 5.6
"""Level of the ulnar head's distal surface (styloid length): assumption."""
BLOCKINESS = 2.4
"""Exponent of the carpal bones' superellipses: blocks with rounded corners rather than ellipses."""

# level mm, full width mm, full depth mm, centre x mm
_RADIUS_PROFILE = np.array(
    [
        (-12, 27.0, 16.0, 8.6),
        (-4, 28.6, 17.0, 7.7),
        (3, 29.2, 17.4, 7.2),
        (7, 28.6, 17.0, 7.3),
        (11, 26.6, 16.0, 7.7),
        (15, 24.2, 14.8, 8.2),
        (19.5, 21.4, 13.4, 8.6),
        (25, 18.4, 12.4, 8.9),
        (32, 15.8, 11.7, 9.0),
        (42, 13.7, 11.3, 9.1),
        (55, 12.4, 11.1, 9.4),
        (70, 11.8, 11.1, 9.9),
        (86, 11.6, 11.2, 10.3),
        (110, 11.8, 11.3, 10.5),
        (160, 12.4, 11.4, 9.8),
    ]
)
_ULNA_PROFILE = np.array(
    [
        (5.0, 0.0, 9.0, -15.6),
        (5.9, 8.0, 12.5, -15.7),
        (7.2, 12.2, 14.5, -15.8),
        (9.2, 14.6, 15.0, -15.8),
        (12, 15.0, 15.0, -15.7),
        (15, 14.0, 14.2, -15.4),
        (19, 12.0, 12.4, -14.9),
        (25, 10.3, 11.0, -14.2),
        (34, 9.8, 10.6, -13.4),
        (50, 10.2, 11.0, -12.6),
        (80, 11.0, 11.8, -11.8),
        (110, 11.8, 12.8, -11.2),
        (160, 13.2, 14.5, -10.0),
    ]
)
# level mm, weight of the shaft's cortex (the rest is the distal cortex), factor on the distal cortex
_CORTEX_PROFILE = np.array(
    [
        (-12, 0.0, 0.70),
        (8, 0.0, 0.80),
        (19.5, 0.0, 1.0),
        (27, 0.12, 1.1),
        (36, 0.38, 1.2),
        (46, 0.64, 1.2),
        (58, 0.83, 1.2),
        (72, 0.94, 1.2),
        (90, 1.0, 1.2),
        (160, 1.06, 1.2),
    ]
)
# level mm, trabecular fraction relative to the HR-pQCT site: dense below the end plate, marrow in the shaft
_TRABECULAR_PROFILE = np.array(
    [
        (-12, 1.35),
        (6, 1.30),
        (12, 1.15),
        (19.5, 1.0),
        (28, 0.78),
        (40, 0.46),
        (55, 0.28),
        (75, 0.22),
        (160, 0.20),
    ]
)


@dataclass(frozen=True, slots=True)
class LongBone:
    """A ring-model bone sampled at rows `z` (mm); every field has shape (rows,).

    `trabecular_factor` multiplies the subject's bone volume fraction.
    """

    z: Array
    centre: Array
    half_width: Array
    half_depth: Array
    cortical_thickness: Array
    trabecular_factor: Array


class EndPlate(NamedTuple):
    """The radius's distal articular surface: ulnar corner, styloid tip and concavity, mm."""

    ulnar_corner: tuple[float, float]
    """(x, z) of the corner at the sigmoid notch."""
    styloid: tuple[float, float]
    """(x, z) of the tip of the radial styloid."""
    sag_mm: float

    @property
    def centre(self) -> tuple[float, float]:
        """(x, z) of the middle of the surface, the landmark "end plate"."""
        x = (self.ulnar_corner[0] + self.styloid[0]) / 2
        return x, float(self.level(np.array([x]))[0])

    def level(self, x: Array) -> Array:
        """z of the surface at each x, mm; the bone lies proximal to (above) it."""
        (corner_x, corner_z), (styloid_x, styloid_z) = self.ulnar_corner, self.styloid
        u = (x - corner_x) / (styloid_x - corner_x)
        inside = np.clip(u, 0, 1)
        surface = corner_z + (styloid_z - corner_z) * u
        # two shallow fossae, lunate and scaphoid, with the ridge between them
        surface = surface + self.sag_mm * (
            4 * inside * (1 - inside) + 0.22 * np.cos(4 * np.pi * inside) - 0.22
        )
        rounding = 7.5 * np.clip(u - 0.86, 0, None) ** 2 / 0.14 + 2.5 * np.clip(0.06 - u, 0, None) ** 2 / 0.06
        return np.asarray(surface + rounding * 4, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """A carpal bone: in-plane centre and half axes (mm), angle of the first axis to x, half depth, outline
    wobble."""

    centre: tuple[float, float]
    half_axes: tuple[float, float]
    angle_degrees: float
    half_depth: float
    wobble: tuple[float, float, float, float]
    """Amplitude and phase of the second and third harmonic of the outline."""

    def relative_outline(self, theta: Array) -> Array:
        """Factor on the distance of the outline from the centre at angle `theta` to the first axis."""
        two, phase_two, three, phase_three = self.wobble
        wobble = two * np.cos(2 * theta + phase_two) + three * np.cos(3 * theta + phase_three)
        return np.asarray(1 + wobble, dtype=np.float64)

    def outline(self) -> tuple[Array, Array]:
        """x and z of 90 points on the outline, mm."""
        turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        cosine, sine = np.cos(turn), np.sin(turn)
        first = self.half_axes[0] * np.sign(cosine) * np.abs(cosine) ** (2 / BLOCKINESS)
        second = self.half_axes[1] * np.sign(sine) * np.abs(sine) ** (2 / BLOCKINESS)
        scale = self.relative_outline(np.arctan2(second, first))
        angle = np.radians(self.angle_degrees)
        x = self.centre[0] + scale * (first * np.cos(angle) - second * np.sin(angle))
        return x, self.centre[1] + scale * (first * np.sin(angle) + second * np.cos(angle))


@dataclass(frozen=True, slots=True)
class ForearmGeometry:
    """All bones of one subject in the bone frame."""

    radius: LongBone
    ulna: LongBone
    end_plate: EndPlate
    ulnar_styloid: Ellipsoid
    carpals: tuple[Ellipsoid, ...]
    metacarpals: tuple[LongBone, ...]
    soft_half_width: Array
    soft_half_depth: Array
    soft_centre: Array


def forearm_geometry(subject: Subject, z: Array) -> ForearmGeometry:
    """Build the bones of a subject at rows `z` (mm, bone frame)."""
    rng = np.random.default_rng([subject.anatomy_seed, 1])
    across = subject.bone.shaft_diameter_mm / REFERENCE_DIAMETER_MM
    along = (subject.forearm_length_mm / REFERENCE_LENGTH_MM) ** 0.7
    variance = float(np.clip(rng.normal(-0.45, 2.03), -3.0, 3.0))
    inclination = float(np.clip(rng.normal(23.99, 3.75), 17, 31))
    radius = _radius(subject, z, across, along)
    ulna = _ulna(subject, z, across, along)
    end_plate = _end_plate(radius, variance, inclination, sag_mm=float(rng.uniform(1.2, 2.0)))
    carpals = _carpals(across, inclination, rng)
    joint_space = float(rng.uniform(1.5, 2.2))
    shift = _clearance(carpals, end_plate) - joint_space  # positive = proximally
    return ForearmGeometry(
        radius=radius,
        ulna=ulna,
        end_plate=end_plate,
        ulnar_styloid=_styloid(ulna, across, rng),
        carpals=tuple(replace(bone, centre=(bone.centre[0], bone.centre[1] + shift)) for bone in carpals),
        metacarpals=_metacarpals(subject, z, across, shift, rng),
        **_soft_tissue(subject, z),
    )


def _radius(subject: Subject, z: Array, across: float, along: float) -> LongBone:
    level = _levels(z, along)
    width, depth, centre = (
        _profile(_RADIUS_PROFILE[:, 0], column)(level) for column in _RADIUS_PROFILE[:, 1:].T
    )
    bone = subject.bone
    weight, factor = (_profile(_CORTEX_PROFILE[:, 0], column)(level) for column in _CORTEX_PROFILE[:, 1:].T)
    cortex = (
        weight * bone.shaft_cortical_thickness_mm + (1 - weight) * factor * bone.distal_cortical_thickness_mm
    )
    # bones grow in width about an unchanged interosseous space
    return _ring(z, centre * across, across * width / 2, across * depth / 2, cortex=cortex, level=level)


def _ulna(subject: Subject, z: Array, across: float, along: float) -> LongBone:
    level = np.where(z < 15, z, 15 + (z - 15) / along)
    width, depth, centre = (_profile(_ULNA_PROFILE[:, 0], column)(level) for column in _ULNA_PROFILE[:, 1:].T)
    width = np.where(level < ULNAR_HEAD_MM - 0.5, 0.0, width)
    bone = subject.bone
    weight, factor = (
        _profile(_CORTEX_PROFILE[:, 0], column)(level + 6) for column in _CORTEX_PROFILE[:, 1:].T
    )
    cortex = 0.88 * weight * bone.shaft_cortical_thickness_mm
    cortex += (1 - weight) * factor * bone.distal_cortical_thickness_mm + _end_cap(level - ULNAR_HEAD_MM)
    return _ring(z, centre * across, across * width / 2, across * depth / 2, cortex=cortex, level=level)


def _ring(
    z: Array, centre: Array, half_width: Array, half_depth: Array, *, cortex: Array, level: Array
) -> LongBone:
    thickest = 0.86 * np.minimum(half_width, half_depth)
    return LongBone(
        z=z,
        centre=centre,
        half_width=half_width,
        half_depth=half_depth,
        cortical_thickness=np.minimum(cortex, thickest),
        trabecular_factor=_profile(*_TRABECULAR_PROFILE.T)(level),
    )


def _end_cap(depth: Array) -> Array:
    """Extra cortex (mm) that closes a bone towards its joint, `depth` mm below the surface."""
    return np.asarray(2.5 * np.exp(-((depth / 0.9) ** 2)))


def _levels(z: Array, along: float) -> Array:
    """Profile level of each z: the metaphysis keeps its place, the shaft stretches with length."""
    return np.asarray(np.where(z < 10, z, 10 + (z - 10) / along), dtype=np.float64)


def _profile(level: Array, value: Array) -> PchipInterpolator:
    return PchipInterpolator(level, value, extrapolate=True)


def _end_plate(radius: LongBone, variance: float, inclination: float, sag_mm: float) -> EndPlate:
    corner_z = ULNAR_HEAD_MM + variance
    row = int(np.searchsorted(radius.z, corner_z))
    corner_x = float(radius.centre[row] - radius.half_width[row])
    span = 1.9 * float(radius.half_width[row])
    return EndPlate(
        ulnar_corner=(corner_x, corner_z),
        styloid=(corner_x + span, corner_z - span * float(np.tan(np.radians(inclination)))),
        sag_mm=sag_mm,
    )


def _styloid(ulna: LongBone, across: float, rng: np.random.Generator) -> Ellipsoid:
    """The ulnar styloid; its tip is the origin of z by construction."""
    row = int(np.searchsorted(ulna.z, 10.0))
    half_length = 7.0
    x = float(ulna.centre[row] - ulna.half_width[row]) + 2.7 * across
    half_width = float(rng.uniform(2.3, 2.8)) * across
    return Ellipsoid((x, half_length), (half_width, half_length), 0.0, 4.4 * across, (0.0, 0.0, 0.0, 0.0))


# name order is anatomical: scaphoid, lunate, triquetrum, pisiform, trapezium, trapezoid, capitate, hamate
_CARPALS = (
    # x, z, half axis 1, half axis 2, angle, half depth
    (13.0, -11.6, 11.6, 6.3, -54.0, 6.5),
    (0.8, -5.5, 7.4, 6.9, 10.0, 7.5),
    (-11.0, -10.7, 7.5, 5.7, 38.0, 6.5),
    (-13.4, -11.6, 4.3, 5.0, 10.0, 3.4),
    (20.8, -25.4, 7.4, 6.6, 40.0, 6.5),
    (12.1, -27.3, 5.7, 6.1, 0.0, 6.5),
    (2.8, -22.9, 6.7, 11.0, 4.0, 7.5),
    (-8.5, -22.4, 7.1, 8.8, -16.0, 7.0),
)


def _carpals(across: float, inclination: float, rng: np.random.Generator) -> tuple[Ellipsoid, ...]:
    """Eight carpal bones; the wrist turns a little with the inclination of the radius."""
    swing = np.radians(0.35 * (inclination - 24))
    bones = []
    for place_x, place_z, first, second, angle, depth in _CARPALS:
        x = place_x + 0.35 * rng.standard_normal()
        z = place_z + 0.25 * rng.standard_normal()
        bones.append(
            Ellipsoid(
                centre=(
                    across * (x * np.cos(swing) + z * np.sin(swing)),
                    across * (z * np.cos(swing) - x * np.sin(swing)),
                ),
                half_axes=(across * first, across * second),
                angle_degrees=angle + 4 * float(rng.standard_normal()),
                half_depth=across * depth,
                wobble=(
                    float(rng.uniform(0.03, 0.07)),
                    float(rng.uniform(0, 2 * np.pi)),
                    float(rng.uniform(0.02, 0.05)),
                    float(rng.uniform(0, 2 * np.pi)),
                ),
            )
        )
    return tuple(bones)


def _clearance(carpals: tuple[Ellipsoid, ...], end_plate: EndPlate) -> float:
    """Smallest gap (mm, along z) between the carpal bones and the end plate; negative where they overlap."""
    gaps = [REFERENCE_LENGTH_MM]
    for bone in carpals:
        x, z = bone.outline()
        facing = (x > end_plate.ulnar_corner[0]) & (x < end_plate.styloid[0])
        gaps += list(end_plate.level(x[facing]) - z[facing])
    return min(gaps)


# x of the base, z of the base, slant dx/dz towards the fingers, half width of base and of shaft
_METACARPALS = (
    (27.0, -31.0, 0.62, 6.6, 4.8),
    (13.2, -32.6, 0.14, 7.4, 4.1),
    (3.4, -33.8, 0.0, 6.9, 4.1),
    (-5.8, -31.2, -0.13, 5.4, 3.4),
    (-12.8, -30.2, -0.25, 5.8, 3.6),
)


def _metacarpals(
    subject: Subject, z: Array, across: float, shift: float, rng: np.random.Generator
) -> tuple[LongBone, ...]:
    bones = []
    for x, base, slant, base_half, shaft_half in _METACARPALS:
        start = across * (base + 0.3 * rng.standard_normal()) + shift
        beyond = np.clip(start - z, 0, None)
        taper = shaft_half + (base_half - shaft_half) * np.exp(-((beyond / (7 * across)) ** 2))
        rounded = 0.35 + 0.65 * np.sqrt(np.clip(1 - np.clip(1 - beyond / (2.2 * across), 0, 1) ** 2, 0, 1))
        half_width = np.where(z < start, across * taper * rounded, 0.0)
        thickness = 0.55 * subject.bone.shaft_cortical_thickness_mm * np.clip(beyond / 18, 0.25, 1)
        thickness += _end_cap(beyond)
        half_depth = half_width * 1.05
        bones.append(
            LongBone(
                z=z,
                centre=across * x + slant * beyond,
                half_width=half_width,
                half_depth=half_depth,
                cortical_thickness=np.minimum(thickness, 0.7 * half_width),
                trabecular_factor=np.clip(1.2 - beyond / 22, 0.25, 1.2),
            )
        )
    return tuple(bones)


def _soft_tissue(subject: Subject, z: Array) -> dict[str, Array]:
    """Half width, half depth and centre of the arm and hand by row; grows with body-mass index
    (assumption)."""
    body_mass_index = subject.weight_kg / (subject.height_mm / 1000) ** 2
    girth = (subject.bone.shaft_diameter_mm / REFERENCE_DIAMETER_MM) ** 0.7 * (body_mass_index / 23.8) ** 0.45
    level = [-60, -35, -15, 0, 12, 30, 60, 100, 160]
    half_width = PchipInterpolator(level, [41, 39.5, 33, 28.5, 27.5, 29, 33.5, 39, 44])(z)
    half_depth = PchipInterpolator(level, [13, 14.5, 17, 18, 18.5, 20, 24.5, 30, 34])(z)
    centre = PchipInterpolator(level, [6, 5, 2.5, 0, -2, -2, -1, 0, 0])(z)
    return {
        "soft_half_width": girth * half_width,
        "soft_half_depth": girth * half_depth,
        "soft_centre": centre * girth,
    }
