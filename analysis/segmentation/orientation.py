"""Which way the forearm lies: its tilt, and which end of the image is proximal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.segmentation.anatomy import FloatArray
from analysis.segmentation.normalise import without_soft_tissue
from analysis.segmentation.straighten import StraightImage, centred_frame, straighten

STEP_MM = 1.0
SHAFT_MM = 45.0
"""Length of the proximal part whose two parallel shafts give the tilt."""
LARGEST_TILT_DEG = 26.0
LEAST_SHARPNESS = 0.2
"""Sharpness of one end over the other's below which it shows no shafts (assumption: on 43 forearms of two
unlike phantoms the hand has 0.04 of the shafts' sharpness in the median, never more than 0.6)."""


@dataclass(frozen=True, slots=True)
class Lie:
    """One hypothesis of how the forearm lies.

    Attributes
    ----------
    angle : float
        Direction of the elbow, radians from "straight down" in the image, counter-clockwise positive.
    sharpness : float
        Contrast of the averaged shaft profile: how well the rows of the proximal part agree.
    """

    angle: float
    sharpness: float


def likely_lies(image: FloatArray, spacing_mm: tuple[float, float]) -> list[Lie]:
    """Best tilt for either end being proximal, the more shaft-like end first; an end without shafts is left
    out.

    The right tilt is the one at which the two shafts, averaged along the forearm, give the sharpest profile:
    only long parallel bones survive that average. Carpals and metacarpals do not.
    """
    smooth = ndimage.gaussian_filter(image, [0.5 * STEP_MM / s for s in spacing_mm])
    lies = [_best_tilt(smooth, spacing_mm, end) for end in (0.0, np.pi)]
    first, second = sorted(lies, key=lambda lie: -lie.sharpness)
    return [first, second] if second.sharpness >= LEAST_SHARPNESS * first.sharpness else [first]


def _best_tilt(image: FloatArray, spacing_mm: tuple[float, float], end: float) -> Lie:
    coarse = np.deg2rad(np.arange(-LARGEST_TILT_DEG, LARGEST_TILT_DEG + 1, 4.0))
    best = max((_lie(image, spacing_mm, end + tilt) for tilt in coarse), key=lambda lie: lie.sharpness)
    for width in (2.0, 1.0, 0.5):
        around = best.angle + np.deg2rad([-width, width])
        best = max([best, *(_lie(image, spacing_mm, a) for a in around)], key=lambda lie: lie.sharpness)
    return best


def _lie(image: FloatArray, spacing_mm: tuple[float, float], angle: float) -> Lie:
    frame = centred_frame((image.shape[0], image.shape[1]), spacing_mm, angle)
    reach = image.shape[0] / 2 * spacing_mm[0] / abs(np.cos(angle))
    shaft = straighten(image, frame, STEP_MM, (reach - SHAFT_MM, reach))
    profile, seen = mean_profile(shaft)
    steps = np.diff(profile)[seen[1:] & seen[:-1]]
    return Lie(float(angle), float(np.sum(steps**2)))


def mean_profile(part: StraightImage) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Average the rows of `part` after soft tissue is removed.

    Returns
    -------
    profile : ndarray, (columns,)
        Zero where not seen.
    seen : ndarray of bool, (columns,)
        True where at least half of the column lies in the image.
    """
    bone = np.where(part.valid, without_soft_tissue(part.values, part.step), 0.0)
    count = part.valid.sum(axis=0)
    seen = count >= 0.5 * part.valid.shape[0]
    return np.where(seen, bone.sum(axis=0) / np.maximum(count, 1), 0.0), seen
