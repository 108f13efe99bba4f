"""Radius and ulna by their edges: from one hypothesis of how the forearm lies to its anatomy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.errors import RejectedInput
from analysis.results import QualityFinding, Severity
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy, ForearmFrame
from analysis.segmentation.guide import Guide
from analysis.segmentation.landmarks import (
    ARTICULAR,
    FAINT_DROP,
    SILHOUETTE,
    DistalEnd,
    articular_surface,
    distal_end,
    distal_ends,
    expected_end,
    flank,
    soft_tissue_level,
)
from analysis.segmentation.motion import motion_findings, sideways_jerk_mm
from analysis.segmentation.orientation import Lie, likely_lies
from analysis.segmentation.outline import as_polygon, clip_to_image, rasterise
from analysis.segmentation.plausibility import judge
from analysis.segmentation.preprocessing import Prepared
from analysis.segmentation.refinement import refine
from analysis.segmentation.straighten import StraightImage, centred_frame, straighten
from analysis.segmentation.styloid import ulnar_styloid
from analysis.segmentation.tracking import BoneTrack, edge_paths

STEP_MM = 0.3
AXIS_START_MM = 4.0
"""How far proximal to the bones' ends the axis is measured from."""
SHORTEST_AXIS_MM = 30.0
MOTION_START_MM = 12.0
"""How far proximal to the bones' ends their edges are smooth enough to show motion."""
EDGE_STRIDE = 3
"""Rows per point of an outline's long edges: they are smoothed over more than this."""
NARROWEST_END_MM = 4.0
"""No forearm bone ends narrower than this."""
GUIDED_END_MM = 5.0
"""How far from where the network sees it a bone's end may lie."""
GUIDED_SLOPE = 0.35
"""How much a bone's end may slope otherwise than the network sees it (20 degrees)."""
FIELD_MARGIN_MM = 1.5
"""A landmark nearer to the image's border than this may be cut off."""
STYLOID_UNSEEN = QualityFinding(
    "ulnar_styloid_unseen",
    Severity.WARNING,
    "The tip of the ulnar styloid lies outside of the image. Distances are counted from the end plate of the "
    "radius instead, where the tip lies on average; it may lie 5 mm to either side (assumption). Repeat the "
    "scan with the whole ulna in the field.",
)
LEAST_CONFIDENCE = 0.2
SURE = 0.5
"""Confidence at which no other hypothesis of scale or lie is tried."""


def find_by_edges(picture: Prepared) -> ForearmAnatomy:
    """The most plausible anatomy over all hypotheses of how the forearm lies.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` or ``distal_end_not_found``, with the cure.
    """
    fits: list[ForearmAnatomy] = []
    refusals: list[RejectedInput] = []
    for lie in likely_lies(picture.values, picture.spacing_mm):
        try:
            fits.append(trace(picture.values, picture.excluded, picture.spacing_mm, lie))
        except RejectedInput as refusal:
            refusals.append(refusal)
            continue
        if fits[-1].confidence >= SURE:
            break
    best = max(fits, key=lambda fit: fit.confidence, default=None)
    if best is None:
        raise refusals[0]
    require_confidence(best, LEAST_CONFIDENCE)
    return best


def require_confidence(anatomy: ForearmAnatomy, least: float) -> None:
    """Refuse what does not look like a forearm.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` if the anatomy's confidence is below `least`, with the reasons and the cure.
    """
    if anatomy.confidence < least:
        reasons = "; ".join(finding.message for finding in anatomy.findings) or "edges are too faint"
        raise RejectedInput(
            "radius_not_found",
            f"No plausible radius was found ({reasons}). Send a forearm scan that shows both bones and the "
            "wrist, upright within 20 degrees.",
        )


def trace(
    image: FloatArray,
    metal: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    lie: Lie,
    guide: Guide | None = None,
) -> ForearmAnatomy:
    """Anatomy under one hypothesis of how the forearm lies.

    Parameters
    ----------
    image : ndarray, (rows, columns)
        Common scale of greys, 0 to 1, see `analysis.segmentation.preprocessing`.
    metal : ndarray of bool, (rows, columns)
    guide : Guide, optional
        Where the network sees the bones: edges are then sought nearby.

    Raises
    ------
    RejectedInput
        ``radius_not_found`` or ``distal_end_not_found``, with the cure.
    """
    bones = _bones(image, spacing_mm, lie, guide)
    straight = bones.image
    radius = refine(straight, bones.radius, min(_end_rows(bones.radius, bones.radius_end)))
    ulna = refine(straight, bones.ulna, min(_end_rows(bones.ulna, bones.ulna_end)))
    if guide is not None:
        left, right = guide.held_bones(
            straight, *((ulna, radius) if bones.radius_is_right else (radius, ulna))
        )
        radius, ulna = (right, left) if bones.radius_is_right else (left, right)
    rise = articular_surface(straight, radius, bones.radius_end)
    surface = flank(straight, rise, ARTICULAR)
    head = flank(straight, articular_surface(straight, ulna, bones.ulna_end), SILHOUETTE)
    tip = ulnar_styloid(straight, ulna, bones.ulna_end, bones.soft, bones.radius_is_right)
    head_row = float(bones.ulna_end.row)
    outer = ulna.left if bones.radius_is_right else ulna.right
    styloid_seen = _in_field(straight, tip) and _in_field(straight, (float(outer[int(head_row)]), head_row))
    if not styloid_seen:
        tip = (tip[0], float(_surface_middle(surface)[1][0]))
    shape = (image.shape[0], image.shape[1])
    radius_points = clip_to_image(
        _to_image(straight, *_bone_outline(radius, flank(straight, rise, SILHOUETTE))), shape
    )
    ulna_points = clip_to_image(_to_image(straight, *_bone_outline(ulna, head)), shape)
    frame, slope = _forearm_frame(bones, radius, ulna, tip)
    ends = _surface_ends(straight, surface, frame, bones.radius_is_right)
    end_plate = _to_image(straight, *_surface_middle(surface))[0]
    confidence, findings = judge(
        radius_width=radius.width * STEP_MM,
        ulna_width=ulna.width * STEP_MM if styloid_seen else None,
        end_row=int(bones.radius_end.row),
        step=STEP_MM,
        strength=min(radius.strength, ulna.strength),
        drop=min(bones.radius_end.drop, bones.ulna_end.drop),
        end_plate_to_styloid_mm=(float(np.mean(surface[1])) - tip[1]) * STEP_MM,
        tilt_degrees=float(np.rad2deg(np.arctan(frame.direction[0] / frame.direction[1]))),
    )
    return ForearmAnatomy(
        radius_mask=rasterise(radius_points, shape),
        ulna_mask=rasterise(ulna_points, shape),
        metal_mask=metal,
        radius_outline=as_polygon(radius_points),
        ulna_outline=as_polygon(ulna_points),
        hand_up=frame.direction[1] > 0,
        axis_origin=frame.origin,
        axis_direction=frame.direction,
        end_plate=(float(end_plate[0]), float(end_plate[1])),
        ulnar_styloid=frame.origin,
        radius_is_right_of_ulna=bones.radius_is_right,
        radius_axis_slope=slope,
        frame=frame,
        radial_styloid_mm=ends[0],
        end_plate_medial_mm=ends[1],
        confidence=confidence,
        findings=(
            *findings,
            *motion_findings(_jerk_mm(bones, radius, ulna)),
            *(() if styloid_seen else (STYLOID_UNSEEN,)),
        ),
        styloid_seen=styloid_seen,
    )


def shaft_width_mm(image: FloatArray, spacing_mm: tuple[float, float], lie: Lie) -> float:
    """Width of the radius over the most proximal 40 mm that are seen."""
    bones = _bones(image, spacing_mm, lie)
    return float(np.median(bones.radius.width[-round(40 / STEP_MM) :])) * STEP_MM


@dataclass(frozen=True, slots=True, eq=False)
class Bones:
    """Both bones of one straightened image with their distal ends."""

    image: StraightImage
    soft: FloatArray
    radius: BoneTrack
    ulna: BoneTrack
    radius_end: DistalEnd
    ulna_end: DistalEnd
    radius_is_right: bool


def _bones(image: FloatArray, spacing_mm: tuple[float, float], lie: Lie, guide: Guide | None = None) -> Bones:
    """Track both bones and tell them apart: without a guide, the radius is the one that ends broad."""
    frame = centred_frame((image.shape[0], image.shape[1]), spacing_mm, lie.angle)
    straight = straighten(image, frame, STEP_MM)
    expected = None if guide is None else guide.expected_edges(straight)
    paths = edge_paths(straight, expected)
    rough = paths.track(0), paths.track(1)
    soft = soft_tissue_level(straight, *rough)
    if guide is None:
        ends = distal_ends(straight, rough, soft, straight.values.shape[0] - round(35.0 / STEP_MM))
    else:
        ends = _guided_ends(straight, rough, soft, guide)
    left, right = (
        paths.track(side, _end_rows(bone, end))
        for side, (bone, end) in enumerate(zip(rough, ends, strict=True))
    )
    widths = _distal_width(left, ends[0]), _distal_width(right, ends[1])
    narrowest = min(widths) if guide is None else widths[int(guide.radius_is_right)]
    if narrowest < NARROWEST_END_MM / STEP_MM:
        raise RejectedInput(
            "radius_not_found",
            "The edges of a forearm bone run into each other: it is too faint or leaves the image. Repeat "
            "the scan with both bones in the field and without cast or clothing.",
        )
    radius_is_right = widths[1] > widths[0] if guide is None else guide.radius_is_right
    if radius_is_right:
        return Bones(straight, soft, right, left, ends[1], ends[0], True)
    return Bones(straight, soft, left, right, ends[0], ends[1], False)


def _guided_ends(
    straight: StraightImage, bones: tuple[BoneTrack, BoneTrack], soft: FloatArray, guide: Guide
) -> tuple[DistalEnd, DistalEnd]:
    """Distal ends near the network's; the network's own where no joint gap is seen there."""
    maps = (guide.ulna, guide.radius) if guide.radius_is_right else (guide.radius, guide.ulna)
    ends = []
    for bone, probability in zip(bones, maps, strict=True):
        seen = expected_end(straight, guide.straightened(probability, straight), bone.centre)
        cut_off = probability is guide.radius and seen and not _in_field(straight, (seen.column, seen.row))
        if seen is None or cut_off:
            raise RejectedInput(
                "distal_end_not_found",
                "The distal end of a forearm bone is not seen. Repeat the scan so that it starts distal to "
                "the wrist joint.",
            )
        reach = GUIDED_END_MM / straight.step
        rows = max(0, int(seen.row - reach)), min(straight.values.shape[0] - 1, int(seen.row + reach))
        end = distal_end(straight, bone, soft, rows, FAINT_DROP)
        # the ulna's styloid process slants the network's line
        slanted = probability is guide.radius and end and abs(end.slope - seen.slope) > GUIDED_SLOPE
        ends.append(seen if end is None or slanted else end)
    return ends[0], ends[1]


def _end_rows(bone: BoneTrack, end: DistalEnd) -> tuple[int, int]:
    """Rows where the distal line meets the bone's left and right edge."""
    row, last = int(end.row), bone.left.size - 1
    left, right = end.at(float(bone.left[row])), end.at(float(bone.right[row]))
    return int(np.clip(left, 0, last)), int(np.clip(right, 0, last))


def _distal_width(bone: BoneTrack, end: DistalEnd) -> float:
    """Width (columns) of the bone between 4 and 10 mm from its end."""
    row = int(end.row)
    return float(np.median(bone.width[row + round(4.0 / STEP_MM) : row + round(10.0 / STEP_MM)]))


def _bone_outline(bone: BoneTrack, surface: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Closed outline (columns, rows): up the left edge, along the distal surface, down the right edge."""
    columns, rows = surface
    last = bone.left.size
    left = np.arange(last - 1, int(np.ceil(rows[0])), -EDGE_STRIDE)
    right = np.arange(int(np.ceil(rows[-1])) + 1, last, EDGE_STRIDE)
    outline_columns = np.concatenate([bone.left[left], columns, bone.right[right]])
    return outline_columns, np.concatenate([left.astype(float), rows, right.astype(float)])


def _to_image(straight: StraightImage, columns: FloatArray, rows: FloatArray) -> FloatArray:
    """Straightened indices to image points ``(column, row)``, shape (points, 2)."""
    column, row = straight.frame.to_image(straight.across(columns), straight.along(rows))
    return np.stack([column, row], axis=1)


def _surface_middle(surface: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
    columns, rows = surface
    middle = (columns[0] + columns[-1]) / 2
    return np.array([middle]), np.array([np.interp(middle, columns, rows)])


def _forearm_frame(
    bones: Bones, radius: BoneTrack, ulna: BoneTrack, tip: tuple[float, float]
) -> tuple[ForearmFrame, float]:
    """Frame along the forearm with its zero at the ulnar styloid tip, and the radius shaft's slope within it.

    The forearm's axis is the midline between the outer borders of radius and ulna: either bone alone curves,
    and their mean leans to the radial side where the radius flares. Where too little of the ulna is in the
    image, it is the shaft of the radius.
    """
    straight = bones.image
    first = int(max(bones.radius_end.row, bones.ulna_end.row)) + round(AXIS_START_MM / STEP_MM)
    outer = (radius.right, ulna.left) if bones.radius_is_right else (radius.left, ulna.right)
    own = _rows_seen(straight, first, radius.left, radius.right)
    both = _rows_seen(straight, first, *outer)
    shortest = round(SHORTEST_AXIS_MM / STEP_MM)
    if own.size < shortest:
        raise RejectedInput(
            "radius_not_found",
            f"Less than {SHORTEST_AXIS_MM:.0f} mm of the forearm's shafts is in the image, too little to "
            f"find its "
            "axis. Repeat the scan with a longer field of view.",
        )
    shaft = own[own.size // 2 :]
    radius_turn = np.arctan(np.polyfit(shaft, radius.centre[shaft], 1)[0])
    midline = (outer[0] + outer[1]) / 2
    turn = np.arctan(np.polyfit(both, midline[both], 1)[0]) if both.size >= shortest else radius_turn
    dx, dy = straight.frame.direction
    direction = (dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn))
    origin = _to_image(straight, np.array([tip[0]]), np.array([tip[1]]))[0]
    frame = replace(
        straight.frame,
        origin=(float(origin[0]), float(origin[1])),
        direction=(float(direction[0]), float(direction[1])),
    )
    return frame, float(np.tan(radius_turn - turn))


def _jerk_mm(bones: Bones, radius: BoneTrack, ulna: BoneTrack) -> float:
    first = int(max(bones.radius_end.row, bones.ulna_end.row)) + round(MOTION_START_MM / STEP_MM)
    rows = slice(first, _last_seen_row(bones.image, radius, ulna))
    edges = np.stack([radius.left, radius.right, ulna.left, ulna.right])[:, rows]
    return sideways_jerk_mm(edges * STEP_MM, STEP_MM)


def _last_seen_row(straight: StraightImage, radius: BoneTrack, ulna: BoneTrack) -> int:
    """First row, walking proximally, at which an edge of either bone has left the image."""
    rows = _rows_seen(straight, 0, radius.left, radius.right, ulna.left, ulna.right)
    return int(rows[-1]) + 1 if rows.size else 0


def _rows_seen(straight: StraightImage, first: int, *edges: FloatArray) -> NDArray[np.intp]:
    """Rows from `first` in which all `edges` lie within the image."""
    rows = np.arange(first, straight.values.shape[0])
    seen = np.ones(rows.size, np.bool_)
    for edge in edges:
        column = np.clip(np.round(edge[rows]), 0, straight.values.shape[1] - 1).astype(np.intp)
        seen &= straight.valid[rows, column]
    return rows[seen]


def _in_field(straight: StraightImage, tip: tuple[float, float]) -> bool:
    """Whether the surroundings of a point (column, row) lie within the image."""
    margin = round(FIELD_MARGIN_MM / STEP_MM)
    column, row = round(tip[0]), round(tip[1])
    if min(column, row) < margin:
        return False
    around = straight.valid[row - margin : row + margin + 1, column - margin : column + margin + 1]
    return bool(around.size and around.all())


def _surface_ends(
    straight: StraightImage,
    surface: tuple[FloatArray, FloatArray],
    frame: ForearmFrame,
    radius_is_right: bool,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Radial and ulnar end of the articular surface in forearm coordinates (mm)."""
    columns, rows = surface
    radial, ulnar = (-1, 0) if radius_is_right else (0, -1)
    points = _to_image(straight, columns[[radial, ulnar]], rows[[radial, ulnar]])
    across, along = frame.to_forearm(points[:, 0], points[:, 1])
    return (float(across[0]), float(along[0])), (float(across[1]), float(along[1]))
