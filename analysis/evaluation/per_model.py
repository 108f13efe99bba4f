"""One model or comparator over all horizons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from analysis.cohort.columns import DEATH, FRACTURE, FloatArray, FollowUp
from analysis.evaluation.calibration import calibrate
from analysis.evaluation.classification import classify
from analysis.evaluation.competing import cumulative_incidence
from analysis.evaluation.decision import decision_curve, thresholds_for
from analysis.evaluation.discrimination import (
    Auc,
    AucOverTime,
    auc_over_time,
    auc_ratio,
    concordance,
    roc_curve,
    weighted_auc,
)
from analysis.evaluation.intervals import NORMAL_975, logit_interval
from analysis.evaluation.observed import BoolArray, Observed, observe
from analysis.evaluation.overall import brier
from analysis.evaluation.predictions import Predictions
from analysis.evaluation.results import (
    Coverage,
    HorizonEvaluation,
    ModelEvaluation,
    OracleComparison,
    RiskDistribution,
    Tier,
)
from analysis.results import HORIZONS_YEARS

LEAST_FRACTURES = 5
"""Fewer fractures within a horizon carry no AUC worth printing (assumption)."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 40
TIER_NAMES = ("low", "moderate", "high")
CURVE_STEP_YEARS = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What every model of a cohort is measured against.

    Attributes
    ----------
    follow_up : FollowUp
    observed : mapping of int to Observed
        By horizon.
    over_time : tuple of Observed
        At the times of the AUC curve.
    truth : mapping of int to ndarray
        True risks by horizon, of a simulated cohort; else empty.
    attainable : mapping of str to Predictions
        What the same features give with a much larger training cohort, by model name.
    """

    follow_up: FollowUp
    observed: Mapping[int, Observed]
    over_time: tuple[Observed, ...]
    truth: Mapping[int, FloatArray] = field(default_factory=dict)
    attainable: Mapping[str, Predictions] = field(default_factory=dict)


def evaluate_model(predictions: Predictions, ground: Ground) -> ModelEvaluation:
    """Everything about one model, on the subjects of whom it says something."""
    known = predictions.available
    longest = max(ground.observed)
    enough = ground.observed[longest].take(known).events >= LEAST_FRACTURES
    score = predictions.ranking_at(longest)[known] if enough else None
    follow_up = ground.follow_up.take(known)
    return ModelEvaluation(
        predictions.name,
        predictions.comparator,
        predictions.note,
        int(known.sum()),
        int((~known).sum()),
        predictions.imputed,
        predictions.thresholds,
        None if score is None else concordance(score, follow_up, float(longest)).estimate,
        _over_time(predictions, ground, known) if enough else None,
        {
            years: _at_horizon(predictions, ground, observed, known, follow_up)
            for years, observed in ground.observed.items()
        },
        tiers_of(predictions, ground.follow_up, longest) if enough else (),
    )


def _over_time(predictions: Predictions, ground: Ground, known: BoolArray) -> AucOverTime:
    observed = [part.take(known) for part in ground.over_time]
    return auc_over_time([predictions.ranking_at(part.years)[known] for part in observed], observed)


def _at_horizon(
    predictions: Predictions, ground: Ground, everybody: Observed, known: BoolArray, follow_up: FollowUp
) -> HorizonEvaluation:
    years = int(everybody.years)
    observed = everybody.take(known)
    counts = years, int(known.sum()), observed.events
    if observed.events < LEAST_FRACTURES:
        return HorizonEvaluation(*counts, None, None, None, None, None, None, None, None, (), None)
    score = predictions.ranking_at(years)[known]
    auc = weighted_auc(score, observed)
    oracle = _against(ground.truth.get(years), auc, observed, known)
    best = ground.attainable.get(predictions.name)
    attainable = _against(None if best is None else best.ranking_at(years), auc, observed, known)
    discrimination = HorizonEvaluation(
        *counts,
        auc.estimate,
        roc_curve(score, observed),
        oracle,
        attainable,
        None,
        None,
        None,
        None,
        (),
        None,
    )
    whole = predictions.risk_at(years)
    if whole is None:
        return discrimination
    risk = whole[known]
    at_thresholds = predictions.thresholds if years == HORIZONS_YEARS[-1] else ()
    return replace(
        discrimination,
        brier=brier(risk, observed),
        calibration=calibrate(risk, follow_up, observed),
        decision=decision_curve(risk, observed, thresholds_for(everybody.incidence)),
        distribution=_distribution(risk, observed),
        classifications=tuple(classify(risk, observed, threshold) for threshold in at_thresholds),
        coverage=_coverage(predictions, ground, years, known),
    )


def _against(
    better: FloatArray | None, auc: Auc, observed: Observed, known: BoolArray
) -> OracleComparison | None:
    if better is None or not np.isfinite(better[known]).all():
        return None
    ceiling = weighted_auc(better[known], observed)
    return OracleComparison(ceiling.estimate, auc_ratio(auc, ceiling))


def _distribution(risk: FloatArray, observed: Observed) -> RiskDistribution:
    low, high = np.quantile(np.clip(risk, 1e-4, 1.0), [0.0005, 0.9995])
    edges = np.geomspace(low, max(high, low * 1.01), BINS + 1)
    inside = np.clip(risk, edges[0], edges[-1])
    parts = observed.case_weight, observed.control_weight
    fractured, others = (tuple(float(x) for x in weighted_quantiles(risk, weight)) for weight in parts)
    share_fractured, share_others = (
        np.asarray(np.histogram(inside, edges, weights=weight)[0] / weight.sum(), dtype=np.float64)
        for weight in parts
    )
    return RiskDistribution(QUANTILES, fractured, others, edges, share_fractured, share_others)


def weighted_quantiles(
    values: FloatArray, weight: FloatArray, quantiles: Sequence[float] = QUANTILES
) -> FloatArray:
    """Quantiles of a weighted sample: the least value at which the weight below reaches each share."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weight[order])
    places = np.searchsorted(cumulative, np.asarray(quantiles) * cumulative[-1], side="left")
    return np.asarray(values[order][np.minimum(places, len(values) - 1)], dtype=np.float64)


def _coverage(predictions: Predictions, ground: Ground, years: int, known: BoolArray) -> Coverage | None:
    truth = ground.truth.get(years)
    if predictions.interval is None or truth is None:
        return None
    column = HORIZONS_YEARS.index(years)
    low, high = (bound[known, column] for bound in predictions.interval)
    held = (low <= truth[known]) & (truth[known] <= high)
    share = float(held.mean())
    error = float(np.sqrt(share * (1.0 - share) / len(held)))
    order = np.argsort(predictions.ranking_at(years)[known], kind="stable")
    tenths = tuple(float(part.mean()) for part in np.array_split(held[order], 10))
    return Coverage(predictions.interval_level, logit_interval(share, error), tenths)


def tiers_of(predictions: Predictions, follow_up: FollowUp, years: int) -> tuple[Tier, ...]:
    """Cumulative incidence of fracture and of death by tier of the predicted risk at `years`."""
    risk = predictions.risk_at(years)
    if risk is None or not predictions.thresholds or years != HORIZONS_YEARS[-1]:
        return ()
    tier = np.searchsorted(predictions.thresholds, risk, side="right")
    names = (
        TIER_NAMES
        if len(predictions.thresholds) == 2
        else [f"tier {number + 1}" for number in range(len(predictions.thresholds) + 1)]
    )
    members = [np.isfinite(risk) & (tier == index) for index in range(len(names))]
    return tuple(
        _tier(name, risk[inside], follow_up.take(inside), years)
        for name, inside in zip(names, members, strict=True)
        if inside.any()
    )


def _tier(name: str, risk: FloatArray, follow_up: FollowUp, years: int) -> Tier:
    grid = np.arange(0.0, years + CURVE_STEP_YEARS / 2, CURVE_STEP_YEARS)
    fracture, death = (cumulative_incidence(follow_up, cause) for cause in (FRACTURE, DEATH))
    step = np.searchsorted(fracture.times, grid, side="right") - 1
    value, error = fracture.incidence[step], fracture.standard_error[step]
    return Tier(
        name,
        len(risk),
        float(risk.mean()),
        fracture.at(years),
        grid,
        value,
        np.maximum(value - NORMAL_975 * error, 0.0),
        value + NORMAL_975 * error,
        death.incidence[step],
        tuple((time, int((follow_up.years >= time).sum())) for time in np.linspace(0.0, years, 6)),
    )


def over_time_grid(follow_up: FollowUp, longest: int) -> tuple[Observed, ...]:
    """Outcomes at half-yearly times up to the longest horizon, for the AUC curve."""
    return tuple(observe(follow_up, float(time)) for time in np.arange(0.5, longest + 0.25, 0.5))
