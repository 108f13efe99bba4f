"""The table of contents of an evaluation: `evaluate` measures models on a cohort they have not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from analysis import __version__
from analysis.cohort.columns import FloatArray
from analysis.errors import ConfigurationError
from analysis.evaluation.cohort_summary import Cohort, summarise_cohort
from analysis.evaluation.comparisons import Pair, compare, default_pairs
from analysis.evaluation.observed import observe
from analysis.evaluation.optimism import Refit, bootstrap_optimism
from analysis.evaluation.per_model import LEAST_FRACTURES, Ground, evaluate_model, over_time_grid
from analysis.evaluation.predictions import Predictions
from analysis.evaluation.recalibrate import recalibrate
from analysis.evaluation.results import SCHEMA, Evaluation, Subgroups
from analysis.evaluation.seeds import seed_spread
from analysis.evaluation.subgroups import evaluate_subgroups, grouping_variables
from analysis.evaluation.tripod import fill_checklist, judge_limits
from analysis.results import HORIZONS_YEARS


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """What to evaluate besides the models themselves.

    Attributes
    ----------
    horizons : tuple of int
        Years, among `analysis.results.HORIZONS_YEARS`.
    pairs : sequence of (first, second), or None
        Models to compare; None: the reference against every other, and the steps from family to family.
    expected_gains : mapping of pair to float
        Differences of the AUC stated beforehand, for the power; default: the ones found.
    attainable : mapping of str to Predictions
        What the same features give with a much larger training cohort, by model name.
    trainings : mapping of str to sequence of Predictions
        The same training with other seeds, by model name.
    refit : callable or None
        Fits the reference anew to a bootstrap sample of this cohort, for its optimism at the longest horizon.
    recalibrate : bool
        Fit the reference to this cohort's level as well.
    resamples : int
        Bootstrap samples for the gaps between subgroups, and a tenth of it refits for the optimism.
    seed : int
        Of every random draw: the same seed gives the same figures.
    """

    horizons: tuple[int, ...] = HORIZONS_YEARS
    pairs: Sequence[Pair] | None = None
    expected_gains: Mapping[Pair, float] = field(default_factory=dict)
    attainable: Mapping[str, Predictions] = field(default_factory=dict)
    trainings: Mapping[str, Sequence[Predictions]] = field(default_factory=dict)
    refit: Refit | None = None
    recalibrate: bool = False
    resamples: int = 200
    seed: int = 20261127


DEFAULT_SETTINGS = Settings()


def evaluate(
    table: Cohort,
    predictions: Mapping[str, Predictions],
    *,
    reference: str,
    settings: Settings = DEFAULT_SETTINGS,
) -> Evaluation:
    """Measure models and comparators on a cohort.

    Parameters
    ----------
    table : CohortTable
        Subjects whom no model was fitted to.
    predictions : mapping of name to Predictions
        Of the same subjects in the same order.
    reference : str
        The model that the report is about: every other is compared with it, subgroups are its own.
    settings : Settings

    Returns
    -------
    Evaluation

    Raises
    ------
    ConfigurationError
        If the reference is not among the predictions or gives no probabilities, lengths differ, or too few
        subjects fractured.
    """
    _check(table, predictions, reference, settings)
    rng = np.random.default_rng(settings.seed)
    ground = _ground(table, settings)
    models = {name: evaluate_model(part, ground) for name, part in predictions.items()}
    pairs = default_pairs(predictions, reference) if settings.pairs is None else settings.pairs
    cohort = summarise_cohort(table, settings.horizons)
    longest = max(settings.horizons)
    return Evaluation(
        SCHEMA,
        __version__,
        datetime.now(UTC).date().isoformat(),
        cohort,
        settings.horizons,
        reference,
        models,
        compare(predictions, pairs, ground, settings.expected_gains),
        _subgroups(table, predictions[reference], longest, settings, rng),
        tuple(
            seed_spread(name, trainings, ground.observed[longest])
            for name, trainings in settings.trainings.items()
        ),
        {}
        if settings.refit is None
        else bootstrap_optimism(settings.refit, table.follow_up, longest, settings.resamples // 10, rng),
        recalibrate(predictions[reference], table.follow_up, ground.observed, rng)
        if settings.recalibrate
        else None,
        fill_checklist(cohort, recalibrated=settings.recalibrate),
        judge_limits(cohort, models[reference]),
    )


def _check(table: Cohort, predictions: Mapping[str, Predictions], reference: str, settings: Settings) -> None:
    if reference not in predictions:
        raise ConfigurationError(
            f"reference model {reference!r} is not among the models: {', '.join(predictions) or 'none'}"
        )
    if unknown := set(settings.horizons) - set(HORIZONS_YEARS):
        raise ConfigurationError(f"horizons {sorted(unknown)}: must be among {list(HORIZONS_YEARS)}")
    for name, part in predictions.items():
        if len(part) != len(table.frame):
            raise ConfigurationError(
                f"predictions {name} are of {len(part)} subjects, the cohort holds {len(table.frame)}"
            )
    longest = max(settings.horizons)
    fractures = observe(table.follow_up, longest).take(predictions[reference].available).events
    if predictions[reference].risk is None or fractures < LEAST_FRACTURES:
        raise ConfigurationError(
            f"reference model {reference!r} gives probabilities for subjects with {fractures} fractures "
            f"within {longest} years; at least {LEAST_FRACTURES} are needed: supply the predictors it needs "
            "or more subjects"
        )


def _ground(table: Cohort, settings: Settings) -> Ground:
    follow_up = table.follow_up
    truth: dict[int, FloatArray] = {}
    for years in settings.horizons:
        risk = table.true_risk(years)
        if risk is not None:
            truth[years] = risk
    return Ground(
        follow_up,
        {years: observe(follow_up, years) for years in settings.horizons},
        over_time_grid(follow_up, max(settings.horizons)),
        truth,
        settings.attainable,
    )


def _subgroups(
    table: Cohort, reference: Predictions, years: int, settings: Settings, rng: np.random.Generator
) -> tuple[Subgroups, ...]:
    risk = reference.risk_at(years)
    if risk is None:
        return ()
    return evaluate_subgroups(
        np.where(reference.available, risk, np.nan),
        table.follow_up,
        years,
        grouping_variables(table.frame),
        resamples=settings.resamples,
        rng=rng,
    )
