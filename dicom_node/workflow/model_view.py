"""The registry of risk models as an administrator sees it: lines of versions, provenance, cards, reports.

A version's evaluation report (``dicom-node evaluate``) is looked for in ``reports/NAME-VERSION`` of the
directory of models, or where the version's entry says (``"report"``).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from analysis.risk.registry import verified_bytes
from analysis.risk.versions import Version, history, list_versions
from dicom_node.errors import ConfigurationError, OperationRefusedError

__all__ = [
    "EvaluationReport",
    "Figure",
    "Figures",
    "HeldOut",
    "Interval",
    "ModelDetail",
    "ModelLine",
    "RegistryChange",
    "changes_of",
    "evaluation_report",
    "figures_of",
    "find_figure",
    "find_version",
    "model_card",
    "model_detail",
    "model_lines",
    "report_figures",
]

REPORT_STEM = "evaluation"
"""As `analysis.evaluation.report.write_report` names its files."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How good a model was on patients it was not fitted to, at one horizon."""

    years: int
    fractures: int
    auc: float | None
    observed_to_expected: float | None
    calibration_slope: float | None
    brier: float | None


@dataclass(frozen=True, slots=True)
class RegistryChange:
    """One change of the registry: who made which version the active one, put it in shadow or rolled back."""

    at: str
    action: str
    model: str
    before: str
    after: str
    reason: str
    user: str


@dataclass(frozen=True)
class ModelLine:
    """All versions of one model.

    Attributes
    ----------
    rank : int
        Place in the order of preference, from 1: the first model whose inputs are known is used. 0 for one
        that is not active.
    purpose : str
        When it is used; empty for a model of the site's own.
    rolls_back_to : str
        The version that was active before the champion was promoted; empty if none is known.
    """

    name: str
    rank: int
    purpose: str
    champion: Version | None
    shadow: Version | None
    others: tuple[Version, ...]
    rolls_back_to: str

    @property
    def versions(self) -> tuple[Version, ...]:
        """Every version, the active one first, then the one in shadow."""
        known = [item for item in (self.champion, self.shadow) if item is not None]
        return (*known, *self.others)


@dataclass(frozen=True)
class EvaluationReport:
    """The files of a report by ``dicom-node evaluate``; None where one is absent."""

    html: Path
    pdf: Path | None
    json: Path | None


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class HeldOut:
    """A challenger beside its champion, on the same patients of the site, whom neither was fitted to.

    Attributes
    ----------
    kind : str
        ``recalibrated`` or ``refitted``.
    years : int
        Horizon of all figures.
    subjects, fractures : int
        Held-out patients, and their fractures within the horizon.
    figures : mapping of str to tuple of Interval or None
        Of champion and challenger; by ``observed_to_expected``, ``slope``, ``auc``, ``brier``.
    """

    champion: str
    challenger: str
    kind: str
    years: int
    subjects: int
    fractures: int
    figures: Mapping[str, tuple[Interval | None, Interval | None]]


@dataclass(frozen=True)
class ModelDetail:
    """Everything known of one version.

    Attributes
    ----------
    trouble : str
        Why its file cannot be used, with the cure; empty if it is what was registered.
    rivals : mapping of str to sequence of Figures
        Other methods on the same folds, by name.
    settings : mapping of str to str
        How it was fitted.
    changes : sequence of RegistryChange
        Newest first.
    """

    version: Version
    trouble: str
    figures: Sequence[Figures]
    rivals: Mapping[str, Sequence[Figures]]
    settings: Mapping[str, str]
    cohort: Mapping[str, str]
    has_card: bool
    report: EvaluationReport | None
    held_out: HeldOut | None
    changes: Sequence[RegistryChange] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a report."""

    number: int
    caption: str
    alternative: str
    media_type: str
    content: bytes


def model_lines(directory: Path) -> list[ModelLine]:
    """Return every model of a directory with its versions: the active ones in order of preference first.

    Raises
    ------
    ConfigurationError
        If the directory holds no registry, or a damaged one.
    """
    from analysis.training.model_sets import MODEL_SETS

    purposes = {model.name: model.purpose for model in MODEL_SETS}
    versions = list_versions(directory)
    changes = changes_of(directory)
    lines: list[ModelLine] = []
    for name in dict.fromkeys(version.name for version in versions):
        own = [version for version in versions if version.name == name]
        champion = next((version for version in own if version.active), None)
        shadow = next((version for version in own if version.in_shadow), None)
        lines.append(
            ModelLine(
                name=name,
                rank=len(lines) + 1 if champion else 0,
                purpose=purposes.get(name, ""),
                champion=champion,
                shadow=shadow,
                others=tuple(version for version in own if version not in (champion, shadow)),
                rolls_back_to=_before(champion, changes),
            )
        )
    return lines


def model_detail(directory: Path, name: str, version: str) -> ModelDetail:
    """Return what is known of one version.

    Raises
    ------
    OperationRefusedError
        If the directory does not hold it.
    """
    chosen = find_version(directory, name, version)
    fitted = _evaluation(directory, chosen).get("models", {}).get(name, {})
    rivals = fitted.get("cross_validated", {})
    return ModelDetail(
        version=chosen,
        trouble=_trouble(directory, chosen),
        figures=figures_of(chosen.entry.get("cross_validated", {})),
        rivals={rival: figures_of(found) for rival, found in rivals.items() if rival != "hazards"},
        settings=_settings(chosen, fitted),
        cohort=_texts(chosen.entry.get("cohort", {})),
        has_card=_card_path(directory, chosen) is not None,
        report=evaluation_report(directory, chosen),
        held_out=_held_out(chosen.entry.get("held_out")),
        changes=[change for change in changes_of(directory) if change.model == name],
    )


def changes_of(directory: Path) -> list[RegistryChange]:
    """Return every change of a directory's registry, newest first."""
    return [
        RegistryChange(
            at=str(item.get("time", "")),
            action=str(item.get("action", "")),
            model=str(item.get("model", "")),
            before=str(item.get("from") or ""),
            after=str(item.get("to") or ""),
            reason=str(item.get("reason", "")),
            user=str(item.get("user", "")),
        )
        for item in reversed(history(directory))
    ]


def figures_of(by_years: Mapping[str, Mapping[str, Any]]) -> list[Figures]:
    """Return cross-validated figures as training wrote them, by horizon."""
    return [
        Figures(
            years=int(years),
            fractures=int(found.get("fractures", 0)),
            auc=found.get("auc"),
            observed_to_expected=found.get("observed_to_expected"),
            calibration_slope=found.get("calibration_slope"),
            brier=found.get("brier"),
        )
        for years, found in sorted(by_years.items(), key=lambda item: int(item[0]))
    ]


def find_version(directory: Path, name: str, version: str) -> Version:
    """Return one version of a directory.

    Raises
    ------
    OperationRefusedError
        If the directory does not hold it.
    """
    held = list_versions(directory)
    chosen = next((item for item in held if (item.name, item.version) == (name, version)), None)
    if chosen is None:
        raise OperationRefusedError(
            f"risk model {name} {version}: not held; the page of models lists those that are"
        )
    return chosen


def model_card(directory: Path, version: Version) -> str:
    """Return a version's model card, Markdown; empty if it has none."""
    path = _card_path(directory, version)
    return path.read_text(encoding="utf-8") if path else ""


def evaluation_report(directory: Path, version: Version) -> EvaluationReport | None:
    """Return where a version's evaluation report lies; None if it has none."""
    named = str(version.entry.get("report") or f"reports/{version.name}-{version.version}")
    folder = _inside(directory, named)
    if folder is None or not (folder / f"{REPORT_STEM}.html").is_file():
        return None
    pdf, figures = (folder / f"{REPORT_STEM}.{ending}" for ending in ("pdf", "json"))
    return EvaluationReport(
        folder / f"{REPORT_STEM}.html",
        pdf if pdf.is_file() else None,
        figures if figures.is_file() else None,
    )


def report_figures(report: EvaluationReport) -> list[Figure]:
    """Return the figures of a report in their order."""
    reader = _FigureReader()
    reader.feed(report.html.read_text(encoding="utf-8"))
    return reader.figures


def find_figure(report: EvaluationReport, number: int) -> Figure:
    """Return one figure of a report.

    Raises
    ------
    OperationRefusedError
        If the report has fewer.
    """
    found = next((figure for figure in report_figures(report) if figure.number == number), None)
    if found is None:
        raise OperationRefusedError(f"the evaluation report has no figure {number}; open the model's page")
    return found


class _FigureReader(HTMLParser):
    """Takes figures, which are data addresses, out of a report's one HTML file."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.figures: list[Figure] = []
        self._image: Mapping[str, str | None] | None = None
        self._caption: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self._image = dict(attrs)
        elif tag == "figcaption":
            self._caption = []

    def handle_data(self, data: str) -> None:
        if self._caption is not None:
            self._caption.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag != "figure" or self._image is None:
            return
        head, _, encoded = str(self._image.get("src") or "").partition(";base64,")
        media_type = head.removeprefix("data:")
        caption = " ".join("".join(self._caption or []).split()).partition(". ")[2]
        try:
            content = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            content = b""
        if content and media_type in ("image/svg+xml", "image/png"):
            self.figures.append(
                Figure(len(self.figures) + 1, caption, str(self._image.get("alt") or ""), media_type, content)
            )
        self._image = self._caption = None


def _trouble(directory: Path, version: Version) -> str:
    try:
        for item in (version.entry, *version.entry.get("weights", [])):
            verified_bytes(directory, item)
    except ConfigurationError as error:
        return str(error)
    return ""


def _before(champion: Version | None, changes: Sequence[RegistryChange]) -> str:
    """The version that `analysis.risk.versions.rollback` would choose."""
    if champion is None:
        return ""
    return next(
        (
            change.before
            for change in changes
            if change.action == "promote"
            and (change.model, change.after) == (champion.name, champion.version)
            and change.before
        ),
        "",
    )


def _evaluation(directory: Path, version: Version) -> Mapping[str, Any]:
    path = _inside(directory, str(version.entry.get("evaluation") or ""))
    if path is None or not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _held_out(told: Mapping[str, Any] | None) -> HeldOut | None:
    """Read what `dicom_node.workflow.learning` wrote of a challenge."""
    if not told:
        return None
    sides = (told["champion_figures"], told["challenger_figures"])
    return HeldOut(
        champion=str(told["champion"]),
        challenger=str(told["challenger"]),
        kind=str(told["kind"]),
        years=int(told["years"]),
        subjects=int(told["held_out_subjects"]),
        fractures=int(told["held_out_fractures"]),
        figures={
            name: (_interval(sides[0].get(name)), _interval(sides[1].get(name)))
            for name in ("observed_to_expected", "slope", "auc", "brier")
        },
    )


def _interval(told: Mapping[str, Any] | None) -> Interval | None:
    return Interval(told["value"], told["low"], told["high"]) if told else None


def _settings(version: Version, fitted: Mapping[str, Any]) -> dict[str, str]:
    known = {
        "features": fitted.get("features"),
        "calibration": fitted.get("calibration", {}).get("chosen"),
        **{key: value for key, value in fitted.get("hyperparameters", {}).items() if key != "prior_sd"},
        **version.entry.get("plan", {}),
    }
    return _texts(known)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(key): json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        for key, value in values.items()
        if value not in (None, {}, [])
    }


def _card_path(directory: Path, version: Version) -> Path | None:
    path = _inside(directory, str(version.entry.get("card") or ""))
    return path if path is not None and path.is_file() else None


def _inside(directory: Path, named: str) -> Path | None:
    """The path that an entry names; None if it names none, or one outside of the directory."""
    path = (directory / named).resolve()
    return path if named and path.is_relative_to(directory.resolve()) else None
