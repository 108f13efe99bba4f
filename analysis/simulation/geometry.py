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
from scipy.interpolate import PchipInterpolator

from analysis.simulation.hand import carpal_bones, clearance, metacarpal_bones
from analysis.simulation.shapes import Array, Ellipsoid, EndPlate, LongBone, end_cap
from analysis.simulation.subject import Subject

REFERENCE_LENGTH_MM = 255.0
REFERENCE_DIAMETER_MM = 11.5
ULNAR_HEAD_MM = 5.6
"""Level of the ulnar head's distal surface (styloid length): assumption."""

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
# level mm, weight of the shaft's cortex (the rest is the distal cortex), factor on the distal cortex; it is 1
# at the HR-pQCT site: the XtremeCT-I stack is centred 9.5 + 4.5 mm from the end plate, so at 19.5 mm
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


class Individuality(NamedTuple):
    """How one forearm departs from the profiles; all spreads are assumptions."""

    radial_flare: float
    """Width of the metaphysis over the profile's."""
    ulnar_head: float
    """Width of the ulnar head over the profile's."""
    radial_bow_mm: float
    ulnar_bow_mm: float
    interosseous_cortex: float
    """Thickness of the radius's interosseous cortex over the mean of both."""


def forearm_geometry(subject: Subject, z: Array) -> ForearmGeometry:
    """Build the bones of a subject at rows `z` (mm, bone frame)."""
    rng = np.random.default_rng([subject.anatomy_seed, 1])
    across = subject.bone.shaft_diameter_mm / REFERENCE_DIAMETER_MM
    along = (subject.forearm_length_mm / REFERENCE_LENGTH_MM) ** 0.7
    variance = float(np.clip(rng.normal(-0.45, 2.03), -3.0, 3.0))
    inclination = float(np.clip(rng.normal(23.99, 3.75), 17, 31))
    person = _individuality(subject)
    radius = _radius(subject, z, across, along, person)
    ulna = _ulna(subject, z, across, along, person)
    end_plate = _end_plate(radius, variance, inclination, sag_mm=float(rng.uniform(1.2, 2.0)))
    carpals = carpal_bones(across, inclination, rng)
    joint_space = float(rng.uniform(1.5, 2.2))
    shift = clearance(carpals, end_plate) - joint_space  # positive = proximally
    return ForearmGeometry(
        radius=radius,
        ulna=ulna,
        end_plate=end_plate,
        ulnar_styloid=_styloid(ulna, across, rng),
        carpals=tuple(replace(bone, centre=(bone.centre[0], bone.centre[1] + shift)) for bone in carpals),
        metacarpals=metacarpal_bones(subject, z, across, shift, rng),
        **_soft_tissue(subject, z),
    )


def _individuality(subject: Subject) -> Individuality:
    flare, head, radial, ulnar, cortex = np.clip(
        np.random.default_rng([subject.anatomy_seed, 6]).standard_normal(5), -2.2, 2.2
    )
    return Individuality(
        radial_flare=float(1 + 0.035 * flare),
        ulnar_head=float(1 + 0.05 * head),
        radial_bow_mm=float(0.9 * radial),
        ulnar_bow_mm=float(0.8 * ulnar),
        interosseous_cortex=float(1.1 + 0.05 * cortex),
    )


def _radius(subject: Subject, z: Array, across: float, along: float, person: Individuality) -> LongBone:
    level = _levels(z, along)
    width, depth, centre = (
        _profile(_RADIUS_PROFILE[:, 0], column)(level) for column in _RADIUS_PROFILE[:, 1:].T
    )
    bone = subject.bone
    weight, factor = (_profile(_CORTEX_PROFILE[:, 0], column)(level) for column in _CORTEX_PROFILE[:, 1:].T)
    cortex = (
        weight * bone.shaft_cortical_thickness_mm + (1 - weight) * factor * bone.distal_cortical_thickness_mm
    )
    broader = width * (person.radial_flare - 1) * _bump(level, 6.0, 17.0)
    width = width + broader
    # the flare goes outwards: the joint with the ulna keeps its place
    centre = centre + broader / 2 + person.radial_bow_mm * _bump(level, 62.0, 32.0)
    shift = (person.interosseous_cortex - 1) * cortex * np.clip((level - 20) / 40, 0, 1)
    return _ring(
        z, centre * across, across * width / 2, across * depth / 2, cortex=cortex, level=level, shift=shift
    )


def _ulna(subject: Subject, z: Array, across: float, along: float, person: Individuality) -> LongBone:
    level = np.where(z < 15, z, 15 + (z - 15) / along)
    width, depth, centre = (_profile(_ULNA_PROFILE[:, 0], column)(level) for column in _ULNA_PROFILE[:, 1:].T)
    width = np.where(level < ULNAR_HEAD_MM - 0.5, 0.0, width)
    bone = subject.bone
    weight, factor = (
        _profile(_CORTEX_PROFILE[:, 0], column)(level + 6) for column in _CORTEX_PROFILE[:, 1:].T
    )
    cortex = 0.88 * weight * bone.shaft_cortical_thickness_mm
    cortex += (1 - weight) * factor * bone.distal_cortical_thickness_mm + end_cap(level - ULNAR_HEAD_MM)
    broader = width * (person.ulnar_head - 1) * _bump(level, 9.0, 10.0)
    width = width + broader
    centre = centre - broader / 2 + person.ulnar_bow_mm * _bump(level, 65.0, 30.0)
    none = np.zeros_like(z)
    return _ring(
        z, centre * across, across * width / 2, across * depth / 2, cortex=cortex, level=level, shift=none
    )


def _bump(level: Array, centre: float, width: float) -> Array:
    """A smooth departure around a level, 1 at its centre."""
    return np.asarray(np.exp(-(((level - centre) / width) ** 2)))


def _ring(
    z: Array,
    centre: Array,
    half_width: Array,
    half_depth: Array,
    *,
    cortex: Array,
    level: Array,
    shift: Array,
) -> LongBone:
    thickest = 0.86 * np.minimum(half_width, half_depth)
    return LongBone(
        z=z,
        centre=centre,
        half_width=half_width,
        half_depth=half_depth,
        cortical_thickness=np.minimum(cortex, thickest),
        trabecular_factor=_profile(*_TRABECULAR_PROFILE.T)(level),
        medullary_shift=shift,
    )


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
