"""Where the bones end distally: the joint gap, and the articular surface column by column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.errors import RejectedInput
from analysis.segmentation.anatomy import FloatArray
from analysis.segmentation.straighten import StraightImage
from analysis.segmentation.tracking import BoneTrack

SLANTS = np.tan(np.deg2rad(np.arange(-45.0, 46.0, 5.0)))
"""Slopes tried for a bone's distal end: radial inclination is some 15–30 degrees, and the axis of a bone may
lean by as much again."""
CENTRAL = np.linspace(-0.6, 0.6, 21)
"""Part of the bone's width (in half widths) whose joint gap is sought."""
SMALLEST_DROP = 0.25
"""Least fall of contrast at a joint, as a fraction of the bone's own contrast."""
FAINT_DROP = 0.08
"""The same where the other bone's end has been found close by."""
NEIGHBOUR_MM = 24.0
"""Radius and ulna end within this distance of each other along the forearm."""
SOFT_TISSUE_MM = 8.0
"""Length along the forearm over which the soft tissue's level hardly changes."""
SURFACE_BANDS_MM = (5.0, 2.5)
"""Half width of the band around the bone's distal line in which its surface is sought, first and last."""
NARROWEST_CORE = 5
"""Columns of a surface's core that make a straight line."""
SURFACE_CORE = 0.7
"""Part of the surface, from its middle, whose straight line decides where its ends are: carpal bones overlap
those."""
END_CORE_MM = 5.0
"""Half width of the part of a bone's end, around its middle, that gives the end's slope."""
FLANK_REACH_MM = 3.0
"""How far from its steepest rise the flank of a bone's distal end is followed, either way."""
FLANK_SMOOTHING_MM = 4.0
SILHOUETTE = 0.25
"""Share of the subchondral plate's contrast at which a bone's silhouette ends. The rims of a hollow, tilted
surface are thin wedges: simulated wrists of three kinds have their outermost edge at 0.07, 0.2 and 0.5."""
ARTICULAR = 0.75
"""The same for the middle of the articular surface, midway between its rims: 0.78, 0.67 and 0.53 there."""


@dataclass(frozen=True, slots=True)
class DistalEnd:
    """Straight line that fits a bone's distal end best.

    Attributes
    ----------
    row : float
        Row (straightened image) of the line at the bone's centre.
    column : float
        The bone's centre column there.
    slope : float
        Rows per column.
    drop : float
        Fall of contrast across the line, 0–1.
    """

    row: float
    column: float
    slope: float
    drop: float

    def at(self, column: float) -> float:
        """Row of the line at `column`."""
        return self.row + self.slope * (column - self.column)


def soft_tissue_level(image: StraightImage, left: BoneTrack, right: BoneTrack) -> FloatArray:
    """Level of the tissue beside the bones, per row, in the units of `image`.

    Of the two sides the brighter one counts: the other may already be the thin margin of the arm, or air.
    """
    away = np.arange(round(2.0 / image.step), round(5.0 / image.step) + 1)
    levels = [_median_at(image, edge) for edge in (left.left[:, None] - away, right.right[:, None] + away)]
    return np.asarray(
        ndimage.median_filter(
            np.maximum(*levels), size=max(3, round(SOFT_TISSUE_MM / image.step)), mode="nearest"
        )
    )


def _median_at(image: StraightImage, columns: FloatArray) -> FloatArray:
    index = np.clip(columns.astype(np.intp), 0, image.values.shape[1] - 1)
    return np.asarray(np.median(image.values[np.arange(len(columns))[:, None], index], axis=1))


def distal_ends(
    image: StraightImage, bones: tuple[BoneTrack, BoneTrack], soft: FloatArray, last_row: int
) -> tuple[DistalEnd, DistalEnd]:
    """Distal ends of both bones; a faint one is sought again beside the other's.

    Parameters
    ----------
    last_row : int
        Most proximal row searched.

    Raises
    ------
    RejectedInput
        ``distal_end_not_found`` if neither end, or one of them not even faintly, is seen.
    """
    ends = [distal_end(image, bone, soft, (0, last_row)) for bone in bones]
    for index, other in ((0, ends[1]), (1, ends[0])):
        if ends[index] is None and other is not None:
            reach = NEIGHBOUR_MM / image.step
            rows = (max(0, int(other.row - reach)), min(last_row, int(other.row + reach)))
            ends[index] = distal_end(image, bones[index], soft, rows, FAINT_DROP)
    left, right = ends
    if left is None or right is None:
        raise RejectedInput(
            "distal_end_not_found",
            "No joint gap is seen at the distal end of the forearm bones: the wrist may lie outside of the "
            "image. Repeat the scan so that it starts distal to the wrist joint.",
        )
    return left, right


def expected_end(image: StraightImage, bone: FloatArray, column: FloatArray) -> DistalEnd | None:
    """The end of a bone whose probability map `bone` is given, along its centre line `column` (per row)."""
    rows = np.flatnonzero(bone[np.arange(bone.shape[0]), _within(column, bone.shape[1])] > 0.5)
    if rows.size == 0:
        return None
    row = int(rows[0])
    middle = float(column[row])
    columns = np.arange(*_within(middle + np.array([-1, 1]) * END_CORE_MM / image.step, bone.shape[1]))
    inside = bone[:, columns] > 0.5
    top = inside.argmax(axis=0)[inside.any(axis=0)]
    slope = float(np.polyfit(columns[inside.any(axis=0)], top, 1)[0]) if top.size > 2 else 0.0
    return DistalEnd(float(row), middle, slope, SMALLEST_DROP)


def _within(column: FloatArray, columns: int) -> NDArray[np.intp]:
    return np.clip(np.round(column), 0, columns - 1).astype(np.intp)


def distal_end(
    image: StraightImage,
    bone: BoneTrack,
    soft: FloatArray,
    rows: tuple[int, int],
    smallest_drop: float = SMALLEST_DROP,
) -> DistalEnd | None:
    """Find the first joint gap met when walking along a bone from the shaft to the fingers.

    Parameters
    ----------
    soft : ndarray, (rows,)
        Soft-tissue level per row.
    rows : (int, int)
        First (distal) and last row searched.
    smallest_drop : float
        Least fall of contrast that counts as a joint.

    Returns
    -------
    DistalEnd or None
        None if contrast never falls so much.
    """
    per_mm = 1.0 / image.step
    profiles = _slanted_profiles(image, bone)
    drop = _drop(profiles, soft, per_mm, rows[1])
    drop[:, : max(rows[0], round(3.0 * per_mm))] = 0.0
    drop[:, rows[1] :] = 0.0
    best = drop.max(axis=0)
    if best.max() < smallest_drop:
        return None
    first = int(np.flatnonzero(best >= max(smallest_drop, 0.55 * min(1.0, best.max()))).max())
    distal = max(0, first - round(4.0 * per_mm))
    nearby = drop[:, distal : first + 1]
    slant, offset = np.unravel_index(int(nearby.argmax()), nearby.shape)
    row = int(offset) + distal
    rise = np.gradient(ndimage.gaussian_filter1d(profiles[slant], 0.5 * per_mm))
    window = slice(max(0, row - round(2.5 * per_mm)), row + round(2.5 * per_mm) + 1)
    row = window.start + int(rise[window].argmax())
    return DistalEnd(float(row), float(bone.centre[row]), float(SLANTS[slant]), float(nearby.max()))


def _drop(profiles: FloatArray, soft: FloatArray, per_mm: float, shaft_row: int) -> FloatArray:
    """Fall of contrast from the 3 mm before to the darkest of the 2.5 mm after, per slant and row."""
    before = ndimage.uniform_filter1d(profiles, max(2, round(3.0 * per_mm)), axis=1)
    before = np.roll(before, -round(2.1 * per_mm), axis=1)
    gap = ndimage.minimum_filter1d(profiles, max(2, round(2.5 * per_mm)), axis=1)
    gap = np.roll(gap, round(1.25 * per_mm), axis=1)
    contrast = before - soft[None]
    floor = 0.15 * np.median(contrast[:, shaft_row:])
    return np.asarray(np.where(contrast > floor, (before - gap) / np.maximum(contrast, 1e-9), 0.0))


def _slanted_profiles(image: StraightImage, bone: BoneTrack) -> FloatArray:
    """Mean contrast across the bone's central part, per slant and row."""
    rows = np.arange(image.values.shape[0], dtype=float)
    offset = bone.width[:, None] / 2 * CENTRAL[None]
    columns = bone.centre[:, None] + offset
    sample_rows = rows[None, :, None] + SLANTS[:, None, None] * offset[None]
    sample_columns = np.broadcast_to(columns[None], sample_rows.shape)
    values = ndimage.map_coordinates(image.values, [sample_rows, sample_columns], order=1, mode="nearest")
    return np.asarray(ndimage.gaussian_filter1d(values.mean(axis=2), 0.4 / image.step, axis=1))


def articular_surface(image: StraightImage, bone: BoneTrack, end: DistalEnd) -> tuple[FloatArray, FloatArray]:
    """Refine a bone's distal end to a curve, column by column.

    The curve is found twice: the straight line through the first one's core corrects `end`, so that a carpal
    bone that lies over the styloid process does not draw the curve away.

    Returns
    -------
    columns, rows : ndarray of float
        The curve from the bone's left to its right edge in the straightened image, sub-pixel in rows.
    """
    rise = ndimage.gaussian_filter(image.values, (0.45 / image.step, 0.6 / image.step), order=(1, 0))
    columns, rows = _steepest(rise, bone, end, SURFACE_BANDS_MM[0] / image.step)
    middle = (columns[0] + columns[-1]) / 2
    core = np.abs(columns - middle) <= SURFACE_CORE * (columns[-1] - columns[0]) / 2
    if np.count_nonzero(core) < NARROWEST_CORE:
        return columns, rows
    slope = float(np.median(np.gradient(ndimage.gaussian_filter1d(rows[core], 3.0))))
    row = float(np.median(rows[core] - slope * (columns[core] - middle)))
    return _steepest(rise, bone, DistalEnd(row, middle, slope, end.drop), SURFACE_BANDS_MM[1] / image.step)


def _steepest(
    rise: FloatArray, bone: BoneTrack, end: DistalEnd, reach: float
) -> tuple[FloatArray, FloatArray]:
    """The curve of steepest rise within `reach` rows of a bone's distal line, from edge to edge."""
    left, right = _width_at_end(bone, end)
    columns = np.arange(int(np.ceil(left)), max(int(np.floor(right)), int(np.ceil(left)) + 2) + 1)
    band = round(reach)
    line = np.round(end.row + end.slope * (columns - end.column)).astype(np.intp)
    rows = line[None] + np.arange(-band, band + 1)[:, None]
    inside = np.clip(columns, 0, rise.shape[1] - 1)
    strength = np.clip(rise[np.clip(rows, 0, rise.shape[0] - 1), inside[None]], 0.0, None)
    strength = strength / (strength + 0.5 * np.median(strength.max(axis=0)) + 1e-12)
    return columns.astype(float), line + _ridge(strength, columns.size) - band


def flank(
    image: StraightImage, surface: tuple[FloatArray, FloatArray], level: float
) -> tuple[FloatArray, FloatArray]:
    """Where a bone's distal end falls to `level` of its subchondral plate's contrast, column by column.

    Where another bone lies over the joint gap the contrast does not fall, and the curve follows its
    neighbours.

    Parameters
    ----------
    surface : (columns, rows)
        Of steepest rise, from `articular_surface`.
    level : float
        0 (the joint gap) to 1 (the plate).
    """
    columns, rows = surface
    reach = round(FLANK_REACH_MM / image.step)
    offset = np.arange(-reach, reach + 1)
    sampled = ndimage.map_coordinates(
        image.values,
        [rows[None] + offset[:, None], np.broadcast_to(columns[None], (offset.size, columns.size))],
        order=1,
        mode="nearest",
    )
    profile = ndimage.gaussian_filter(sampled, (0.3 / image.step, 1.0 / image.step), mode="nearest")
    plate, gap = profile[reach:].max(axis=0), profile[: reach + 1].min(axis=0)
    below = profile < gap + level * (plate - gap)
    inside = reach + profile[reach:].argmax(axis=0)
    # walk from the plate towards the fingers to the first value below the level
    outwards = below[::-1].copy()
    outwards[offset.size - 1 - np.arange(offset.size)[:, None] > inside[None]] = False
    last = offset.size - 1 - outwards.argmax(axis=0)
    index = np.arange(columns.size)
    above = np.minimum(last + 1, offset.size - 1)
    threshold = gap + level * (plate - gap)
    step = np.maximum(profile[above, index] - profile[last, index], 1e-9)
    shift = offset[last] + np.clip((threshold - profile[last, index]) / step, 0.0, 1.0)
    width = max(3, round(FLANK_SMOOTHING_MM / image.step)) | 1
    return columns, rows + ndimage.median_filter(shift, size=width, mode="nearest")


def _ridge(strength: FloatArray, columns: int, reach: int = 3) -> FloatArray:
    """Row of the strongest left-to-right path, moving at most `reach` rows per column, refined by a
    parabola."""
    rows = strength.shape[0]
    moves = np.arange(-reach, reach + 1)
    value = strength[:, 0].copy()
    came = np.zeros((columns, rows), np.intp)
    index = np.arange(rows)
    for column in range(1, columns):
        source = np.clip(index[:, None] + moves[None], 0, rows - 1)
        options = value[source] - 0.06 * np.abs(moves)[None]
        choice = options.argmax(axis=1)
        came[column] = source[index, choice]
        value = options[index, choice] + strength[:, column]
    path = np.empty(columns, np.intp)
    path[-1] = int(value.argmax())
    for column in range(columns - 1, 0, -1):
        path[column - 1] = came[column, path[column]]
    inner = np.clip(path, 1, rows - 2)
    k = np.arange(columns)
    below, at, above = strength[inner - 1, k], strength[inner, k], strength[inner + 1, k]
    curvature = below - 2 * at + above
    shift = np.where(
        curvature < -1e-9, 0.5 * (below - above) / np.where(curvature < -1e-9, curvature, -1), 0.0
    )
    return np.asarray(ndimage.gaussian_filter1d(inner + np.clip(shift, -0.5, 0.5), 1.0))


def _width_at_end(bone: BoneTrack, end: DistalEnd) -> tuple[float, float]:
    """Edges of the bone where its distal line meets them."""
    rows = bone.left.size
    row = int(np.clip(end.row, 0, rows - 1))
    left, right = float(bone.left[row]), float(bone.right[row])
    for _ in range(3):
        left = float(bone.left[int(np.clip(end.at(left), 0, rows - 1))])
        right = float(bone.right[int(np.clip(end.at(right), 0, rows - 1))])
    return left, right
