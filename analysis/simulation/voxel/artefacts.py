"""What spoils a scan: metal, jewellery, a cast, motion, things that lie over the arm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.voxel.case import VoxelArtefact

Map = NDArray[np.float32]
Array = NDArray[np.float64]

METAL_G_CM2_PER_MM = 0.9
"""What a densitometer reads as bone per millimetre of surgical metal: assumption."""


def added_density(
    kind: VoxelArtefact | None, across: Map, along: Map, soft: Map, rng: np.random.Generator
) -> Map:
    """Bone-equivalent areal density (g/cm²) of what lies over or in the arm; zero for other artefacts.

    Parameters
    ----------
    across, along : ndarray of float32, (rows, columns)
        Position in the forearm frame, mm; across grows towards the thumb.
    soft : ndarray of float32, (rows, columns)
        Soft tissue, g/cm².
    """
    draw = {"metal": _plate, "jewellery": _jewellery, "cast": _cast, "overlap": _overlap}.get(kind or "")
    return np.zeros_like(across) if draw is None else draw(across, along, soft, rng).astype(np.float32)


def line_shifts(kind: VoxelArtefact | None, position_mm: Array, rng: np.random.Generator) -> Array:
    """How far (mm) the arm has moved along the scan lines when each line at `position_mm` is taken."""
    shift = np.zeros_like(position_mm)
    length = float(position_mm[-1] - position_mm[0])
    if kind == "motion_jerk":
        for _ in range(int(rng.integers(1, 4))):
            centre, width = position_mm[0] + length * rng.uniform(0.25, 0.9), rng.uniform(1.0, 5.0)
            away = (position_mm - centre) / width
            amplitude = rng.uniform(1.5, 6.0) * rng.choice([-1, 1])
            # half of the jerks come back, the others stay
            shift += amplitude * (np.exp(-(away**2)) if rng.random() < 0.5 else 0.5 * (1 + np.tanh(2 * away)))
    if kind == "motion_smooth":
        for _ in range(2):
            phase, period = rng.uniform(0, 2 * np.pi), rng.uniform(25, 90)
            shift += rng.uniform(0.5, 1.8) * np.sin(2 * np.pi * position_mm / period + phase)
    return shift


def _plate(across: Map, along: Map, soft: Map, rng: np.random.Generator) -> Array:
    """A plate with screws seen end-on, on radius (mostly) or ulna."""
    on_radius = rng.random() < 0.8
    start, length = rng.uniform(6, 60), rng.uniform(35, 70)
    middle = 9.5 + 0.008 * along if on_radius else -13.0 + 0.01 * along
    u, v = across - middle - rng.uniform(-1, 1), along - start
    flare = rng.uniform(4, 7) if on_radius and start < 14 else 0.0
    half_width = rng.uniform(4.0, 5.2) + flare * np.clip(1 - v / 14, 0, 1)
    edge = np.minimum(half_width - np.abs(u), np.minimum(v, length - v))
    thickness = np.clip(edge / 0.3 + 0.5, 0, 1) * rng.uniform(1.4, 3.0)
    for screw in np.arange(4.0, length - 2, rng.uniform(7, 12)):
        distance = np.hypot(u, v - screw)
        thickness = np.where(
            distance < 1.6, np.clip((1.5 - distance) / 0.3, 0, 1) * rng.uniform(9, 18), thickness
        )
    return np.asarray(METAL_G_CM2_PER_MM * thickness)


def _jewellery(across: Map, along: Map, soft: Map, rng: np.random.Generator) -> Array:
    """A watch, a bracelet or a thin chain around the wrist."""
    kind = rng.choice(["watch", "bracelet", "chain"], p=[0.35, 0.45, 0.2])
    where, slant = rng.uniform(2, 48), rng.uniform(-0.25, 0.25)
    v = along - where - slant * across
    worn = soft > 0.3
    if kind == "chain":
        wave = 2.5 * np.sin(across / rng.uniform(4, 9) + rng.uniform(0, 6))
        links = 0.6 + 0.4 * np.sin(across * 2.4)
        return np.asarray(1.5 * worn * links * (np.abs(v - wave) < 0.8))
    width = rng.uniform(4, 12) if kind == "bracelet" else rng.uniform(9, 14)
    links = 0.75 + 0.25 * np.sign(np.sin(across * rng.uniform(0.8, 1.6)))
    band = rng.uniform(0.5, 2.4) * links * np.clip((width / 2 - np.abs(v)) / 0.4 + 0.5, 0, 1) * worn
    if kind == "bracelet":
        return np.asarray(band)
    case = np.hypot(across - rng.uniform(-10, 10), v)
    radius = rng.uniform(13, 20)
    disc = np.clip((radius - case) / 0.5 + 0.5, 0, 1) * np.where(case > radius - 3, 3.5, 2.2)
    return np.asarray(np.maximum(0.6 * band, disc))


def _cast(across: Map, along: Map, soft: Map, rng: np.random.Generator) -> Array:
    """A shell around arm and hand: denser at its borders, wrapped and woven."""
    strength = rng.uniform(0.02, 0.16)
    half_width, thickness = rng.uniform(30, 38), rng.uniform(3.0, 6.0)
    outer = np.sqrt(np.clip(1 - (across / (half_width + thickness)) ** 2, 0, None))
    inner = np.sqrt(np.clip(1 - (across / half_width) ** 2, 0, None))
    # path through the wall over twice its thickness, highest at the borders
    path = np.clip((half_width + thickness) * outer - half_width * inner, 0, 3 * thickness) / thickness
    weave = 1 + 0.08 * np.sin(2 * np.pi * along / 1.7) * np.sin(2 * np.pi * across / 1.9)
    turns = 1 + 0.25 * np.sign(np.sin(2 * np.pi * (along + 0.35 * across) / rng.uniform(22, 40)))
    end = np.clip((along + rng.uniform(20, 60)) / 1.5, 0, 1)
    return np.asarray(strength * path * weave * turns * end)


def _overlap(across: Map, along: Map, soft: Map, rng: np.random.Generator) -> Array:
    """Fingers of the other hand, a sleeve's edge, or a tube."""
    kind = rng.choice(["fingers", "sleeve", "tube"])
    turn = np.radians(rng.uniform(20, 160))
    u = across * np.cos(turn) + (along - rng.uniform(-5, 90)) * np.sin(turn)
    v = (along - rng.uniform(-5, 90)) * np.cos(turn) - across * np.sin(turn)
    if kind == "tube":
        wall = np.sqrt(np.clip(1 - (u / 3.2) ** 2, 0, None)) - 0.7 * np.sqrt(
            np.clip(1 - (u / 2.2) ** 2, 0, None)
        )
        return np.asarray(rng.uniform(0.1, 0.4) * wall)
    if kind == "sleeve":
        beyond = along - rng.uniform(10, 70) - 0.1 * across
        inside, seam = 0.5 * (1 + np.tanh(beyond)), np.exp(-((beyond / 1.5) ** 2))
        return np.asarray((rng.uniform(0.02, 0.08) * inside + rng.uniform(0.05, 0.2) * seam) * (soft > 0.1))
    density = np.zeros_like(u)
    for finger in range(int(rng.integers(1, 4))):
        side = u - 17.0 * finger
        shell = np.sqrt(np.clip(1 - (side / 4.6) ** 2, 0, None)) - 0.7 * np.sqrt(
            np.clip(1 - (side / 3.3) ** 2, 0, None)
        )
        density += 0.75 * shell * (np.abs((v + 12 * finger) % 42 - 21) < 19)
    return np.asarray(density)
