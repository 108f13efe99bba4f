"""A refusal is a result too: why a study has no measurements and what to do, as a short SR and a page.

Made only where the site wants it. The title is another than the report's: the refusal of an earlier, poorer
set of images is no version of the report that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from analysis.results import SourceImage, Status, StudyAnalysis
from reports import codes as coded
from reports import content
from reports.identity import MANUFACTURER_MODEL_NAME, ResultKind
from reports.language import translated
from reports.options import Refusals, ReportOptions
from reports.page import SCREEN, Page
from reports.panels import draw_bullets, draw_heading, draw_patient, footer_text, height_of
from reports.secondary_capture import secondary_capture
from reports.sentences import quality_sentences, refusal_sentences, research_statement
from reports.source import ReportContext, normalised_header
from reports.sr_document import source_evidence, structured_report
from reports.templates import device_observer, language_of_content

ANSWERED: dict[Refusals, frozenset[Status]] = {
    "none": frozenset(),
    "rejected": frozenset({Status.REJECTED}),
    "all": frozenset({Status.REJECTED, Status.NOT_APPLICABLE}),
}

TEMPLATE = "2000"
WIDTH, MARGIN, GAP = 2000.0, 60.0, 30.0
LEAST_HEIGHT = 700.0
"""So that viewers, which fit a picture into their window, do not blow a short text up to poster size."""

NAMED = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID")
"""What an object must say of itself to be referred to."""


def refusal(
    analysis: StudyAnalysis,
    source: Sequence[Dataset],
    *,
    predecessors: Sequence[Dataset],
    options: ReportOptions,
) -> tuple[list[Dataset], ReportContext | None]:
    """Write up why a study was not analysed, if the site wants to know.

    Returns
    -------
    results : list of Dataset
        The page and the report, page first; empty if such studies are not answered, or if nothing of the
        study can be referred to: a damaged header, or our own results come back.
    context : ReportContext or None
        What they were made in.
    """
    usable = next((dataset for dataset in source if _is_usable(dataset, analysis)), None)
    if analysis.status not in ANSWERED[options.refusals] or usable is None:
        return [], None
    header = normalised_header(usable)
    image = SourceImage(
        sop_class_uid=str(usable.SOPClassUID),
        sop_instance_uid=str(usable.SOPInstanceUID),
        series_instance_uid=str(usable.SeriesInstanceUID),
        rows=0,
        columns=0,
    )
    context = ReportContext(analysis, image, None, header, tuple(predecessors), options)
    return [_page(context), _report(context)], context


def _is_usable(dataset: Dataset, analysis: StudyAnalysis) -> bool:
    """Whether an object is a stranger's, of this study, and can be referred to."""
    try:
        if dataset.get("ManufacturerModelName") == MANUFACTURER_MODEL_NAME:
            return False
        return str(dataset.get("StudyInstanceUID", "")) == analysis.study_instance_uid and all(
            UID(str(dataset.get(keyword, ""))).is_valid for keyword in NAMED
        )
    except Exception:  # pydicom converts on access and raises many classes of errors on damaged values
        return False


def _report(context: ReportContext) -> Dataset:
    language = context.language
    why, *what_to_do = _reasons(context)
    sections = (
        (codes.DCM.Summary, codes.DCM.Summary, [research_statement(language), why]),
        (codes.DCM.Impressions, codes.DCM.Impression, what_to_do[:1]),
        (codes.DCM.Recommendations, codes.DCM.Recommendation, what_to_do[1:]),
        (codes.DCM.Findings, codes.DCM.Finding, _remarks(context)),
    )
    return structured_report(
        context,
        ResultKind.REFUSAL_REPORT,
        title=coded.STUDY_NOT_ANALYSED,
        template=TEMPLATE,
        children=[
            language_of_content(language),
            *device_observer(context),
            *(
                content.container(heading, [content.text(name, sentence) for sentence in sentences])
                for heading, name, sentences in sections
                if sentences
            ),
        ],
        evidence=[source_evidence(context)],
    )


def _reasons(context: ReportContext) -> list[str]:
    """What happened, why, and what to do, in this order."""
    return refusal_sentences(context.analysis, context.language)


def _remarks(context: ReportContext) -> list[str]:
    """What was remarked on beside the reason, which is told already."""
    analysis = context.analysis
    others = tuple(finding for finding in analysis.quality if finding.message != analysis.reason)
    return quality_sentences(replace(analysis, quality=others), context.language)


def _page(context: ReportContext) -> Dataset:
    return secondary_capture(
        draw_refusal(context),
        context,
        ResultKind.REFUSAL_PAGE,
        derivation="Page that says why a study was not analysed",
        pixel_spacing_mm=None,
        shows_identity=context.options.patient_on_summary,
    )


def draw_refusal(context: ReportContext) -> Image.Image:
    """Draw the page: that there is no result, why, what to do, and whose study it is."""
    height = height_of(lambda page: _draw(page, context), SCREEN)
    page = Page(WIDTH, max(LEAST_HEIGHT, float(round(height + MARGIN))), SCREEN)
    _draw(page, context)
    return page.picture()


def _draw(page: Page, context: ReportContext) -> float:
    theme, language, width = page.theme, context.language, WIDTH - 2 * MARGIN
    y = page.paragraph(
        MARGIN,
        MARGIN,
        research_statement(language),
        width,
        size=1.3 * theme.size,
        bold=True,
        color=theme.warning,
        anchor="right",
    )
    y = draw_patient(page, MARGIN, y, width, context) + GAP
    happened, *reasons = _reasons(context)
    y = page.paragraph(MARGIN, y, happened, width, size=1.6 * theme.size, bold=True) + GAP
    y = draw_bullets(page, MARGIN, y, width, reasons) + GAP
    if remarks := _remarks(context):
        y = draw_heading(page, MARGIN, y, width, translated("Quality", language))
        y = draw_bullets(page, MARGIN, y, width, remarks) + GAP
    return page.paragraph(MARGIN, y, footer_text(context), width, size=0.8 * theme.size, color=theme.muted)
