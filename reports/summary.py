"""The summary page: what a busy reader can live on, laid out like a densitometer's report.

A Secondary Capture is the only result that every viewer shows, so no caveat that changes the meaning of a
number stands elsewhere alone; details of method and provenance are in the report and the PDF.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image
from pydicom import Dataset

from reports.anatomy import Box, draw_forearm
from reports.identity import ResultKind
from reports.language import translated
from reports.lists import Lists
from reports.page import SCREEN, Page
from reports.panels import (
    SMALL,
    draw_banner,
    draw_densitometry,
    draw_history,
    draw_impression,
    draw_risk_panel,
    footer_text,
    height_of,
)
from reports.secondary_capture import secondary_capture
from reports.source import ReportContext
from reports.trend import has_trend

WIDTH = 2000.0
HEIGHT = 1400.0
"""Of a usual page; a page with more warnings than usual grows rather than leaves one out."""

MARGIN, GAP = 28.0, 20.0
PICTURE_WIDTH = 410.0
MIDDLE_HEIGHT = 480.0
"""At least, of the row with picture, table and risk."""
TREND_HEIGHT, POSITION_HEIGHT = 330.0, 170.0
"""At least, of the plot over time, and of the bar in its place without an earlier study."""

TABLE_SHARE = 0.56
"""Of the width beside the picture; the rest is for the risk."""


def summary_page(context: ReportContext) -> Dataset:
    """Draw the summary page of one analysis as an RGB Secondary Capture."""
    return secondary_capture(
        draw_summary_page(context),
        context,
        ResultKind.SUMMARY,
        derivation="Summary page of an automatic forearm DXA analysis",
        pixel_spacing_mm=None,
        shows_identity=context.options.patient_on_summary,
    )


def draw_summary_page(context: ReportContext) -> Image.Image:
    """Draw the page: who, what was found, measured and estimated, what to do, what to doubt."""
    width = WIDTH - 2 * MARGIN
    top = height_of(lambda page: _draw_top(page, 0, 0, width, context), SCREEN)
    foot = height_of(lambda page: _draw_foot(page, 0, 0, width, context), SCREEN)
    middle = _middle_height(context)
    used = MARGIN / 2 + top + GAP + middle + GAP + GAP + foot + MARGIN / 2
    where = translated("… and {{count}} more in the report and the PDF", context.language)
    lists = Lists(context, SCREEN, width, room=HEIGHT - used, where=where)
    if context.evidence is not None:
        spare = max(0.0, HEIGHT - used - lists.height)
        middle, used = middle + spare, used + spare
    page = Page(WIDTH, float(round(used + lists.height)), SCREEN)
    y = _draw_top(page, MARGIN, MARGIN / 2, width, context) + GAP
    _draw_middle(page, y, middle, context)
    lists.draw(page, MARGIN, y + middle + GAP)
    _draw_foot(page, MARGIN, page.height - foot - MARGIN / 2, width, context)
    return page.picture()


def _draw_top(page: Page, x: float, y: float, width: float, context: ReportContext) -> float:
    return draw_impression(page, x, draw_banner(page, x, y, width, context), width, context)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Left edges and widths of table and risk."""

    table: float
    table_width: float
    risk: float
    risk_width: float


def _columns(context: ReportContext) -> _Columns:
    left = MARGIN + (PICTURE_WIDTH + GAP if context.evidence is not None else 0.0)
    width = WIDTH - MARGIN - left - GAP
    table = TABLE_SHARE * width
    return _Columns(left, table, left + table + GAP, width - table)


def _middle_height(context: ReportContext) -> float:
    columns = _columns(context)
    table = height_of(lambda page: draw_densitometry(page, 0, 0, columns.table_width, context), SCREEN)
    risk = height_of(lambda page: draw_risk_panel(page, 0, 0, columns.risk_width, context), SCREEN)
    least = MIDDLE_HEIGHT if context.evidence is not None else 0.0
    history = TREND_HEIGHT if has_trend(context) else POSITION_HEIGHT
    return round(max(least, table + history, risk))


def _draw_middle(page: Page, y: float, height: float, context: ReportContext) -> None:
    """Picture, table with trend, risk."""
    columns = _columns(context)
    if context.evidence is not None:
        draw_forearm(page, Box(MARGIN, round(y), PICTURE_WIDTH, height), context)
    below = draw_densitometry(page, columns.table, y, columns.table_width, context) + 8
    draw_history(page, Box(columns.table, below, columns.table_width, y + height - below), context)
    draw_risk_panel(page, columns.risk, y, columns.risk_width, context)


def _draw_foot(page: Page, x: float, y: float, width: float, context: ReportContext) -> float:
    size = SMALL * page.theme.size
    return page.paragraph(x, y, footer_text(context), width, size=size, color=page.theme.muted)
