"""From the engine's pixels to colours: the anatomy in grey and a map over it on one fixed scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap
from numpy.typing import NDArray

from reports.language import translatable

MAXIMUM_OPACITY = 0.4
"""The anatomy stays visible under the strongest colour."""

FloatImage = NDArray[np.float64]

SIGNED = LinearSegmentedColormap.from_list(
    "blue-grey-orange", [(0.08, 0.42, 1.0), (0.55, 0.60, 0.66), (1.0, 0.47, 0.0)]
)
"""Diverging between two hues that people with deuteranopia and protanopia tell apart, of like lightness
throughout: on grey anatomy a dark end would vanish in trabecular bone and a light end in the cortex."""


@dataclass(frozen=True, slots=True)
class ColorScale:
    """A scale that is the same for every patient, so that pictures can be compared.

    Attributes
    ----------
    title, unit : str
        English messages of the catalogue.
    low, high : float
        Limits; values beyond them get the colour of the limit, and the legend says so.
    transparent_below : float
        Absolute values below this show the anatomy alone.
    opaque_from : float
        Absolute values from this on have `MAXIMUM_OPACITY`.
    colormap : Colormap
        Perceptually uniform, or of uniform lightness and diverging if `low` is negative.
    ticks : tuple of float
    tick_format : str
    linear_to : float or None
        Up to about this magnitude colours follow the value, beyond it its logarithm (inverse hyperbolic
        sine); None for a linear scale.
    """

    title: str
    unit: str
    low: float
    high: float
    transparent_below: float
    opaque_from: float
    colormap: Colormap
    ticks: tuple[float, ...]
    tick_format: str
    linear_to: float | None = None

    @property
    def signed(self) -> bool:
        """Whether the map has two directions."""
        return self.low < 0

    def position(self, values: FloatImage | np.float64) -> FloatImage:
        """Return where values lie between the limits, 0-1."""
        bent = self._bent()
        low, high = bent(np.float64(self.low)), bent(np.float64(self.high))
        return np.asarray((bent(np.clip(values, self.low, self.high)) - low) / (high - low))

    def colors(self, values: FloatImage) -> FloatImage:
        """Return RGB (0-1) of each value, shape (..., 3)."""
        return np.asarray(self.colormap(self.position(values)), dtype=np.float64)[..., :3]

    def opacity(self, values: FloatImage) -> FloatImage:
        """Return the opacity (0 to `MAXIMUM_OPACITY`) of each value."""
        bent = self._bent()
        start, end = bent(np.float64(self.transparent_below)), bent(np.float64(self.opaque_from))
        ramp = (bent(np.abs(values)) - start) / (end - start)
        return np.asarray(MAXIMUM_OPACITY * np.clip(ramp, 0.0, 1.0))

    def along(self, count: int) -> FloatImage:
        """Return `count` values from `low` to `high` at even distances of the scale."""
        steps = np.linspace(0.0, 1.0, count)
        if self.linear_to is None:
            return self.low + steps * (self.high - self.low)
        low, high = np.arcsinh(self.low / self.linear_to), np.arcsinh(self.high / self.linear_to)
        return np.asarray(self.linear_to * np.sinh(low + steps * (high - low)))

    def _bent(self) -> Callable[[FloatImage | np.float64], FloatImage]:
        linear_to = self.linear_to
        if linear_to is None:
            return np.asarray
        return lambda values: np.asarray(np.arcsinh(values / linear_to))


DRIVER_SCALE = ColorScale(
    title=translatable("Contribution to the 10-year log-hazard"),
    unit=translatable("log-hazard per cm² of bone"),
    low=-1.0,
    high=1.0,
    transparent_below=0.01,
    opaque_from=0.3,
    colormap=SIGNED,
    ticks=(-1.0, -0.3, -0.1, 0.0, 0.1, 0.3, 1.0),
    tick_format="+.1f",
    linear_to=0.1,
)
"""Zero transparent; bent, because a severe case holds ten times what a normal one does. Over 40 simulated
forearms the shipped models yield -0.70 (1st percentile) to +0.39 (99th) per cm², and 1.1 as 99th percentile
of the magnitudes in the most extreme one (``benchmarks/map_scales.py``)."""

DENSITY_SCALE = ColorScale(
    title=translatable("Areal bone mineral density"),
    unit="g/cm²",
    low=0.0,
    high=1.0,
    transparent_below=0.0,
    opaque_from=0.2,
    colormap=colormaps["viridis"],
    ticks=(0.0, 0.25, 0.5, 0.75, 1.0),
    tick_format=".2f",
)
"""Perceptually uniform and safe for colour-vision deficiency. On the bone of 40 simulated forearms the 99th
percentile is 1.00 g/cm² (``benchmarks/map_scales.py``)."""

STRAIN_SCALE = ColorScale(
    title=translatable("Equivalent strain in a modelled fall"),
    unit=translatable("µstrain"),
    low=0.0,
    high=3000.0,
    transparent_below=100.0,
    opaque_from=800.0,
    colormap=colormaps["plasma"],
    ticks=(0.0, 1000.0, 2000.0, 3000.0),
    tick_format=".0f",
)
"""Perceptually uniform. Over 40 simulated forearms the 99th percentile is 1940 µstrain, and 2670 in the most
extreme one (``benchmarks/map_scales.py``)."""

MICRO = 1e6
"""Of `ImageEvidence.strain_map` to µstrain."""


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
