"""Density profiles across the radius's shaft, averaged along short stretches of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy

BIN_MM = 0.2
MARGIN_MM = 4.0
"""How much soft tissue beside the shaft a profile holds."""
ULNA_HALO_MM = 1.6
"""Pixels this close to the ulna show some of its mineral and are left out."""
FEWEST_PX = 30
FEWEST_PX_PER_BIN = 3


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Mean pixel value over position.

    Attributes
    ----------
    position : ndarray, (bins,)
        Millimetres from the shaft's middle, square to its axis, growing away from the ulna.
    height : ndarray, (bins,)
        Mean pixel value.
    half_width_mm : float
        Of the radius's mask.
    """

    position: FloatArray
    height: FloatArray
    half_width_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class ShaftImage:
    """Pixels of an image by their place along and across the radius's shaft."""

    values: FloatArray
    along: FloatArray
    offset: FloatArray
    """Distance from the radius's axis, square to it, growing away from the ulna."""
    bone: NDArray[np.bool_]

    @classmethod
    def of(cls, pixels: NDArray[np.float32], anatomy: ForearmAnatomy, start_mm: float) -> ShaftImage:
        """All usable pixels proximal to `start_mm` (from the ulnar styloid)."""
        from scipy import ndimage

        across, along = anatomy.frame.of_pixels((pixels.shape[0], pixels.shape[1]))
        spacing = anatomy.frame.spacing_mm
        reach = [round(ULNA_HALO_MM / side) for side in spacing]
        ulna = ndimage.maximum_filter(anatomy.ulna_mask, size=[2 * px + 1 for px in reach])
        usable = (along >= start_mm) & ~ulna & ~anatomy.metal_mask
        slope = anatomy.radius_axis_slope
        away = 1.0 if anatomy.radius_is_right_of_ulna else -1.0
        offset = away * (across[usable] - slope * along[usable]) / np.hypot(1.0, slope)
        return cls(
            values=pixels[usable].astype(np.float64),
            along=along[usable],
            offset=offset,
            bone=anatomy.radius_mask[usable],
        )

    def profile(self, slab: tuple[float, float]) -> Profile | None:
        """Average along the shaft over a slab (mm from the styloid); None if it holds no radius."""
        inside = (self.along >= slab[0]) & (self.along < slab[1])
        bone = self.offset[inside & self.bone]
        if bone.size < FEWEST_PX:
            return None
        low, high = np.percentile(bone, (1, 99))
        position = self.offset[inside] - (low + high) / 2
        half_width = float(high - low) / 2
        near = np.abs(position) <= half_width + MARGIN_MM
        index = np.floor((position[near] + half_width + MARGIN_MM) / BIN_MM).astype(np.intp)
        count = np.bincount(index)
        filled = count >= FEWEST_PX_PER_BIN
        total = np.bincount(index, weights=self.values[inside][near])[filled]
        place = np.bincount(index, weights=position[near])[filled]
        return Profile(place / count[filled], total / count[filled], half_width)

    def centre(self, slab: tuple[float, float]) -> float | None:
        """Middle of the radius (mm from its axis) in a slab; None if the slab holds no radius."""
        inside = self.bone & (self.along >= slab[0]) & (self.along < slab[1])
        if np.count_nonzero(inside) < FEWEST_PX:
            return None
        return float(self.offset[inside].mean())
