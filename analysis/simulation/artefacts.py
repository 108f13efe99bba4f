"""What spoils forearm scans: metal in the arm, an arm that moves, a field of view that ends too early."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.anatomy import Anatomy

Map = NDArray[np.float32]
Scalar = TypeVar("Scalar", bound=np.generic)

TITANIUM_G_CM3 = 4.5


def volar_plate(anatomy: Anatomy, rng: np.random.Generator) -> Map:
    """Areal density (g/cm²) of a T-shaped fracture plate with screws on the distal radius, in the bone
    frame."""
    radius = anatomy.geometry.radius
    start, length = 9.0 + 2 * rng.random(), 48.0 + 8 * rng.random()
    z, x = anatomy.z[:, None], anatomy.x[None, :]
    along = z - start
    offset = x - np.interp(anatomy.z, radius.z, radius.centre)[:, None]
    half_width = np.where(along < 14, 10.5 - 0.42 * np.clip(along, 0, None), 4.6)
    edge = np.minimum(half_width - np.abs(offset), np.minimum(along, length - along))
    plate = np.clip(edge / 0.3 + 0.5, 0, 1) * 2.0  # 2 mm thick
    for screw_z, screw_x in _screws(length):
        distance = np.hypot(along - screw_z, offset - screw_x)
        # a hole in the plate, filled by a screw seen end-on
        plate = np.where(distance < 2.4, np.clip((1.3 - distance) / 0.3 + 0.5, 0, 1) * 16.0, plate)
    return np.asarray(TITANIUM_G_CM3 * plate / 10, dtype=np.float32)


def _screws(length: float) -> list[tuple[float, float]]:
    head = [(3.2, x) for x in (-6.5, -2.2, 2.2, 6.5)]
    shaft = [(z, 0.0) for z in np.arange(18.0, length - 3, 8.5)]
    return head + shaft


def motion_shift(rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Columns by which every scan line is displaced: the arm twitches and comes back, twice."""
    shift = np.zeros(rows)
    for centre in rng.uniform([0.3, 0.55], [0.45, 0.75]) * rows:
        amplitude = rng.uniform(4, 8) * rng.choice([-1, 1])
        shift += amplitude * np.exp(-(((np.arange(rows) - centre) / (0.03 * rows)) ** 2))
    return np.round(shift).astype(np.int64)


def displace_rows(image: NDArray[Scalar], shift: NDArray[np.int64]) -> NDArray[Scalar]:
    """Shift every row of an image by its own number of columns, repeating the edge."""
    columns = np.arange(image.shape[1])[None, :] - shift[:, None]
    return np.take_along_axis(image, np.clip(columns, 0, image.shape[1] - 1), axis=1)
