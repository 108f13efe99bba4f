"""Grey levels of a region at a fixed bin width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.measurement.texture.compiled import compiled

Array = NDArray[np.float64]


def grey_levels(values: Array, mask: NDArray[np.bool_], bin_width: float) -> NDArray[np.int32]:
    """Levels 1, 2, ... inside `mask`, 0 outside, in an array with a border of one zero pixel.

    Bins start at a multiple of `bin_width` at or below the minimum, as pyradiomics does; IBSI's fixed bin
    size starts at the lower bound of the re-segmentation range. A value on an edge belongs to the bin above.
    """
    inside = values[mask]
    lowest, highest = inside.min(), inside.max()
    edges = np.arange(lowest - lowest % bin_width, highest + 2 * bin_width, bin_width)
    return _binned(values, mask, edges)


@compiled
def _binned(values: Array, mask: NDArray[np.bool_], edges: Array) -> NDArray[np.int32]:
    rows, columns = values.shape
    levels = np.zeros((rows + 2, columns + 2), np.int32)
    last, width = len(edges) - 1, edges[1] - edges[0]
    for row in range(rows):
        for column in range(columns):
            if not mask[row, column]:
                continue
            value = values[row, column]
            # division rounds: the edges themselves decide
            bin_ = min(max(int((value - edges[0]) / width), 0), last)
            while bin_ < last and value >= edges[bin_ + 1]:
                bin_ += 1
            while bin_ > 0 and value < edges[bin_]:
                bin_ -= 1
            levels[row + 1, column + 1] = bin_ + 1
    return levels
