"""Reads a map back from the page that shows it: what lay over the anatomy, on the source image's grid.

The pages are the archive of the maps: nothing else keeps them. On a page the anatomy is grey, so what is
coloured comes from the map alone: with opacity o and colour c of a value v, the differences between red,
green and blue are o(v)·c(v)'s, whatever the grey beneath. The outlines, whose corners are known on both
grids, tell where the source image lies on the page.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from analysis.results import Polygon
from reports.anatomy import OUTLINE
from reports.heatmap import PANEL_HEIGHT, PANEL_TOP, PANEL_WIDTH, panel_lefts
from reports.overlay import ColorScale

__all__ = ["FINER", "read_map"]

FINER = 2
"""Pixels of the map for each pixel of the source image, in both directions: pages show more than two."""

STEPS = 512
"""Values that a colour is compared with; a page has 256 levels of each colour."""

OUTLINE_TOLERANCE = 40.0
"""Distance of 8-bit RGB up to which a pixel belongs to an outline; its halo and its soft edge are further."""

OUTLINE_WIDTH = 2.0
"""Of an outline as `OUTLINE_TOLERANCE` finds it, in pixels of the page."""

COLOR_TOLERANCE = 8.0
"""Distance of colour differences up to which a pixel shows the map; outlines and labels are further."""

LEAST_COLOR = 2.0
"""Differences of 8-bit colours below which a pixel counts as grey."""

CODE = 1024
"""Makes one number of two differences, each between -255 and 255."""

GAP_PIXELS = 3
"""Half the width, in pixels of the map, of the gap that an outline with its halo leaves."""

Image = NDArray[np.float32]


def read_map(
    capture: Dataset, panel: int, outlines: Sequence[Polygon], shape: tuple[int, int], scale: ColorScale
) -> Image | None:
    """Return the values that a panel of a page of maps shows.

    Parameters
    ----------
    capture : Dataset
        The page, as `reports.heatmap` makes it.
    panel : int
        Which panel, from the left; 0 is the anatomy alone.
    outlines : sequence of Polygon
        Outlines of the regions that have a BMD, on the source image's grid.
    shape : (rows, columns)
        Of the source image.
    scale : ColorScale
        The scale of that panel.

    Returns
    -------
    ndarray of float32 or None
        (`FINER` · rows, `FINER` · columns) in the scale's unit, NaN where nothing is coloured; values beyond
        the scale's limits are the limits. None if the page has no such panel or shows no outline.
    """
    page = np.asarray(capture.pixel_array, dtype=np.float32)
    left = round(panel_lefts(panel + 1)[panel])
    top, bottom, right = round(PANEL_TOP), round(PANEL_TOP + PANEL_HEIGHT), left + round(PANEL_WIDTH)
    picture = page[top:bottom, left:right]
    place = _place(picture, outlines)
    if place is None:
        return None
    (first_x, scale_x), (first_y, scale_y) = place
    rows = first_y + scale_y * (np.arange(FINER * shape[0]) + 0.5) / FINER
    columns = first_x + scale_x * (np.arange(FINER * shape[1]) + 0.5) / FINER
    return _without_gaps(_sampled(_values(picture, scale), rows, columns))


def _place(
    picture: NDArray[np.float32], outlines: Sequence[Polygon]
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return origin and scale of the source grid on the picture, for x and for y."""
    color = np.array(OUTLINE, dtype=np.float32) * 255
    found = np.argwhere(np.linalg.norm(picture - color, axis=-1) < OUTLINE_TOLERANCE)
    points = np.array([point for outline in outlines for point in outline], dtype=np.float64)
    if not len(found) or not len(points):
        return None
    place = []
    for axis in (0, 1):
        low, high = points[:, axis].min(), points[:, axis].max()
        first, last = found[:, 1 - axis].min(), found[:, 1 - axis].max() + 1
        if high <= low or last - first <= OUTLINE_WIDTH:
            return None
        factor = (last - first - OUTLINE_WIDTH) / (high - low)
        place.append(((first + last) / 2 - factor * (low + high) / 2, factor))
    return place[0], place[1]


def _values(picture: NDArray[np.float32], scale: ColorScale) -> Image:
    """Return the value that each pixel's colour stands for; NaN where it stands for none."""
    known = scale.along(STEPS)
    shown = scale.opacity(known)[:, np.newaxis] * scale.colors(known) * 255
    curve = _differences(shown)
    pixels = np.round(_differences(picture)).astype(np.int32)
    code, index = np.unique(pixels[..., 0] * CODE + pixels[..., 1], return_inverse=True)
    different = np.stack(((code + CODE // 2) // CODE, (code + CODE // 2) % CODE - CODE // 2), axis=-1)
    distances = np.linalg.norm(different[:, np.newaxis, :] - curve[np.newaxis, :, :], axis=-1)
    nearest = distances.argmin(axis=1)
    values = known[nearest].astype(np.float32)
    colored = np.abs(different).max(axis=1) >= LEAST_COLOR
    values[~(colored & (distances.min(axis=1) <= COLOR_TOLERANCE))] = np.nan
    return np.asarray(values[index.reshape(picture.shape[:2])])


def _differences(colors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Red minus green and green minus blue: what grey adds to all three is gone."""
    return np.asarray(colors[..., :-1] - colors[..., 1:])


def _sampled(values: Image, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Image:
    """Return the nearest pixel's value for each place, NaN outside."""
    row, column = np.floor(rows).astype(int), np.floor(columns).astype(int)
    height, width = values.shape
    taken = values[np.clip(row, 0, height - 1)[:, np.newaxis], np.clip(column, 0, width - 1)]
    outside = ((row < 0) | (row >= height))[:, np.newaxis] | ((column < 0) | (column >= width))
    return np.where(outside, np.float32(np.nan), taken)


def _without_gaps(values: Image) -> Image:
    """Fill what the outlines cover, and nothing else: closed before it is averaged over its neighbours."""
    known = np.isfinite(values)
    total = _box_sum(np.where(known, values, 0).astype(np.float64))
    count = _box_sum(known.astype(np.float64))
    closed = _box_sum((count > 0).astype(np.float64)) >= (2 * GAP_PIXELS + 1) ** 2  # dilated, then eroded
    fill = closed & ~known & (count > 0)
    filled = values.copy()
    filled[fill] = (total[fill] / count[fill]).astype(np.float32)
    return filled


def _box_sum(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over a square of 2 · `GAP_PIXELS` + 1 pixels around each pixel."""
    size = 2 * GAP_PIXELS + 1
    padded = np.pad(image, ((GAP_PIXELS + 1, GAP_PIXELS), (GAP_PIXELS + 1, GAP_PIXELS)))
    sums = padded.cumsum(axis=0).cumsum(axis=1)
    return np.asarray(sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size])
