"""Finding the scan on a report page: the vendor's rectangle, else the largest grey picture on the paper."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.acquisition.hologic_text import HologicAnalysis
from analysis.acquisition.pixels import luminance
from analysis.errors import RejectedInput
from analysis.results import QualityFinding, Severity

Rectangle = tuple[int, int, int, int]
"""(row, column, rows, columns) on the page."""

_MINIMUM_SIDE = 64
"""Smallest side of a scan in pixels; logos and table cells are smaller (assumption)."""

_PAPER = 0.8
"""A page whose border is darker than this has no white paper: a dark page, or a scan alone (assumption)."""

_DARK_GAP = 0.015
"""Parts of a dark page closer than this fraction of its longer side belong together (assumption)."""

_DARK_SCAN = 0.8
"""A scan alone may fill more of the image than this; what lies beside it is then no page (assumption)."""

_FRAME = 0.05
"""A drawn frame is at most this fraction of the scan's side wide (assumption)."""


def scan_rectangle(
    values: NDArray[Any], analysis: HologicAnalysis | None, uid: str
) -> tuple[Rectangle, tuple[QualityFinding, ...]]:
    """Where the scan lies in an image that may be a report page.

    Parameters
    ----------
    values : ndarray of uint8, (rows, columns) or (rows, columns, 3)
        Decoded page.
    analysis : HologicAnalysis or None
        Its declared rectangle wins.
    uid : str
        SOP Instance UID, for messages.

    Raises
    ------
    RejectedInput
        ``scan_not_found`` if a page shows no picture, ``scan_outside_page`` if the declared rectangle leaves
        it.
    """
    rows, columns = values.shape[:2]
    declared = analysis.scan_rectangle if analysis is not None else None
    if declared is not None:
        if declared[0] + declared[2] > rows or declared[1] + declared[3] > columns:
            raise RejectedInput(
                "scan_outside_page",
                f"The analysis text of image {uid} puts the scan at row {declared[0]}, column {declared[1]}, "
                f"{declared[2]} × {declared[3]} pixels, outside its {rows} × {columns} page; export the "
                "page unscaled.",
            )
        return declared, ()
    if values.ndim == 2:
        return (0, 0, rows, columns), ()
    return _largest_picture(values, uid)


def without_frame(scan: NDArray[np.float32], rectangle: Rectangle) -> Rectangle:
    """`rectangle` less the bright lines of a frame drawn around the scan, or of paper at its edge.

    A line of pixels along the edge is a frame if nearly all of it is as bright as the scan's brightest parts:
    two bones never fill a whole line.

    Parameters
    ----------
    scan : ndarray of float, (rows, columns)
        The whole image, dense bone bright.
    """
    row, column, rows, columns = rectangle
    inside = scan[row : row + rows, column : column + columns]
    bright = 0.97 * float(np.percentile(inside, 98.0))
    if bright <= float(np.median(inside)):
        return rectangle
    top, bottom = _frame_lines(inside, bright), _frame_lines(inside[::-1], bright)
    left, right = _frame_lines(inside.T, bright), _frame_lines(inside.T[::-1], bright)
    return row + top, column + left, rows - top - bottom, columns - left - right


def _frame_lines(scan: NDArray[np.float32], bright: float) -> int:
    """How many of the first lines belong to a frame, which ends abruptly."""
    widest = round(_FRAME * len(scan))
    if widest == 0:
        return 0
    filled = np.percentile(scan[: widest + 2], 5.0, axis=1) >= bright
    lines = int(np.cumprod(filled).sum())
    ends = lines <= widest and float(np.median(scan[lines + 1])) < 0.8 * bright
    return lines if ends else 0


def _largest_picture(values: NDArray[Any], uid: str) -> tuple[Rectangle, tuple[QualityFinding, ...]]:
    """Bounding box of the largest connected grey area that is not paper; coloured charts are passed over."""
    grey = luminance(values) / np.float32(255)
    border = float(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))
    colourless = np.ptp(values[..., :3].astype(np.int16), axis=2) < 16
    if border < _PAPER:
        found = _picture_on_dark_page(colourless & (np.abs(grey - border) > 0.02))
        return (found, (_detected(),)) if found else ((0, 0, *grey.shape), ())
    from scipy import ndimage

    parts, count = ndimage.label(colourless & (np.abs(grey - border) > 0.1))
    sizes = ndimage.sum_labels(parts > 0, parts, range(1, count + 1))
    for part in np.argsort(-np.asarray(sizes), kind="stable")[:5] + 1:
        box = ndimage.find_objects(parts)[part - 1]
        row, column = box[0].start, box[1].start
        height, width = box[0].stop - row, box[1].stop - column
        if min(height, width) >= _MINIMUM_SIDE and sizes[part - 1] >= 0.5 * height * width:
            return (row, column, height, width), (_detected(),)
    raise RejectedInput(
        "scan_not_found",
        f"No scan picture was found on report page {uid}; have the scanner send the scan image or the "
        "analysis text with ImageXPos, ImageYPos, ImageXSize and ImageYSize.",
    )


def _picture_on_dark_page(drawn: NDArray[np.bool_]) -> Rectangle | None:
    """Where the largest group of drawn pixels lies; ``None`` if the image is no page but a scan alone.

    The air around an arm is as dark as the page, so the scan's own border may not be seen: the group is given
    a margin to either side, but none at the ends, where the border cuts through the bones.
    """
    from scipy import ndimage

    rows, columns = drawn.shape
    gap = max(2, round(_DARK_GAP * max(drawn.shape)))
    parts, count = ndimage.label(ndimage.maximum_filter(drawn, size=gap))
    if count < 2:
        return None
    parts = np.where(drawn, parts, 0)
    sizes = np.asarray(ndimage.sum_labels(drawn, parts, range(1, count + 1)))
    box = ndimage.find_objects(parts)[int(sizes.argmax())]
    row, height = box[0].start, box[0].stop - box[0].start
    left, right = max(0, box[1].start - gap), min(columns, box[1].stop + gap)
    if min(height, right - left) < _MINIMUM_SIDE or height > _DARK_SCAN * rows:
        return None
    return row, left, height, right - left


def _detected() -> QualityFinding:
    return QualityFinding(
        "scan_rectangle_detected",
        Severity.INFO,
        "The report page does not declare where the scan lies; its largest grey picture is taken.",
    )
