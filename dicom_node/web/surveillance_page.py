"""What the page of surveillance shows of each scanner: pictures, and the figures behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from analysis.wording import Language, feature_name
from dicom_node.config.surveillance import SurveillanceSettings
from dicom_node.storage.surveillance import Alarm, Figure
from dicom_node.web.finding_words import finding_name
from dicom_node.web.i18n import Say, speaker, translatable
from dicom_node.web.plots.surveillance import (
    Calibration,
    DriftMap,
    Months,
    RatioCourse,
    RiskCourse,
    ShareCourse,
    calibration,
    drift_map,
    ratio_course,
    risk_course,
    share_course,
)
from dicom_node.web.refusal_words import refusal_name
from dicom_node.workflow.surveillance.view import ScannerCard, SurveillanceView

__all__ = ["AlarmLine", "FindingLine", "Outcomes", "ScannerPictures", "alarm_lines", "pictures_of"]

MOST_FINDINGS = 6

WAITING = {
    "subjects": translatable("too few patients"),
    "follow_up": translatable("not followed up long enough yet"),
    "fractures": translatable("too few fractures"),
}
"""What outcomes wait for -> in words."""


@dataclass(frozen=True, slots=True)
class FindingLine:
    """One finding or reason in the newest month that is over and has studies."""

    name: str
    share: float
    count: int
    total: int
    crossed: bool
    accepted: bool


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of patients within some years.

    Attributes
    ----------
    newest : Figure
        The youngest group that is judged, else the youngest that has a figure at all.
    waiting : str
        What the newest group waits for, in words; empty if it is judged.
    """

    years: str
    newest: Figure
    waiting: str
    course: RatioCourse | None
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class ScannerPictures:
    """One scanner's part of the page; what there is nothing of is None or empty."""

    name: str
    alarms: int
    quality: ShareCourse | None
    findings: tuple[FindingLine, ...]
    declined: ShareCourse | None
    reasons: tuple[FindingLine, ...]
    drift: DriftMap | None
    risks: tuple[tuple[str, RiskCourse, Figure], ...]
    agreement: ShareCourse | None
    outcomes: tuple[Outcomes, ...]
    month: str
    """The newest month that is over and has studies; empty if there is none."""


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """One alarm, said in the reader's language; `numbers` is empty if its figure is no longer kept."""

    alarm: Alarm
    scanner: str
    words: str
    numbers: str


def pictures_of(
    view: SurveillanceView, settings: SurveillanceSettings, language: Language, present: str
) -> list[ScannerPictures]:
    """Draw every scanner of a view.

    Parameters
    ----------
    present : str
        The month that is not over, YYYY-MM.
    """
    months = Months(view.months)
    _ = speaker(language)
    return [_pictures(card, months, settings, _, language, present) for card in view.cards]


def alarm_lines(view: SurveillanceView, alarms: Sequence[Alarm], language: Language) -> list[AlarmLine]:
    """Say some alarms of a view in a language."""
    _ = speaker(language)
    cards = {card.scanner: card for card in view.cards}
    return [
        AlarmLine(
            alarm,
            alarm.scanner or _("All scanners together"),
            _alarm_words(alarm, _, language),
            _alarm_numbers(alarm, cards.get(alarm.scanner), _),
        )
        for alarm in alarms
    ]


def _alarm_numbers(alarm: Alarm, card: ScannerCard | None, _: Say) -> str:
    figures = card.of(alarm.kind).get(alarm.subject, ()) if card else ()
    figure = next((one for one in figures if one.month == alarm.month), None)
    if figure is None:
        return ""
    detail = figure.detail
    if alarm.kind in ("feature", "risk"):
        return _(
            "PSI {psi} over {patients} patients", psi=f"{detail['psi']:.2f}", patients=detail["subjects"]
        )
    if alarm.kind != "outcome":
        return _("{count} of {total}", count=detail["count"], total=detail["total"])
    ratio = "{value:.2f} ({low:.2f}–{high:.2f})".format(**detail["ratio"])
    return _(
        "observed : predicted {ratio}, {fractures} fractures of {subjects} patients",
        ratio=ratio,
        fractures=detail["fractures"],
        subjects=detail["subjects"],
    )


def _pictures(
    card: ScannerCard,
    months: Months,
    settings: SurveillanceSettings,
    _: Say,
    language: Language,
    present: str,
) -> ScannerPictures:
    quality, declined = card.of("quality"), card.of("declined")
    over = [one.month for one in (*quality.get("", ()), *declined.get("", ())) if one.month < present]
    month = max(over, default="")
    features = card.of("feature")
    names = {name: feature_name(name, language) for name in features}

    def finding(code: str) -> str:
        return finding_name(_, code)

    def reason(code: str) -> str:
        return refusal_name(_, code)

    return ScannerPictures(
        card.scanner or _("All scanners together"),
        len(card.alarms),
        _course(quality.get("", ()), months, settings),
        _lines(quality, month, finding, settings.accepted_findings),
        _course(declined.get("", ()), months, settings),
        _lines(declined, month, reason, ()),
        drift_map(features, names, months.months) if features else None,
        tuple(
            (name, course, figures[-1])
            for name, figures in card.of("risk").items()
            if (course := risk_course(figures, months)) is not None
        ),
        _course(card.of("agreement").get("", ()), months, settings),
        _outcomes(card, months, settings, _),
        month,
    )


def _course(figures: Sequence[Figure], months: Months, settings: SurveillanceSettings) -> ShareCourse | None:
    return share_course(figures, months, settings.least_studies) if figures else None


def _lines(
    by_code: Mapping[str, Sequence[Figure]],
    month: str,
    name_of: Callable[[str], str],
    accepted: Sequence[str],
) -> tuple[FindingLine, ...]:
    newest = [one for code, figures in by_code.items() if code for one in figures if one.month == month]
    newest.sort(key=lambda one: (-one.detail["count"], one.subject))
    return tuple(
        FindingLine(
            name_of(one.subject),
            one.detail["value"],
            one.detail["count"],
            one.detail["total"],
            one.crossed,
            one.subject in accepted,
        )
        for one in newest[:MOST_FINDINGS]
    )


def _outcomes(
    card: ScannerCard, months: Months, settings: SurveillanceSettings, _: Say
) -> tuple[Outcomes, ...]:
    limits = settings.observed_to_expected_from, settings.observed_to_expected_to
    found = []
    for years, figures in sorted(card.of("outcome").items(), key=lambda item: int(item[0])):
        measured = [one for one in figures if one.detail.get("groups")]
        judged = [one for one in measured if one.judged]
        newest = (judged or measured or list(figures))[-1]
        waiting = "" if newest.judged else _(WAITING[newest.detail["waiting"]])
        drawn = calibration(newest) if judged else None
        found.append(Outcomes(years, newest, waiting, ratio_course(judged, months, limits), drawn))
    return tuple(found)


def _alarm_words(alarm: Alarm, _: Say, language: Language) -> str:
    subject = alarm.subject
    if alarm.kind == "feature":
        return _("Drift of {feature}", feature=feature_name(subject, language))
    if alarm.kind == "risk":
        return _("Drift of the risk that model {model} predicts", model=subject)
    if alarm.kind == "outcome":
        return _("{years}-year fractures are not as predicted", years=subject)
    if alarm.kind == "agreement":
        return _("Radiologists disagree too often")
    if alarm.kind == "declined":
        return _("Too many studies are declined")
    return _("Too many studies have the finding “{finding}”", finding=finding_name(_, subject))
