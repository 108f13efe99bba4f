"""Paired comparisons of two models on the subjects whom both know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from analysis.evaluation.decision import net_benefit_difference
from analysis.evaluation.discrimination import (
    auc_difference,
    concordance,
    concordance_difference,
    weighted_auc,
)
from analysis.evaluation.intervals import Difference, holm
from analysis.evaluation.overall import brier, brier_difference
from analysis.evaluation.per_model import LEAST_FRACTURES, Ground
from analysis.evaluation.power import power_of
from analysis.evaluation.predictions import Predictions, common_subjects
from analysis.evaluation.reclassification import Reclassification, reclassify
from analysis.evaluation.results import Comparison
from analysis.results import HORIZONS_YEARS

Pair = tuple[str, str]
SIGNIFICANT = 0.05

STEPS: tuple[Pair, ...] = (
    ("full", "simplified"),
    ("simplified", "clinical-bmd"),
    ("clinical-bmd-texture", "clinical-bmd"),
    ("clinical-bmd", "bmd-only"),
    ("clinical-bmd", "age-sex-bmd"),
    ("deployable", "age-sex-bmd"),
    ("age-sex-bmd", "bmd-only"),
)
"""Each adds a family of predictors to the one before; compared where both models are there."""


def default_pairs(predictions: Mapping[str, Predictions], reference: str) -> tuple[Pair, ...]:
    """The reference against every other, and the steps from family to family."""
    against = [(reference, name) for name in predictions if name != reference]
    steps = [pair for pair in STEPS if set(pair) <= predictions.keys() and pair not in against]
    return (*against, *steps)


def compare(
    predictions: Mapping[str, Predictions],
    pairs: Sequence[Pair],
    ground: Ground,
    expected: Mapping[Pair, float],
) -> tuple[Comparison, ...]:
    """Compare every pair at every horizon.

    P values are adjusted by Holm's procedure over all pairs of one horizon.

    Parameters
    ----------
    predictions : mapping of name to Predictions
    pairs : sequence of (first, second)
    ground : Ground
    expected : mapping of pair to float
        Differences of the AUC stated beforehand, for the power.
    """
    found = []
    for years in ground.observed:
        tests = [
            _compare(predictions[first], predictions[second], years, ground, expected.get((first, second)))
            for first, second in pairs
        ]
        made = [test for test in tests if test is not None]
        adjusted = holm([test.auc.p_value for test in made])
        found += [_adjusted(test, p) for test, p in zip(made, adjusted, strict=True)]
    return tuple(found)


def _adjusted(test: Comparison, p_value: float) -> Comparison:
    claim = test.power.claim and p_value < SIGNIFICANT
    return replace(test, auc_p_holm=p_value, power=replace(test.power, claim=claim))


def _compare(
    first: Predictions, second: Predictions, years: int, ground: Ground, expected: float | None
) -> Comparison | None:
    both = common_subjects([first, second])
    observed = ground.observed[years].take(both)
    if observed.events < LEAST_FRACTURES:
        return None
    scores = first.ranking_at(years)[both], second.ranking_at(years)[both]
    aucs = [weighted_auc(score, observed) for score in scores]
    gap = auc_difference(*aucs)
    risks = [None if risk is None else risk[both] for risk in (first.risk_at(years), second.risk_at(years))]
    c_index = brier_gap = None
    moved: Reclassification | None = None
    benefit: dict[str, Difference] = {}
    if years == max(ground.observed):
        follow_up = ground.follow_up.take(both)
        c_index = concordance_difference(*(concordance(score, follow_up, float(years)) for score in scores))
    if risks[0] is not None and risks[1] is not None:
        brier_gap = brier_difference(brier(risks[0], observed), brier(risks[1], observed))
        if years == HORIZONS_YEARS[-1] and first.thresholds:
            moved = reclassify(risks[0], risks[1], observed, first.thresholds)
            benefit = {
                f"{threshold:.6g}": net_benefit_difference(risks[0], risks[1], observed, threshold)
                for threshold in first.thresholds
            }
    return Comparison(
        first.name,
        second.name,
        years,
        int(np.count_nonzero(both)),
        observed.events,
        aucs[0].estimate,
        aucs[1].estimate,
        gap,
        gap.p_value,
        power_of(gap, int(np.count_nonzero(both)), expected),
        c_index,
        brier_gap,
        benefit,
        moved,
    )
