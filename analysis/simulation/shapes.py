"""The shapes that simulated bones are made of, in the bone frame of `analysis.simulation.geometry` (mm)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BLOCKINESS = 2.4
"""Exponent of the carpal bones' superellipses: blocks with rounded corners rather than ellipses."""


@dataclass(frozen=True, slots=True)
class LongBone:
    """A ring-model bone sampled at rows `z` (mm); every field has shape (rows,).

    `trabecular_factor` multiplies the subject's bone volume fraction. `medullary_shift` moves the medullary
    space towards larger x, so that the opposite cortex is thicker; `cortical_thickness` is the mean of both.
    """

    z: Array
    centre: Array
    half_width: Array
    half_depth: Array
    cortical_thickness: Array
    trabecular_factor: Array
    medullary_shift: Array


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


def end_cap(depth: Array) -> Array:
    """Extra cortex (mm) that closes a bone towards its joint, `depth` mm below the surface."""
    return np.asarray(2.5 * np.exp(-((depth / 0.9) ** 2)))
