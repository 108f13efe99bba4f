"""Areal density of the radius alone: soft-tissue offset removed, blurred mineral put back inside the
outline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analysis.segmentation.anatomy import ForearmAnatomy

HALO_MM = 1.2
"""How far outside of the outline the scanner's blur carries mineral: three standard deviations of 0.4 mm."""
BESIDE_MM = (2.0, 4.0)
"""Distance from the radius of the soft tissue that gives the offset."""
OFFSET_STEP_MM = 10.0
"""Length of forearm over which one offset is taken."""
FEWEST_PX = 20


def recovered_density(
    density: NDArray[np.float32], anatomy: ForearmAnatomy, spacing_mm: tuple[float, float]
) -> NDArray[np.float32]:
    """Density of the radius whose sum over the outline is the bone's mineral, as BMC wants it.

    Blur moves mineral across the outline, so that the plain mean inside is about 1 % too low, the more the
    narrower the bone; an error of the soft-tissue decomposition adds an offset. Here the offset, read beside
    the radius along the forearm, is subtracted, and what lies within `HALO_MM` outside of the outline is
    added to the nearest pixel inside. Blur keeps mass, so BMC is then right whatever the blur; the
    distribution at the rim is not, and no texture may be read from the result.

    Parameters
    ----------
    density : ndarray of float32, (rows, columns)
        Areal density, g/cm².

    Returns
    -------
    ndarray of float32, (rows, columns)
        g/cm²; zero in the halo, offset-free elsewhere.
    """
    radius_mm, nearest = ndimage.distance_transform_edt(
        ~anatomy.radius_mask, sampling=spacing_mm, return_indices=True
    )
    ulna_mm = ndimage.distance_transform_edt(~anatomy.ulna_mask, sampling=spacing_mm)
    free = density - _offset(density, anatomy, radius_mm, ulna_mm)
    # between the two bones each gets its own half
    halo = (radius_mm > 0) & (radius_mm <= HALO_MM) & (radius_mm < ulna_mm)
    recovered = np.where(halo, 0.0, free)
    np.add.at(recovered, (nearest[0][halo], nearest[1][halo]), free[halo])
    return recovered.astype(np.float32)


def _offset(
    density: NDArray[np.float32],
    anatomy: ForearmAnatomy,
    radius_mm: NDArray[np.float64],
    ulna_mm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Soft-tissue level beside the radius, per pixel, changing along the forearm only."""
    _, along = anatomy.frame.of_pixels((density.shape[0], density.shape[1]))
    beside = (radius_mm > BESIDE_MM[0]) & (radius_mm < BESIDE_MM[1]) & (ulna_mm > BESIDE_MM[0])
    # distal to the ulnar styloid the radius has carpal bones for neighbours
    beside &= (along > 0) & ~anatomy.metal_mask
    index = np.floor(along[beside] / OFFSET_STEP_MM).astype(np.intp)
    values = density[beside]
    steps = [step for step in np.unique(index) if np.count_nonzero(index == step) >= FEWEST_PX]
    if not steps:
        return np.zeros(density.shape)
    middles = (np.array(steps) + 0.5) * OFFSET_STEP_MM
    return np.asarray(np.interp(along, middles, [np.median(values[index == step]) for step in steps]))
