"""The registry of risk models as an administrator sees it: lines of versions, provenance, cards, reports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.risk.registry import verified_bytes
from analysis.risk.versions import Version, history, list_versions
from dicom_node.errors import ConfigurationError, OperationRefusedError
from dicom_node.workflow.model_reports import EvaluationReport, card_path, evaluation_report, file_inside

__all__ = [
    "Figures",
    "HeldOut",
    "Interval",
    "ModelDetail",
    "ModelLine",
    "RegistryChange",
    "changes_of",
    "figures_of",
    "find_version",
    "model_detail",
    "model_lines",
]


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
        has_card=card_path(directory, chosen) is not None,
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
    path = file_inside(directory, str(version.entry.get("evaluation") or ""))
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
