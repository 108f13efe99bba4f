"""Cross section of a long bone's shaft and its projection: a wall around a cavity, blurred by the scanner.

Coordinates are those of a picture's profile: ``x`` (mm) across the shaft, positive on the side away from the
neighbouring bone; the beam runs along ``y``, about which nothing is seen but the length of its path.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analysis.segmentation.anatomy import FloatArray

_TURN = np.linspace(0.0, np.pi, 65)
_COSINE, _SINE = np.cos(_TURN), np.sin(_TURN)
CREST_SHARPNESS = 16
"""Exponent of the interosseous crest ``((1 - cos θ) / 2) ** 16``: some 30° to either side (assumption)."""
_CREST = ((1.0 - _COSINE) / 2.0) ** CREST_SHARPNESS
THINNEST_CAVITY = 0.1
"""The cavity's radius is at least this part of the bone's."""
CELL_MM = 0.1
_REACH_SD = 4.0


class Section(NamedTuple):
    """A section mirror-symmetric about the picture plane, which is all that a projection can tell.

    Attributes
    ----------
    centre_mm, half_width_mm : float
        Of the body, crest apart.
    thickness_mm : float
        Of the wall, mean around the bone.
    eccentricity : float
        How much thicker the wall is towards the neighbouring bone, relative to its mean.
    crest : float
        Height of the interosseous crest over the body's radius.
    flatness : float
        The body is a superellipse of exponent 2 plus this.
    depth_over_width : float
        Of the body.
    blur_mm : float
        Standard deviation of the scanner's blur, pixel aperture included.
    """

    centre_mm: float
    half_width_mm: float
    thickness_mm: float
    eccentricity: float
    crest: float
    flatness: float
    depth_over_width: float
    blur_mm: float

    def borders(self) -> tuple[FloatArray, FloatArray]:
        """Periosteal and endosteal border, upper half: (2, 65) arrays of x (falling) and y, mm."""
        power = 2.0 + self.flatness
        depth = self.half_width_mm * self.depth_over_width
        body = (np.abs(_COSINE) / self.half_width_mm) ** power + (np.abs(_SINE) / depth) ** power
        outer = body ** (-1.0 / power) * (1.0 + self.crest * _CREST)
        wall = self.thickness_mm * (1.0 - self.eccentricity * _COSINE)
        inner = np.maximum(outer - wall, THINNEST_CAVITY * outer)
        return self._placed(outer), self._placed(inner)

    def _placed(self, radius: FloatArray) -> FloatArray:
        return np.array([self.centre_mm + radius * _COSINE, radius * _SINE])

    def walls(self) -> tuple[float, float]:
        """Thickness (mm) of the wall on the low and on the high side of x, from silhouette to silhouette."""
        (outer, _), (inner, _) = self.borders()
        return float(inner.min() - outer.min()), float(outer.max() - inner.max())

    def width(self) -> float:
        """Outer width in the picture, mm."""
        return float(np.ptp(self.borders()[0][0]))

    def areas(self) -> tuple[float, float]:
        """Area of the wall and of the cavity, mm²."""
        outer, inner = (2.0 * float(-np.trapezoid(border[1], border[0])) for border in self.borders())
        return outer - inner, inner

    def projected(self, position: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Blurred path (mm) through the wall and through the cavity at each `position` (mm, within ±16)."""
        edges = _cell_edges(position)
        outer, inner = (_blurred(_path(border, edges), self.blur_mm) for border in self.borders())
        centres = (edges[1:] + edges[:-1]) / 2
        at = [np.interp(position, centres, path) for path in (outer, inner)]
        return at[0] - at[1], at[1]


def _cell_edges(position: FloatArray) -> FloatArray:
    low, high = float(position.min()) - 1.0, float(position.max()) + 1.0
    count = int(np.ceil((high - low) / CELL_MM))
    return np.linspace(low, low + CELL_MM * count, count + 1)


def _path(border: FloatArray, edges: FloatArray) -> FloatArray:
    """Mean path (mm) through the border's inside over each cell, both halves, exact for its polygon."""
    x, y = border
    low, high = np.minimum(x[1:], x[:-1]), np.maximum(x[1:], x[:-1])
    forward = x[1:] < x[:-1]
    at_low, at_high = np.where(forward, y[1:], y[:-1]), np.where(forward, y[:-1], y[1:])
    reached = np.clip(edges[:, None], low, high) - low
    slope = (at_high - at_low) / np.maximum(high - low, 1e-9)
    area = reached * (at_low + 0.5 * slope * reached) * np.where(forward, 1.0, -1.0)
    return np.asarray(2.0 * np.diff(area.sum(axis=1)) / CELL_MM)


def _blurred(path: FloatArray, blur_mm: float) -> FloatArray:
    reach = int(np.ceil(_REACH_SD * blur_mm / CELL_MM))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * CELL_MM / blur_mm) ** 2)
    # numpy's mode "same" gives the length of the longer one, and a short profile is shorter than the kernel
    return np.convolve(path, kernel / kernel.sum())[reach : reach + path.size]
