"""The summary page: what a busy reader can live on, laid out like a densitometer's report.

A Secondary Capture is the only result that every viewer shows, so no caveat that changes the meaning of a
number stands elsewhere alone; details of method and provenance are in the report and the PDF.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image
from pydicom import Dataset

from reports.anatomy import Box, draw_forearm
from reports.drawing import line_height, wrapped
from reports.identity import ResultKind
from reports.language import translated
from reports.page import SCREEN, Page
from reports.panels import (
    SMALL,
    caveat_sentences,
    doubts,
    draw_banner,
    draw_densitometry,
    draw_history,
    draw_impression,
    draw_list,
    draw_risk_panel,
    footer_text,
    height_of,
)
from reports.plots import has_trend
from reports.secondary_capture import secondary_capture
from reports.sentences import recommendation_sentences
from reports.source import ReportContext

WIDTH = 2000.0
HEIGHT = 1400.0
"""Of a usual page; a page with more warnings than usual grows rather than leaves one out."""

MARGIN, GAP = 30.0, 26.0
PICTURE_WIDTH = 430.0
MIDDLE_HEIGHT = 560.0
"""At least, of the row with picture, table and risk."""
TREND_HEIGHT, POSITION_HEIGHT = 330.0, 170.0
"""At least, of the plot over time, and of the bar in its place without an earlier study."""

TABLE_SHARE = 0.58
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
    room = WIDTH - 2 * MARGIN
    top = height_of(lambda page: _draw_top(page, 0, 0, room, context), SCREEN)
    middle = _middle_height(context)
    foot = len(wrapped(footer_text(context), SMALL * SCREEN.size, room)) * line_height(SMALL * SCREEN.size)
    used = MARGIN + top + GAP + middle + GAP + foot + GAP / 2 + MARGIN / 2
    lists = max(HEIGHT - used, _needed_for_lists(context))
    page = Page(WIDTH, round(used + lists), SCREEN)
    y = _draw_top(page, MARGIN, MARGIN / 2, room, context) + GAP
    _draw_middle(page, y, middle, context)
    _draw_lists(page, y + middle + GAP, lists, context)
    page.paragraph(
        MARGIN,
        page.height - foot - MARGIN / 2,
        footer_text(context),
        room,
        size=SMALL * SCREEN.size,
        color=SCREEN.muted,
    )
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


def _needed_for_lists(context: ReportContext) -> float:
    """Height that holds every warning and limit."""
    sentences = caveat_sentences(context.analysis, context.language)[: doubts(context.analysis) + 2]
    size, width = SMALL * SCREEN.size, _list_width()
    lines = sum(len(wrapped(sentence, size, width - 0.75 * size)) for sentence in sentences)
    return (lines + 2.2) * line_height(size)


def _list_width() -> float:
    return (WIDTH - 2 * MARGIN - GAP) / 2


def _draw_lists(page: Page, y: float, room: float, context: ReportContext) -> None:
    """Advice on the left, what to doubt on the right."""
    language, width = context.language, _list_width()
    more = translated("… and {{count}} more in the report and the PDF", language)
    lists = (
        (translated("Advice", language), recommendation_sentences(context.analysis, language)),
        (translated("Quality and limits", language), caveat_sentences(context.analysis, language)),
    )
    for number, (heading, sentences) in enumerate(lists):
        x = MARGIN + number * (width + GAP)
        draw_list(page, x, y, width, heading=heading, sentences=sentences, room=room, more=more)
