"""What segmentation says about one forearm image, and the forearm's own coordinate frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.results import Polygon, QualityFinding, SegmentationQuality

Point = tuple[float, float]
"""``(column, row)`` on the image grid; the centre of the top-left pixel is ``(0.5, 0.5)``."""

FloatArray = NDArray[np.float64]

SPOILT_SHARE = 0.05
"""Share of a region under an artefact from which its numbers are withheld (assumption)."""


@dataclass(frozen=True, slots=True)
class ForearmFrame:
    """Millimetre coordinates that lie along the forearm, whatever way the arm lies in the image.

    ``along`` grows from the fingers to the elbow, ``across`` grows to the right in the hand-up view. The
    frame is a rotation of the image, never a mirror, so left stays left.

    Attributes
    ----------
    origin : Point
        Image point where ``across`` and ``along`` are zero.
    direction : (float, float)
        Unit vector (column, row) in millimetre space that points proximally.
    spacing_mm : (float, float)
        Row and column spacing of the image in mm.
    """

    origin: Point
    direction: tuple[float, float]
    spacing_mm: tuple[float, float]

    def to_image(self, across: FloatArray, along: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Map forearm coordinates (mm) to image ``(column, row)``."""
        dx, dy = self.direction
        column = self.origin[0] + (across * dy + along * dx) / self.spacing_mm[1]
        row = self.origin[1] + (-across * dx + along * dy) / self.spacing_mm[0]
        return column, row

    def to_forearm(self, column: FloatArray, row: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Map image ``(column, row)`` to forearm coordinates ``(across, along)`` in mm."""
        dx, dy = self.direction
        x = (column - self.origin[0]) * self.spacing_mm[1]
        y = (row - self.origin[1]) * self.spacing_mm[0]
        return x * dy - y * dx, x * dx + y * dy

    def of_pixels(self, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        """Forearm coordinates ``(across, along)`` in mm of every pixel centre of an image."""
        rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
        return self.to_forearm(columns + 0.5, rows + 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class ForearmAnatomy:
    """Radius, ulna and landmarks of one forearm image.

    Attributes
    ----------
    radius_mask, ulna_mask : ndarray of bool, (rows, columns)
        Bone from its distal end to the proximal border of the image.
    metal_mask : ndarray of bool, (rows, columns)
        Pixels that are metal or blurred by it.
    radius_outline, ulna_outline : Polygon
        Sub-pixel contours behind the masks.
    hand_up : bool
        True if the distal end points to the top of the image.
    axis_origin : Point
        The point of the forearm axis at the level of the ulnar styloid tip.
    axis_direction : (float, float)
        Unit vector (column, row) along the forearm axis, in millimetre space, pointing proximally.
    end_plate : Point
        Middle of the distal articular surface of the radius.
    ulnar_styloid : Point
        Tip of the ulnar styloid process.
    radius_is_right_of_ulna : bool
        In the hand-up view.
    radius_axis_slope : float
        Millimetres that the radius's shaft centre moves across per millimetre along the axis.
    frame : ForearmFrame
        Forearm coordinates with ``along`` = 0 at the ulnar styloid tip.
    radial_styloid_mm, end_plate_medial_mm : (float, float)
        Ends of the articular surface in forearm coordinates ``(across, along)``.
    confidence : float
        0–1, from edge strength and anatomical plausibility.
    findings : tuple of QualityFinding
    quality : SegmentationQuality or None
        How the outlines were found and how far they can be trusted; None before that is judged.
    uncertainty : ndarray of float32, (rows, columns), or None
        0–1 per pixel: spread of the radius's probability over several views; None without a network.
    artefact_mask : ndarray of bool, (rows, columns), or None
        Pixels that something beside metal lies over (jewellery, a cast, another limb), as the network sees
        it; None without a network.
    styloid_seen : bool
        False where the tip of the ulnar styloid lies outside of the image: `ulnar_styloid` is then placed at
        its usual distance from the radius's end plate.
    """

    radius_mask: NDArray[np.bool_]
    ulna_mask: NDArray[np.bool_]
    metal_mask: NDArray[np.bool_]
    radius_outline: Polygon
    ulna_outline: Polygon
    hand_up: bool
    axis_origin: Point
    axis_direction: tuple[float, float]
    end_plate: Point
    ulnar_styloid: Point
    radius_is_right_of_ulna: bool
    radius_axis_slope: float
    frame: ForearmFrame
    radial_styloid_mm: tuple[float, float]
    end_plate_medial_mm: tuple[float, float]
    confidence: float
    findings: tuple[QualityFinding, ...] = ()
    quality: SegmentationQuality | None = None
    uncertainty: NDArray[np.float32] | None = None
    artefact_mask: NDArray[np.bool_] | None = None
    styloid_seen: bool = True

    def spoils(self, region: NDArray[np.bool_]) -> bool:
        """Whether metal touches a region, or anything else lies over more than `SPOILT_SHARE` of it."""
        if (region & self.metal_mask).any():
            return True
        if self.artefact_mask is None or not region.any():
            return False
        return bool(self.artefact_mask[region].mean() > SPOILT_SHARE)
