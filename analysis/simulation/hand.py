"""Carpal bones and bases of the metacarpals; sizes and places are assumptions of normal anatomy."""

from __future__ import annotations

import numpy as np

from analysis.simulation.shapes import Array, Ellipsoid, EndPlate, LongBone, end_cap
from analysis.simulation.subject import Subject

# x, z, half axis 1, half axis 2 (mm), angle of axis 1 (degrees), half depth (mm) of
# scaphoid, lunate, triquetrum, pisiform, trapezium, trapezoid, capitate, hamate
_CARPALS = (
    (13.0, -11.6, 11.6, 6.3, -54.0, 6.5),
    (0.8, -5.5, 7.4, 6.9, 10.0, 7.5),
    (-11.0, -10.7, 7.5, 5.7, 38.0, 6.5),
    (-13.4, -11.6, 4.3, 5.0, 10.0, 3.4),
    (20.8, -25.4, 7.4, 6.6, 40.0, 6.5),
    (12.1, -27.3, 5.7, 6.1, 0.0, 6.5),
    (2.8, -22.9, 6.7, 11.0, 4.0, 7.5),
    (-8.5, -22.4, 7.1, 8.8, -16.0, 7.0),
)


def carpal_bones(across: float, inclination: float, rng: np.random.Generator) -> tuple[Ellipsoid, ...]:
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


def clearance(carpals: tuple[Ellipsoid, ...], end_plate: EndPlate) -> float:
    """Smallest gap (mm, along z) between the carpal bones and the end plate; negative where they overlap."""
    gaps = [np.inf]
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


def metacarpal_bones(
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
        thickness += end_cap(beyond)
        half_depth = half_width * 1.05
        bones.append(
            LongBone(
                z=z,
                centre=across * x + slant * beyond,
                half_width=half_width,
                half_depth=half_depth,
                cortical_thickness=np.minimum(thickness, 0.7 * half_width),
                trabecular_factor=np.clip(1.2 - beyond / 22, 0.25, 1.2),
                medullary_shift=np.zeros_like(z),
            )
        )
    return tuple(bones)
