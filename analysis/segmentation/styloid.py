"""The tip of the ulnar styloid, from which every region of interest is measured."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from analysis.segmentation.anatomy import FloatArray
from analysis.segmentation.landmarks import DistalEnd
from analysis.segmentation.straighten import StraightImage
from analysis.segmentation.tracking import BoneTrack

REACH_MM = 14.0
"""Longest styloid, measured from the ulnar head's surface."""
HEAD_MM = (1.5, 6.0)
"""Part of the ulnar head whose contrast the styloid is compared with."""
START_MM = 3.0
"""How far inside the head the walk towards the fingers starts."""
LEVEL = 0.20
"""Fraction of the head's contrast that still counts as styloid: it is thin, and blunt at its tip."""
NARROWEST_MM = 1.0
SMOOTHING_MM = 0.3


def ulnar_styloid(
    image: StraightImage, ulna: BoneTrack, end: DistalEnd, soft: FloatArray, radius_is_right: bool
) -> tuple[float, float]:
    """Tip of the ulnar styloid, ``(column, row)`` in the straightened image.

    The styloid stands on the side of the ulnar head away from the radius. Each column of that side is walked
    distally from the head until contrast falls under `LEVEL` of the head's; the most distal such point that
    neighbouring columns confirm is the tip. The tissue beyond the tip is judged per column, because carpal
    bones and the thicker heel of the hand follow closely. Of an ulna that ends outside of the image its outer
    edge is returned, which lies outside as well.

    Parameters
    ----------
    end : DistalEnd
        Of the ulna.
    soft : ndarray, (rows,)
        Soft-tissue level beside the bones, per row.
    """
    per_mm = 1.0 / image.step
    columns = _outer_columns(image, ulna, end, radius_is_right)
    if columns.size == 0:
        outer = ulna.left if radius_is_right else ulna.right
        return float(outer[int(end.row)]), float(end.row)
    start = int(end.row) + round(START_MM * per_mm)
    rows = np.arange(start, max(0, start - round((START_MM + REACH_MM) * per_mm)), -1)
    walk = ndimage.gaussian_filter(image.values, SMOOTHING_MM * per_mm)[np.ix_(rows, columns)]
    head = _head_level(image, ulna, end)
    beyond = np.minimum(np.maximum(float(soft[int(end.row)]), walk.min(axis=0)), 0.9 * head)
    excess = walk - (beyond + LEVEL * (head - beyond))
    length = np.where(excess[0] > 0, _first_fall(excess), 0.0)
    confirmed = ndimage.minimum_filter1d(length, max(2, round(NARROWEST_MM * per_mm)))
    tip = np.flatnonzero(confirmed >= confirmed.max() - 0.5)
    return float(columns[tip].mean()), float(rows[0] - confirmed.max())


def _outer_columns(
    image: StraightImage, ulna: BoneTrack, end: DistalEnd, radius_is_right: bool
) -> FloatArray:
    """Columns of the ulnar head's half away from the radius, and a little beyond its border."""
    left, right = float(ulna.left[int(end.row)]), float(ulna.right[int(end.row)])
    width = right - left
    if radius_is_right:
        low, high = left - 0.1 * width, left + 0.6 * width
    else:
        low, high = right - 0.6 * width, right + 0.1 * width
    return np.arange(max(0, int(low)), min(image.values.shape[1], int(high) + 1))


def _head_level(image: StraightImage, ulna: BoneTrack, end: DistalEnd) -> float:
    row = int(end.row)
    left, width = float(ulna.left[row]), float(ulna.width[row])
    rows = slice(row + round(HEAD_MM[0] / image.step), row + round(HEAD_MM[1] / image.step))
    return float(np.median(image.values[rows, int(left + 0.25 * width) : int(left + 0.75 * width)]))


def _first_fall(excess: FloatArray) -> FloatArray:
    """Fractional number of rows walked in each column before `excess` falls below zero."""
    below = excess < 0
    first = np.where(below.any(axis=0), below.argmax(axis=0), excess.shape[0] - 1)
    index = np.arange(excess.shape[1])
    after, before = excess[first, index], excess[np.maximum(first - 1, 0), index]
    part = np.where(before > after, before / np.maximum(before - after, 1e-12), 0.0)
    return np.asarray(np.maximum(first - 1, 0) + np.clip(part, 0.0, 1.0))
