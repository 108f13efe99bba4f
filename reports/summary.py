"""The summary page: every number and every caveat on one picture.

A Secondary Capture is the only result that every viewer shows, so nothing may be said elsewhere alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image
from pydicom import Dataset

from analysis.results import REGIONS, StudyAnalysis
from reports.codes import REGION_NAMES
from reports.drawing import AMBER, GREY, name_in_print, text_in_print
from reports.identity import MANUFACTURER_MODEL_NAME, RESEARCH_STATEMENT, ResultKind
from reports.numbers import ABSENT, number_text, percent_text
from reports.page import MARGIN, TEXT_SIZE, WIDTH, Block, set_in_columns
from reports.secondary_capture import secondary_capture
from reports.sentences import (
    KEY_SHAPES,
    SOURCES,
    bmd_text,
    category_sentence,
    change_sentences,
    context_sentences,
    driver_sentences,
    limit_sentences,
    provenance_sentences,
    quality_sentences,
    recommendation_sentences,
    shape_sentences,
    texture_sentence,
)
from reports.source import ReportContext, source_image_name

SIDES = {"L": "Left", "R": "Right"}
CATEGORY_SIZE = 36


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
    """Draw the page: who, what was measured, what it means, what to do, what to doubt."""
    analysis = context.analysis
    structure = shape_sentences(analysis, only=KEY_SHAPES) + [
        text for text in (texture_sentence(analysis),) if text
    ]
    listed = (
        ("What drove the risk estimate (contribution to its log-hazard)", driver_sentences(analysis)),
        ("影响风险估计的因素（括号内为对风险率对数的贡献）", _if_printable(driver_sentences(analysis, "zh"))),
        ("Change since the prior study", change_sentences(analysis)),
        ("Structure", structure),
        ("Quality", quality_sentences(analysis)),
        ("Advice", recommendation_sentences(analysis)),
        ("Limits", limit_sentences(analysis)),
    )
    sections = [_densitometry(analysis), _risk(analysis)]
    sections += [_listed(heading, sentences) for heading, sentences in listed if sentences]
    sections.append(_provenance(context))
    return set_in_columns(_banner(context), sections)


def _banner(context: ReportContext) -> Image.Image:
    block = Block(WIDTH - 2 * MARGIN)
    block.text(RESEARCH_STATEMENT, size=36, bold=True, color=AMBER)
    block.text(_title(context.analysis), size=36, bold=True)
    _write_patient(block, context)
    return block.picture


def _listed(heading: str, sentences: Sequence[str]) -> Image.Image:
    block = Block()
    block.heading(heading)
    block.bullets(sentences)
    return block.picture


def _if_printable(sentences: Sequence[str]) -> Sequence[str]:
    """The sentences, or none where the system has no font with their characters."""
    return sentences if text_in_print("".join(sentences), TEXT_SIZE)[0] == "".join(sentences) else []


def _title(analysis: StudyAnalysis) -> str:
    side = SIDES[analysis.laterality.value] if analysis.laterality else "Side unknown,"
    return f"{side} forearm DXA - radius analysis"


def _write_patient(page: Block, context: ReportContext) -> None:
    if not context.options.patient_on_summary:
        page.text("Patient: see the DICOM header", color=GREY)
        return
    header = context.header
    page.text_in_font(*name_in_print(header.PatientName, TEXT_SIZE))
    facts = [
        f"ID {header.PatientID or ABSENT}",
        f"born {_date(header.PatientBirthDate)}",
        f"sex {header.PatientSex or ABSENT}",
        f"study {_date(header.StudyDate)}",
    ]
    if header.AccessionNumber:
        facts.append(f"accession {header.AccessionNumber}")
    page.text(" · ".join(facts))


def _densitometry(analysis: StudyAnalysis) -> Image.Image:
    block = Block()
    block.heading("Bone mineral density of the radius")
    measured = [(region, analysis.regions[region]) for region in REGIONS if region in analysis.regions]
    if not measured:
        block.text("No region was measured; see Quality.")
        return block.picture
    rows = [
        (
            REGION_NAMES[region].removesuffix(" radius"),
            bmd_text(values),
            number_text(values.t_score, "{T-score}"),
            number_text(values.z_score, "{Z-score}"),
            number_text(values.bmc_g, "g"),
            number_text(values.area_cm2, "cm2"),
        )
        for region, values in measured
    ]
    header = ("Region", "BMD g/cm²", "T-score", "Z-score", "BMC g", "Area cm²")
    block.table(header, rows, (1.2, 1.5, 0.9, 0.9, 0.9, 0.95))
    sources = {SOURCES[values.bmd_source] for _, values in measured if values.bmd_source}
    if sources:
        spread = any(values.bmd_uncertainty_g_cm2 is not None for _, values in measured)
        note = f"BMD {' and '.join(sorted(sources))}" + ("; ± is one standard deviation." if spread else ".")
        block.text(note, color=GREY)
    return block.picture


def _risk(analysis: StudyAnalysis) -> Image.Image:
    block = Block()
    block.heading("Fracture risk (estimate of a research model)")
    risk = analysis.risk
    if risk is None:
        block.text("No fracture risk was computed; see Quality.")
        return block.picture
    block.text(category_sentence(risk).partition(".")[0], size=CATEGORY_SIZE, bold=True)
    years = sorted(risk.horizons)
    estimates = [risk.horizons[year] for year in years]
    block.table(
        ("Within", *(f"{year} y" for year in years)),
        (
            ("Probability", *(f"{percent_text(estimate.probability)} %" for estimate in estimates)),
            (
                "90 % interval",
                *(
                    f"{percent_text(low)}–{percent_text(high)} %"
                    for low, high in (estimate.interval for estimate in estimates)
                ),
            ),
        ),
        (1.2, *(1.2 for _ in years)),
    )
    block.text(f"Rule: {risk.category_rule}", color=GREY)
    model = risk.model
    block.text(f"Model: {model.name} version {model.version}, SHA-256 {model.sha256[:12]}", color=GREY)
    return block.picture


def _provenance(context: ReportContext) -> Image.Image:
    block = Block()
    block.heading("How the numbers were made")
    analysis = context.analysis
    block.text(". ".join([*provenance_sentences(analysis), *context_sentences(analysis), _origin(context)]))
    return block.picture


def _date(value: str) -> str:
    text = str(value)
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == len("YYYYMMDD") else text or ABSENT


def _origin(context: ReportContext) -> str:
    analysis = context.analysis
    return (
        f"Source: {source_image_name(context.header)}. {MANUFACTURER_MODEL_NAME} {analysis.engine_version}, "
        f"analysis {analysis.identity[:12]}"
    )
