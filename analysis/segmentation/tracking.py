"""Follow the edges of both forearm bones from the shaft to the wrist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from analysis.errors import RejectedInput
from analysis.segmentation.anatomy import FloatArray
from analysis.segmentation.orientation import mean_profile
from analysis.segmentation.straighten import StraightImage

SHAFT_WINDOW_MM = 35.0
BONE_SCALE_MM = 2.5
"""Smoothing at which a shaft with a medullary canal is one bump, not two walls."""
SEPARATION_MM = (9.0, 45.0)
"""Distance between the axes of radius and ulna."""
HALF_WIDTH_MM = (2.5, 13.0)
"""Half the width of either bone at the shaft."""
EDGE_ALONG_MM, EDGE_ACROSS_MM = 1.2, 0.45
"""Smoothing along and across the bones before the gradient is taken."""
HALF_STRENGTH = 0.35
"""Gradient, in units of the shaft edge's, that counts as half of a full edge: distal edges are weaker."""
EXPECTED_WITHIN_MM = 1.2
"""Standard deviation of an edge around where it is expected."""
SLOPE_COST = 0.15
"""Cost of moving one column sideways per row, against an edge strength of at most 1."""


@dataclass(frozen=True, slots=True, eq=False)
class BoneTrack:
    """Edges of one bone in the straightened image, as column index per row.

    Attributes
    ----------
    left, right : ndarray of float, (rows,)
        Column of either edge; constant above the bone's distal end.
    strength : float
        Median normalised edge strength (0–1) of both edges.
    """

    left: FloatArray
    right: FloatArray
    strength: float

    @property
    def width(self) -> FloatArray:
        """Width in columns, per row."""
        return self.right - self.left

    @property
    def centre(self) -> FloatArray:
        """Column midway between the edges, per row."""
        return (self.left + self.right) / 2


@dataclass(frozen=True, slots=True, eq=False)
class EdgePaths:
    """Solved dynamic programme: the best path of each of the four edges up to any row.

    Attributes
    ----------
    strength : ndarray, (4, rows, columns)
        Normalised strength (0–1) of left bone's left and right, right bone's left and right edge.
    value : ndarray, (4, rows, columns)
        Score of the best path from the last row to each pixel.
    move : ndarray of int8, (4, rows, columns)
        Column step from a pixel to the next row (proximally) along that path.
    """

    strength: FloatArray
    value: FloatArray
    move: NDArray[np.int8]

    def track(self, bone: int, end_rows: tuple[int, int] = (0, 0)) -> BoneTrack:
        """Edges of bone 0 (left) or 1 (right), tracked up to `end_rows` (left edge, right edge)."""
        left, left_strength = self._backtrack(2 * bone, end_rows[0])
        right, right_strength = self._backtrack(2 * bone + 1, end_rows[1])
        return BoneTrack(left, right, float(np.median(np.concatenate([left_strength, right_strength]))))

    def _backtrack(self, edge: int, end_row: int) -> tuple[FloatArray, FloatArray]:
        rows, columns = self.strength.shape[1:]
        path = np.empty(rows, np.intp)
        position = int(self.value[edge, end_row].argmax())
        path[:end_row] = position
        for row in range(end_row, rows):
            path[row] = position
            position = min(max(position + int(self.move[edge, row, position]), 0), columns - 1)
        return path.astype(float), self.strength[edge, np.arange(end_row, rows), path[end_row:]]


def edge_paths(image: StraightImage, expected: FloatArray | None = None) -> EdgePaths:
    """Find the edges of the left and the right bone of a straightened forearm.

    Dynamic programming finds, for each of the four edges, the path of strongest density gradient of the right
    sign that starts at the shaft's edge and moves at most one column per row.

    Parameters
    ----------
    expected : ndarray, (4, rows), optional
        Columns where the edges are expected, NaN where nothing is known: they are then sought nearby.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` if the proximal part does not show two parallel bones.
    """
    gradient = ndimage.gaussian_filter(
        image.values, (EDGE_ALONG_MM / image.step, EDGE_ACROSS_MM / image.step), order=(0, 1)
    )
    shaft_row = image.values.shape[0] - round(SHAFT_WINDOW_MM / 2 / image.step)
    if expected is None:
        starts = _shaft_edges(image)
    else:
        shaft_row, starts = _expected_starts(expected, shaft_row)
    signs = np.array([1.0, -1.0, 1.0, -1.0])
    rising = np.clip(gradient[None] * signs[:, None, None], 0.0, None)
    near = round(1.5 / image.step)
    around = slice(max(0, shaft_row - 20), shaft_row + 20)
    typical = [
        np.median(rising[k, around, max(0, x - near) : x + near].max(axis=1)) for k, x in enumerate(starts)
    ]
    strength = rising / (rising + HALF_STRENGTH * np.reshape(typical, (4, 1, 1)) + 1e-12)
    strength = np.where(image.valid, strength, 0.0)
    if expected is not None:
        strength = strength * _nearness(expected, image)
    value, move = _strongest_paths(strength, starts, shaft_row, near)
    return EdgePaths(strength, value, move)


def _expected_starts(expected: FloatArray, shaft_row: int) -> tuple[int, NDArray[np.intp]]:
    """The row next to `shaft_row` in which all four edges are expected, and their columns there."""
    rows = np.flatnonzero(np.isfinite(expected).all(axis=0))
    if rows.size == 0:
        raise RejectedInput(
            "radius_not_found",
            "Radius and ulna lie side by side in no part of the image. Send a forearm scan that shows both "
            "bones and the wrist.",
        )
    row = int(rows[np.abs(rows - shaft_row).argmin()])
    return row, np.round(expected[:, row]).astype(np.intp)


def _nearness(expected: FloatArray, image: StraightImage) -> FloatArray:
    """Weight, 0 to 1, of every pixel for each edge: a bell around the expected column."""
    columns = np.arange(image.values.shape[1])
    away = (columns[None, None] - expected[:, :, None]) * image.step / EXPECTED_WITHIN_MM
    return np.where(np.isfinite(away), np.exp(-(away**2) / 2), 1.0)


def _shaft_edges(image: StraightImage) -> NDArray[np.intp]:
    """Columns of the four edges (left bone's left and right, right bone's left and right) at the shaft."""
    rows = round(SHAFT_WINDOW_MM / image.step)
    part = StraightImage(
        image.values[-rows:], image.valid[-rows:], image.across0, image.along0, image.step, image.frame
    )
    profile, _ = mean_profile(part)
    left, right = _bone_centres(profile, image.step)
    gradient = ndimage.gaussian_filter1d(profile, 0.6 / image.step, order=1)
    middle = (left + right) // 2
    reach = round(HALF_WIDTH_MM[1] / image.step)
    inner = round(HALF_WIDTH_MM[0] / image.step)
    return np.array(
        [
            _outermost_peak(gradient, left - inner, max(0, left - reach)),
            _outermost_peak(-gradient, left + inner, min(middle, left + reach)),
            _outermost_peak(gradient, right - inner, max(middle, right - reach)),
            _outermost_peak(-gradient, right + inner, min(profile.size - 1, right + reach)),
        ]
    )


def _bone_centres(profile: FloatArray, step: float) -> tuple[int, int]:
    smooth = ndimage.gaussian_filter1d(profile, BONE_SCALE_MM / step)
    peaks, _ = signal.find_peaks(smooth, prominence=0.12 * smooth.max())
    best: tuple[float, int, int] | None = None
    for i, first in enumerate(peaks):
        for j in range(i + 1, len(peaks)):
            second = peaks[j]
            if not SEPARATION_MM[0] <= (second - first) * step <= SEPARATION_MM[1]:
                continue
            score = float(min(smooth[first], smooth[second]) + 0.3 * (smooth[first] + smooth[second]))
            if best is None or score > best[0]:
                best = (score, int(first), int(second))
    if best is None:
        raise RejectedInput(
            "radius_not_found",
            f"The proximal part of the image shows {len(peaks)} bone-like band(s), not the two parallel "
            f"shafts of "
            "radius and ulna. Send a forearm scan that shows both bones, within 20 degrees of the image's "
            "edge.",
        )
    return best[1], best[2]


def _outermost_peak(gradient: FloatArray, start: int, stop: int) -> int:
    """The last strong maximum of `gradient` walking from `start` to `stop` (either direction)."""
    walk = np.arange(start, stop, 1 if stop > start else -1)
    if walk.size < 3:
        return start
    values = gradient[walk]
    peaks, _ = signal.find_peaks(np.concatenate([[-np.inf], values, [-np.inf]]))
    strong = [p - 1 for p in peaks if values[p - 1] >= 0.5 * values.max()]
    return int(walk[strong[-1]])


def _strongest_paths(
    strength: FloatArray, starts: NDArray[np.intp], shaft_row: int, near: int
) -> tuple[FloatArray, NDArray[np.int8]]:
    """Score and step of the best path from the last row to every pixel, through `starts` at `shaft_row`."""
    edges, rows, columns = strength.shape
    scores = np.empty_like(strength)
    move = np.zeros(strength.shape, np.int8)
    blocked = np.abs(np.arange(columns)[None] - starts[:, None]) > near
    value = np.zeros((edges, columns))
    padded = np.full((edges, columns + 2), -np.inf)
    for row in range(rows - 1, -1, -1):
        padded[:, 1:-1] = value
        from_left, from_right = padded[:, :-2] - SLOPE_COST, padded[:, 2:] - SLOPE_COST
        sideways = np.maximum(from_left, from_right)
        move[:, row] = np.where(sideways > value, np.where(from_left >= from_right, -1, 1), 0)
        value = np.maximum(value, sideways) + strength[:, row]
        if row == shaft_row:
            value = np.where(blocked, -np.inf, value)
        scores[:, row] = value
    return scores, move
