"""The parts of a report page, for the screen and for print: heading, table, risk, lists, footer.

Each is drawn at a place and a width and returns the y coordinate below it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from analysis.results import REGIONS, RegionChange, StudyAnalysis
from analysis.wording.numbers import signed
from reports.anatomy import Box
from reports.drawing import line_height, name_in_print, text_width, wrapped
from reports.engine_text import engine_text
from reports.identity import MANUFACTURER_MODEL_NAME
from reports.language import translatable, translated
from reports.numbers import ABSENT, number_text
from reports.page import Anchor, Page, Theme
from reports.plots import draw_drivers, draw_reference_position, draw_risk
from reports.sentences import (
    SOURCES,
    bmd_text,
    category_name,
    impression_sentences,
    region_name,
    research_statement,
)
from reports.source import ReportContext, source_image_name
from reports.trend import draw_trend, has_trend

TITLES = {
    "L": translatable("Left forearm DXA - radius analysis"),
    "R": translatable("Right forearm DXA - radius analysis"),
    None: translatable("Forearm DXA, side unknown - radius analysis"),
}

COLUMNS = (
    translatable("Region"),
    translatable("BMD g/cm²"),
    translatable("T-score"),
    translatable("Z-score"),
    translatable("BMC g"),
    translatable("Area cm²"),
)

MAIN_REGION = "one_third"
SMALL = 0.925
"""Secondary text over plain text: 24 pixels on a picture."""

WIDE = 40.0
"""Width over the size of the type from which risk and drivers stand side by side."""

COLUMN_GAP = 0.5
"""Between the columns of a table, over the size of its type."""


def height_of(draw: Callable[[Page], float], theme: Theme) -> float:
    """Return how far `draw` reaches when it begins at 0, by drawing on a page that is thrown away."""
    return draw(Page(10.0, 10.0, theme))


def draw_banner(page: Page, x: float, y: float, width: float, context: ReportContext) -> float:
    """What was examined, research statement, and whom.

    Viewers write date and series over the upper left corner: what must be read stands at the right.
    """
    theme, language, size = page.theme, context.language, page.theme.size
    statement, large = research_statement(language), 1.3 * size
    title = translated(TITLES[_side(context.analysis)], language)
    beside = text_width(statement, large, bold=True) + 2 * size + text_width(title, large, bold=True) <= width
    if beside:
        page.text(x, y, title, size=large, bold=True)
    page.text(x + width, y, statement, size=large, bold=True, color=theme.warning, anchor="right")
    y += line_height(large)
    if not beside:
        y = page.paragraph(x, y, title, width, size=large, bold=True, anchor="right")
    return draw_patient(page, x, y, width, context) + 0.15 * size


def _side(analysis: StudyAnalysis) -> str | None:
    return analysis.laterality.value if analysis.laterality else None


def draw_patient(page: Page, x: float, y: float, width: float, context: ReportContext) -> float:
    """Name and facts that tell one patient from another, as far as the site wants them printed."""
    language, theme = context.language, page.theme
    if not context.options.patient_on_summary:
        text = translated("Patient: see the DICOM header", language)
        return page.paragraph(x, y, text, width, color=theme.muted, anchor="right")
    header = context.header
    name = name_in_print(header.PatientName)
    if name is None:
        name = translated("(name: see header)", language)
    facts = [
        name or translated("(no name)", language),
        translated("ID {id}", language, id=header.PatientID or ABSENT),
        translated("born {date}", language, date=iso_date(header.PatientBirthDate)),
        translated("sex {sex}", language, sex=header.PatientSex or ABSENT),
        translated("study {date}", language, date=iso_date(header.StudyDate)),
    ]
    if header.AccessionNumber:
        facts.append(translated("accession {number}", language, number=header.AccessionNumber))
    return page.paragraph(x, y, " · ".join(facts), width, bold=True, anchor="right")


def iso_date(value: object) -> str:
    """Write a DICOM date as people do; ``n/a`` where there is none."""
    text = str(value or "")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == len("YYYYMMDD") else text or ABSENT


def draw_heading(page: Page, x: float, y: float, width: float, text: str) -> float:
    """Begin a section with a rule."""
    size = page.theme.size
    page.line([(x, y), (x + width, y)], page.theme.faint, size / 14)
    return page.paragraph(x, y + 0.15 * size, text, width, bold=True, color=page.theme.accent)


def draw_impression(page: Page, x: float, y: float, width: float, context: ReportContext) -> float:
    """What was found, what it means for the risk, what to do first."""
    y = draw_heading(page, x, y, width, translated("Impression", context.language))
    return draw_bullets(page, x, y, width, impression_sentences(context.analysis, context.language))


def draw_bullets(
    page: Page, x: float, y: float, width: float, sentences: Sequence[str], *, size: float | None = None
) -> float:
    """Write a list; each sentence is indented behind its bullet."""
    size = size or page.theme.size
    for sentence in sentences:
        page.dot(x + 0.25 * size, y + 0.68 * size, 0.13 * size, fill=page.theme.muted)
        y = page.paragraph(x + 0.75 * size, y, sentence, width - 0.75 * size, size=size)
    return y


def draw_densitometry(page: Page, x: float, y: float, width: float, context: ReportContext) -> float:
    """BMD, scores, content, area and change of every region; the diagnostic one in bold."""
    analysis, language, theme = context.analysis, context.language, page.theme
    y = draw_heading(page, x, y, width, translated("Densitometry of the radius", language))
    rows = [(region, analysis.regions[region]) for region in REGIONS if region in analysis.regions]
    if not rows:
        return page.paragraph(x, y, translated("No region was measured; see Quality.", language), width)
    changes = {change.region: change for change in analysis.changes}
    cells = [[translated(message, language) for message in COLUMNS]]
    for region, measured in rows:
        cells.append(
            [
                region_name(region, language).removesuffix(" radius").removeprefix("桡骨"),
                bmd_text(measured),
                number_text(measured.t_score, "{T-score}"),
                number_text(measured.z_score, "{Z-score}"),
                number_text(measured.bmc_g, "g"),
                number_text(measured.area_cm2, "cm2"),
            ]
        )
    if changes:
        cells[0].append(translated("Change", language))
        for row, (region, _) in zip(cells[1:], rows, strict=True):
            row.append(_change_text(changes.get(region)))
    main = [region == MAIN_REGION for region, _ in rows]
    y = _draw_table(page, x, y, width, cells=cells, bold=main)
    return page.paragraph(x, y, _table_note(context), width, size=SMALL * theme.size, color=theme.muted)


def _change_text(change: RegionChange | None) -> str:
    if change is None:
        return ABSENT
    return f"{signed(change.change_percent, 1)} %" + ("*" if change.significant else "")


def _table_note(context: ReportContext) -> str:
    analysis, language = context.analysis, context.language
    measured = analysis.regions.values()
    sources = sorted(
        {
            translated(SOURCES[region.bmd_source], language)
            for region in measured
            if region.bmd_g_cm2 and region.bmd_source
        }
    )
    notes = []
    if sources:
        notes.append(translated("BMD {source}", language, source=translated(" and ", language).join(sources)))
    if any(region.bmd_uncertainty_g_cm2 is not None for region in measured):
        notes.append(translated("± one standard deviation", language))
    if analysis.changes:
        day = analysis.changes[0].prior_date.isoformat()
        notes.append(translated("change since {date}", language, date=day))
    if any(change.significant for change in analysis.changes):
        notes.append(translated("* exceeds the least significant change", language))
    if any(None in (region.bmd_g_cm2, region.t_score, region.z_score) for region in measured):
        notes.append(translated("n/a: the reason stands under Quality of the report", language))
    return translated("; ", language).join(notes)


def _draw_table(
    page: Page, x: float, y: float, width: float, *, cells: Sequence[Sequence[str]], bold: Sequence[bool]
) -> float:
    """First row is the header; the first column is left-aligned, the others right-aligned, all wrapped."""
    size, theme = SMALL * page.theme.size, page.theme
    widths = _column_widths(cells, width, size)
    for number, row in enumerate(cells):
        heavy = number > 0 and bold[number - 1]
        color = theme.ink if number else theme.muted
        lines = [
            wrapped(cell, size, room - COLUMN_GAP * size, bold=heavy)
            for cell, room in zip(row, widths, strict=True)
        ]
        height = max(len(cell) for cell in lines) * line_height(size) + 0.12 * size
        if heavy:
            page.rectangle(x, y, width, height, fill=theme.band)
        left = x
        for column, (cell, room) in enumerate(zip(lines, widths, strict=True)):
            at = left + 0.15 * size if column == 0 else left + room - 0.15 * size
            for index, line in enumerate(cell):
                top = y + 0.06 * size + index * line_height(size)
                anchor: Anchor = "right" if column else "left"
                page.text(at, top, line, size=size, bold=heavy, color=color, anchor=anchor)
            left += room
        y += height
    return y + 0.1 * size


def _column_widths(cells: Sequence[Sequence[str]], width: float, size: float) -> list[float]:
    """As wide as the widest cell of each column needs, stretched or squeezed to `width`."""
    natural = [
        max(text_width(row[column], size, bold=True) for row in cells) + COLUMN_GAP * size
        for column in range(len(cells[0]))
    ]
    return [width / sum(natural) * column for column in natural]


def draw_history(page: Page, box: Box, context: ReportContext) -> None:
    """The trend where there is an earlier study, else the position against young adults."""
    if has_trend(context):
        draw_trend(page, box, context)
    else:
        draw_reference_position(page, box, context)


def draw_risk_panel(page: Page, x: float, y: float, width: float, context: ReportContext) -> float:
    """Tier, bar per horizon with interval, the rule behind the tiers, and what moved the estimate."""
    language, theme, risk = context.language, page.theme, context.analysis.risk
    y = draw_heading(page, x, y, width, translated("Fracture risk (estimate of a research model)", language))
    if risk is None:
        text = translated("No fracture risk was computed; the quality findings say why.", language)
        return page.paragraph(x, y, text, width)
    beside = width > WIDE * theme.size
    left = 0.56 * width if beside else width
    large = 1.35 * theme.size
    page.text(x, y, category_name(risk, language), size=large, bold=True)
    below = draw_risk(page, x, y + line_height(large), left, context)
    tiers = translated("Tiers: {rule}.", language, rule=engine_text(risk.category_rule, language))
    below = page.paragraph(x, below, tiers, left, size=SMALL * theme.size, color=theme.muted)
    if not beside:
        return draw_drivers(page, x, below + 0.3 * theme.size, width, context)
    gap = 1.2 * theme.size
    return max(below, draw_drivers(page, x + left + gap, y + 0.3 * theme.size, width - left - gap, context))


def footer_text(context: ReportContext) -> str:
    """Who made the page, from what, and what it must not be used for."""
    analysis, language = context.analysis, context.language
    source = engine_text(source_image_name(context.header), language)
    return " · ".join(
        (
            f"{MANUFACTURER_MODEL_NAME} {analysis.engine_version}",
            translated("analysis {identity}", language, identity=analysis.identity[:12]),
            translated("source: {image}", language, image=source),
            translated("examined {date}", language, date=iso_date(context.content_date_time[0])),
            translated("Decision support for research; the clinician decides.", language),
        )
    )
