"""SR-2, the report in words: a Comprehensive SR whose title makes viewers list its text.

OHIF shows a report with the title "Imaging Measurement Report" as outlines and any other as text, so the category,
the advice and the caveats live here. The tree follows TID 2000 "Basic Diagnostic Imaging Report".
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

from reports import codes as coded
from reports.identity import RESEARCH_STATEMENT, ResultKind
from reports.instance import finish, instance_arguments
from reports.sentences import (
    category_sentence,
    change_sentences,
    driver_sentences,
    limit_sentences,
    model_sentence,
    morphometry_sentence,
    provenance_sentences,
    quality_sentences,
    recommendation_sentences,
    region_sentences,
    risk_sentences,
)
from reports.source import ReportContext
from reports.structured_report import observation_context, separate_containers

ENGLISH = CodedConcept("en", "RFC5646", "English")

TEMPLATE = "2000"


def text_report(context: ReportContext) -> ComprehensiveSR:
    """Write one analysis up in sentences, numbers at their proper decimals.

    Returns
    -------
    highdicom.sr.ComprehensiveSR
        Root (38269-7, LN), TID 2000.
    """
    root = ContainerContentItem(coded.DXA_STUDY_REPORT, is_content_continuous=False, template_id=TEMPLATE)
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
        **instance_arguments(context, ResultKind.REPORT),
    )
    finish(document, context)
    return document


def _sections(context: ReportContext) -> list[ContainerContentItem]:
    analysis = context.analysis
    findings = region_sentences(analysis)
    if (structure := morphometry_sentence(analysis)) is not None:
        findings.append(structure)
    caveats = _texts(coded.QUALITY_FINDING, quality_sentences(analysis))
    caveats += _texts(coded.LIMITS, limit_sentences(analysis))
    caveats += _texts(coded.PROVENANCE, provenance_sentences(analysis))
    sections = (
        (codes.DCM.Summary, _summary(context)),
        (codes.DCM.Findings, _texts(codes.DCM.Finding, findings)),
        (coded.CHANGES_HEADING, _texts(coded.CHANGE, change_sentences(analysis))),
        (coded.DRIVERS_HEADING, _texts(coded.RISK_DRIVER, driver_sentences(analysis))),
        (codes.DCM.Recommendations, _texts(codes.DCM.Recommendation, recommendation_sentences(analysis))),
        (coded.QUALITY_HEADING, caveats),
    )
    return [_section(heading, items) for heading, items in sections if items]


def _summary(context: ReportContext) -> list[ContentItem]:
    items: list[ContentItem] = _texts(coded.RESEARCH_USE_ONLY, [RESEARCH_STATEMENT])
    risk = context.analysis.risk
    if risk is None:
        return items
    category = coded.RISK_CATEGORIES[risk.category]
    items.append(CodeContentItem(coded.RISK_CATEGORY, category, RelationshipTypeValues.CONTAINS))
    items += _texts(coded.RISK, risk_sentences(risk))
    items += _texts(coded.RISK_CATEGORY, [category_sentence(risk)])
    items += _texts(coded.MODEL, [model_sentence(risk)])
    return items


def _section(heading: Code, items: Sequence[ContentItem]) -> ContainerContentItem:
    section = ContainerContentItem(
        heading, is_content_continuous=False, relationship_type=RelationshipTypeValues.CONTAINS
    )
    section.ContentSequence = ContentSequence(items)
    return section


def _texts(name: Code, sentences: Sequence[str]) -> list[ContentItem]:
    return [TextContentItem(name, sentence, RelationshipTypeValues.CONTAINS) for sentence in sentences]
