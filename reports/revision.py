"""What a report changes against the one it replaces, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from analysis.results import Revision
from analysis.wording.names import Language, region_name
from reports.conclusions import DIAGNOSES, RISK_CATEGORIES, SIDES
from reports.engine_text import engine_text
from reports.language import translatable, translated
from reports.numbers import number_text, percent_text
from reports.provenance import CALIBRATIONS
from reports.source import ReportContext

__all__ = ["revision_sentences"]

PLAIN: Mapping[str, str] = {
    "engine": translatable("Analysis engine"),
    "model": translatable("Risk model"),
    "segmentation_model": translatable("Segmentation model"),
    "reference": translatable("Reference for T- and Z-scores"),
    "calibration": translatable("Calibration"),
    "laterality": translatable("Side"),
    "diagnosis": translatable("Densitometric category"),
    "risk_category": translatable("Fracture risk category"),
}
"""What a subject is called that stands alone."""

ALONE: Mapping[str, str] = {
    "quality": translatable("The quality findings changed; those of today are listed in this report."),
    "other": translatable("Other values changed; density, T-scores, categories and risk did not."),
}
"""Sentences on what is told without values."""

VALUES: Mapping[str, Mapping[str, str]] = {
    "calibration": {str(kind): words for kind, words in CALIBRATIONS.items()},
    "diagnosis": {str(category): words for category, words in DIAGNOSES.items()},
    "risk_category": {str(category): words for category, words in RISK_CATEGORIES.items()},
    "laterality": SIDES,
}
"""Words of the engine's vocabulary that a reader is told in the report's language."""


def revision_sentences(context: ReportContext) -> list[str]:
    """Say that the report replaces another one and what changed; nothing if it replaces none."""
    if not (context.revisions and context.predecessors):
        return []
    language = context.language
    lead = translated(
        "This report replaces an earlier one of the same study, because its result changed:", language
    )
    return [lead, *(_sentence(item, language) for item in context.revisions)]


def _sentence(item: Revision, language: Language) -> str:
    kind, _, of = item.subject.partition(":")
    if kind in ALONE:
        return translated(ALONE[kind], language)
    name, said = _named(kind, of, language)
    none = translated("none", language)
    before = none if item.before is None else said(item.before)
    after = none if item.after is None else said(item.after)
    return translated("{name}: was {before}, is now {after}", language, name=name, before=before, after=after)


def _named(kind: str, of: str, language: Language) -> tuple[str, Callable[[str | float], str]]:
    """Return what a subject is called, and how its values are told."""
    if kind == "bmd_g_cm2":
        name = translated("{region}: BMD", language, region=region_name(of, language))
        return name, lambda value: f"{number_text(float(value), 'g/cm2')} g/cm²"
    if kind == "t_score":
        name = translated("{region}: T-score", language, region=region_name(of, language))
        return name, lambda value: number_text(float(value), "{T-score}")
    if kind == "risk":
        name = translated("Fracture risk within {years} years", language, years=of)
        return name, lambda value: f"{percent_text(float(value))} %"
    if kind == "context":
        return engine_text(of, language), lambda value: engine_text(str(value), language)
    words = VALUES.get(kind, {})
    return translated(PLAIN[kind], language), lambda value: _word(str(value), words, language)


def _word(value: str, words: Mapping[str, str], language: Language) -> str:
    return translated(words[value], language) if value in words else value
