"""The report as a printed document: two pages of A4 as PDF/A-3b, the whole analysis attached as JSON.

Page one says what the summary page says; page two says how the numbers were made and how far they reach.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from analysis.results import StudyAnalysis
from analysis.serialization import to_json_object
from analysis.wording import Language
from reports.anatomy import Box, draw_forearm
from reports.columns import Frame, Section, fitting_size, flow
from reports.drawing import line_height, wrapped
from reports.identity import MANUFACTURER_MODEL_NAME
from reports.language import translated
from reports.lists import Lists
from reports.page import PRINT, Page
from reports.panels import (
    SMALL,
    TITLES,
    draw_banner,
    draw_densitometry,
    draw_history,
    draw_impression,
    draw_risk_panel,
    footer_text,
    height_of,
)
from reports.pdf_archive import Attachment, archived
from reports.revision import revision_sentences
from reports.sentences import (
    assumption_sentences,
    comparison_sentences,
    context_sentences,
    driver_sentences,
    limit_sentences,
    other_bone_sentences,
    provenance_sentences,
    quality_sentences,
    recommendation_sentences,
    shape_sentences,
    texture_sentence,
)
from reports.source import ReportContext
from reports.trend import has_trend

A4 = (595.28, 841.89)
"""ISO 216, in points."""

MARGIN, GAP = 34.0, 9.0
PICTURE_WIDTH = 150.0
MIDDLE_HEIGHT, TREND_HEIGHT, POSITION_HEIGHT = 205.0, 108.0, 58.0
METHOD_SIZES = (7.6, 7.2, 6.8, 6.4, 6.0)
"""Points; the first at which page two holds everything, and further pages if none does."""

SAMPLING = 3
"""Picture elements per point: 216 to the inch."""

ATTACHMENT_NAME = "analysis.json"
LANGUAGE_TAGS = {"en": "en", "zh": "zh-CN"}


def document_pages(context: ReportContext) -> bytes:
    """Write the report of one analysis as PDF/A-3b.

    Returns
    -------
    bytes
        The same for the same analysis and options.
    """
    page = Page(*A4, PRINT, sampling=SAMPLING)
    _draw_report(page, context)
    page.next_page()
    _draw_method(page, context)
    side = context.analysis.laterality
    return archived(
        page.pdf(),
        title=translated(TITLES[side.value if side else None], context.language),
        language=LANGUAGE_TAGS[context.language],
        producer=f"{MANUFACTURER_MODEL_NAME} {context.analysis.engine_version}",
        attachment=_attachment(context),
    )


def _attachment(context: ReportContext) -> Attachment:
    """Everything the engine found, for programs."""
    content = json.dumps(to_json_object(context.analysis), ensure_ascii=False, indent=1, sort_keys=True)
    return Attachment(
        ATTACHMENT_NAME,
        "The whole analysis, schema of dicom-node analyze --json",
        "application/json",
        content.encode("utf-8"),
    )


def _draw_report(page: Page, context: ReportContext) -> None:
    """Page one: who, what was found, measured and estimated, what to do, what to doubt."""
    language, width = context.language, A4[0] - 2 * MARGIN
    y = draw_banner(page, MARGIN, MARGIN, width, context)
    y = draw_impression(page, MARGIN, y, width, context) + GAP
    y = _draw_middle(page, y, width, context) + GAP
    y = draw_risk_panel(page, MARGIN, y, width, context) + GAP
    foot = _foot_height(context, width)
    room = A4[1] - MARGIN - foot - GAP - y
    where = translated("… and {{count}} more on the next page", language)
    Lists(context, PRINT, width, room=room, where=where).draw(page, MARGIN, y)
    _draw_foot(page, context, foot, 1)


def _draw_middle(page: Page, y: float, width: float, context: ReportContext) -> float:
    """Picture, and beside it the table with the trend."""
    left = MARGIN
    history = TREND_HEIGHT if has_trend(context) else POSITION_HEIGHT
    if context.evidence is not None:
        left += PICTURE_WIDTH + GAP
    column = MARGIN + width - left
    table = height_of(lambda scratch: draw_densitometry(scratch, 0, 0, column, context), PRINT)
    least = MIDDLE_HEIGHT if context.evidence is not None else 0.0
    height = max(least, table + history)
    if context.evidence is not None:
        draw_forearm(page, Box(MARGIN, y, PICTURE_WIDTH, height), context)
    below = draw_densitometry(page, left, y, column, context) + 0.3 * PRINT.size
    draw_history(page, Box(left, below, column, y + height - below), context)
    return y + height


def _draw_method(page: Page, context: ReportContext) -> None:
    """Page two and, where there is more to say than one page holds, those after it."""
    language = context.language
    number = 2

    def begun() -> Frame:
        width = A4[0] - 2 * MARGIN
        y = draw_banner(page, MARGIN, MARGIN, width, context) + GAP
        foot = _foot_height(context, width)
        _draw_foot(page, context, foot, number)
        column = (width - 2 * GAP) / 2
        return Frame((MARGIN, MARGIN + column + 2 * GAP), y, A4[1] - MARGIN - foot - GAP, column)

    def turned() -> Frame:
        nonlocal number
        number += 1
        page.next_page()
        return begun()

    sections = [
        *revision_sections(context),
        *method_sections(context.analysis, language, context.options.texture),
    ]
    frame = begun()
    flow(page, sections, frame, fitting_size(sections, frame, METHOD_SIZES), turned)


def revision_sections(context: ReportContext) -> list[Section]:
    """What changed against the report that this one replaces; empty if it replaces none."""
    sentences = revision_sentences(context)
    return [Section(translated("What changed", context.language), sentences)] if sentences else []


def method_sections(analysis: StudyAnalysis, language: Language, texture: Sequence[str]) -> list[Section]:
    """How the numbers were made, all that was measured besides, and how far everything reaches."""
    quality = quality_sentences(analysis, language)
    structure = shape_sentences(analysis, language) + other_bone_sentences(analysis, language)
    told = texture_sentence(analysis, language, only=texture)
    attached = translated(
        "All {count} texture features and every other number are attached to this document as {file}.",
        language,
        count=len(analysis.texture),
        file=ATTACHMENT_NAME,
    )
    listed = (
        (translated("Method and provenance", language), _method(analysis, language)),
        (translated("Comparison", language), comparison_sentences(analysis, language)),
        (translated("What drove the risk estimate", language), driver_sentences(analysis, language)),
        (translated("Structure", language), [*structure, *([told] if told else []), attached]),
        (
            translated("Advice: rules, sources and inputs", language),
            [
                *recommendation_sentences(analysis, language, traced=True),
                *assumption_sentences(analysis, language),
            ],
        ),
        (translated("Quality", language), quality),
        (translated("Limits", language), limit_sentences(analysis, language)),
    )
    return [Section(heading, sentences) for heading, sentences in listed if sentences]


def _method(analysis: StudyAnalysis, language: Language) -> list[str]:
    """Calibration, spacing, reference, outlines, clinical inputs, models with their digests."""
    sentences = [*provenance_sentences(analysis, language), *context_sentences(analysis, language)]
    models = [found.model for found in (analysis.segmentation, analysis.risk) if found is not None]
    sentences += [
        translated("SHA-256 of {name}: {digest}", language, name=model.name, digest=model.sha256)
        for model in models
        if model is not None
    ]
    identity = translated("Identity of the analysis: {identity}", language, identity=analysis.identity)
    return [*sentences, identity]


def _foot_height(context: ReportContext, width: float) -> float:
    size = SMALL * PRINT.size
    return len(wrapped(footer_text(context), size, width - 6 * size)) * line_height(size)


def _draw_foot(page: Page, context: ReportContext, height: float, number: int) -> None:
    """Product, analysis and source, and which page this is."""
    size, width = SMALL * PRINT.size, A4[0] - 2 * MARGIN
    y = A4[1] - MARGIN - height
    page.line([(MARGIN, y - 0.2 * size), (MARGIN + width, y - 0.2 * size)], PRINT.faint, size / 16)
    page.paragraph(MARGIN, y, footer_text(context), width - 6 * size, size=size, color=PRINT.muted)
    label = translated("page {number}", context.language, number=number)
    page.text(MARGIN + width, y, label, size=size, color=PRINT.muted, anchor="right")
