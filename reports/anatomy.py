"""The analysed forearm on a page: anatomy, outlines with labels beside the bone, side, ends and ruler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analysis.results import ImageEvidence, Polygon, StudyAnalysis
from reports.drawing import line_height, text_width
from reports.language import translatable, translated
from reports.overlay import ColorScale, FloatImage, blended
from reports.page import Anchor, Color, Page, Point
from reports.source import ReportContext

CROP_MARGIN_MM = 8.0
DRAWN_REGIONS = ("ultradistal", "mid", "one_third")
RULER_MM = 10.0

GROUND: Color = (0.0, 0.0, 0.0)
"""Under every radiograph, on the screen and in print."""

MARK: Color = (1.0, 1.0, 1.0)
OUTLINE: Color = (1.0, 0.92, 0.23)
WITHHELD: Color = (0.72, 0.72, 0.72)
"""Outline of a region without a BMD, for example under metal."""

LABELS = {
    "ultradistal": translatable("UD"),
    "mid": translatable("mid"),
    "one_third": translatable("1/3"),
}
"""As `reports.codes.REGION_LABELS`, in the reader's language."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a page."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Overlay:
    """A map over the anatomy, on the source image's grid and in the scale's unit."""

    values: NDArray[np.float32]
    scale: ColorScale


@dataclass(frozen=True, slots=True)
class View:
    """The part of the source image that is shown, and how large.

    Attributes
    ----------
    first, size : (row, column)
        First pixel and extent of the part on the source grid.
    shape : (rows, columns)
        Of the part as drawn, in units of the page.
    pixel_mm : float or None
        Size of a unit of the page on the anatomy; None without calibration.
    sampling : int
        Pixels of the drawn picture per unit of the page.
    """

    first: tuple[int, int]
    size: tuple[int, int]
    shape: tuple[int, int]
    pixel_mm: float | None
    sampling: int = 1

    def resampled(self, image: NDArray[np.float32]) -> FloatImage:
        """Cut the part out of an image on the source grid and bring it to the drawn size."""
        (row, column), (rows, columns) = self.first, self.size
        part = Image.fromarray(np.ascontiguousarray(image[row : row + rows, column : column + columns]))
        shape = (self.shape[1] * self.sampling, self.shape[0] * self.sampling)
        return np.asarray(part.resize(shape, Image.Resampling.BILINEAR), dtype=np.float64)

    def on_page(self, polygon: Polygon, corner: Point) -> list[Point]:
        """Return source points as page points."""
        scale_x, scale_y = self.shape[1] / self.size[1], self.shape[0] / self.size[0]
        return [
            (corner[0] + (x - self.first[1]) * scale_x, corner[1] + (y - self.first[0]) * scale_y)
            for x, y in polygon
        ]


def draw_forearm(
    page: Page, box: Box, context: ReportContext, *, overlay: Overlay | None = None, labelled: bool = True
) -> float | None:
    """Draw the forearm into a box, in the orientation of the source image and with square pixels.

    Parameters
    ----------
    page : Page
    box : Box
        In whole units, so that a picture's pixels fall on those of the page.
    context : ReportContext
    overlay : Overlay, optional
        Drawn on the radius only.
    labelled : bool
        Name the regions.

    Returns
    -------
    float or None
        Size of a unit of the page on the anatomy in mm; None without calibration.
    """
    evidence = context.pixels
    size = page.theme.size
    left, right = _margins(context, size)
    room = (box.height - 2.7 * size, box.width - left - right)
    view = view_of(context.analysis, evidence, room, sampling=page.sampling)
    corner = (
        float(round(box.x + left + (room[1] - view.shape[1]) / 2)),
        float(round(box.y + (box.height - view.shape[0]) / 2)),
    )
    grey = np.clip(view.resampled(evidence.display), 0.0, 1.0)
    pixels: FloatImage = grey
    if overlay is not None:
        inside = view.resampled(evidence.radius_mask.astype(np.float32))
        pixels = blended(grey, view.resampled(overlay.values), inside, overlay.scale)
    page.rectangle(box.x, box.y, box.width, box.height, fill=GROUND)
    page.image(pixels, *corner, float(view.shape[1]), float(view.shape[0]))
    _draw_regions(page, context, view, corner, labelled=labelled)
    _draw_marks(page, box, context, view, corner)
    return view.pixel_mm


def view_of(
    analysis: StudyAnalysis, evidence: ImageEvidence, room: tuple[float, float], *, sampling: int = 1
) -> View:
    """Choose the part of the scan that holds both bones within a margin, and draw it as large as `room`.

    Parameters
    ----------
    room : (height, width)
        In units of the page.
    """
    spacing = analysis.pixel_spacing_mm or (1.0, 1.0)
    known = analysis.pixel_spacing_mm is not None
    rows, columns = evidence.display.shape
    margin = CROP_MARGIN_MM / np.array(spacing) if known else np.array([rows, columns]) / 20
    bone_first, bone_last = _extent(evidence.radius_mask | evidence.ulna_mask)
    scan_first, scan_last = _extent(evidence.display > 0)  # a report page is empty around the scan
    first = np.maximum(bone_first - np.ceil(margin).astype(int), np.minimum(scan_first, bone_first))
    last = np.minimum(bone_last + np.ceil(margin).astype(int), np.maximum(scan_last, bone_last))
    extent = last - first
    zoom = min(room[0] / (extent[0] * spacing[0]), room[1] / (extent[1] * spacing[1]))
    shape = (round(extent[0] * spacing[0] * zoom), round(extent[1] * spacing[1] * zoom))
    return View(
        (int(first[0]), int(first[1])),
        (int(extent[0]), int(extent[1])),
        shape,
        float(1.0 / zoom) if known else None,
        sampling,
    )


def _margins(context: ReportContext, size: float) -> tuple[float, float]:
    """Columns kept free left and right of the anatomy: for ruler and side, and for the regions' labels."""
    names = [translated(LABELS[region], context.language) for region in DRAWN_REGIONS]
    labels = max(text_width(name, size, bold=True) for name in names) + 0.9 * size
    ruler = 2.2 * size
    return (ruler, labels) if _labels_right(context.pixels) else (max(ruler, labels), 0.6 * size)


def _labels_right(evidence: ImageEvidence) -> bool:
    """Whether the side away from the ulna is the right one."""
    return _mean_column(evidence.radius_mask) >= _mean_column(evidence.ulna_mask)


def _extent(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """First and one past the last (row, column) of what is set; the whole grid if nothing is."""
    where = np.argwhere(mask)
    if not where.size:
        return np.zeros(2, dtype=int), np.array(mask.shape)
    return where.min(axis=0), where.max(axis=0) + 1


def _draw_regions(page: Page, context: ReportContext, view: View, corner: Point, *, labelled: bool) -> None:
    """Outline the regions with a dark halo and label them beside the anatomy, away from the ulna."""
    evidence, size = context.pixels, page.theme.size
    to_the_right = _labels_right(evidence)
    stroke = size / 12
    for region in DRAWN_REGIONS:
        measured = context.analysis.regions.get(region)
        if measured is None or not measured.polygon:
            continue
        points = view.on_page(measured.polygon, corner)
        closed = [*points, points[0]]
        page.line(closed, GROUND, 2.4 * stroke)
        color = OUTLINE if measured.bmd_g_cm2 is not None else WITHHELD
        page.line(closed, color, stroke)
        if not labelled:
            continue
        y = sum(point[1] for point in points) / len(points)
        edge = (max if to_the_right else min)(_crossings(closed, y))
        label = translated(LABELS[region], context.language)
        outside = corner[0] + view.shape[1] if to_the_right else corner[0]
        x = outside + 0.25 * size if to_the_right else outside - 0.25 * size
        page.line([(edge, y), (x, y)], GROUND, 2 * stroke)
        page.line([(edge, y), (x, y)], MARK, stroke / 2)
        start = x + 0.2 * size if to_the_right else x - 0.2 * size
        anchor: Anchor = "left" if to_the_right else "right"
        top = y - 0.62 * line_height(size)
        page.text(start, top, label, bold=True, color=color, anchor=anchor, halo=GROUND)


def _crossings(closed: Sequence[Point], y: float) -> list[float]:
    """Columns at which a closed outline crosses row `y`."""
    return [
        x0 + (y - y0) / (y1 - y0) * (x1 - x0)
        for (x0, y0), (x1, y1) in pairwise(closed)
        if min(y0, y1) <= y <= max(y0, y1) and y0 != y1
    ]


def _mean_column(mask: NDArray[np.bool_]) -> float:
    columns = np.nonzero(mask)[1]
    return float(columns.mean()) if columns.size else 0.0


def _draw_marks(page: Page, box: Box, context: ReportContext, view: View, corner: Point) -> None:
    """Side, ends and ruler, outside the anatomy where there is room."""
    size, language = page.theme.size, context.language
    left, bottom = box.x + 0.3 * size, corner[1] + view.shape[0]
    centre = corner[0] + view.shape[1] / 2
    side = context.analysis.laterality
    side_text = side.value if side else translated("side unknown", language)
    side_size = 1.7 * size if side else size
    page.text(left, box.y, side_text, size=side_size, bold=True, color=MARK, halo=GROUND)
    scale_text = f"{RULER_MM:.0f} mm" if view.pixel_mm else translated("no calibration", language)
    page.text(left, bottom + 0.05 * size, scale_text, color=MARK, halo=GROUND)
    ends = (translated("distal", language), translated("proximal", language))
    upper, lower = ends if context.pixels.hand_up else ends[::-1]
    occupied = (text_width(side_text, side_size, bold=True), text_width(scale_text, size))
    tops = (corner[1] - line_height(size), bottom + 0.05 * size)
    for end, width, top in zip((upper, lower), occupied, tops, strict=True):
        at = max(centre, left + width + 0.6 * size + text_width(end, size) / 2)
        page.text(at, top, end, color=MARK, anchor="middle", halo=GROUND)
    if view.pixel_mm is not None:
        _draw_ruler(page, left + 0.5 * size, bottom, RULER_MM / view.pixel_mm)


def _draw_ruler(page: Page, x: float, bottom: float, length: float) -> None:
    """A bar with end marks, white on a dark halo."""
    size = page.theme.size
    for color, width in ((GROUND, 0.26 * size), (MARK, 0.11 * size)):
        page.line([(x, bottom), (x, bottom - length)], color, width)
        for y in (bottom, bottom - length):
            page.line([(x - 0.3 * size, y), (x + 0.3 * size, y)], color, width)
