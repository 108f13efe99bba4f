"""SR-2, the report in words: a Structured Report whose title makes viewers list its text.

OHIF shows a report with the title "Imaging Measurement Report" as outlines and any other as text, so the
category, the advice and the caveats live here. The tree keeps to TID 2000 "Basic Diagnostic Imaging Report"
with the headings of CID 7001 and the elements of CID 7002, which radiology systems know. What the reader
needs first stands first; method, quality and limits come last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from analysis.results import StudyAnalysis
from analysis.wording import Language, explanation_lead
from reports import codes as coded
from reports import content
from reports.content import INFERRED_FROM, Item
from reports.identity import SERIES, ResultKind
from reports.language import translated
from reports.revision import revision_sentences
from reports.sentences import (
    assumption_sentences,
    category_sentence,
    comparison_sentences,
    context_sentences,
    diagnosis_sentence,
    driver_sentences,
    impression_sentences,
    indication_sentences,
    limit_sentences,
    model_sentence,
    other_bone_sentences,
    quality_sentences,
    recommendation_sentences,
    region_sentences,
    research_statement,
    risk_sentences,
    shape_sentences,
    technique_sentences,
    texture_sentence,
)
from reports.source import ReportContext
from reports.sr_document import measurements_evidence, source_evidence, structured_report
from reports.templates import device_observer, language_of_content

TEMPLATE = "2000"

LINE_LENGTH = 80
"""Letters in a line of a finding."""

OTHER_LANGUAGE: dict[Language, Language] = {"en": "zh", "zh": "en"}
"""What drives the risk is told in both languages, whichever the document's is."""


def text_report(context: ReportContext) -> Dataset:
    """Write one analysis up in sentences, numbers at their proper decimals.

    Returns
    -------
    Dataset
        Root (18748-4, LN), TID 2000. It refers to the measurement report, where the site has that made.
    """
    evidence = [source_evidence(context)]
    if _has_measurements(context):
        evidence.append(measurements_evidence(context))
    return structured_report(
        context,
        ResultKind.REPORT,
        title=coded.DIAGNOSTIC_IMAGING_REPORT,
        template=TEMPLATE,
        children=[
            language_of_content(context.language),
            *device_observer(context),
            *_sections(context),
        ],
        evidence=evidence,
    )


def _has_measurements(context: ReportContext) -> bool:
    return ResultKind.MEASUREMENTS in context.options.results


def _sections(context: ReportContext) -> list[Item]:
    analysis, language = context.analysis, context.language
    other = OTHER_LANGUAGE[language]
    texture = texture_sentence(analysis, language, only=context.options.texture)
    findings = [
        *region_sentences(analysis, language),
        *other_bone_sentences(analysis, language),
        *shape_sentences(analysis, language),
        *([texture] if texture else []),
    ]
    advice = recommendation_sentences(analysis, language) + assumption_sentences(analysis, language)
    sections = (
        (codes.DCM.Summary, _texts(codes.DCM.Summary, _summary(context))),
        (codes.DCM.IndicationsForProcedure, _indications(context)),
        (codes.DCM.Findings, _texts(codes.DCM.Finding, [_in_lines(text) for text in findings])),
        (
            codes.DCM.PreviousFindings,
            _texts(codes.DCM.PreviousFinding, comparison_sentences(analysis, language)),
        ),
        (codes.DCM.Impressions, _impressions(analysis, language) + _explanation(analysis, language)),
        (codes.DCM.Impressions, _explanation(analysis, other, translated_section=True)),
        (codes.DCM.Recommendations, _texts(codes.DCM.Recommendation, advice)),
        (codes.DCM.CurrentProcedureDescriptions, _procedure(context)),
    )
    return [content.container(heading, items) for heading, items in sections if items]


def _in_lines(sentence: str) -> str:
    """Break a sentence: OHIF shows an item named "Finding" as typed, a long line leaves the window.

    A Chinese character is as wide as two letters and has no blank to break at.
    """
    lines, width = [""], 0
    for word in re.findall(r"[\u3000-\u9fff\uff00-\uffef]|[^\s\u3000-\u9fff\uff00-\uffef]+\s*|\s+", sentence):
        needed = len(word.rstrip()) * (2 if word >= "\u3000" else 1)
        if lines[-1] and width + needed > LINE_LENGTH:
            lines, width = [*lines, ""], 0
        lines[-1] += word
        width += needed + len(word) - len(word.rstrip())
    return "\r\n".join(line.rstrip() for line in lines)


def _summary(context: ReportContext) -> list[str]:
    return [
        research_statement(context.language),
        *impression_sentences(context.analysis, context.language),
        *revision_sentences(context),
    ]


def _indications(context: ReportContext) -> list[Item]:
    return _texts(coded.INDICATION, indication_sentences(context.header, context.language))


def _impressions(analysis: StudyAnalysis, language: Language) -> list[Item]:
    """The densitometric category, then the risk with its intervals and its rule."""
    items = []
    if (diagnosis := diagnosis_sentence(analysis, language)) is not None:
        items += _texts(codes.DCM.Impression, [diagnosis])
    risk = analysis.risk
    if risk is None:
        return items
    sentences = [
        translated(
            "Fracture risk category: {category}", language, category=category_sentence(risk, language)
        ),
        *(
            translated("Fracture risk within {risk}", language, risk=sentence)
            for sentence in risk_sentences(risk, language)
        ),
        translated("Risk model: {model}", language, model=model_sentence(risk, language)),
    ]
    category = content.code(codes.DCM.Impression, coded.RISK_CATEGORIES[risk.category])
    return [*items, category, *_texts(codes.DCM.Impression, sentences)]


def _explanation(
    analysis: StudyAnalysis, language: Language, *, translated_section: bool = False
) -> list[Item]:
    """What drove the estimate; in another language than the document's, the section says so (TID 1204)."""
    sentences = driver_sentences(analysis, language)
    if not sentences:
        return []
    texts = _texts(codes.DCM.Impression, [explanation_lead(language), *sentences])
    return [language_of_content(language), *texts] if translated_section else texts


def _procedure(context: ReportContext) -> list[Item]:
    """Technique, what it rests on, quality and limits."""
    analysis, language = context.analysis, context.language
    sentences = [
        *technique_sentences(analysis, language),
        *_densitometer_software(context),
        *context_sentences(analysis, language),
        *(
            translated("Quality: {finding}", language, finding=sentence)
            for sentence in quality_sentences(analysis, language)
        ),
        *(
            translated("Limit: {limit}", language, limit=sentence)
            for sentence in limit_sentences(analysis, language)
        ),
    ]
    items = _texts(codes.DCM.ProcedureDescription, sentences)
    return [*items, _reference(context)] if _has_measurements(context) else items


def _densitometer_software(context: ReportContext) -> list[str]:
    versions = context.header.get("SoftwareVersions")
    if not versions:
        return []
    said = versions if isinstance(versions, str) else "; ".join(map(str, versions))
    return [translated("Densitometer software: {software}", context.language, software=said)]


def _reference(context: ReportContext) -> Item:
    """Where the numbers stand in coded form; the reference hangs below a text, which every viewer shows."""
    measurements = measurements_evidence(context)
    said = translated(
        "Every number stands coded, the regions with their outlines, in series {number}: {description}.",
        context.language,
        number=SERIES[ResultKind.MEASUREMENTS].number,
        description=SERIES[ResultKind.MEASUREMENTS].description,
    )
    reference = content.composite(
        coded.IMAGING_MEASUREMENT_REPORT,
        measurements.sop_class_uid,
        measurements.sop_instance_uid,
        INFERRED_FROM,
    )
    return content.text(codes.DCM.ProcedureDescription, said, children=[reference])


def _texts(name: Code, sentences: Iterable[str]) -> list[Item]:
    return [content.text(name, sentence) for sentence in sentences]
