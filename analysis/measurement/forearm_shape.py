"""Shape of the forearm's bones in the picture: the radius's end, the ulna's length against it, the bow."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from analysis.measurement.shaft_profile import ShaftImage
from analysis.segmentation.anatomy import FloatArray, ForearmAnatomy

HEAD_REACH_MM = 12.0
"""The ulnar head's surface lies within this distance proximal to the styloid's tip."""
HEAD_PART = (0.45, 0.85)
"""Part of the head's width, from its far side to the radius, where its surface is free of the styloid."""
BOW_STEP_MM = 3.0
BOW_START_MM = 40.0
"""Proximal to the flare of the metaphysis."""
SHORTEST_BOW_MM = 30.0


class Bow(NamedTuple):
    """Largest departure of the shaft's centre line from its chord, mm, positive away from the ulna.

    `level_mm` is its place and `start_mm`, `end_mm` the chord's ends, mm from the ulnar styloid.
    """

    depth_mm: float
    level_mm: float
    start_mm: float
    end_mm: float


def distal_width_and_inclination(anatomy: ForearmAnatomy) -> tuple[float, float]:
    """Width (mm) between the ends of the articular surface, and its inclination (°) against the shaft."""
    (radial_x, radial_y), (ulnar_x, ulnar_y) = anatomy.radial_styloid_mm, anatomy.end_plate_medial_mm
    across, along = abs(radial_x - ulnar_x), ulnar_y - radial_y
    lean = np.arctan(anatomy.radius_axis_slope) * np.sign(radial_x - ulnar_x)
    angle = np.arctan2(along, across) - lean
    return float(np.hypot(across, along) * np.cos(angle)), float(np.degrees(angle))


def ulnar_variance(anatomy: ForearmAnatomy) -> float | None:
    """How far (mm) the ulnar head reaches beyond the ulnar corner of the radius, along the forearm.

    Measured along the forearm axis: positive if the ulna is the longer one. None if no head is
    outlined.
    """
    surface = ulnar_head_surface(anatomy)
    return None if surface is None else anatomy.end_plate_medial_mm[1] - surface


def ulnar_head_surface(anatomy: ForearmAnatomy) -> float | None:
    """Level (mm from the ulnar styloid) of the ulnar head's distal surface beside its styloid."""
    outline = np.array(anatomy.ulna_outline)
    if len(outline) < 3:
        return None
    across, along = anatomy.frame.to_forearm(*_dense(outline).T)
    head = (along > 0) & (along < HEAD_REACH_MM)
    if np.count_nonzero(head) < 3:
        return None
    low, high = across[head].min(), across[head].max()
    place = (across - low) / max(high - low, 1e-9)
    if not anatomy.radius_is_right_of_ulna:
        place = 1.0 - place
    surface = along[
        (place > HEAD_PART[0]) & (place < HEAD_PART[1]) & (along > -3.0) & (along < HEAD_REACH_MM)
    ]
    return float(np.median(surface)) if surface.size else None


def shaft_bow(shaft: ShaftImage, end_mm: float) -> Bow | None:
    """Bow of the radius from `BOW_START_MM` to `end_mm`: of the part that is seen, not of the whole bone."""
    edges = np.arange(BOW_START_MM, end_mm + 1e-6, BOW_STEP_MM)
    if edges.size < 2 or edges[-1] - edges[0] < SHORTEST_BOW_MM:
        return None
    centres = [shaft.centre((low, high)) for low, high in pairwise(edges.tolist())]
    if any(centre is None for centre in centres):
        return None
    level = (edges[1:] + edges[:-1]) / 2
    # a parabola through the centre line: its sagitta does not follow the noise of single levels
    curve = np.polynomial.Polynomial.fit(level, np.array(centres, dtype=float), 3)
    fine = np.linspace(level[0], level[-1], 101)
    chord = np.interp(fine, [level[0], level[-1]], [curve(level[0]), curve(level[-1])])
    departure = curve(fine) - chord
    largest = int(np.abs(departure).argmax())
    return Bow(float(departure[largest]), float(fine[largest]), float(level[0]), float(level[-1]))


def _dense(outline: FloatArray) -> FloatArray:
    """The closed outline with nine points between each two."""
    following = np.roll(outline, -1, axis=0)
    part = np.linspace(0.0, 1.0, 10, endpoint=False)[:, None, None]
    return np.asarray((outline + part * (following - outline)).reshape(-1, 2))
