"""Undo a display's grey curve: the forearm's own shafts say how steep it is."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.segmentation.anatomy import FloatArray
from analysis.segmentation.orientation import Lie
from analysis.segmentation.refinement import refine
from analysis.segmentation.straighten import StraightImage, centred_frame, straighten
from analysis.segmentation.tracking import BoneTrack, edge_paths

STEP_MM = 0.3
SHAFT_MM = 50.0
MARGIN_MM = 6.0
"""Part of the shaft next to the image's border that is left out."""
ACROSS = np.linspace(-1.5, 1.5, 61)
"""Sampled profile, in half widths of the bone from its centre."""
EXPONENTS = np.exp(np.linspace(np.log(1 / 3), np.log(3.0), 23))
"""Exponents tried; display curves outside of this range hide either cortex or soft tissue."""
USUAL_SPREAD = 0.5
"""Standard deviation of the logarithm of exponents that displays use (assumption): a weak prior."""
EVIDENCE = 9.0
"""Weight of the logarithm of the misfit against that prior; half the number of independent samples in the
profiles of two bones (61 samples each, smoothed by blur over about 6)."""
STRAIGHT = 0.05
"""Logarithm of an exponent that is left alone."""
SECTIONS = (2.0, 2.6)
"""Exponents of the superellipses tried as a shaft's cross section: from an ellipse to a rounded square."""
CORTEX = np.arange(0.20, 0.75, 0.05)
"""Cortical thickness in half widths."""
BLUR = (0.04, 0.06, 0.08, 0.11)
"""Blur (standard deviation) in half widths: 0.25 to 0.7 mm for a radius of 12.5 mm."""
SCALE = np.arange(0.88, 1.13, 0.04)
"""True over measured width: the edge that is found moves with the grey curve."""


def grey_exponent(image: FloatArray, spacing_mm: tuple[float, float], lie: Lie) -> float:
    """Exponent `g` of the grey curve ``grey = contrast ** g`` that the shafts of radius and ulna show.

    A shaft is a tube: the ratio of its dark middle to its bright walls follows from the walls' place, which
    no monotone grey curve moves. Each exponent is undone in turn; the one after which blurred tubes fit the
    mean profiles of both bones best (least squares, amplitude, background and its slope free) is taken, drawn
    slightly to 1.

    Parameters
    ----------
    image : ndarray, (rows, columns)
        Contrast above the darkest percent, not clipped above.

    Returns
    -------
    float
        1 where the bones are not seen well enough to tell.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` if the proximal part shows no two parallel bones.
    """
    shaft = _shaft(image, spacing_mm, lie)
    paths = edge_paths(shaft)
    profiles = [_profile(shaft, refine(shaft, paths.track(bone), 0)) for bone in (0, 1)]
    seen = [profile for profile in profiles if profile is not None and np.ptp(profile) > 0]
    if not seen:
        return 1.0
    misfit = np.sum([_misfit(profile) for profile in seen], axis=0)
    logarithm = np.log(EXPONENTS)
    cost = EVIDENCE * len(seen) / 2 * np.log(misfit) + (logarithm / USUAL_SPREAD) ** 2 / 2
    best = int(np.clip(cost.argmin(), 1, cost.size - 2))
    before, at, after = cost[best - 1 : best + 2]
    bend = before - 2 * at + after
    shift = float(np.clip(0.5 * (before - after) / bend, -1.0, 1.0)) if bend > 0 else 0.0
    found = float(logarithm[best] + shift * (logarithm[1] - logarithm[0]))
    return float(np.exp(found)) if abs(found) > STRAIGHT else 1.0


def _shaft(image: FloatArray, spacing_mm: tuple[float, float], lie: Lie) -> StraightImage:
    frame = centred_frame((image.shape[0], image.shape[1]), spacing_mm, lie.angle)
    reach = image.shape[0] / 2 * spacing_mm[0] / abs(np.cos(lie.angle))
    return straighten(image, frame, STEP_MM, (reach - SHAFT_MM, reach))


def _profile(image: StraightImage, bone: BoneTrack) -> FloatArray | None:
    """Median profile across a shaft, or None if too little of it lies in the image."""
    last = image.values.shape[0] - round(MARGIN_MM / image.step)
    rows = np.arange(0, last)
    columns = bone.centre[rows, None] + ACROSS * bone.width[rows, None] / 2
    ends = np.clip(columns[:, [0, -1]], 0, image.values.shape[1] - 1).astype(np.intp)
    inside = image.valid[rows[:, None], ends].all(axis=1)
    if np.count_nonzero(inside) < rows.size // 3:
        return None
    sample_rows = np.broadcast_to(rows[:, None].astype(float), columns.shape)
    values = ndimage.map_coordinates(
        image.values, [sample_rows[inside], columns[inside]], order=1, mode="nearest"
    )
    return np.asarray(np.median(values, axis=0))


def _misfit(profile: FloatArray) -> FloatArray:
    """Relative squared misfit of the best tube, per exponent undone."""
    undone = np.clip(profile, 1e-4, None)[None] ** (1 / EXPONENTS[:, None])
    undone = undone / np.ptp(undone, axis=1, keepdims=True)
    explained = np.einsum("tuj,eu->tej", _tubes(), undone) ** 2
    return np.asarray((undone**2).sum(axis=1) - explained.sum(axis=2).max(axis=0) + 1e-9)


@cache
def _tubes() -> NDArray[np.float64]:
    """Orthonormal bases of tube, background and slope, shape (tubes, samples, 3)."""
    fine = np.linspace(-2.2, 2.2, 881)
    bases = []
    for section in SECTIONS:
        for cortex in CORTEX:
            tube = _chord(fine, section) - (1 - cortex) * _chord(fine / (1 - cortex), section)
            for blur in BLUR:
                blurred = ndimage.gaussian_filter1d(tube, blur / (fine[1] - fine[0]))
                for scale in SCALE:
                    wall = np.interp(ACROSS / scale, fine, blurred)
                    columns = np.stack([wall, np.ones_like(wall), ACROSS], axis=1)
                    bases.append(np.linalg.qr(columns)[0])
    return np.array(bases)


def _chord(across: FloatArray, section: float) -> FloatArray:
    """Depth of a unit superellipse seen from above."""
    return np.asarray(np.sqrt(np.clip(1 - np.abs(across) ** section, 0, None)))
