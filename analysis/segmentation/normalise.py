"""From any grey scale to a common one: bone contrast between 0 and about 1, metal and noise tamed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.errors import RejectedInput
from analysis.segmentation.anatomy import FloatArray

MINIMUM_SIDE_PX = 48
BONE_PERCENTILE = 94.0
"""Bone covers 10–30 % of a forearm scan, a metal plate at most some 5 %: this percentile lies in bone."""
BONE_HEADROOM = 1.5
"""The densest cortex is at most about this many times `BONE_PERCENTILE`; what is brighter is no bone."""


def normalised(pixels: NDArray[np.floating]) -> FloatArray:
    """Scale an image so that the darkest percent is 0 and dense bone is about 0.7, clipped at 1.

    Works alike for areal density in g/cm² and for display greys: only order and contrast are used.

    Parameters
    ----------
    pixels : ndarray of float, (rows, columns)
        Dense bone bright.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` if the image is too small, not finite or without contrast.
    """
    check_pixels(pixels)
    return np.asarray(np.clip(contrast(pixels), 0.0, 1.0))


def contrast(pixels: NDArray[np.floating]) -> FloatArray:
    """The scale of `normalised` without its clipping.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` if the image is without contrast.
    """
    values = pixels.astype(np.float64)
    low, bone = np.percentile(values, (1.0, BONE_PERCENTILE))
    if bone - low <= 1e-6 * max(abs(bone), abs(low), 1.0):
        raise RejectedInput(
            "radius_not_found",
            "The image has no contrast: no bone can be seen in it. Send the diagnostic scan.",
        )
    return np.asarray((values - low) / (BONE_HEADROOM * (bone - low)))


def check_pixels(pixels: NDArray[np.floating]) -> None:
    """Refuse a picture that cannot show a forearm: ``radius_not_found``, too small or not finite."""
    if pixels.ndim != 2 or min(pixels.shape) < MINIMUM_SIDE_PX:
        raise RejectedInput(
            "radius_not_found",
            f"The image is {' x '.join(map(str, pixels.shape))} pixels; a forearm scan needs at least "
            f"{MINIMUM_SIDE_PX} x {MINIMUM_SIDE_PX}. Send the full scan, not a thumbnail.",
        )
    if not np.isfinite(pixels).all():
        raise RejectedInput(
            "radius_not_found", "The image holds pixels without a finite value. Export the scan again."
        )


def without_soft_tissue(image: FloatArray, step_mm: float, width_mm: float = 26.0) -> FloatArray:
    """Remove everything wider than a forearm shaft from each row (white top-hat along rows).

    Soft tissue is a wide dome under the bones; a bone's shaft is at most some 20 mm wide.
    """
    size = max(3, round(width_mm / step_mm))
    background: FloatArray = ndimage.grey_opening(image, size=(1, size))
    return image - background
