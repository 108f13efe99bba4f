"""A challenger for each model in force, from a site's own cohort, and its comparison with the champion.

Two candidates: level and slope of the model in force fitted to the site, and, with enough fractures, all
coefficients fitted anew. Cross-validation on the training patients chooses between them. The held-out
patients, whom neither champion nor challenger has seen, are only looked at to compare the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from analysis.cohort.columns import FRACTURE, FloatArray
from analysis.cohort.table import CohortTable
from analysis.evaluation.calibration import Calibration
from analysis.evaluation.evaluate import Settings, evaluate
from analysis.evaluation.intervals import Difference, Estimate
from analysis.evaluation.observed import Observed, observe
from analysis.evaluation.predict import predict_table
from analysis.evaluation.predictions import Predictions
from analysis.evaluation.report import write_report
from analysis.evaluation.results import Evaluation, HorizonEvaluation
from analysis.results import HORIZONS_YEARS
from analysis.risk.model import RiskModel
from analysis.risk.registry import load_models
from analysis.training.cross_validation import folds, splits
from analysis.training.model_sets import MODEL_SETS
from analysis.training.models import EVALUATION_FILE, train_models
from analysis.training.one_model import KEPT, figures
from analysis.training.recalibration import recalibrate, recalibrate_models
from analysis.training.tuning import Plan

Kind = Literal["recalibrated", "refitted"]

LEAST_FOLLOWED = 20
"""Held-out patients who must have been followed beyond a horizon for models to be compared there: censoring
weights of fewer would let single patients decide (assumption)."""
RESAMPLES = 500
"""Bootstrap samples for the paired difference of the distance from calibration."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Fewer fractures than these, and nothing is claimed; see `dicom_node.config.LearningSettings`."""

    fractures: int = 50
    fractures_to_refit: int = 200
    held_out_fractures: int = 20


@dataclass(frozen=True, slots=True)
class HeldOutFigures:
    """One model on the held-out patients; the slope is None where there are too few fractures for one."""

    observed_to_expected: Estimate
    slope: Estimate | None
    auc: Estimate
    brier: Estimate


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenger beside its champion.

    Attributes
    ----------
    name : str
        Of the model; both have it.
    champion, challenger : str
        Versions.
    kind : {"recalibrated", "refitted"}
    years : int
        Horizon of all figures.
    training_subjects, training_fractures : int
    held_out_subjects, held_out_fractures : int
        Fractures within the horizon.
    cross_validated : mapping of str to float
        Logarithmic score of the champion and of each candidate on the training patients; lower is better.
    champion_figures, challenger_figures : HeldOutFigures
        On the same held-out patients.
    auc, brier, miscalibration : Difference
        Challenger minus champion, paired. `miscalibration` is |log O:E|: below 0, the challenger is closer.
    models, report : Path
        Directories with the challenger, as training writes models, and with the evaluation report.
    """

    name: str
    champion: str
    challenger: str
    kind: Kind
    years: int
    training_subjects: int
    training_fractures: int
    held_out_subjects: int
    held_out_fractures: int
    cross_validated: Mapping[str, float]
    champion_figures: HeldOutFigures
    challenger_figures: HeldOutFigures
    auc: Difference
    brier: Difference
    miscalibration: Difference
    models: Path
    report: Path


@dataclass(frozen=True, slots=True)
class Challenges:
    """What came of every model in force: a challenge, or why there is none (model -> reason)."""

    made: tuple[Challenge, ...] = ()
    declined: Mapping[str, str] = field(default_factory=dict)


def make_challengers(
    models: Path,
    training: CohortTable,
    held_out: CohortTable,
    directory: Path,
    *,
    limits: Limits | None = None,
    plan: Plan | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Challenges:
    """Make a challenger for every active model that the cohort allows, and compare it with its champion.

    Parameters
    ----------
    models : Path
        The node's models; nothing in it is changed.
    training, held_out : CohortTable
        No subject is in both.
    directory : Path
        Gets ``NAME/models`` and ``NAME/report`` of every challenger.
    limits : Limits, optional
    plan : Plan, optional
        How hyperparameters of a refit are searched for.
    progress : callable
        Called with what is being done, in words.

    Raises
    ------
    ValueError
        If a subject is in both tables.
    """
    both = set(training.ids) & set(held_out.ids)
    if both:
        raise ValueError(f"{len(both)} subjects are both trained on and held out")
    made, declined = [], {}
    for model in load_models(models).models:
        name = model.identity.name
        bench = _Bench(
            models, model, _usable(model, training), _usable(model, held_out), directory / name,
            limits or Limits(), plan or Plan(), progress,
        )  # fmt: skip
        reason = bench.lacking()
        if reason:
            declined[name] = reason
        else:
            made.append(bench.challenge())
    return Challenges(tuple(made), declined)


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """One model in force with the patients on whom it can be used."""

    models: Path
    champion: RiskModel
    training: CohortTable
    held_out: CohortTable
    directory: Path
    limits: Limits
    plan: Plan
    progress: Callable[[str], None]

    @property
    def name(self) -> str:
        return self.champion.identity.name

    @property
    def horizons(self) -> tuple[int, ...]:
        """Years at which the held-out patients allow a comparison."""
        if not len(self.held_out):
            return ()
        follow_up = self.held_out.follow_up
        return tuple(
            years
            for years in HORIZONS_YEARS
            if observe(follow_up, years).events >= self.limits.held_out_fractures
            and int((follow_up.years >= years).sum()) >= LEAST_FOLLOWED
        )

    def lacking(self) -> str:
        """Why there can be no challenger; empty if there can."""
        fractures = _fractures(self.training)
        if fractures < self.limits.fractures:
            return f"{fractures} fractures to train on, at least {self.limits.fractures} are needed"
        if not self.horizons:
            return (
                f"{_fractures(self.held_out)} fractures of held-out patients, followed too short or too few: "
                f"at least {self.limits.held_out_fractures} within one of {HORIZONS_YEARS} years, and "
                f"{LEAST_FOLLOWED} patients followed so long"
            )
        return ""

    def challenge(self) -> Challenge:
        kind, scores = self._choose()
        source = self.directory / ("refit" if kind == "refitted" else "models")
        challenger = next(item for item in load_models(source).models if item.identity.name == self.name)
        self.progress(f"{self.name}: comparing champion and challenger")
        labels = f"{self.name} (champion)", f"{self.name} (challenger)"
        predictions = {
            label: replace(predict_table(model, self.held_out, with_interval=False), name=label)
            for label, model in zip(labels, (self.champion, challenger), strict=True)
        }
        evaluation = evaluate(
            self.held_out,
            predictions,
            reference=labels[1],
            settings=Settings(horizons=self.horizons, pairs=[(labels[1], labels[0])], seed=self.plan.seed),
        )
        report = self.directory / "report"
        write_report(evaluation, report)
        years = max(self.horizons)
        compared = next(item for item in evaluation.comparisons if item.years == years)
        assert compared.brier is not None  # noqa: S101 - both give probabilities
        observed = observe(self.held_out.follow_up, years)
        before, after = (_risk(predictions[label], years) for label in labels)
        return Challenge(
            self.name,
            self.champion.identity.version,
            challenger.identity.version,
            kind,
            years,
            len(self.training),
            _fractures(self.training),
            len(self.held_out),
            observed.events,
            scores,
            _figures(evaluation, labels[0], years),
            _figures(evaluation, labels[1], years),
            compared.auc,
            compared.brier,
            closer_to_calibration(after, before, observed, seed=self.plan.seed),
            source,
            report,
        )

    def _choose(self) -> tuple[Kind, dict[str, float]]:
        """The better candidate by cross-validated logarithmic score on the training patients."""
        self.progress(f"{self.name}: level and slope")
        years = str(self._training_horizon())
        follow_up = self.training.follow_up
        own = figures(_risk(predict_table(self.champion, self.training, with_interval=False)), follow_up)
        crossed = figures(self._cross_recalibrated(), follow_up)
        recalibrate_models(
            self.models, self.training, self.directory / "models", models=[self.name], cross_validated=crossed
        )
        scores = {"champion": _score(own, years), "recalibrated": _score(crossed, years)}
        known = {item.name for item in MODEL_SETS}
        if _fractures(self.training) < self.limits.fractures_to_refit or self.name not in known:
            return "recalibrated", scores
        self.progress(f"{self.name}: all coefficients")
        refit = self.directory / "refit"
        train_models(self.training, refit, plan=self.plan, models=[self.name], compared_with_trees=())
        found = json.loads((refit / EVALUATION_FILE).read_bytes())["models"][self.name]
        scores["refitted"] = _score(found["cross_validated"][KEPT], years)
        return ("refitted" if scores["refitted"] < scores["recalibrated"] else "recalibrated"), scores

    def _training_horizon(self) -> int:
        """The longest comparison that the training patients' follow-up allows as well."""
        longest = float(self.training.follow_up.years.max())
        return max((years for years in self.horizons if years < longest), default=HORIZONS_YEARS[0])

    def _cross_recalibrated(self) -> FloatArray:
        """Risks of the training patients by recalibrations that have not seen them, (subjects, horizons)."""
        table = self.training
        rng = np.random.default_rng([self.plan.seed, 3])
        fold = folds(table.follow_up, np.asarray(table.ids), self.plan.folds, rng)
        risk = np.empty((len(table), len(HORIZONS_YEARS)))
        for seen, left_out in splits(fold):
            fitted = recalibrate(self.champion, table.take(seen))
            risk[left_out] = _risk(predict_table(fitted, table.take(left_out), with_interval=False))
        return risk


def closer_to_calibration(
    challenger: FloatArray, champion: FloatArray, observed: Observed, *, seed: int
) -> Difference:
    r"""Paired difference of the distance from calibration, \|log O:E\| of challenger minus champion.

    Below 0 the challenger is closer. The interval holds the middle 95 % of `RESAMPLES` bootstrap samples of
    the subjects, the P value is twice the smaller share of them on one side of 0.

    Parameters
    ----------
    challenger, champion : ndarray, (subjects,)
        Risks of the same subjects at the horizon of `observed`.
    """
    rng = np.random.default_rng([seed, 4])
    everybody = np.arange(len(challenger))
    samples = [everybody, *(rng.choice(everybody, len(everybody)) for _ in range(RESAMPLES))]
    gaps = np.array([_closer(challenger, champion, observed, index) for index in samples])
    value, drawn = float(gaps[0]), gaps[1:]
    low, high = (float(end) for end in np.quantile(drawn, (0.025, 0.975)))
    one_side = min(float((drawn <= 0.0).mean()), float((drawn >= 0.0).mean()))
    return Difference(value, low, high, float(drawn.std(ddof=1)), min(1.0, 2.0 * one_side))


def _closer(
    challenger: FloatArray, champion: FloatArray, observed: Observed, index: np.typing.NDArray[np.int_]
) -> float:
    incidence = max(observed.take(index).incidence, 0.5 / len(index))  # none observed: half a fracture
    far, near = (abs(np.log(incidence / risk[index].mean())) for risk in (champion, challenger))
    return float(near - far)


def _usable(model: RiskModel, table: CohortTable) -> CohortTable:
    return table.take(model.usable(table.features([feature.name for feature in model.features])))


def _fractures(table: CohortTable) -> int:
    return int((table.follow_up.ending == FRACTURE).sum()) if len(table) else 0


def _score(by_horizon: Mapping[str, Mapping[str, Any]], years: str) -> float:
    return float(by_horizon[years]["log_score"])


def _risk(predictions: Predictions, years: int | None = None) -> FloatArray:
    assert predictions.risk is not None  # noqa: S101 - models give probabilities
    return predictions.risk if years is None else predictions.risk[:, HORIZONS_YEARS.index(years)]


def _figures(evaluation: Evaluation, label: str, years: int) -> HeldOutFigures:
    found: HorizonEvaluation = evaluation.models[label].horizons[years]
    calibration: Calibration | None = found.calibration
    assert calibration is not None and found.auc is not None and found.brier is not None  # noqa: S101
    return HeldOutFigures(calibration.observed_to_expected, calibration.slope, found.auc, found.brier.score)
