"""Where BMD is measured: ultradistal, mid, one-third and total region of the radius.

All distances run along the forearm axis, proximally from the tip of the ulnar styloid (Hologic's convention).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.results import Polygon, QualityFinding, Severity
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy, ForearmFrame
from analysis.segmentation.outline import as_polygon, clip

ULTRADISTAL_MM = (10.0, 25.0)
"""Assumption: 15 mm long from 10 mm proximal to the styloid tip; areas printed by Hologic scanners agree."""
ONE_THIRD_LENGTH_MM = 20.0
"""Length of the one-third region, centred at a third of the ulnar length (derived from Hologic ROI
heights)."""
BORDER_PX = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class PlacedRegions:
    """Regions of the radius on the image grid; a region that could not be placed is absent from all three
    maps."""

    slabs: Mapping[str, tuple[float, float]]
    """Distal and proximal end of each placed region, mm from the ulnar styloid tip."""
    masks: Mapping[str, NDArray[np.bool_]]
    polygons: Mapping[str, Polygon]
    findings: tuple[QualityFinding, ...]


def place_regions(
    anatomy: ForearmAnatomy, spacing_mm: tuple[float, float] | None, forearm_length_mm: float | None
) -> PlacedRegions:
    """Place the regions of interest on the radius.

    Parameters
    ----------
    spacing_mm : (row, column) spacing in mm, or None
        Without it no region can be placed.
    forearm_length_mm : float or None
        Ulnar length. Without it only the ultradistal region can be placed.

    Notes
    -----
    A region that the image cuts off is absent: ``region_outside_field``. Part of a region would have another
    BMD than the whole. That spacing or length are unknown has been said where they were read
    (``spacing_unknown``, ``forearm_length_unknown``) and is not repeated here.
    """
    if spacing_mm is None:
        return PlacedRegions({}, {}, {}, ())
    findings: list[QualityFinding] = []
    slabs = {"ultradistal": ULTRADISTAL_MM}
    if forearm_length_mm is not None:
        slabs |= _slabs_by_length(forearm_length_mm)
    masks: dict[str, NDArray[np.bool_]] = {}
    polygons: dict[str, Polygon] = {}
    _, along = anatomy.frame.of_pixels((anatomy.radius_mask.shape[0], anatomy.radius_mask.shape[1]))
    for name, slab in slabs.items():
        outline = slab_outline(anatomy, slab)
        if _is_cut_off(outline, anatomy.frame, slab, anatomy.radius_mask.shape):
            findings.append(_outside_field(name, slab))
            continue
        masks[name] = anatomy.radius_mask & (along >= slab[0]) & (along < slab[1])
        polygons[name] = as_polygon(outline)
    return PlacedRegions({name: slabs[name] for name in masks}, masks, polygons, tuple(findings))


def one_third_slab(forearm_length_mm: float) -> tuple[float, float]:
    """Start and end (mm from the styloid tip) of the one-third region for an ulnar length."""
    centre = forearm_length_mm / 3.0
    return centre - ONE_THIRD_LENGTH_MM / 2, centre + ONE_THIRD_LENGTH_MM / 2


def slab_outline(anatomy: ForearmAnatomy, slab: tuple[float, float]) -> FloatArray:
    """Outline ``(column, row)`` of the radius between two distances (mm) from the styloid tip."""
    frame = anatomy.frame
    dx, dy = frame.direction
    normal = (dx * frame.spacing_mm[1], dy * frame.spacing_mm[0])
    zero = normal[0] * frame.origin[0] + normal[1] * frame.origin[1]
    outline = clip(np.array(anatomy.radius_outline), normal, zero + slab[0])
    return clip(outline, (-normal[0], -normal[1]), -(zero + slab[1]))


def _slabs_by_length(forearm_length_mm: float) -> dict[str, tuple[float, float]]:
    start, stop = one_third_slab(forearm_length_mm)
    return {
        "mid": (ULTRADISTAL_MM[1], start),
        "one_third": (start, stop),
        "total": (ULTRADISTAL_MM[0], stop),
    }


def _is_cut_off(
    outline: FloatArray, frame: ForearmFrame, slab: tuple[float, float], shape: tuple[int, ...]
) -> bool:
    """True if the image's border, not the slab's end, bounds the region anywhere."""
    if len(outline) < 6:
        return True
    column, row = outline.T
    _, along = frame.to_forearm(column, row)
    tolerance = 0.1
    if along.max() < slab[1] - tolerance or along.min() > slab[0] + tolerance:
        return True
    border = (np.minimum(column, row) <= BORDER_PX) | (column >= shape[1] - BORDER_PX)
    return bool((border | (row >= shape[0] - BORDER_PX)).any())


def _outside_field(name: str, slab: tuple[float, float]) -> QualityFinding:
    return QualityFinding(
        "region_outside_field",
        Severity.ERROR,
        f"The {name} region ({slab[0]:.0f} to {slab[1]:.0f} mm from the ulnar styloid) is cut off by the "
        f"image's "
        "border, so it is not measured. Repeat the scan with a longer field of view.",
    )
