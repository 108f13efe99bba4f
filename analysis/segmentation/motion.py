"""Did the arm move during the scan? Scan lines are taken one after another, so a jerk shifts all edges
alike."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from analysis.results import QualityFinding, Severity
from analysis.segmentation.anatomy import FloatArray

COURSE_MM = 10.0
"""Smoothing (standard deviation) that leaves the natural course of a bone's edge."""
BORDER_MM = 8.0
"""Ends of the course where the smoothing is not yet reliable."""
NOTICEABLE_MM = 0.2
"""Common shift that no anatomy shows: still simulated forearms stay below 0.1 mm (assumption for real
ones)."""


def sideways_jerk_mm(edges: FloatArray, step: float) -> float:
    """Largest sideways shift that all bone edges share within about a centimetre of forearm.

    Bones bend, widen and narrow, but their four edges never all step to the same side at once.

    Parameters
    ----------
    edges : ndarray, (4, rows)
        Position of both edges of both bones, mm.
    step : float
        Millimetres per row.
    """
    border = round(BORDER_MM / step)
    if edges.shape[1] <= 3 * border:
        return 0.0
    shift = edges - ndimage.gaussian_filter1d(edges, COURSE_MM / step, axis=1, mode="nearest")
    shift = shift[:, border:-border]
    together = np.abs(np.sign(shift).sum(axis=0)) == len(edges)
    return float(np.max(np.where(together, np.abs(shift).min(axis=0), 0.0)))


def motion_findings(jerk_mm: float) -> tuple[QualityFinding, ...]:
    """``motion_suspected`` if the shift is `NOTICEABLE_MM` or more."""
    if jerk_mm < NOTICEABLE_MM:
        return ()
    return (
        QualityFinding(
            "motion_suspected",
            Severity.WARNING,
            f"All bone edges step sideways by {jerk_mm:.1f} mm at once: the arm seems to have moved. "
            f"Repeat the scan "
            "if the outline does not follow the bone.",
        ),
    )
