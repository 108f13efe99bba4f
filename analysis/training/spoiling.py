"""Spoil a simulated scan as real scans are spoilt: what a quality score has to learn from.

Sizes and densities are assumptions, drawn widely, so that some scans are beyond help.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A picture (dense bone bright), its spacing, whether it is areal density, and its true radius."""

    pixels: Map
    spacing_mm: tuple[float, float]
    density: bool
    radius: NDArray[np.bool_]


Spoiler = Callable[[Scan, np.random.Generator], Scan]


def spoiled(scan: Scan, rng: np.random.Generator) -> Scan:
    """Draw one or two artefacts into a scan."""
    names = rng.choice(list(SPOILERS), size=1 + int(rng.random() < 0.3), replace=False)
    for name in names:
        scan = SPOILERS[name](scan, rng)
    return scan


def displayed(scan: Scan, rng: np.random.Generator) -> Scan:
    """The 8-bit display grey of a density map: window and grey curve."""
    low, high = np.percentile(scan.pixels, (rng.uniform(0.1, 3), rng.uniform(98.5, 100)))
    grey = np.clip((scan.pixels - low) / (high - low), 0, 1) ** rng.uniform(0.45, 2.0)
    return replace(scan, pixels=np.asarray(np.round(grey * 255) / 255, np.float32), density=False)


def _millimetres(scan: Scan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(x, y) of every pixel from the picture's middle, mm."""
    rows, columns = scan.pixels.shape
    y, x = np.indices((rows, columns)) + 0.5
    return (x - columns / 2) * scan.spacing_mm[1], (y - rows / 2) * scan.spacing_mm[0]


def _added(scan: Scan, density: NDArray[np.floating]) -> Scan:
    return replace(scan, pixels=np.asarray(scan.pixels + density, np.float32))


def _plate(scan: Scan, rng: np.random.Generator) -> Scan:
    """A plate with screws on the radius, more or less along it."""
    x, y = _millimetres(scan)
    on_bone = np.argwhere(scan.radius)
    row, column = on_bone[rng.integers(len(on_bone))]
    turn = np.deg2rad(rng.uniform(-15, 15))
    u, v = x - x[row, column], y - y[row, column]
    aside, along = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    length, width = rng.uniform(25, 70), rng.uniform(6, 13)
    inside = (np.abs(aside) < width / 2) & (np.abs(along) < length / 2)
    screws = np.hypot(aside, np.mod(along, 9.0) - 4.5) < 1.4
    return _added(scan, inside * (rng.uniform(0.6, 2.5) + 4.0 * screws))


def _band(scan: Scan, rng: np.random.Generator) -> Scan:
    """A bracelet or a watch band across the arm."""
    x, y = _millimetres(scan)
    reach = scan.pixels.shape[0] * scan.spacing_mm[0] / 2
    slant = np.tan(np.deg2rad(rng.uniform(-20, 20)))
    inside = np.abs(y - slant * x - rng.uniform(-reach, reach)) < rng.uniform(1, 12) / 2
    return _added(scan, inside * rng.uniform(0.3, 4.0))


def _disc(scan: Scan, rng: np.random.Generator) -> Scan:
    """Watches, buttons, electrodes."""
    x, y = _millimetres(scan)
    density = np.zeros_like(x)
    for _ in range(int(rng.integers(1, 4))):
        away = np.hypot(x - rng.uniform(x.min(), x.max()), y - rng.uniform(y.min(), y.max()))
        density += (away < rng.uniform(3, 16)) * rng.uniform(0.2, 3.0)
    return _added(scan, density)


def _cast(scan: Scan, rng: np.random.Generator) -> Scan:
    """Plaster: a veil with a grain, that may end within the picture."""
    grain = ndimage.gaussian_filter(
        rng.standard_normal(scan.pixels.shape), [rng.uniform(0.8, 4) / s for s in scan.spacing_mm]
    )
    _, y = _millimetres(scan)
    begins = y > rng.uniform(y.min() * 1.5, y.max() * 0.6)
    thickness = rng.uniform(0.05, 0.5)
    return _added(scan, thickness * begins * (1 + rng.uniform(0, 0.6) * grain / grain.std()))


def _limb(scan: Scan, rng: np.random.Generator) -> Scan:
    """Another bone or a rail that lies over the arm at any angle."""
    x, y = _millimetres(scan)
    turn = rng.uniform(0, np.pi)
    aside = np.abs(x * np.cos(turn) + y * np.sin(turn) - rng.uniform(-35, 35))
    half = rng.uniform(3, 10)
    return _added(scan, np.sqrt(np.clip(1 - (aside / half) ** 2, 0, None)) * rng.uniform(0.2, 1.2))


def _motion(scan: Scan, rng: np.random.Generator) -> Scan:
    """Scan lines shifted sideways, the truth with them."""
    rows, columns = scan.pixels.shape
    lines = np.arange(rows)
    shift = np.zeros(rows)
    for _ in range(int(rng.integers(1, 4))):
        width = rng.uniform(0.01, 0.06) * rows
        bump = np.exp(-(((lines - rng.uniform(0.1, 0.9) * rows) / width) ** 2))
        shift += rng.choice([-1, 1]) * rng.uniform(1.5, 9) / scan.spacing_mm[1] * bump
    source = np.clip(np.arange(columns)[None] - np.round(shift).astype(np.intp)[:, None], 0, columns - 1)
    return replace(
        scan,
        pixels=np.take_along_axis(scan.pixels, source, axis=1),
        radius=np.take_along_axis(scan.radius, source, axis=1),
    )


def _noise(scan: Scan, rng: np.random.Generator) -> Scan:
    return _added(scan, rng.uniform(0.05, 0.35) * rng.standard_normal(scan.pixels.shape))


def _crop(scan: Scan, rng: np.random.Generator) -> Scan:
    """A field of view that misses part of the arm on one side."""
    axis, first = int(rng.integers(2)), bool(rng.integers(2))
    size = scan.pixels.shape[axis]
    cut = int(size * rng.uniform(0.08, 0.3))
    kept = slice(cut, None) if first else slice(0, size - cut)
    part = (kept, slice(None)) if axis == 0 else (slice(None), kept)
    return replace(scan, pixels=scan.pixels[part].copy(), radius=scan.radius[part])


SPOILERS: Mapping[str, Spoiler] = MappingProxyType(
    {
        "plate": _plate,
        "band": _band,
        "disc": _disc,
        "cast": _cast,
        "limb": _limb,
        "motion": _motion,
        "noise": _noise,
        "crop": _crop,
    }
)
