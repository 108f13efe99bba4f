"""Predictions of registered models and of published comparators for a whole cohort."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.evaluation.predictions import Predictions
from analysis.results import HORIZONS_YEARS

if TYPE_CHECKING:
    from analysis.cohort.table import CohortTable
    from analysis.risk.comparators import ComparatorScores
    from analysis.risk.model import RiskModel

SAME_OUTCOME = frozenset({"any fracture", "osteoporotic fracture", "major osteoporotic fracture"})
"""What a comparator may predict for its probabilities to be held against this outcome; others only rank."""


def predict_table(model: RiskModel, table: CohortTable, *, with_interval: bool = True) -> Predictions:
    """Risks of every subject who has what the model needs, as it would predict from a study.

    Parameters
    ----------
    model : RiskModel
    table : CohortTable
    with_interval : bool
        Intervals of many subjects take a while and are of use only where the truth is known.
    """
    values = table.features([feature.name for feature in model.features])
    usable = model.usable(values)
    risk = np.full((len(values), len(HORIZONS_YEARS)), np.nan)
    low, high = risk.copy(), risk.copy()
    if usable.any():
        risk[usable] = model.risk(values[usable])
    if with_interval and usable.any():
        bounds = model.interval(values[usable])
        low[usable], high[usable] = bounds[..., 0], bounds[..., 1]
    identity = model.identity
    return Predictions(
        identity.name,
        risk,
        thresholds=(model.moderate_from, model.high_from),
        interval=(low, high) if with_interval else None,
        imputed=int(np.isnan(values[usable]).any(axis=1).sum()),
        note=f"Version {identity.version}, SHA-256 {identity.sha256[:12]}…; {identity.training_data}",
    )


def comparator_predictions(table: CohortTable, taken: Collection[str]) -> dict[str, Predictions]:
    """Published comparators that say something of at least one subject.

    A comparator whose name is `taken` by a model gets "(comparator)" behind it.
    """
    from analysis.risk.comparators import comparator_scores

    found: dict[str, Predictions] = {}
    for name, scores in comparator_scores(table).items():
        if np.isfinite(scores.scores).any():
            shown = f"{name} (comparator)" if name in taken else name
            found[shown] = _of_comparator(shown, scores)
    return found


def _of_comparator(name: str, scores: ComparatorScores) -> Predictions:
    told = (
        f"Predicts {scores.predicts}.",
        scores.note,
        f"Source: {scores.source}",
        scores.licence,
        scores.disclaimer,
    )
    options: dict[str, Any] = {
        "comparator": True,
        "note": " ".join(part.rstrip(".") + "." for part in told if part),
    }
    if scores.probability is None or scores.horizons is None or scores.predicts not in SAME_OUTCOME:
        return Predictions(name, score=scores.scores, **options)
    risk = np.full((len(scores.scores), len(HORIZONS_YEARS)), np.nan)
    for column, years in enumerate(HORIZONS_YEARS):
        if years in scores.horizons:
            risk[:, column] = scores.probability[:, scores.horizons.index(years)]
    return Predictions(name, risk, **options)
