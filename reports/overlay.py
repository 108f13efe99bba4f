"""From the engine's pixels to colours: the anatomy in grey and a map over it on one fixed scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from analysis.results import ImageEvidence

MAXIMUM_OPACITY = 0.4
"""The anatomy stays visible under the strongest colour."""

FloatImage = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ColorScale:
    """A scale that is the same for every patient, so that pictures can be compared.

    Attributes
    ----------
    title, unit : str
    low, high : float
        Limits; values beyond them get the colour of the limit.
    transparent_below : float
        Absolute values below this show the anatomy alone.
    opaque_from : float
        Absolute values from this on have `MAXIMUM_OPACITY`.
    colormap : str
        Name of a perceptually uniform matplotlib colour map, diverging if `low` is negative.
    ticks : tuple of float
    """

    title: str
    unit: str
    low: float
    high: float
    transparent_below: float
    opaque_from: float
    colormap: str
    ticks: tuple[float, ...]

    def colors(self, values: FloatImage) -> FloatImage:
        """Return RGB (0-1) of each value, shape (..., 3)."""
        position = (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)
        return np.asarray(colormaps[self.colormap](position), dtype=np.float64)[..., :3]

    def opacity(self, values: FloatImage) -> FloatImage:
        """Return the opacity (0 to `MAXIMUM_OPACITY`) of each value."""
        ramp = (np.abs(values) - self.transparent_below) / (self.opaque_from - self.transparent_below)
        return MAXIMUM_OPACITY * np.clip(ramp, 0.0, 1.0)


DRIVER_SCALE = ColorScale(
    title="Contribution to 10-year log-hazard",
    unit="log-hazard per cm² of bone",
    low=-0.3,
    high=0.3,
    transparent_below=0.01,
    opaque_from=0.1,
    colormap="coolwarm",
    ticks=(-0.3, -0.15, 0.0, 0.15, 0.3),
)
"""Diverging (Moreland's cool-warm), zero transparent. The limits span what the shipped models yield on
simulated forearms from low to high risk; they are fixed and never adapt to a picture."""

DENSITY_SCALE = ColorScale(
    title="Areal bone mineral density",
    unit="g/cm²",
    low=0.0,
    high=1.0,
    transparent_below=0.0,
    opaque_from=0.2,
    colormap="cividis",
    ticks=(0.0, 0.25, 0.5, 0.75, 1.0),
)
"""Perceptually uniform and safe for colour-vision deficiency; spans the density of a radius."""


def map_of(evidence: ImageEvidence) -> tuple[NDArray[np.float32], ColorScale] | None:
    """Return the map to overlay with its scale: the model's drivers, else density, else nothing."""
    if evidence.driver_map is not None:
        return evidence.driver_map, DRIVER_SCALE
    if evidence.density_g_cm2 is not None:
        return evidence.density_g_cm2, DENSITY_SCALE
    return None


def blended(grey: FloatImage, values: FloatImage, inside: FloatImage, scale: ColorScale) -> FloatImage:
    """Lay a map over the anatomy.

    Parameters
    ----------
    grey : ndarray, (rows, columns)
        Anatomy, 0-1.
    values : ndarray, (rows, columns)
        The map, in the scale's unit.
    inside : ndarray, (rows, columns)
        1 inside the bone, 0 outside, in between on its resampled edge.
    scale : ColorScale

    Returns
    -------
    ndarray, (rows, columns, 3)
        RGB, 0-1.
    """
    opacity = (scale.opacity(values) * np.clip(inside, 0.0, 1.0))[..., np.newaxis]
    return (1.0 - opacity) * grey[..., np.newaxis] + opacity * scale.colors(values)
