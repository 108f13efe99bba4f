"""Resample an image into the forearm's own frame: fingers up, elbow down, square pixels in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.segmentation.anatomy import FloatArray, ForearmFrame


@dataclass(frozen=True, slots=True, eq=False)
class StraightImage:
    """An image in forearm coordinates; row ``i`` lies at ``along0 + i * step`` mm, column ``j`` likewise.

    `values` outside the source image repeat its border; `valid` is False there.
    """

    values: FloatArray
    valid: NDArray[np.bool_]
    across0: float
    along0: float
    step: float
    frame: ForearmFrame

    def across(self, column: FloatArray) -> FloatArray:
        """Millimetres across the forearm of (fractional) column indices."""
        return self.across0 + column * self.step

    def along(self, row: FloatArray) -> FloatArray:
        """Millimetres along the forearm of (fractional) row indices."""
        return self.along0 + row * self.step


def centred_frame(shape: tuple[int, int], spacing_mm: tuple[float, float], angle: float) -> ForearmFrame:
    """Frame at the image centre whose axis points proximally at `angle` radians from "straight down"."""
    return ForearmFrame(
        origin=(shape[1] / 2, shape[0] / 2),
        direction=(float(np.sin(angle)), float(np.cos(angle))),
        spacing_mm=spacing_mm,
    )


def straighten(
    image: FloatArray,
    frame: ForearmFrame,
    step: float,
    along_range: tuple[float, float] | None = None,
) -> StraightImage:
    """Resample `image` (linear interpolation) on a square grid of `step` mm in the forearm frame.

    Parameters
    ----------
    along_range : (float, float), optional
        Part of the forearm to resample, mm; the whole image by default.
    """
    rows, columns = image.shape
    corner_x, corner_y = frame.to_forearm(
        np.array([0.0, columns, 0.0, columns]), np.array([0.0, 0.0, rows, rows])
    )
    low, high = along_range or (float(corner_y.min()), float(corner_y.max()))
    across = np.arange(corner_x.min(), corner_x.max(), step)
    along = np.arange(low, high, step)
    column, row = frame.to_image(across[None, :], along[:, None])
    valid = (column >= 0) & (column <= columns) & (row >= 0) & (row <= rows)
    values = ndimage.map_coordinates(image, [row - 0.5, column - 0.5], order=1, mode="nearest")
    return StraightImage(values, valid, float(across[0]), float(along[0]), step, frame)
