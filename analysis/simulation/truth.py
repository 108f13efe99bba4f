"""The truth of a phantom: what a perfect measurement would have found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.results import Laterality, Polygon
from analysis.simulation.anatomy import SAMPLE_MM, Anatomy
from analysis.simulation.subject import BoneParameters
from analysis.simulation.view import ImageMap

ULTRADISTAL_START_MM = 10.0
"""Distal end of the ultradistal region, mm proximal to the ulnar styloid tip: assumption, fits observed
areas."""
ULTRADISTAL_LENGTH_MM = 15.0
ONE_THIRD_LENGTH_MM = 20.0


@dataclass(frozen=True, slots=True)
class RegionTruth:
    """Noiseless densitometry of one region of the radius."""

    bmd_g_cm2: float
    bmc_g: float
    area_cm2: float


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Everything known about a phantom; points are (column, row) on the phantom's own grid.

    Attributes
    ----------
    radius_mask, ulna_mask : ndarray of bool, (rows, columns)
        Pixels at least half inside the bone's outline.
    end_plate, ulnar_styloid : (float, float)
        Middle of the radius's distal articular surface; tip of the ulnar styloid.
    axis_direction : (float, float)
        Unit vector along the forearm, pointing proximally.
    regions : mapping of region name to RegionTruth
    polygons : mapping of region name to Polygon
        May reach beyond the picture where the field of view ends too early.
    forearm_length_mm : float
    cortical_thickness_mm, shaft_diameter_mm, medullary_width_mm : float
        At the centre of the one-third region.
    microstructure : BoneParameters
    correlation_length_mm : float
        Of the trabecular random medium.
    """

    laterality: Laterality
    hand_up: bool
    radius_mask: NDArray[np.bool_]
    ulna_mask: NDArray[np.bool_]
    end_plate: tuple[float, float]
    ulnar_styloid: tuple[float, float]
    axis_direction: tuple[float, float]
    regions: Mapping[str, RegionTruth]
    polygons: Mapping[str, Polygon]
    forearm_length_mm: float
    cortical_thickness_mm: float
    shaft_diameter_mm: float
    medullary_width_mm: float
    microstructure: BoneParameters
    correlation_length_mm: float


def region_slabs(forearm_length_mm: float) -> dict[str, tuple[float, float]]:
    """Distal and proximal end of each region, mm proximal to the tip of the ulnar styloid."""
    centre = forearm_length_mm / 3
    distal, proximal = centre - ONE_THIRD_LENGTH_MM / 2, centre + ONE_THIRD_LENGTH_MM / 2
    ultradistal_end = ULTRADISTAL_START_MM + ULTRADISTAL_LENGTH_MM
    return {
        "ultradistal": (ULTRADISTAL_START_MM, ultradistal_end),
        "mid": (ultradistal_end, distal),
        "one_third": (distal, proximal),
        "total": (ULTRADISTAL_START_MM, proximal),
    }


def true_regions(anatomy: Anatomy, forearm_length_mm: float) -> dict[str, RegionTruth]:
    """Exact BMD, BMC and area of the radius in each region (sums over the fine grid, part rows weighted)."""
    mass = anatomy.radius_density.sum(axis=1, dtype=np.float64) * SAMPLE_MM**2 / 100
    area = anatomy.radius_cover.sum(axis=1, dtype=np.float64) * SAMPLE_MM**2 / 100
    regions = {}
    for name, (distal, proximal) in region_slabs(forearm_length_mm).items():
        low, high = anatomy.z - SAMPLE_MM / 2, anatomy.z + SAMPLE_MM / 2
        weight = np.clip(np.minimum(high, proximal) - np.maximum(low, distal), 0, None) / SAMPLE_MM
        content, surface = float(weight @ mass), float(weight @ area)
        regions[name] = RegionTruth(bmd_g_cm2=content / surface, bmc_g=content, area_cm2=surface)
    return regions


def region_polygons(anatomy: Anatomy, forearm_length_mm: float, image: ImageMap) -> dict[str, Polygon]:
    """Outline of the radius within each region's slab, on the image grid."""
    radius = anatomy.geometry.radius
    polygons: dict[str, Polygon] = {}
    for name, (distal, proximal) in region_slabs(forearm_length_mm).items():
        z = np.linspace(distal, proximal, max(int((proximal - distal) / 1.5), 4))
        centre, half = np.interp(z, radius.z, radius.centre), np.interp(z, radius.z, radius.half_width)
        outline = np.concatenate(
            [np.column_stack([centre - half, z]), np.column_stack([centre + half, z])[::-1]]
        )
        polygons[name] = tuple((float(c), float(r)) for c, r in image.to_image(outline))
    return polygons


def shaft_at_one_third(anatomy: Anatomy, forearm_length_mm: float) -> tuple[float, float, float]:
    """Cortical thickness, outer diameter and medullary width (mm) in the picture plane at the one-third
    level."""
    radius = anatomy.geometry.radius
    level = forearm_length_mm / 3
    diameter = 2 * float(np.interp(level, radius.z, radius.half_width))
    cortex = float(np.interp(level, radius.z, radius.cortical_thickness))
    return cortex, diameter, diameter - 2 * cortex
