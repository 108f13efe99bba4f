"""From a cohort's table to what a fit needs: standardised features, their gaps filled, and follow-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import SUBJECT_ID, FollowUp
from analysis.errors import ConfigurationError, NodeError
from analysis.risk.features import ModelFeature, transformed
from analysis.risk.hazard import FloatArray, Term
from analysis.risk.missing import complete
from analysis.training.imputation import impute
from analysis.training.model_sets import (
    DEATH_FEATURES,
    DEATH_PRODUCTS,
    PRODUCTS,
    ModelSet,
    transform_of,
    unit_of,
)

LEAST_KNOWN_SHARE = 0.02
"""A feature known in fewer training subjects is left out: too few to learn from, assumption."""


class CohortLike(Protocol):
    """What training needs of `analysis.cohort.table.CohortTable`."""

    @property
    def frame(self) -> Any:
        """pandas.DataFrame, one row per subject."""
        ...

    @property
    def follow_up(self) -> FollowUp: ...

    @property
    def manifest(self) -> Mapping[str, Any]: ...

    def features(self, names: Sequence[str]) -> FloatArray:
        """Columns, (subjects, names); NaN where unknown."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """One model's features in a training cohort.

    Attributes
    ----------
    features : tuple of ModelFeature
    standardised : ndarray, (subjects, features)
        NaN where unknown.
    correlation : ndarray, (features, features)
    imputed : tuple of ndarray, (subjects, features)
        Complete data sets, drawn with the outcome in view.
    follow_up : FollowUp
    subjects : ndarray, (subjects,)
        Whose row it is.
    fracture_terms, death_terms : tuple of Term
    """

    features: tuple[ModelFeature, ...]
    standardised: FloatArray
    correlation: FloatArray
    imputed: tuple[FloatArray, ...]
    follow_up: FollowUp
    subjects: NDArray[np.generic]
    fracture_terms: tuple[Term, ...]
    death_terms: tuple[Term, ...]

    def take(self, index: NDArray[np.intp]) -> TrainingData:
        """The subjects at `index`; means, deviations and correlations stay those of the whole cohort.

        They hold no outcome, so that a held-out fold learns nothing through them.
        """
        return replace(
            self,
            standardised=self.standardised[index],
            imputed=tuple(draw[index] for draw in self.imputed),
            follow_up=self.follow_up.take(index),
            subjects=self.subjects[index],
        )

    def expected(self) -> FloatArray:
        """Gaps filled as at prediction, without any look at the outcome: for cross-validation."""
        return complete(self.standardised, self.correlation).values


@dataclass(frozen=True, slots=True, eq=False)
class PreparedCohort:
    """Features of every model, standardised and imputed once, so that all models see the same draws."""

    features: Mapping[str, ModelFeature]
    standardised: FloatArray
    imputed: tuple[FloatArray, ...]
    follow_up: FollowUp
    subjects: NDArray[np.generic]

    def of_model(self, model: ModelSet) -> TrainingData | None:
        """What one model sees; None if the cohort lacks something it requires."""
        known = list(self.features)
        names = [name for name in model.features if name in self.features]
        if any(name not in self.features for name in model.required):
            return None
        columns = [known.index(name) for name in names]
        imputed = tuple(draw[:, columns] for draw in self.imputed)
        correlation = np.mean([draw.T @ draw / len(draw) for draw in imputed], axis=0)
        return TrainingData(
            tuple(replace(self.features[name], required=name in model.required) for name in names),
            self.standardised[:, columns],
            np.asarray(correlation, dtype=np.float64),
            imputed,
            self.follow_up,
            self.subjects,
            _terms(names, names, PRODUCTS),
            _terms(names, [name for name in DEATH_FEATURES if name in names], DEATH_PRODUCTS),
        )


def prepare(table: CohortLike, models: Sequence[ModelSet], seed: int) -> PreparedCohort:
    """Standardise and impute the features of all `models`.

    Features that the table lacks, or knows in hardly anybody, are left out; a model that requires one is then
    not trained.

    Raises
    ------
    ConfigurationError
        If no model can be trained.
    """
    wanted = list(dict.fromkeys(name for model in models for name in model.features))
    values = {name: column for name in wanted if (column := _column(table, name)) is not None}
    if not values:
        raise ConfigurationError(
            "training cohort: none of the models' features is in the table; name its columns as "
            "docs/cohort-schema.md says"
        )
    first = {name: _feature(name, column) for name, column in values.items()}
    rough = np.column_stack([first[name].standardised(values[name]) for name in values])
    imputed = impute(rough, table.follow_up, seed)
    mean = np.mean([draw.mean(axis=0) for draw in imputed], axis=0)
    deviation = np.sqrt(np.mean([((draw - mean) ** 2).mean(axis=0) for draw in imputed], axis=0))
    features = {
        name: replace(
            feature,
            mean=float(feature.mean + feature.deviation * mean[index]),
            deviation=float(feature.deviation * deviation[index]),
        )
        for index, (name, feature) in enumerate(first.items())
    }
    return PreparedCohort(
        features,
        (rough - mean) / deviation,
        tuple((draw - mean) / deviation for draw in imputed),
        table.follow_up,
        np.asarray(table.frame[SUBJECT_ID]),
    )


def _column(table: CohortLike, name: str) -> FloatArray | None:
    try:
        values = np.asarray(table.features([name]), dtype=np.float64)[:, 0]
    except (KeyError, NodeError):
        return None
    usable = transformed(values, transform_of(name))
    known = usable[np.isfinite(usable)]
    enough = known.size >= max(2.0, LEAST_KNOWN_SHARE * len(values)) and np.ptp(known) > 0
    return np.where(np.isfinite(usable), values, np.nan) if enough else None


def _feature(name: str, values: FloatArray) -> ModelFeature:
    plain = transformed(values, transform_of(name))
    return ModelFeature(
        name,
        unit_of(name),
        transform_of(name),
        float(np.nanmean(plain)),
        float(np.nanstd(plain)),
        (float(np.nanmin(values)), float(np.nanmax(values))),
        required=False,
    )


def _terms(
    names: Sequence[str], linear: Sequence[str], products: Sequence[tuple[str, str]]
) -> tuple[Term, ...]:
    """Linear terms, then the products of which both factors are at hand."""
    singles: list[Term] = [(names.index(name),) for name in linear]
    pairs: list[Term] = [
        (names.index(one), names.index(other)) for one, other in products if {one, other} <= set(names)
    ]
    return (*singles, *pairs)
