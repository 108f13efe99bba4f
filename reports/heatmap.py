"""The maps: what on the bone drives the risk estimate, and how density and strain lie over the bone.

Left the anatomy as analysed with its regions, beside it the same under each map, in the orientation of the
source image. Both pages keep one scale for all patients. Grad-CAM is not drawn: on the shipped models it did
not follow what moves them (docs/explanation.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from pydicom import Dataset

from analysis.errors import AnalysisError
from analysis.results import ImageEvidence
from reports.anatomy import Box, Overlay, draw_forearm
from reports.drawing import line_height, shortened, text_width
from reports.engine_text import engine_text
from reports.identity import ResultKind
from reports.language import translatable, translated
from reports.overlay import (
    DENSITY_SCALE,
    DRIVER_SCALE,
    MAXIMUM_OPACITY,
    MICRO,
    STRAIN_SCALE,
    ColorScale,
    FloatImage,
    blended,
)
from reports.page import SCREEN, Page
from reports.panels import footer_text, height_of
from reports.secondary_capture import secondary_capture
from reports.sentences import HEAT_MAP_STATEMENT, research_statement
from reports.source import ReportContext

WIDTH = 2000.0
MARGIN = 24.0
PANEL_WIDTH, PANEL_HEIGHT = 640.0, 860.0
PANEL_TOP = 150.0
GAP = 16.0
LEGEND_HEIGHT = 152.0
LEAST_NOTES_WIDTH = 400.0
BAR_HEIGHT = 30.0
NOTE_SIZE = 24.0
MEDIUM_GREY = 0.6
"""Of the anatomy under the colours of the legend."""

ANATOMY_TITLE = translatable("Anatomy as analysed, with regions")
STRAIN_STATEMENT = translatable(
    "Strain is a model assumption, for relative use only; assumptions are in the report."
)


@dataclass(frozen=True, slots=True)
class MapPage:
    """What distinguishes one page of maps from the other.

    Attributes
    ----------
    kind : ResultKind
    derivation : str
        For Derivation Description (0008,2111).
    overlays : tuple of Overlay
        One panel each.
    statement : str
        What the maps are not, in bold.
    notes : tuple of str
        How they were made.
    """

    kind: ResultKind
    derivation: str
    overlays: tuple[Overlay, ...]
    statement: str
    notes: tuple[str, ...]


def driver_map(context: ReportContext) -> Dataset | None:
    """Draw what on the bone raised and lowered the risk estimate, as an RGB Secondary Capture.

    Returns
    -------
    Dataset or None
        None where no risk was estimated, where nothing of it could be given a place on the bone, or where
        there is no image.
    """
    page = _driver_page(context)
    return None if page is None else _captured(page, context)


def density_map(context: ReportContext) -> Dataset | None:
    """Draw areal density and, where the mechanical model ran, strain, as an RGB Secondary Capture.

    Without calibration the page shows the anatomy with its regions, and says that no density was measured.

    Returns
    -------
    Dataset or None
        None where there is no image.
    """
    page = _density_page(context)
    return None if page is None else _captured(page, context)


def draw_driver_map(context: ReportContext) -> tuple[Image.Image, float | None]:
    """Draw the page of `driver_map`; return it with the size of its pixels in mm, if known."""
    return _drawn(_required(_driver_page(context), context), context)


def draw_density_map(context: ReportContext) -> tuple[Image.Image, float | None]:
    """Draw the page of `density_map`; return it with the size of its pixels in mm, if known."""
    return _drawn(_required(_density_page(context), context), context)


def _required(page: MapPage | None, context: ReportContext) -> MapPage:
    if page is None:
        raise AnalysisError(f"study {context.analysis.study_instance_uid}: there is no such map to draw")
    return page


def _driver_page(context: ReportContext) -> MapPage | None:
    evidence, language = context.evidence, context.language
    if evidence is None or evidence.driver_map is None or context.analysis.risk is None:
        return None
    return MapPage(
        ResultKind.DRIVER_MAP,
        "What influenced the risk model, over the anatomy",
        (Overlay(evidence.driver_map, DRIVER_SCALE),),
        translated(HEAT_MAP_STATEMENT, language),
        (_scale_note(DRIVER_SCALE, context), engine_text(evidence.driver_note, language)),
    )


def _density_page(context: ReportContext) -> MapPage | None:
    evidence, language = context.evidence, context.language
    if evidence is None:
        return None
    overlays = _density_overlays(evidence)
    if not overlays:
        statement = translated("No density was measured on this image: the anatomy alone.", language)
        return MapPage(ResultKind.DENSITY_MAP, "Anatomy as analysed", (), statement, ())
    strained = any(overlay.scale is STRAIN_SCALE for overlay in overlays)
    return MapPage(
        ResultKind.DENSITY_MAP,
        "Areal bone mineral density" + (" and modelled strain" if strained else "") + ", over the anatomy",
        overlays,
        translated(STRAIN_STATEMENT, language) if strained else "",
        (_scale_note(DENSITY_SCALE, context),),
    )


def _density_overlays(evidence: ImageEvidence) -> tuple[Overlay, ...]:
    overlays = []
    if evidence.density_g_cm2 is not None:
        overlays.append(Overlay(evidence.density_g_cm2, DENSITY_SCALE))
    if evidence.strain_map is not None:
        overlays.append(Overlay(MICRO * evidence.strain_map, STRAIN_SCALE))
    return tuple(overlays)


def _scale_note(scale: ColorScale, context: ReportContext) -> str:
    """What the colours mean beyond the numbers at the bar."""
    language = context.language
    sentences = [
        translated(
            "Fixed scale, the same for every patient; values beyond it take its end colours. Colours at most "
            "{percent} % opaque, drawn on the radius only; bars on medium grey.",
            language,
            percent=f"{100 * MAXIMUM_OPACITY:.0f}",
        )
    ]
    if scale.linear_to is not None:
        sentences.append(
            translated(
                "Up to ±{limit} colours follow the value, beyond it its logarithm; below ±{least} nothing is "
                "coloured.",
                language,
                limit=f"{scale.linear_to:g}",
                least=f"{scale.transparent_below:g}",
            )
        )
    return ("" if language == "zh" else " ").join(sentences)


def _captured(page: MapPage, context: ReportContext) -> Dataset:
    picture, pixel_mm = _drawn(page, context)
    return secondary_capture(
        picture,
        context,
        page.kind,
        derivation=page.derivation,
        pixel_spacing_mm=pixel_mm,
        shows_identity=False,
    )


def panel_lefts(count: int) -> list[float]:
    """Left edges of `count` panels."""
    return [MARGIN + number * (PANEL_WIDTH + GAP) for number in range(count)]


def _drawn(content: MapPage, context: ReportContext) -> tuple[Image.Image, float | None]:
    panels: Sequence[Overlay | None] = (None, *content.overlays)
    lefts = panel_lefts(len(panels))
    bottom = PANEL_TOP + PANEL_HEIGHT + (LEGEND_HEIGHT if content.overlays else GAP)
    notes = _notes_box(lefts, bottom)
    height = max(bottom, height_of(lambda page: _draw_notes(page, notes, content), SCREEN)) + MARGIN
    page = Page(WIDTH, float(round(height)), SCREEN)
    _draw_header(page, context)
    pixel_mm = None
    for x, overlay in zip(lefts, panels, strict=True):
        title = translated(overlay.scale.title if overlay else ANATOMY_TITLE, context.language)
        page.text(x, PANEL_TOP - line_height(SCREEN.size) - 4, title, bold=overlay is not None)
        box = Box(x, PANEL_TOP, PANEL_WIDTH, PANEL_HEIGHT)
        pixel_mm = draw_forearm(page, box, context, overlay=overlay, labelled=overlay is None)
        if overlay is not None:
            _draw_legend(page, x + 70.0, PANEL_TOP + PANEL_HEIGHT + 10, overlay.scale, context)
    _draw_notes(page, notes, content)
    return page.picture(), pixel_mm


def _notes_box(lefts: Sequence[float], bottom: float) -> Box:
    """Where the notes stand: beside the panels where there is room, else below them."""
    right = lefts[-1] + PANEL_WIDTH + 2 * GAP
    beside = WIDTH - MARGIN - right
    if beside < LEAST_NOTES_WIDTH:
        return Box(MARGIN, bottom, WIDTH - 2 * MARGIN, 0.0)
    return Box(right, PANEL_TOP, beside, 0.0)


def _draw_notes(page: Page, box: Box, content: MapPage) -> float:
    y = page.paragraph(box.x, box.y, content.statement, box.width, bold=True)
    for note in content.notes:
        y = page.paragraph(box.x, y + 8, note, box.width, size=NOTE_SIZE, color=SCREEN.muted)
    return y


def _draw_header(page: Page, context: ReportContext) -> None:
    statement = research_statement(context.language)
    page.text(MARGIN, 8, statement, size=34, bold=True, color=SCREEN.warning)
    room = WIDTH - 2 * MARGIN
    page.text(
        MARGIN, 58, shortened(footer_text(context), NOTE_SIZE, room), size=NOTE_SIZE, color=SCREEN.muted
    )


def _draw_legend(page: Page, x: float, y: float, scale: ColorScale, context: ReportContext) -> None:
    """The colour bar as its colours appear on bone of medium grey, with its fixed limits."""
    language = context.language
    length = PANEL_WIDTH - 140
    values: FloatImage = scale.along(int(length))[None, :].repeat(int(BAR_HEIGHT), axis=0)
    bone = values * 0.0 + MEDIUM_GREY
    page.image(blended(bone, values, bone * 0.0 + 1.0, scale), x, y, length, BAR_HEIGHT)
    page.rectangle(x, y, length, BAR_HEIGHT, fill=None, line=SCREEN.ink)
    below = y + BAR_HEIGHT
    free_from = 0.0
    for tick in scale.ticks:
        at = x + length * float(scale.position(np.float64(tick)))
        label = f"{tick:{scale.tick_format}}" if tick else "0"
        half = text_width(label, NOTE_SIZE) / 2
        page.line([(at, below), (at, below + 8)], SCREEN.ink, 2)
        if at - half > free_from:
            page.text(at, below + 8, label, size=NOTE_SIZE, anchor="middle")
            free_from = at + half + 6
    unit = translated(scale.unit, language)
    words = below + 8 + line_height(NOTE_SIZE)
    page.text(x + length / 2, words, unit, size=NOTE_SIZE, color=SCREEN.muted, anchor="middle")
    if scale.signed:
        below_words = words + line_height(NOTE_SIZE)
        page.text(x, below_words, translated("lowers risk", language), size=NOTE_SIZE)
        page.text(
            x + length, below_words, translated("raises risk", language), size=NOTE_SIZE, anchor="right"
        )
