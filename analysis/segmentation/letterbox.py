"""The segmentation network's view of a picture, and the way back: training and inference share it.

A network sees 256 x 176 pixels of equal height and width. The picture is brought to square pixels, shrunk or
grown as a whole until it fits, and centred; what is left over is black. Its greys are those of
`analysis.segmentation.normalise.normalised`, taken after the resampling, so that noise counts as the network
sees it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analysis.errors import RejectedInput
from analysis.segmentation.anatomy import FloatArray
from analysis.segmentation.normalise import MINIMUM_SIDE_PX, normalised

NETWORK_SHAPE = (256, 176)
"""Rows and columns of every network's input and output."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a picture lies in the network's input.

    Attributes
    ----------
    source_shape : (int, int)
        Rows and columns of the picture.
    top, left, rows, columns : int
        Window of the network's input that the picture fills.
    """

    source_shape: tuple[int, int]
    top: int
    left: int
    rows: int
    columns: int

    @property
    def scale(self) -> tuple[float, float]:
        """Network pixels per source pixel, along rows and along columns."""
        return self.rows / self.source_shape[0], self.columns / self.source_shape[1]

    def points_to_network(self, points: FloatArray) -> FloatArray:
        """Map (column, row) points of the picture, shape (..., 2), to the network's grid."""
        row_scale, column_scale = self.scale
        return np.asarray(points * (column_scale, row_scale) + (self.left, self.top))

    def points_to_source(self, points: FloatArray) -> FloatArray:
        """Map (column, row) points of the network's grid, shape (..., 2), to the picture."""
        row_scale, column_scale = self.scale
        return np.asarray((points - (self.left, self.top)) / (column_scale, row_scale))

    def maps_to_source(self, maps: NDArray[np.floating]) -> NDArray[np.float32]:
        """Resample the network's maps onto the picture's own grid.

        Parameters
        ----------
        maps : ndarray of float, (n, 256, 176)
            Logits or heat maps. They are interpolated linearly: threshold or compare them afterwards.

        Returns
        -------
        ndarray of float32, (n, rows, columns)
        """
        window = maps[:, self.top : self.top + self.rows, self.left : self.left + self.columns]
        return np.stack([_resampled(plane, self.source_shape) for plane in window])

    def to_network(self, picture: NDArray[np.floating]) -> NDArray[np.float32]:
        """Resample a picture of `source_shape` and centre it on zeros; shape (256, 176)."""
        boxed = np.zeros(NETWORK_SHAPE, np.float32)
        resampled = _resampled(picture, (self.rows, self.columns))
        boxed[self.top : self.top + self.rows, self.left : self.left + self.columns] = resampled
        return boxed


def letterbox(shape: tuple[int, int], spacing_mm: tuple[float, float] | None) -> Letterbox:
    """Place a picture of `shape` in the network's input; without spacing its pixels count as square.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` if the picture has, or would be left with, a side of fewer than 48 pixels.
    """
    row_mm, column_mm = spacing_mm or (1.0, 1.0)
    height, width = shape[0] * row_mm, shape[1] * column_mm
    scale = min(NETWORK_SHAPE[0] / height, NETWORK_SHAPE[1] / width)
    rows, columns = round(height * scale), round(width * scale)
    if min(*shape, rows, columns) < MINIMUM_SIDE_PX:
        raise RejectedInput(
            "radius_not_found",
            f"The image is {shape[0]} x {shape[1]} pixels: too small or too narrow a strip to show a wrist "
            "and forearm. Send the full scan.",
        )
    top, left = (NETWORK_SHAPE[0] - rows) // 2, (NETWORK_SHAPE[1] - columns) // 2
    return Letterbox(shape, top, left, rows, columns)


def to_network_input(
    image: NDArray[np.floating], spacing_mm: tuple[float, float] | None
) -> tuple[NDArray[np.float32], Letterbox]:
    """Prepare a picture for a segmentation network.

    Parameters
    ----------
    image : ndarray of float, (rows, columns)
        Areal density or display greys, dense bone bright.
    spacing_mm : (row, column) or None
        Pixel spacing; None where it is unknown.

    Returns
    -------
    array : ndarray of float32, (1, 1, 256, 176)
        0 (darkest and outside) to 1.
    transform : Letterbox
        The way back to the picture.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` if the picture is too small, not finite or without contrast.
    """
    box = letterbox((image.shape[0], image.shape[1]), spacing_mm)
    resampled = _resampled(image, (box.rows, box.columns))
    greys = np.zeros(NETWORK_SHAPE, np.float32)
    greys[box.top : box.top + box.rows, box.left : box.left + box.columns] = normalised(resampled)
    return greys[None, None], box


def _resampled(picture: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Linear interpolation between pixel centres; where it shrinks, a triangle as wide as two new pixels."""
    plane = Image.fromarray(np.ascontiguousarray(picture, dtype=np.float32))
    return np.asarray(plane.resize((shape[1], shape[0]), Image.Resampling.BILINEAR), dtype=np.float32)
