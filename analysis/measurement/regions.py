"""Where BMD is measured: ultradistal, mid, one-third and total region of the radius or the ulna.

All distances run along the forearm axis, proximally from the tip of the ulnar styloid. Sites are named by the
length of the ulna on both bones ("The forearm in densitometry: nomenclature", aspeneducationgroup.com), so
radius and ulna share their slabs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.config import RoiConvention
from analysis.results import Polygon, QualityFinding, Severity
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy, ForearmFrame
from analysis.segmentation.outline import as_polygon, clip

Bone = Literal["radius", "ulna"]

PARTS = ("ultradistal", "mid", "one_third")
"""The regions that lie side by side; total is their union."""
ULTRADISTAL_START_MM = 10.0
"""Hologic: from the ulnar styloid tip. Lunar: from the middle of the radius's distal articular surface. Both
are assumptions; the areas that Hologic scanners print agree with the first, none was found for Lunar."""
ULTRADISTAL_LENGTH_MM = 15.0
"""Assumption for both, like its start."""
ONE_THIRD_LENGTH_MM = 20.0
"""Length of the one-third region: derived from Hologic ROI heights, which fit a third of the ulnar length and
10 mm; an assumption for Lunar."""
ONE_THIRD_LEVEL: Mapping[RoiConvention, float] = {"hologic": 1 / 3, "lunar": 0.33}
"""Centre of the one-third region over the ulnar length: Hologic by its ROI heights, Lunar by its name "33 %",
which means 33 % and not 33.3 % (same source as above)."""
BORDER_PX = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class PlacedRegions:
    """Regions of one bone on the image grid; one that could not be placed is absent from all three maps."""

    slabs: Mapping[str, tuple[float, float]]
    """Distal and proximal end of each placed region, mm from the ulnar styloid tip."""
    masks: Mapping[str, NDArray[np.bool_]]
    polygons: Mapping[str, Polygon]
    findings: tuple[QualityFinding, ...]
    bone: Bone = "radius"
    convention: RoiConvention = "hologic"


def place_regions(
    anatomy: ForearmAnatomy,
    spacing_mm: tuple[float, float] | None,
    forearm_length_mm: float | None,
    *,
    bone: Bone = "radius",
    convention: RoiConvention = "hologic",
) -> PlacedRegions:
    """Place the regions of interest on a bone.

    Parameters
    ----------
    spacing_mm : (row, column) spacing in mm, or None
        Without it no region can be placed.
    forearm_length_mm : float or None
        Ulnar length. Without it only the ultradistal region can be placed.
    convention : {"hologic", "lunar"}
        Whose definition of the regions is followed.

    Notes
    -----
    A region that the image cuts off is absent: ``region_outside_field``. Part of a region would have another
    BMD than the whole. That spacing or length are unknown has been said where they were read
    (``spacing_unknown``, ``forearm_length_unknown``) and is not repeated here.
    """
    if spacing_mm is None:
        return PlacedRegions({}, {}, {}, (), bone, convention)
    slabs = region_slabs(anatomy, forearm_length_mm, convention)
    if anatomy.styloid_seen or convention == "lunar":
        return place_slabs(anatomy, slabs, bone=bone, convention=convention)
    kept = {name: slab for name, slab in slabs.items() if name == "one_third"}
    placed = place_slabs(anatomy, kept, bone=bone, convention=convention)
    return replace(placed, findings=(*placed.findings, _UNPLACED))


_UNPLACED = QualityFinding(
    "region_not_placed",
    Severity.ERROR,
    "Ultradistal, mid and total region begin at a distance from the ulnar styloid, which lies outside of the "
    "image: they are not measured. The shaft hardly changes along the one-third region, which is. Repeat the "
    "scan with the whole ulna in the field.",
)


def place_slabs(
    anatomy: ForearmAnatomy,
    slabs: Mapping[str, tuple[float, float]],
    *,
    bone: Bone = "radius",
    convention: RoiConvention = "hologic",
) -> PlacedRegions:
    """Place regions whose ends, in mm along the anatomy's frame, are known."""
    findings: list[QualityFinding] = []
    masks: dict[str, NDArray[np.bool_]] = {}
    polygons: dict[str, Polygon] = {}
    bone_mask = anatomy.radius_mask if bone == "radius" else anatomy.ulna_mask
    _, along = anatomy.frame.of_pixels((bone_mask.shape[0], bone_mask.shape[1]))
    for name, slab in slabs.items():
        outline = slab_outline(anatomy, slab, bone)
        if _is_cut_off(outline, anatomy.frame, slab, bone_mask.shape):
            findings.append(_outside_field(name, slab, bone))
            continue
        masks[name] = bone_mask & (along >= slab[0]) & (along < slab[1])
        polygons[name] = as_polygon(outline)
    placed = {name: slabs[name] for name in masks}
    return PlacedRegions(placed, masks, polygons, tuple(findings), bone, convention)


def region_slabs(
    anatomy: ForearmAnatomy, forearm_length_mm: float | None, convention: RoiConvention
) -> dict[str, tuple[float, float]]:
    """Distal and proximal end of every region in mm from the styloid tip, as far as lengths are known."""
    start = ULTRADISTAL_START_MM
    if convention == "lunar":
        column, row = anatomy.end_plate
        start += float(anatomy.frame.to_forearm(np.array([column]), np.array([row]))[1][0])
    end = start + ULTRADISTAL_LENGTH_MM
    slabs = {"ultradistal": (start, end)}
    if forearm_length_mm is not None:
        distal, proximal = one_third_slab(forearm_length_mm, convention)
        slabs |= {"mid": (end, distal), "one_third": (distal, proximal), "total": (start, proximal)}
    return slabs


def one_third_slab(forearm_length_mm: float, convention: RoiConvention = "hologic") -> tuple[float, float]:
    """Start and end (mm from the styloid tip) of the one-third region for an ulnar length."""
    centre = forearm_length_mm * ONE_THIRD_LEVEL[convention]
    return centre - ONE_THIRD_LENGTH_MM / 2, centre + ONE_THIRD_LENGTH_MM / 2


def slab_outline(anatomy: ForearmAnatomy, slab: tuple[float, float], bone: Bone = "radius") -> FloatArray:
    """Outline ``(column, row)`` of a bone between two distances (mm) from the styloid tip."""
    frame = anatomy.frame
    dx, dy = frame.direction
    normal = (dx * frame.spacing_mm[1], dy * frame.spacing_mm[0])
    zero = normal[0] * frame.origin[0] + normal[1] * frame.origin[1]
    outline = clip(np.array(outline_of(anatomy, bone)), normal, zero + slab[0])
    return clip(outline, (-normal[0], -normal[1]), -(zero + slab[1]))


def outline_of(anatomy: ForearmAnatomy, bone: Bone) -> Polygon:
    """Sub-pixel outline of a bone."""
    return anatomy.radius_outline if bone == "radius" else anatomy.ulna_outline


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


def _outside_field(name: str, slab: tuple[float, float], bone: Bone) -> QualityFinding:
    # the ulna is an addition: a study without it is still a sound study of the radius
    severity, of_bone = (Severity.ERROR, "") if bone == "radius" else (Severity.WARNING, " of the ulna")
    return QualityFinding(
        "region_outside_field" if bone == "radius" else "ulna_outside_field",
        severity,
        f"The {name} region{of_bone} ({slab[0]:.0f} to {slab[1]:.0f} mm from the ulnar styloid) is cut off "
        "by the image's border, so it is not measured. Repeat the scan with a "
        f"{'longer' if bone == 'radius' else 'longer or wider'} field of view.",
    )
