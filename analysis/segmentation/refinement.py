"""Sub-pixel bone edges: from the path of strongest gradient to the periosteal surface."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.segmentation.anatomy import FloatArray
from analysis.segmentation.straighten import StraightImage
from analysis.segmentation.tracking import BoneTrack

FOOT_LEVEL = 0.84
"""Gradient at the periosteal surface over its maximum, for a thick cortex.

The thickness of a round bone grows with the square root of the distance from its surface. Blurred by a
Gaussian of any width, the slope of such an edge is largest inside the bone and has fallen to 0.84 of that at
the surface itself: ``∫ t^-1/2 φ(t) dt / max_x ∫ t^-1/2 φ(x - t) dt``.
"""
FLARE = (1.25, 1.6, 1.8, 2.3)
FLARE_FACTOR = (0.95, 0.65, 0.45, 0.35)
"""How much of the way to `FOOT_LEVEL` the surface lies, by the bone's width over its shaft's.

Where a bone flares its cortex is thin (0.8 mm against 3.2 mm at the radius shaft). A cortex thinner than
three times the blur is a line rather than an edge, and its slope is largest nearer to the surface: projected
ring models give 0.95 for cortices above 1.5 mm, 0.3 to 0.6 for 0.8 mm. The course between is an assumption.
"""
SHAFT_MM = 35.0
REACH_MM = 3.2
SEARCH_MM = 1.3
SAMPLE_MM = 0.15
ALONG_MM = 1.0
ACROSS_MM = 0.3


def refine(image: StraightImage, bone: BoneTrack, end_row: int) -> BoneTrack:
    """Move both edges of `bone` to the foot of the density gradient and carry them on beyond the image's
    border.

    Parameters
    ----------
    end_row : int
        Most distal row of the bone; edges above it are left constant.
    """
    shaft = float(np.median(bone.width[-round(SHAFT_MM / image.step) :]))
    factor = np.interp(bone.width / shaft, FLARE, FLARE_FACTOR)
    return replace(
        bone,
        left=_refined_edge(image, bone.left, factor, outward=-1, end_row=end_row),
        right=_refined_edge(image, bone.right, factor, outward=1, end_row=end_row),
    )


def _refined_edge(
    image: StraightImage, path: FloatArray, factor: FloatArray, *, outward: int, end_row: int
) -> FloatArray:
    step = image.step
    smooth = path.copy()
    smooth[end_row:] = ndimage.gaussian_filter1d(path[end_row:], 1.0 / step, mode="nearest")
    offset = np.arange(-REACH_MM, REACH_MM + SAMPLE_MM / 2, SAMPLE_MM)
    columns = smooth[:, None] + outward * offset[None] / step
    rows = np.broadcast_to(np.arange(path.size, dtype=float)[:, None], columns.shape)
    profile = ndimage.map_coordinates(image.values, [rows, columns], order=1, mode="nearest")
    profile[:end_row] = profile[end_row]
    fall = -ndimage.gaussian_filter(profile, (ALONG_MM / step, ACROSS_MM / SAMPLE_MM), order=(0, 1))
    near = np.abs(offset) <= SEARCH_MM
    peak = np.where(near[None], fall, -np.inf).argmax(axis=1)
    at = offset[peak] + factor * _foot(fall, peak)
    edge = smooth + outward * ndimage.median_filter(at, size=9, mode="nearest") / step
    edge = ndimage.gaussian_filter1d(edge, 0.6 / step, mode="nearest")
    edge[:end_row] = edge[end_row]
    return _continued(image, edge)


def _foot(fall: FloatArray, peak: NDArray[np.intp]) -> FloatArray:
    """Distance (mm) from the largest slope outward to `FOOT_LEVEL` of it, per row."""
    index = np.arange(len(peak))
    top = FOOT_LEVEL * fall[index, peak]
    ahead = np.minimum(peak[:, None] + np.arange(1, 12)[None], fall.shape[1] - 1)
    values = fall[index[:, None], ahead]
    below = values <= top[:, None]
    first = np.where(below.any(axis=1), below.argmax(axis=1), 0)
    low = values[index, first]
    high = np.where(first > 0, values[index, np.maximum(first - 1, 0)], fall[index, peak])
    part = (high - top) / np.maximum(high - low, 1e-12)
    return np.asarray((first + np.clip(part, 0.0, 1.0)) * SAMPLE_MM)


def _continued(image: StraightImage, edge: FloatArray) -> FloatArray:
    """Replace the part of an edge outside of the image by the straight line through its last 15 mm."""
    column = np.clip(np.round(edge), 0, image.values.shape[1] - 1).astype(np.intp)
    seen = np.flatnonzero(image.valid[np.arange(edge.size), column])
    if seen.size == 0 or seen[-1] >= edge.size - 1:
        return edge
    # the smoothing above reaches over the border: leave its last millimetre out
    last = max(int(seen[-1]) - round(1.0 / image.step), 1)
    first = max(last - round(15.0 / image.step), 0)
    slope, start = np.polyfit(np.arange(first, last), edge[first:last], 1)
    continued = edge.copy()
    continued[last:] = start + slope * np.arange(last, edge.size)
    return continued
