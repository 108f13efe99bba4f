"""Advice and doubts of a report page: as much as the room holds, and all that must not be left out."""

from __future__ import annotations

from analysis.results import Recommendation, Severity, StudyAnalysis
from analysis.wording import Language
from reports.columns import Frame, Section, balanced_height, flow
from reports.engine_text import engine_text
from reports.language import joined, translated
from reports.page import Page, Theme
from reports.sentences import limit_sentences, quality_sentences
from reports.source import ReportContext

LIMITS, DIAGNOSIS, SAFETY = "limits", "diagnosis", "safety"
"""Kinds of `Recommendation`."""

IN_THE_FOOTER = "decision-support"
"""Id of the rule that the foot of every page states."""

SMALL = 0.925
"""Size of the type over that of plain text: 24 pixels on a picture."""

COLUMN_GAP = 1.0
"""Between the columns, over the size of plain text."""

LEAST_ADVICE = 3
"""Sentences on what to do that a page keeps before it grows."""


class Lists:
    """Two balanced columns with advice, and with quality and limits.

    Parameters
    ----------
    context : ReportContext
    theme : Theme
    width : float
        Of both columns together.
    room : float
        Height they should keep within. Where not even errors, warnings, limits and warnings of harm fit,
        `height` is greater.
    where : str
        Where the rest stands, a message with ``{count}``, already translated.
    """

    def __init__(
        self, context: ReportContext, theme: Theme, width: float, *, room: float, where: str
    ) -> None:
        analysis, language = context.analysis, context.language
        self._size = SMALL * theme.size
        self._gap = COLUMN_GAP * theme.size
        self._width = (width - self._gap) / 2
        self._language, self._where = language, where
        self._advice = advice_sentences(analysis, language)
        self._must = must_be_said(analysis, language)
        self._may = may_be_said(analysis, language)
        least = max(LEAST_ADVICE, sum(advice.kind == SAFETY for advice in analysis.recommendations))
        self._sections = self._fitted(room, least)
        self.height = balanced_height(self._sections, self._width, self._size)

    def draw(self, page: Page, x: float, y: float) -> None:
        """Write the columns."""
        lefts = (x, x + self._width + self._gap)
        frame = Frame(lefts, y, y + self.height, self._width)
        flow(page, self._sections, frame, self._size, lambda: frame)

    def _fitted(self, room: float, least: int) -> list[Section]:
        """Leave out remarks first, then advice from its end, until the columns fit."""
        advice, remarks = len(self._advice), len(self._may)
        while True:
            sections = self._listed(advice, remarks)
            if balanced_height(sections, self._width, self._size) <= room:
                return sections
            if remarks:
                remarks -= 1
            elif advice > least:
                advice -= 1
            else:
                return sections

    def _listed(self, advice: int, remarks: int) -> list[Section]:
        left_out = len(self._advice) - advice + len(self._may) - remarks
        doubts = [*self._must, *self._may[:remarks]]
        if left_out:
            doubts.append(self._where.format(count=left_out))
        listed = (
            (translated("Advice", self._language), self._advice[:advice]),
            (translated("Quality and limits", self._language), doubts),
        )
        return [Section(heading, sentences) for heading, sentences in listed if sentences]


def must_be_said(analysis: StudyAnalysis, language: Language) -> list[str]:
    """What no page may leave out: errors and warnings, then the limits of numbers and advice."""
    limits = [
        advice
        for advice in analysis.recommendations
        if advice.kind == LIMITS and advice.rule_id != IN_THE_FOOTER
    ]
    return [
        *quality_sentences(analysis, language)[: _doubts(analysis)],
        *limit_sentences(analysis, language),
        *(_text(advice, language) for advice in limits),
    ]


def may_be_said(analysis: StudyAnalysis, language: Language) -> list[str]:
    """Remarks for as much room as there is."""
    return quality_sentences(analysis, language)[_doubts(analysis) :]


def _doubts(analysis: StudyAnalysis) -> int:
    """How many quality findings are errors or warnings; they come first among the sentences."""
    return sum(finding.severity is not Severity.INFO for finding in analysis.quality)


def advice_sentences(analysis: StudyAnalysis, language: Language) -> list[str]:
    """What to do, in the order of the advice; the diagnosis, which the impression has said, comes last."""
    advice = [item for item in analysis.recommendations if item.kind != LIMITS]
    ordered = sorted(advice, key=lambda item: (item.kind != SAFETY, item.kind == DIAGNOSIS))
    return [_advice_sentence(item, language) for item in ordered]


def _advice_sentence(advice: Recommendation, language: Language) -> str:
    """One sentence with its guideline and grade, or its source; rules and inputs stand in the report."""
    authority = [engine_text(part, language) for part in (advice.guideline or advice.source, advice.strength)]
    if advice.inputs_missing:
        missing = [engine_text(item, language) for item in advice.inputs_missing]
        authority.append(translated("not known: {inputs}", language, inputs=joined(missing, language)))
    said = translated("; ", language).join(filter(None, authority))
    return translated("{advice} [{authority}]", language, advice=_text(advice, language), authority=said)


def _text(advice: Recommendation, language: Language) -> str:
    return advice.text_zh if language == "zh" and advice.text_zh else advice.text
