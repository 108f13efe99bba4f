"""Metal in the arm: found by values no bone reaches, and painted over so that the bone can be followed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.segmentation.anatomy import FloatArray
from analysis.segmentation.normalise import BONE_PERCENTILE

CERTAIN = 3.0
"""Contrast, in units of bone's, that no bone reaches: the densest cortex seen edge-on has about 2.4."""
CONNECTED = 1.55
"""Contrast that belongs to metal where it touches `CERTAIN` metal: a plate is thinner than its screws."""
DISPLAY_WHITE = 1.0
"""Highest display grey; metal's areal density in g/cm² is far above."""
SMALLEST_PX = 4
THICKEST_WHITE_MM = 3.0
"""A display window whitens the cortex, 2 to 4 mm wide, but no patch into which a larger circle than this
fits."""
PLATE_REACH_MM = 12.0
"""White this close to such a patch belongs to it: the corners and the narrow end of a plate."""
HALO_MM = 0.9
"""Blur of the metal's edge."""
BESIDE_MM, BEYOND_MM = 3.0, 3.0
"""Half width and length of the zone beyond either end of a piece of metal that shows the bone under it."""


def metal_mask(pixels: NDArray[np.floating], spacing_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Pixels that are metal or blurred by it.

    Metal is what no bone can be: far brighter than all bone, or, in display greys that their window has
    clipped, a broad patch of full white inside the image. (A shaft that a hard window whitens altogether, or
    whose cortex a steep grey curve sets off, runs on to the border.)

    Parameters
    ----------
    pixels : ndarray of float, (rows, columns)
        Dense bone bright.
    """
    low, bone = np.percentile(pixels, (1.0, BONE_PERCENTILE))
    contrast = (pixels - low) / max(float(bone - low), 1e-12)
    certain = contrast > CERTAIN
    if pixels.max() <= DISPLAY_WHITE:
        certain &= ~_reaching_border(contrast > CONNECTED)
    white = _broad_white(pixels, spacing_mm)
    if np.count_nonzero(certain) < SMALLEST_PX and not white.any():
        return np.zeros(pixels.shape, np.bool_)
    grown = white | ndimage.binary_propagation(certain, mask=contrast > CONNECTED)
    rows, columns = (round(HALO_MM / spacing) for spacing in spacing_mm)
    y, x = np.ogrid[-rows : rows + 1, -columns : columns + 1]
    disc = (y / max(rows, 1)) ** 2 + (x / max(columns, 1)) ** 2 <= 1.0
    return np.asarray(ndimage.binary_dilation(grown, disc), np.bool_)


def _broad_white(pixels: NDArray[np.floating], spacing_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Broad patches of the highest value that do not run on to the image's border."""
    clipped = pixels >= pixels.max()
    # beyond the border white goes on, so that a shaft keeps its breadth there
    rows, columns = (round(2 * THICKEST_WHITE_MM / spacing) for spacing in spacing_mm)
    padded = np.pad(clipped, ((rows, rows), (columns, columns)), mode="edge")
    depth = ndimage.distance_transform_edt(padded, sampling=spacing_mm)
    core = (depth > THICKEST_WHITE_MM)[rows:-rows, columns:-columns]
    if not core.any():
        return np.asarray(core, np.bool_)
    inside = core & ~_reaching_border(core)
    if not inside.any():
        return np.asarray(inside, np.bool_)
    near = ndimage.distance_transform_edt(~inside, sampling=spacing_mm) <= PLATE_REACH_MM
    return np.asarray(clipped & near, np.bool_)


def _reaching_border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of `mask` that touch the image's border."""
    labels, _ = ndimage.label(mask)
    at_border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.asarray(mask & np.isin(labels, np.unique(at_border)), np.bool_)


def painted_over(image: FloatArray, metal: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> FloatArray:
    """Replace each piece of metal so that the bones keep their course and show no false joint.

    A plate lies along the bone: it is shaded evenly between what lies beyond its two ends. A ring or bracelet
    lies across: each column is bridged.
    """
    filled = image.copy()
    labels, pieces = ndimage.label(metal)
    for piece in range(1, pieces + 1):
        _paint_piece(filled, metal, labels == piece, spacing_mm)
    return filled


def _paint_piece(
    image: FloatArray, metal: NDArray[np.bool_], piece: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> None:
    points = np.argwhere(piece) * np.asarray(spacing_mm)
    centre = points.mean(axis=0)
    axis = np.linalg.svd(points - centre, full_matrices=False)[2][0]
    if abs(axis[0]) < np.sqrt(0.5):
        _bridge_columns(image, metal, piece)
        return
    rows, columns = np.indices(image.shape)
    y, x = rows * spacing_mm[0] - centre[0], columns * spacing_mm[1] - centre[1]
    along, aside = y * axis[0] + x * axis[1], np.abs(x * axis[0] - y * axis[1])
    ends = float(along[piece].min()), float(along[piece].max())
    beside = ~metal & (aside <= BESIDE_MM)
    before = beside & (along >= ends[0] - BEYOND_MM) & (along < ends[0])
    after = beside & (along > ends[1]) & (along <= ends[1] + BEYOND_MM)
    levels = [float(np.median(image[zone])) for zone in (before, after) if zone.any()]
    image[piece] = np.interp(along[piece], ends, (levels[0], levels[-1])) if levels else np.median(image)


def _bridge_columns(image: FloatArray, metal: NDArray[np.bool_], piece: NDArray[np.bool_]) -> None:
    rows = np.arange(image.shape[0])
    for column in np.flatnonzero(piece.any(axis=0)):
        hidden, seen = piece[:, column], ~metal[:, column]
        if seen.any():
            image[hidden, column] = np.interp(rows[hidden], rows[seen], image[seen, column])
