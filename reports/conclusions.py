"""What a reader concludes, in words: diagnosis, change, risk, advice, the impression, and refusals."""

from __future__ import annotations

import re
from itertools import zip_longest

from analysis.results import (
    DiagnosticCategory,
    Recommendation,
    RegionChange,
    RegionMeasurement,
    RiskCategory,
    RiskEstimate,
    Severity,
    Status,
    StudyAnalysis,
)
from analysis.wording import Language, explanation_sentences, main_drivers
from analysis.wording.names import region_name
from analysis.wording.numbers import signed
from reports.engine_text import engine_text
from reports.findings import bmd_text
from reports.language import joined, listed, translatable, translated, translated_plural
from reports.numbers import percent_text, rounded
from reports.provenance import provenance_sentences

RISK_CATEGORIES: dict[RiskCategory, str] = {
    "low": translatable("Low risk"),
    "moderate": translatable("Moderate risk"),
    "high": translatable("High risk"),
}

DIAGNOSES: dict[DiagnosticCategory, str] = {
    "normal": translatable("normal bone mineral density"),
    "low_bone_mass": translatable("low bone mass (osteopenia)"),
    "osteoporosis": translatable("osteoporosis"),
    "within_expected_range": translatable("within the expected range for age"),
    "below_expected_range": translatable("below the expected range for age"),
}

SIDES = {"L": translatable("left"), "R": translatable("right")}

NO_ACTION = frozenset({"diagnosis", "risk", "limits"})
"""Kinds of recommendation that state something and ask for nothing."""

_SENTENCE_END = re.compile(r"\.(?=\s+[A-Z])|。(?=.)")

DRIVERS_NAMED = 2
"""Inputs named in the impression for what raises the risk; the explanation names more."""


def diagnosis_sentence(analysis: StudyAnalysis, language: Language = "en") -> str | None:
    """Say the densitometric category of the one-third radius with its basis, or why there is none."""
    diagnosis = analysis.diagnosis
    if diagnosis is None:
        return None
    if diagnosis.category is None:
        return translated(
            "No densitometric category: {reason}",
            language,
            reason=_own_words(diagnosis.reason, diagnosis.reason_zh, language),
        )
    return translated(
        "Densitometric category: {category}. Basis: {basis}",
        language,
        category=translated(DIAGNOSES[diagnosis.category], language),
        basis=_own_words(diagnosis.basis, diagnosis.basis_zh, language),
    )


def diagnosis_basis(analysis: StudyAnalysis, language: Language = "en") -> str | None:
    """Say what the densitometric category rests on, or why there is none."""
    diagnosis = analysis.diagnosis
    if diagnosis is None:
        return None
    if diagnosis.category is None:
        return _own_words(diagnosis.reason, diagnosis.reason_zh, language)
    return _own_words(diagnosis.basis, diagnosis.basis_zh, language)


def impression_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """At most three sentences to live on: what was found, what it means for the risk, what to do first."""
    risk = translated("No fracture risk was computed; the quality findings say why.", language)
    sentences = [
        _found(analysis, language),
        risk if analysis.risk is None else _risk_in_short(analysis, analysis.risk, language),
    ]
    first = next(
        (
            advice
            for advice in analysis.recommendations
            if advice.kind not in NO_ACTION and advice.conclusion != "options"
        ),
        None,
    )
    if first is not None:
        sentences.append(translated("First: {advice}", language, advice=_advice_in_short(first, language)))
    return sentences


def _advice_in_short(advice: Recommendation, language: Language) -> str:
    """The first sentence, and that there is more: which drugs and what to check before them."""
    first, *more = _SENTENCE_END.split(_advice_text(advice, language))
    return translated("{advice}. More under Advice.", language, advice=first) if any(more) else first


def _found(analysis: StudyAnalysis, language: Language) -> str:
    """The diagnostic region with its category or why it has none, and its change."""
    said = _diagnostic_region(analysis.regions.get("one_third"), language)
    diagnosis = analysis.diagnosis
    if diagnosis is not None and diagnosis.category is not None:
        said += translated(
            ": {category}, {basis}",
            language,
            category=translated(DIAGNOSES[diagnosis.category], language),
            basis=_own_words(diagnosis.basis, diagnosis.basis_zh, language),
        )
    elif diagnosis is not None:
        reason = _own_words(diagnosis.reason, diagnosis.reason_zh, language).rstrip(".。")
        said += translated("; no densitometric category: {reason}", language, reason=reason)
    change = next((change for change in analysis.changes if change.region == "one_third"), None)
    if change is not None:
        said += translated("; ", language) + _change_in_short(change, language)
    return said + translated(".", language)


def _diagnostic_region(measured: RegionMeasurement | None, language: Language) -> str:
    if measured is None or measured.bmd_g_cm2 is None:
        return translated("The one-third radius could not be measured", language)
    return translated("One-third radius BMD {bmd} g/cm²", language, bmd=bmd_text(measured))


def _change_in_short(change: RegionChange, language: Language) -> str:
    return translated(
        "{change} % since {date}, {verdict}",
        language,
        change=signed(change.change_percent, 1),
        date=change.prior_date.isoformat(),
        verdict=_verdict(change, language),
    )


def _risk_in_short(analysis: StudyAnalysis, risk: RiskEstimate, language: Language) -> str:
    """The longest horizon with its interval and category, and what raises and lowers it most."""
    years, estimate = max(risk.horizons.items())
    said = translated(
        "Fracture risk within {years} y {percent} % (90 % interval {low} to {high} %; {category}, research "
        "model)",
        language,
        years=years,
        percent=percent_text(estimate.probability),
        low=percent_text(estimate.interval[0]),
        high=percent_text(estimate.interval[1]),
        category=_within(category_name(risk, language)),
    )
    raising, lowering = main_drivers(analysis.explanation, language, count=DRIVERS_NAMED)
    if raising:
        said += translated("; raised most by {inputs}", language, inputs=listed(raising, language))
    if lowering:
        said += translated("; lowered most by {inputs}", language, inputs=listed(lowering[:1], language))
    return said + translated(".", language)


def comparison_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """What ISCD asks of a follow-up report: which prior, on which machine, change, least significant change.

    The least significant change and its source stand in the sentences on quality of the codes ``lsc_*``.
    """
    if not analysis.changes:
        return [
            translated("No earlier study of the same forearm was available for comparison.", language),
            *_findings_said(analysis, {"prior_not_comparable"}, language),
        ]
    prior = analysis.changes[0]
    before = next((point for point in analysis.trend if point.study_date == prior.prior_date), None)
    codes = {finding.code for finding in analysis.quality}
    if "cross_calibrated" in codes:
        machine = translated("another machine, converted by the site's cross-calibration", language)
    elif "machine_changed" in codes:
        machine = translated("another machine without cross-calibration", language)
    else:
        machine = translated("the same machine", language)
    device = (before.device if before else "") or translated("unnamed densitometer", language)
    return [
        translated(
            "Compared with the study of {date} ({device}; {machine}).",
            language,
            date=prior.prior_date.isoformat(),
            device=device,
            machine=machine,
        ),
        *change_sentences(analysis, language),
        *_findings_said(analysis, {"lsc_published", "lsc_site", "change_same_region"}, language),
    ]


def _findings_said(analysis: StudyAnalysis, codes: set[str], language: Language) -> list[str]:
    return [engine_text(finding.message, language) for finding in analysis.quality if finding.code in codes]


def technique_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """What was scanned, with what, how it was analysed and of what technical quality it is."""
    side = analysis.laterality.value if analysis.laterality else None
    scanned = (
        translated("DXA of the {side} forearm", language, side=translated(SIDES[side], language))
        if side
        else translated("DXA of a forearm, side not declared", language)
    )
    doubts = sum(finding.severity is not Severity.INFO for finding in analysis.quality)
    if doubts:
        quality = translated_plural(
            "Technical quality: {count} warning, see the quality findings",
            "Technical quality: {count} warnings, see the quality findings",
            doubts,
            language,
        )
    else:
        quality = translated("Technical quality: nothing remarked that limits the numbers", language)
    return [scanned, *provenance_sentences(analysis, language), quality]


def category_name(risk: RiskEstimate, language: Language = "en") -> str:
    """Name the risk category alone, e.g. "Moderate risk"."""
    return translated(RISK_CATEGORIES[risk.category], language)


def category_sentence(risk: RiskEstimate, language: Language = "en") -> str:
    """Say the risk category with the number and the rule behind it."""
    return translated(
        "{category}. Rule: {rule}",
        language,
        category=category_name(risk, language),
        rule=engine_text(risk.category_rule, language),
    )


def risk_sentences(risk: RiskEstimate, language: Language = "en") -> list[str]:
    """One sentence per horizon: probability with its 90 % interval."""
    return [
        translated(
            "{years} y: {percent} % (90 % interval {low} to {high} %)",
            language,
            years=year,
            percent=percent_text(estimate.probability),
            low=percent_text(estimate.interval[0]),
            high=percent_text(estimate.interval[1]),
        )
        for year, estimate in sorted(risk.horizons.items())
    ]


def change_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """One sentence per region measured before."""
    return [change_sentence(change, language) for change in analysis.changes]


def change_sentence(change: RegionChange, language: Language) -> str:
    """Change in g/cm², in % and per year, and whether it is more than the least significant change."""
    percent = translated("{percent} %", language, percent=signed(change.change_percent, 1))
    if change.percent_per_year is not None:
        percent = translated(
            "{percent} %, {yearly} % per year",
            language,
            percent=signed(change.change_percent, 1),
            yearly=signed(change.percent_per_year, 1),
        )
    return translated(
        "{region}: {change} g/cm² ({percent}) in {years} y since {date}; {verdict}",
        language,
        region=region_name(change.region, language),
        change=signed(change.change_g_cm2, 3),
        percent=percent,
        years=rounded(change.years, 1),
        date=change.prior_date.isoformat(),
        verdict=_verdict(change, language),
    )


def _verdict(change: RegionChange, language: Language) -> str:
    """How the change compares with the least significant change."""
    known = change.least_significant_change_percent
    if known is None:
        return translated("no least significant change known for this region", language)
    if change.significant is None:
        return translated(
            "not judged, as the machines differ without cross-calibration",
            language,
        )
    if change.significant:
        return translated(
            "exceeds the least significant change of {limit} %", language, limit=rounded(known, 1)
        )
    return translated("within the least significant change of {limit} %", language, limit=rounded(known, 1))


def driver_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """What raised and lowered the estimate, largest contribution to its log-hazard first, then by family."""
    return explanation_sentences(analysis.explanation, analysis.regions, language)


def recommendation_sentences(
    analysis: StudyAnalysis, language: Language = "en", *, traced: bool = False
) -> list[str]:
    """Advice with guideline, strength and source, and what was asked for in vain.

    Parameters
    ----------
    traced : bool
        Also say the rule's id and the inputs that decided it.
    """
    return [_recommendation(advice, language, traced=traced) for advice in analysis.recommendations]


def _recommendation(advice: Recommendation, language: Language, *, traced: bool) -> str:
    authority = [
        engine_text(part, language) for part in (advice.guideline, advice.strength, advice.source) if part
    ]
    if traced and advice.rule_id:
        authority.append(translated("rule {id}", language, id=advice.rule_id))
    if traced and advice.inputs_used:
        used = [engine_text(item, language) for item in advice.inputs_used]
        authority.append(translated("decided by {inputs}", language, inputs=joined(used, language)))
    if advice.inputs_missing:
        missing = [engine_text(item, language) for item in advice.inputs_missing]
        authority.append(translated("not known: {inputs}", language, inputs=listed(missing, language)))
    return translated(
        "{advice} [{authority}]",
        language,
        advice=_advice_text(advice, language),
        authority=translated("; ", language).join(authority),
    )


def _advice_text(advice: Recommendation, language: Language) -> str:
    return _own_words(advice.text, advice.text_zh, language)


def _own_words(english: str, chinese: str, language: Language) -> str:
    """Advice brings its Chinese along; a site's own rules may have none."""
    return chinese if language == "zh" and chinese else english


def assumption_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """What the advice took for granted because nobody entered it."""
    told = zip_longest(analysis.assumptions, analysis.assumptions_zh, fillvalue="")
    return [
        translated("Assumed: {assumption}", language, assumption=_own_words(english, chinese, language))
        for english, chinese in told
        if english
    ]


def refusal_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """Why a study has no measurements and what to do; empty for one that has."""
    if analysis.status is Status.ANALYZED:
        return []
    why = translated("Reason: {reason}", language, reason=engine_text(analysis.reason, language))
    if analysis.status is Status.NOT_APPLICABLE:
        return [
            translated("This study was not analysed: it is no forearm DXA that this node reads.", language),
            why,
            translated(
                "Nothing needs to be done, unless it does show a forearm: then correct what is named above "
                "and send the study again.",
                language,
            ),
        ]
    return [
        translated("This study could not be analysed: no number, outline or risk was produced.", language),
        why,
        translated(
            "Once what is named above is corrected, send the study again: it is analysed anew. Until then "
            "read the study without this analysis.",
            language,
        ),
    ]


def _within(name: str) -> str:
    return name[:1].lower() + name[1:]
