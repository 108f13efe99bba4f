"""The heat map: where on the bone the model found its reasons, beside the plain anatomy.

Left the anatomy as analysed with the regions, right the same with the map. Orientation is that of the source
image; pixels are made square.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom import Dataset

from analysis.results import ImageEvidence, Polygon, StudyAnalysis
from reports.codes import REGION_LABELS
from reports.drawing import AMBER, BLACK, GREY, WHITE, draw_paragraph, draw_text, font, line_height, wrapped
from reports.identity import MANUFACTURER_MODEL_NAME, RESEARCH_STATEMENT, ResultKind
from reports.overlay import MAXIMUM_OPACITY, ColorScale, blended, map_of
from reports.secondary_capture import secondary_capture
from reports.sentences import HEAT_MAP_STATEMENT
from reports.source import ReportContext, source_image_name

WIDTH = 1600
TOP, BOTTOM = 130, 1090
"""Rows between which the pictures lie."""
PANELS = ((20, 600), (620, 1200))
"""Columns of the left and the right picture."""
LEGEND_LEFT = 1240
CROP_MARGIN_MM = 8.0
LABEL_MARGIN = 66
"""Columns kept free beside the anatomy for the regions' labels."""
END_MARGIN = 38
"""Rows kept free above and below the anatomy to say which end is which."""
OUTLINE, LEADER = (255, 235, 59), (255, 255, 255)
DRAWN_REGIONS = ("ultradistal", "mid", "one_third")
RULER_MM = 10.0
NOTE_SIZE = 22

FloatImage = NDArray[np.float64]


def heat_map(context: ReportContext) -> Dataset:
    """Draw the heat map of one analysis as an RGB Secondary Capture.

    Where no risk was computed a density map takes its place, and where the image is not calibrated the plain
    anatomy: the picture says which.
    """
    picture, pixel_mm = draw_heat_map(context)
    return secondary_capture(
        picture,
        context,
        ResultKind.DRIVER_MAP,
        derivation=_title(context.pixels),
        pixel_spacing_mm=pixel_mm,
        shows_identity=False,
    )


def draw_heat_map(context: ReportContext) -> tuple[Image.Image, float | None]:
    """Draw the page; return it with the size of its (square) pixels on the anatomy in mm, if known."""
    analysis, evidence = context.analysis, context.pixels
    note = evidence.driver_note if evidence.driver_map is not None else ""
    note_lines = len(wrapped(note, font(NOTE_SIZE), WIDTH - 40))
    height = BOTTOM + 90 + note_lines * line_height(font(NOTE_SIZE))
    page = Image.new("RGB", (WIDTH, height), BLACK)
    draw = ImageDraw.Draw(page)
    overlay = map_of(evidence)
    view = _view(analysis, evidence)
    for number, (left, right) in enumerate(PANELS):
        picture = view.anatomy(evidence)
        if number == 1 and overlay is not None:
            values, scale = overlay
            inside = view.resampled(evidence.radius_mask.astype(np.float32))
            rgb = blended(picture, view.resampled(values), inside, scale)
        else:
            rgb = np.repeat(picture[..., np.newaxis], 3, axis=2)
        corner = ((left + right - rgb.shape[1]) // 2, (TOP + BOTTOM - rgb.shape[0]) // 2)
        page.paste(Image.fromarray(np.round(255.0 * rgb).astype(np.uint8)), corner)
        _draw_regions(draw, context, view, corner, labelled=number == 0)
        _draw_marks(draw, context, view, (left, right), corner)
    captions = ("Anatomy as analysed, with regions", _title(evidence))
    for (left, _), caption in zip(PANELS, captions, strict=True):
        draw_text(draw, (left, TOP - 38), caption, font(24), GREY)
    _draw_header(draw, context)
    if overlay is not None:
        _draw_legend(page, overlay[1])
    if evidence.driver_map is not None:
        y = draw_paragraph(draw, (20, BOTTOM + 24), HEAT_MAP_STATEMENT, font(26, bold=True), width=WIDTH - 40)
        draw_paragraph(draw, (20, y), note, font(NOTE_SIZE), width=WIDTH - 40, color=GREY)
    return page, view.pixel_mm


@dataclass(frozen=True, slots=True)
class View:
    """The part of the source image that is shown, and how large.

    Attributes
    ----------
    first, size : (row, column)
        First pixel and extent of the part on the source grid.
    shape : (rows, columns)
        Of the part as drawn.
    pixel_mm : float or None
        Size of a drawn pixel; None without calibration.
    """

    first: tuple[int, int]
    size: tuple[int, int]
    shape: tuple[int, int]
    pixel_mm: float | None

    def resampled(self, image: NDArray[np.float32]) -> FloatImage:
        """Cut the part out of an image on the source grid and bring it to the drawn size."""
        (row, column), (rows, columns) = self.first, self.size
        part = Image.fromarray(np.ascontiguousarray(image[row : row + rows, column : column + columns]))
        resized = part.resize((self.shape[1], self.shape[0]), Image.Resampling.BILINEAR)
        return np.asarray(resized, dtype=np.float64)

    def anatomy(self, evidence: ImageEvidence) -> FloatImage:
        """Return the anatomy in grey, 0-1."""
        return np.clip(self.resampled(evidence.display), 0.0, 1.0)

    def on_page(self, polygon: Polygon, corner: tuple[int, int]) -> list[tuple[float, float]]:
        """Return source points as page points."""
        scale_x, scale_y = self.shape[1] / self.size[1], self.shape[0] / self.size[0]
        return [
            (corner[0] + (x - self.first[1]) * scale_x, corner[1] + (y - self.first[0]) * scale_y)
            for x, y in polygon
        ]


def _view(analysis: StudyAnalysis, evidence: ImageEvidence) -> View:
    """Choose the part of the scan that holds both bones within a margin, and how large it is drawn."""
    spacing = analysis.pixel_spacing_mm or (1.0, 1.0)
    known = analysis.pixel_spacing_mm is not None
    rows, columns = evidence.display.shape
    margin = CROP_MARGIN_MM / np.array(spacing) if known else np.array([rows, columns]) / 20
    bone_first, bone_last = _extent(evidence.radius_mask | evidence.ulna_mask)
    scan_first, scan_last = _extent(evidence.display > 0)  # a report page is empty around the scan
    first = np.maximum(bone_first - np.ceil(margin).astype(int), np.minimum(scan_first, bone_first))
    last = np.minimum(bone_last + np.ceil(margin).astype(int), np.maximum(scan_last, bone_last))
    size = last - first
    room = (BOTTOM - TOP - 2 * END_MARGIN, PANELS[0][1] - PANELS[0][0] - 2 * LABEL_MARGIN)
    zoom = min(room[0] / (size[0] * spacing[0]), room[1] / (size[1] * spacing[1]))
    shape = (round(size[0] * spacing[0] * zoom), round(size[1] * spacing[1] * zoom))
    pixel_mm = float(1.0 / zoom) if known else None
    return View((int(first[0]), int(first[1])), (int(size[0]), int(size[1])), shape, pixel_mm)


def _extent(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """First and one past the last (row, column) of what is set; the whole grid if nothing is."""
    where = np.argwhere(mask)
    if not where.size:
        return np.zeros(2, dtype=int), np.array(mask.shape)
    return where.min(axis=0), where.max(axis=0) + 1


def _draw_regions(
    draw: ImageDraw.ImageDraw, context: ReportContext, view: View, corner: tuple[int, int], *, labelled: bool
) -> None:
    """Outline the regions with a dark halo and label them beside the anatomy, away from the ulna.

    A region without a BMD, for example under metal, is grey.
    """
    evidence = context.pixels
    to_the_right = _radius_column(evidence.radius_mask) >= _radius_column(evidence.ulna_mask)
    for region in DRAWN_REGIONS:
        measured = context.analysis.regions.get(region)
        if measured is None or not measured.polygon:
            continue
        points = view.on_page(measured.polygon, corner)
        closed = [*points, points[0]]
        draw.line(closed, BLACK, 5, joint="curve")
        color = OUTLINE if measured.bmd_g_cm2 is not None else GREY
        draw.line(closed, color, 2, joint="curve")
        if labelled:
            y = sum(point[1] for point in points) / len(points)
            edge = (max if to_the_right else min)(_crossings(closed, y))
            x = corner[0] + view.shape[1] + 8 if to_the_right else corner[0] - 8
            draw.line([(edge, y), (x, y)], BLACK, 4)
            draw.line([(edge, y), (x, y)], LEADER, 1)
            anchor = "lm" if to_the_right else "rm"
            label = REGION_LABELS[region]
            draw_text(draw, (x, y), label, font(24, bold=True), color, anchor=anchor, halo=3)


def _crossings(closed: list[tuple[float, float]], y: float) -> list[float]:
    """Columns at which a closed outline crosses row `y`."""
    return [
        x0 + (y - y0) / (y1 - y0) * (x1 - x0)
        for (x0, y0), (x1, y1) in pairwise(closed)
        if min(y0, y1) <= y <= max(y0, y1) and y0 != y1
    ]


def _radius_column(mask: NDArray[np.bool_]) -> float:
    columns = np.nonzero(mask)[1]
    return float(columns.mean()) if columns.size else 0.0


def _draw_marks(
    draw: ImageDraw.ImageDraw,
    context: ReportContext,
    view: View,
    panel: tuple[int, int],
    corner: tuple[int, int],
) -> None:
    """Side, ends and ruler, outside the anatomy where there is room."""
    side = context.analysis.laterality
    if side is not None:
        draw_text(draw, (panel[0] + 4, TOP + 2), side.value, font(44, bold=True), WHITE, halo=4)
    else:
        draw_text(draw, (panel[0] + 4, TOP + 2), "side unknown", font(24, bold=True), WHITE, halo=4)
    centre = corner[0] + view.shape[1] / 2
    ends = ("distal", "proximal") if context.pixels.hand_up else ("proximal", "distal")
    for y, end, anchor in ((corner[1] - 6, ends[0], "md"), (corner[1] + view.shape[0] + 6, ends[1], "ma")):
        draw_text(draw, (centre, y), end, font(24), WHITE, anchor=anchor, halo=3)
    if view.pixel_mm is None:
        draw_text(draw, (panel[0] + 4, BOTTOM - 4), "no calibration", font(24), WHITE, anchor="ld", halo=3)
        return
    length = RULER_MM / view.pixel_mm
    x, y = panel[0] + 16, corner[1] + view.shape[0]
    for color, width in ((BLACK, 7), (WHITE, 3)):
        draw.line([(x, y), (x, y - length)], color, width)
        for end_y in (y, y - length):
            draw.line([(x - 7, end_y), (x + 7, end_y)], color, width)
    label = f"{RULER_MM:.0f} mm"
    draw_text(draw, (panel[0] + 4, y + 8), label, font(24), WHITE, anchor="la", halo=3)


def _draw_header(draw: ImageDraw.ImageDraw, context: ReportContext) -> None:
    draw_text(draw, (20, 14), RESEARCH_STATEMENT, font(32, bold=True), AMBER)
    header = context.header
    product = f"{MANUFACTURER_MODEL_NAME} {context.analysis.engine_version}"
    origin = f"source: {source_image_name(header)}"
    draw_text(draw, (WIDTH - 20, 14), product, font(24), GREY, anchor="ra")
    draw_text(draw, (WIDTH - 20, 48), origin, font(NOTE_SIZE), GREY, anchor="ra")


def _title(evidence: ImageEvidence) -> str:
    if evidence.driver_map is not None:
        return "What influenced the risk model"
    if evidence.density_g_cm2 is not None:
        return "Density map (no risk computed)"
    return "No map: no risk, no density"


def _draw_legend(page: Image.Image, scale: ColorScale) -> None:
    """The colour bar as the colours appear on bone of medium grey, with its fixed limits."""
    draw = ImageDraw.Draw(page)
    room = WIDTH - LEGEND_LEFT - 16
    y = draw_paragraph(draw, (LEGEND_LEFT, TOP), scale.title, font(26, bold=True), width=room)
    y = draw_paragraph(draw, (LEGEND_LEFT, y), scale.unit, font(24), width=room, color=GREY)
    top, height, width = round(y) + 64, 420, 54
    values = np.linspace(scale.high, scale.low, height)[:, np.newaxis].repeat(width, axis=1)
    bone = np.full(values.shape, 0.6)
    bar = blended(bone, values, np.ones_like(bone), scale)
    page.paste(Image.fromarray(np.round(255.0 * bar).astype(np.uint8)), (LEGEND_LEFT, top))
    draw.rectangle([LEGEND_LEFT, top, LEGEND_LEFT + width, top + height], outline=WHITE)
    for tick in scale.ticks:
        at = top + height * (scale.high - tick) / (scale.high - scale.low)
        draw.line([(LEGEND_LEFT + width, at), (LEGEND_LEFT + width + 10, at)], WHITE, 2)
        sign = "+" if scale.low < 0 < tick else ""
        label = f"{sign}{tick:.2f}"
        draw_text(draw, (LEGEND_LEFT + width + 18, at), label, font(24), WHITE, anchor="lm")
    if scale.low < 0:
        draw_text(draw, (LEGEND_LEFT, top - 46), "raises risk", font(24), WHITE)
        draw_text(draw, (LEGEND_LEFT, top + height + 16), "lowers risk", font(24), WHITE)
    note = (
        "Fixed scale, the same for every patient; values beyond it take its end colours. "
        f"Colours at most {100 * MAXIMUM_OPACITY:.0f} % opaque"
        + (f", transparent below ±{scale.transparent_below:.2f}." if scale.transparent_below else ".")
        + " Bar drawn on medium grey."
    )
    below = (LEGEND_LEFT, top + height + 66)
    draw_paragraph(draw, below, note, font(NOTE_SIZE), width=room, color=GREY)
