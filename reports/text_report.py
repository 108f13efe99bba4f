"""SR-2, the report in words: a Comprehensive SR whose title makes viewers list its text.

OHIF shows a report with the title "Imaging Measurement Report" as outlines and any other as text, so the
category, the advice and the caveats live here. The tree keeps to TID 2000 "Basic Diagnostic Imaging Report"
with the headings of CID 7001 and the elements of CID 7002, which radiology systems know.
"""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    LanguageOfContentItemAndDescendants,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from analysis.results import StudyAnalysis
from analysis.wording import Language, explanation_lead
from reports import codes as coded
from reports.identity import RESEARCH_STATEMENT, ResultKind
from reports.instance import finish, report_arguments
from reports.sentences import (
    category_sentence,
    change_sentences,
    context_sentences,
    driver_sentences,
    limit_sentences,
    model_sentence,
    other_bone_sentences,
    provenance_sentences,
    quality_sentences,
    recommendation_sentences,
    region_sentences,
    risk_sentences,
    shape_sentences,
    texture_sentence,
)
from reports.source import ReportContext
from reports.structured_report import observation_context, separate_containers

ENGLISH = CodedConcept("en", "RFC5646", "English")
CHINESE = CodedConcept("zh", "RFC5646", "Chinese")
"""PS3.16 CID 5000; written in simplified characters."""

TEMPLATE = "2000"


def text_report(context: ReportContext) -> ComprehensiveSR:
    """Write one analysis up in sentences, numbers at their proper decimals.

    Returns
    -------
    highdicom.sr.ComprehensiveSR
        Root (18748-4, LN), TID 2000.
    """
    root = ContainerContentItem(coded.DIAGNOSTIC_IMAGING_REPORT, template_id=TEMPLATE)
    root.ContentSequence = ContentSequence()
    root.ContentSequence.extend(LanguageOfContentItemAndDescendants(ENGLISH))
    root.ContentSequence.extend(observation_context(context))
    for section in _sections(context):
        root.ContentSequence.append(section)
    separate_containers(root)
    document = ComprehensiveSR(
        evidence=[context.header],
        content=root,
        is_complete=True,
        coding_schemes=coded.CODING_SCHEMES,
        **report_arguments(context, ResultKind.REPORT, coded.DIAGNOSTIC_IMAGING_REPORT),
    )
    finish(document, context)
    return document


def _sections(context: ReportContext) -> list[ContainerContentItem]:
    analysis = context.analysis
    findings = region_sentences(analysis) + other_bone_sentences(analysis)
    findings += shape_sentences(analysis) + list(filter(None, [texture_sentence(analysis)]))
    method = [f"Quality: {text}" for text in quality_sentences(analysis)]
    method += [f"Limit: {text}" for text in limit_sentences(analysis)]
    method += provenance_sentences(analysis) + context_sentences(analysis)
    sections = (
        (codes.DCM.Summary, _texts(codes.DCM.Summary, [RESEARCH_STATEMENT])),
        (codes.DCM.Impressions, _impressions(analysis) + _explanation(analysis, "en")),
        (codes.DCM.Impressions, _explanation(analysis, "zh")),
        (codes.DCM.Findings, _texts(codes.DCM.Finding, findings)),
        (codes.DCM.PreviousFindings, _texts(codes.DCM.PreviousFinding, change_sentences(analysis))),
        (codes.DCM.Recommendations, _texts(codes.DCM.Recommendation, recommendation_sentences(analysis))),
        (codes.DCM.CurrentProcedureDescriptions, _texts(codes.DCM.ProcedureDescription, method)),
    )
    return [_section(heading, items) for heading, items in sections if items]


def _explanation(analysis: StudyAnalysis, language: Language) -> list[ContentItem]:
    """What drove the estimate; in another language than the document's, the section says so (TID 1204)."""
    sentences = driver_sentences(analysis, language)
    if not sentences:
        return []
    texts = _texts(codes.DCM.Impression, [explanation_lead(language), *sentences])
    return texts if language == "en" else [*LanguageOfContentItemAndDescendants(CHINESE), *texts]


def _impressions(analysis: StudyAnalysis) -> list[ContentItem]:
    risk = analysis.risk
    if risk is None:
        return []
    sentences = [f"Fracture risk category: {category_sentence(risk)}"]
    sentences += [f"Fracture risk within {text}" for text in risk_sentences(risk)]
    sentences.append(f"Risk model: {model_sentence(risk)}")
    category = CodeContentItem(
        codes.DCM.Impression, coded.RISK_CATEGORIES[risk.category], RelationshipTypeValues.CONTAINS
    )
    return [category, *_texts(codes.DCM.Impression, sentences)]


def _section(heading: Code, items: Sequence[ContentItem]) -> ContainerContentItem:
    section = ContainerContentItem(heading, relationship_type=RelationshipTypeValues.CONTAINS)
    section.ContentSequence = ContentSequence(items)
    return section


def _texts(name: Code, sentences: Sequence[str]) -> list[ContentItem]:
    return [TextContentItem(name, sentence, RelationshipTypeValues.CONTAINS) for sentence in sentences]
