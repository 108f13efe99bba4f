"""Finding the scan on a report page: the vendor's rectangle, else the largest grey picture on the paper."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.acquisition.hologic import HologicAnalysis
from analysis.acquisition.pixels import luminance
from analysis.errors import RejectedInput
from analysis.results import QualityFinding, Severity

Rectangle = tuple[int, int, int, int]
"""(row, column, rows, columns) on the page."""

_MINIMUM_SIDE = 64
"""Smallest side of a scan in pixels; logos and table cells are smaller (assumption)."""

_PAPER = 0.8
"""A page whose border is darker than this is a scan alone, without paper around it (assumption)."""


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


def _largest_picture(values: NDArray[Any], uid: str) -> tuple[Rectangle, tuple[QualityFinding, ...]]:
    """Bounding box of the largest connected grey area that is not paper; coloured charts are passed over."""
    grey = luminance(values) / np.float32(255)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if float(np.median(border)) < _PAPER:
        return (0, 0, *grey.shape), ()
    from scipy import ndimage

    spread = values[..., :3].max(axis=2).astype(np.int16) - values[..., :3].min(axis=2)
    picture = (np.abs(grey - np.median(border)) > 0.1) & (spread < 16)
    parts, count = ndimage.label(picture)
    sizes = ndimage.sum_labels(picture, parts, range(1, count + 1))
    for part in np.argsort(-np.asarray(sizes), kind="stable")[:5] + 1:
        box = ndimage.find_objects(parts)[part - 1]
        row, column = box[0].start, box[1].start
        height, width = box[0].stop - row, box[1].stop - column
        if min(height, width) >= _MINIMUM_SIDE and sizes[part - 1] >= 0.5 * height * width:
            return (row, column, height, width), (
                QualityFinding(
                    "scan_rectangle_detected",
                    Severity.INFO,
                    "The report page does not declare where the scan lies; its largest grey picture is "
                    "taken.",
                ),
            )
    raise RejectedInput(
        "scan_not_found",
        f"No scan picture was found on report page {uid}; have the scanner send the scan image or the "
        "analysis text with ImageXPos, ImageYPos, ImageXSize and ImageYSize.",
    )
