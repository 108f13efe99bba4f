"""Train one model: tune, fit, calibrate, set categories, and say how good it is on subjects it has not
seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import FollowUp
from analysis.results import HORIZONS_YEARS, ModelIdentity
from analysis.risk.hazard import HORIZON_INDEX, FloatArray, Hazard, cumulative_incidence
from analysis.risk.missing import complete, expected_log_relative
from analysis.risk.model import CATEGORY_HORIZON_YEARS, RiskModel
from analysis.training.calibrate import Calibration, OutOfFold, choose_calibration
from analysis.training.candidates import LINEAR, TREE_BASED, cross_validated
from analysis.training.cross_validation import (
    auc,
    brier_score,
    calibration_slope,
    folds,
    log_score,
    observed_to_expected,
    outcomes,
    splits,
)
from analysis.training.fit import REFITS, Hazards, fit_expected, fit_hazards, refit, require_fractures
from analysis.training.model_sets import ModelSet
from analysis.training.training_data import TrainingData
from analysis.training.tuning import Hyperparameters, Plan, tune

CATEGORY_PERCENTILES = (50, 80)
"""Percentiles of the training cohort's held-out 10-year risk at which "moderate" and "high" begin."""

KEPT = "hazards"
"""How the shipped kind of model is called beside the other candidates."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """A model and what is to be said of it."""

    model: RiskModel
    hyperparameters: Hyperparameters
    calibration: Calibration
    evaluation: Mapping[str, Any]


def train_model(
    data: TrainingData,
    model_set: ModelSet,
    identity: ModelIdentity,
    plan: Plan,
    *,
    trees: bool = False,
    refits: int = REFITS,
) -> TrainedModel:
    """Train one model on all subjects of `data`.

    Parameters
    ----------
    identity : ModelIdentity
        Its SHA-256 is not yet known.
    plan : Plan
    trees : bool
        Also compare with a survival forest and gradient boosting.

    Raises
    ------
    ConfigurationError
        If the cohort holds too few fractures.
    """
    require_fractures(data.follow_up)
    rng = np.random.default_rng([plan.seed, 2])
    fold = folds(data.follow_up, data.subjects, plan.folds, rng)
    hyper = tune(data, plan)
    hazards = fit_hazards(data, hyper)
    calibration = choose_calibration(_out_of_fold(data, hyper, hazards, fold))
    nested, others = _nested(data, fold, plan, trees=trees)
    held_out = calibration.map.apply(nested)
    stack = refit(data, hyper, hazards, rng=rng, refits=refits)
    model = _assemble(
        data, model_set, identity, hazards=hazards, stack=stack, calibration=calibration, held_out=held_out
    )
    evaluation = {
        "features": len(data.features),
        "hyperparameters": {
            "prior_sd": dict(hyper.prior_sd),
            "frailty_variance": hyper.frailty_variance,
            "inner_knots": hyper.inner_knots,
        },
        "calibration": {"chosen": calibration.kind, "log_score": dict(calibration.scores)},
        "cross_validated": {
            KEPT: figures(held_out, data.follow_up),
            **{name: figures(risk, data.follow_up) for name, risk in others.items()},
        },
    }
    return TrainedModel(model, hyper, calibration, evaluation)


def figures(risk: FloatArray, follow_up: FollowUp) -> dict[str, dict[str, float | int | None]]:
    """Scores by horizon (years as text) of held-out risks."""
    observed = outcomes(follow_up)
    columns: dict[str, Any] = {
        "fractures": observed.fractured.sum(axis=0),
        "auc": auc(risk, observed),
        "log_score": log_score(risk, observed),
        "brier": brier_score(risk, observed),
        "observed_to_expected": observed_to_expected(risk, observed),
        "calibration_slope": calibration_slope(risk, observed),
    }
    return {
        str(years): {name: _number(values[index]) for name, values in columns.items()}
        for index, years in enumerate(HORIZONS_YEARS)
    }


def held_out_risk(hazards: Hazards, data: TrainingData) -> FloatArray:
    """Cumulative incidence of subjects at the horizons, gaps and all, (subjects, horizons)."""
    completed = complete(data.standardised, data.correlation)
    fracture = hazards.fracture.cumulative(expected_log_relative(hazards.fracture, completed))
    death = hazards.death.cumulative(hazards.death.log_relative(completed.values))
    return cumulative_incidence(fracture, death)[:, HORIZON_INDEX]


def _out_of_fold(
    data: TrainingData, hyper: Hyperparameters, hazards: Hazards, fold: NDArray[np.int_]
) -> OutOfFold:
    """Log relative hazards of everybody from fits that did not see them."""
    completed = complete(data.standardised, data.correlation)
    relative = np.empty(len(data.subjects))
    for seen, held_out in splits(fold):
        fitted = fit_expected(data.take(seen), hyper)
        unseen = complete(data.standardised[held_out], data.correlation)
        relative[held_out] = expected_log_relative(fitted.fracture, unseen)
    death = hazards.death.cumulative(hazards.death.log_relative(completed.values))
    return OutOfFold(relative, hazards.fracture, death, data.follow_up, fold)


def _nested(
    data: TrainingData, fold: NDArray[np.int_], plan: Plan, *, trees: bool
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Held-out risk of everybody with hyperparameters tuned inside each fold: the model's, the others'."""
    parts = list(splits(fold))
    tuned = [tune(data.take(seen), plan) for seen, _ in parts]
    risk = np.empty((len(data.subjects), len(HORIZONS_YEARS)))
    for (seen, held_out), hyper in zip(parts, tuned, strict=True):
        risk[held_out] = held_out_risk(fit_expected(data.take(seen), hyper), data.take(held_out))
    candidates = {**LINEAR, **(TREE_BASED if trees else {})}
    others = {name: cross_validated(other, data, parts, tuned) for name, other in candidates.items()}
    return risk, others


def _assemble(
    data: TrainingData,
    model_set: ModelSet,
    identity: ModelIdentity,
    *,
    hazards: Hazards,
    stack: Hazards,
    calibration: Calibration,
    held_out: FloatArray,
) -> RiskModel:
    moderate, high, rule = categories(held_out[:, HORIZONS_YEARS.index(CATEGORY_HORIZON_YEARS)])
    return RiskModel(
        identity=identity,
        features=data.features,
        correlation=data.correlation,
        family_minimum=model_set.family_minimum,
        fracture=rescaled(hazards.fracture, calibration.slope, calibration.level),
        death=hazards.death,
        fracture_refits=rescaled(stack.fracture, calibration.slope, calibration.level),
        death_refits=stack.death,
        calibration=calibration.map,
        moderate_from=moderate,
        high_from=high,
        category_rule=rule,
    )


def rescaled(hazard: Hazard, slope: float, level: float) -> Hazard:
    """A hazard whose log relative hazard is multiplied by `slope` and raised by `level`."""
    baseline = hazard.baseline.copy()
    baseline[..., 0] += level
    return replace(hazard, coefficients=slope * hazard.coefficients, baseline=baseline)


def categories(risk: FloatArray) -> tuple[float, float, str]:
    """Thresholds of moderate and high 10-year risk, and the rule in words."""
    moderate, high = (round(float(level), 3) for level in np.percentile(risk, CATEGORY_PERCENTILES))
    high = max(high, round(moderate + 0.001, 3))
    below, above = CATEGORY_PERCENTILES
    rule = (
        f"{CATEGORY_HORIZON_YEARS}-year risk below {moderate:.1%} low, from {moderate:.1%} moderate, "
        f"from {high:.1%} high ({below}th and {above}th percentile of the training cohort's held-out risk)"
    )
    return moderate, high, rule


def _number(value: Any) -> float | int | None:
    if value is None or np.isnan(value):
        return None
    return int(value) if isinstance(value, int | np.integer) else float(value)
