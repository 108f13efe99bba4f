"""The qualitative evaluations of TID 1500 row 12: what the numbers amount to, and what they are not.

OHIF does not show them, so that the report in words and the summary page say them again.
"""

from __future__ import annotations

from analysis.results import StudyAnalysis
from reports import codes as coded
from reports import content
from reports.content import Item
from reports.sentences import category_sentence, diagnosis_basis, limit_sentences, research_statement
from reports.source import ReportContext


def qualitative_evaluations(context: ReportContext) -> Item:
    """Research use only, densitometric category or why there is none, risk category, and the limits."""
    items = [
        content.text(coded.RESEARCH_USE_ONLY, research_statement(context.language)),
        *densitometric_category(context.analysis),
        *_diagnosis(context),
        *_risk_category(context),
        *(
            content.text(coded.LIMITS, sentence)
            for sentence in limit_sentences(context.analysis, context.language)
        ),
    ]
    return content.container(coded.QUALITATIVE_EVALUATIONS, items)


def densitometric_category(analysis: StudyAnalysis) -> list[Item]:
    """The category of the one-third radius as a code, where the rules allow one."""
    diagnosis = analysis.diagnosis
    if diagnosis is None or diagnosis.category is None:
        return []
    return [content.code(coded.DENSITOMETRIC_CATEGORY, coded.DENSITOMETRIC_CATEGORIES[diagnosis.category])]


def _diagnosis(context: ReportContext) -> list[Item]:
    """What the category rests on, or why there is none."""
    basis = diagnosis_basis(context.analysis, context.language)
    return [content.text(coded.DENSITOMETRIC_CATEGORY, basis)] if basis else []


def _risk_category(context: ReportContext) -> list[Item]:
    risk = context.analysis.risk
    if risk is None:
        return []
    return [
        content.code(coded.RISK_CATEGORY, coded.RISK_CATEGORIES[risk.category]),
        content.text(coded.RISK_CATEGORY, category_sentence(risk, context.language)),
    ]
