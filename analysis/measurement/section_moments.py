"""Section moments of a bone from its projected mineral, as in hip structural analysis.

Areal density over the mineral density of compact bone is the path through bone that a ray would meet if all
mineral were compact; its moments about the centre of mass are those of the section, in the picture's plane
(Beck et al. 1990, doi 10.1097/00004424-199001000-00004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy

LEVEL_MM = 2.0
"""Length of bone over which one section is taken; a region's value is the mean of its levels."""


@dataclass(frozen=True, slots=True)
class SectionMoments:
    """Of compact bone with the section's mineral.

    Attributes
    ----------
    area_mm2 : float
        Bone cross-sectional area.
    inertia_mm4 : float
        Second moment of area for bending in the picture's plane.
    modulus_mm3 : float
        Second moment over the distance from the centre of mass to the farther edge.
    """

    area_mm2: float
    inertia_mm4: float
    modulus_mm3: float


def section_moments(
    recovered: NDArray[np.floating],
    anatomy: ForearmAnatomy,
    slab: tuple[float, float],
    compact_mineral_g_cm3: float,
) -> SectionMoments | None:
    """Mean section moments of the radius over a region.

    Parameters
    ----------
    recovered : ndarray, (rows, columns)
        Density (g/cm²) of the radius alone, from `analysis.measurement.edge_recovery.recovered_density`.
    slab : (float, float)
        Distal and proximal end, mm from the ulnar styloid.
    compact_mineral_g_cm3 : float
        Mineral per volume of compact bone.

    Returns
    -------
    SectionMoments or None
        None if a level holds no bone.
    """
    mask = anatomy.radius_mask
    across, along = anatomy.frame.of_pixels((mask.shape[0], mask.shape[1]))
    inside = mask & (along >= slab[0]) & (along < slab[1])
    angle = np.arctan(anatomy.radius_axis_slope)
    place = across[inside] * np.cos(angle) - along[inside] * np.sin(angle)
    row_mm, column_mm = anatomy.frame.spacing_mm
    bone_mm3 = 10.0 * recovered[inside] / compact_mineral_g_cm3 * row_mm * column_mm
    count = max(1, round((slab[1] - slab[0]) / LEVEL_MM))
    level = np.minimum(((along[inside] - slab[0]) / (slab[1] - slab[0]) * count).astype(np.intp), count - 1)
    length = (slab[1] - slab[0]) / count / np.cos(angle)
    moments = [_moments(place[level == k], bone_mm3[level == k] / length) for k in range(count)]
    if not moments or any(moment is None for moment in moments):
        return None
    return SectionMoments(*np.mean([moment for moment in moments if moment is not None], axis=0).tolist())


def _moments(place: FloatArray, area_mm2: FloatArray) -> tuple[float, float, float] | None:
    """Area, second moment and section modulus of the bone at `place`, each pixel standing for an area."""
    area = float(area_mm2.sum())
    if place.size < 3 or area <= 0:
        return None
    centre = float(area_mm2 @ place) / area
    inertia = float(area_mm2 @ (place - centre) ** 2)
    return area, inertia, inertia / float(np.abs(place - centre).max())
