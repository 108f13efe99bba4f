"""What a score loses when a piece of the picture is taken away (Zeiler & Fergus 2014, arXiv 1311.2901)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

FloatArray = NDArray[np.float64]

WINDOW_PIXELS, STRIDE_PIXELS = 16, 8
"""6.4 mm windows every 3.2 mm on patches of 0.4 mm: two cells of the encoder's last maps (assumption)."""
BLUR_PIXELS = 8.0
"""Standard deviation of the Gaussian that stands in for an occluded piece: it keeps the level of density,
which zeros would not, and takes the structure away (assumption)."""


def occlusion(
    score: Callable[[FloatArray], FloatArray],
    patch: FloatArray,
    *,
    replacement: FloatArray | None = None,
    window: int = WINDOW_PIXELS,
    stride: int = STRIDE_PIXELS,
) -> FloatArray:
    """Signed occlusion map: score of the picture less its score without the window, averaged over windows.

    Parameters
    ----------
    score : callable
        Pictures (n, rows, columns) to scores (n,).
    patch : ndarray, (rows, columns)
    replacement : ndarray, (rows, columns), optional
        What stands in for an occluded piece; the picture blurred by `BLUR_PIXELS` if not given.
    window, stride : int
        In pixels; windows are shifted inwards at the last row and column.

    Returns
    -------
    ndarray of float64, (rows, columns)
        Positive where the piece raises the score.
    """
    substitute = blurred(patch) if replacement is None else replacement
    corners = [
        (row, column)
        for row in _starts(patch.shape[0], window, stride)
        for column in _starts(patch.shape[1], window, stride)
    ]
    pictures = np.repeat(patch[None], len(corners) + 1, axis=0)
    for picture, (row, column) in zip(pictures[1:], corners, strict=True):
        piece = (slice(row, row + window), slice(column, column + window))
        picture[piece] = substitute[piece]
    scores = np.asarray(score(pictures), np.float64)
    total, windows = np.zeros(patch.shape), np.zeros(patch.shape)
    for loss, (row, column) in zip(scores[0] - scores[1:], corners, strict=True):
        piece = (slice(row, row + window), slice(column, column + window))
        total[piece] += loss
        windows[piece] += 1.0
    return total / np.maximum(windows, 1.0)


def blurred(patch: FloatArray) -> FloatArray:
    """The picture without its structure."""
    return np.asarray(gaussian_filter(patch.astype(np.float64), BLUR_PIXELS, mode="nearest"))


def _starts(length: int, window: int, stride: int) -> list[int]:
    last = max(length - window, 0)
    return sorted({*range(0, last, stride), last})
