"""Outlines as DICOM wants them: closed polylines of enough points, with identifiers that never change."""

from __future__ import annotations

import math

import numpy as np
from highdicom.sr import TrackingIdentifier
from numpy.typing import NDArray

from analysis.errors import AnalysisError
from analysis.results import Polygon
from reports.identity import MANUFACTURER_MODEL_NAME, ResultKind
from reports.source import ReportContext

MINIMUM_POINTS = 6
"""Points of a closed outline, the repeated first one included. OHIF takes a polyline of 4 or 5 for a
rectangle, offers to "track" it and then replaces the measured numbers by its own pixel statistics."""


def closed_polyline(polygon: Polygon) -> NDArray[np.float64]:
    """Close an outline and divide its longest edges until it has at least `MINIMUM_POINTS` points.

    Parameters
    ----------
    polygon : Polygon
        (column, row) points, the first not repeated; at least three.

    Returns
    -------
    ndarray of float64, (points, 2)
        The same outline, first point repeated at the end.

    Raises
    ------
    AnalysisError
        The outline has fewer than three points.
    """
    if len(polygon) < 3:
        raise AnalysisError(
            f"an outline of {len(polygon)} points encloses nothing: a region that could not be placed has "
            "no polygon, and an analysed radius has an outline; report this defect of the engine"
        )
    points = [tuple(map(float, point)) for point in polygon]
    while len(points) + 1 < MINIMUM_POINTS:
        lengths = [math.dist(point, points[(i + 1) % len(points)]) for i, point in enumerate(points)]
        longest = lengths.index(max(lengths))
        start, end = points[longest], points[(longest + 1) % len(points)]
        points.insert(longest + 1, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    return np.array([*points, points[0]], dtype=np.float64)


def tracking_text(name: str) -> str:
    """Return the Tracking Identifier of an outline, for people."""
    return f"{name} ({MANUFACTURER_MODEL_NAME})"


def tracking_uid(name: str, context: ReportContext) -> str:
    """Return the Tracking Unique Identifier of an outline, the same in every result that shows it."""
    return context.uid(f"tracking:{name}", ResultKind.MEASUREMENTS)


def tracking_identifier(name: str, context: ReportContext) -> TrackingIdentifier:
    """Return both as highdicom's classes take them."""
    return TrackingIdentifier(uid=tracking_uid(name, context), identifier=tracking_text(name))
