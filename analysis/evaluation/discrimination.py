"""How well a score orders subjects: AUC by horizon, concordance, their intervals and paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.cohort.columns import FRACTURE, FloatArray, FollowUp
from analysis.evaluation.intervals import Difference, Estimate, difference, logit_interval
from analysis.evaluation.observed import CensoringSurvival, Observed
from analysis.evaluation.pair_sums import pair_sums


@dataclass(frozen=True, slots=True, eq=False)
class Auc:
    """An AUC with what is needed to compare it with another on the same subjects.

    Attributes
    ----------
    estimate : Estimate
        95 % interval on the logit scale.
    influence : ndarray, (subjects,)
        Scaled so that the variance of the AUC is the sum of squares, and the covariance with another score's
        AUC the sum of products (DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837).
    """

    estimate: Estimate
    influence: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """False- and true-positive rate, from (0, 0) to (1, 1)."""

    false_positive: FloatArray
    true_positive: FloatArray


def weighted_auc(score: FloatArray, observed: Observed) -> Auc:
    """Cumulative/dynamic AUC with DeLong's variance, both with censoring weights.

    The chance that a subject with a fracture within the horizon scores higher than one without, ties counting
    half; death before a fracture counts as none (Blanche, Dartigues & Jacqmin-Gadda 2013, Stat Med 32:5381).
    The weights are taken as known in the variance, which is on the safe side. Without censoring this is
    DeLong's estimate exactly. Time: O(n log n).

    Parameters
    ----------
    score : ndarray, (subjects,)
        Higher means more at risk.
    observed : Observed

    Raises
    ------
    ValueError
        If there is no fracture, or no subject without one, within the horizon.
    """
    case, control = observed.case_weight, observed.control_weight
    total_case, total_control = float(case.sum()), float(control.sum())
    if total_case == 0.0 or total_control == 0.0:
        raise ValueError("an AUC needs subjects with and without a fracture within the horizon")
    levels, level = np.unique(score, return_inverse=True)
    controls = np.bincount(level, control, len(levels))
    cases = np.bincount(level, case, len(levels))
    controls_below = ((np.cumsum(controls) - controls / 2) / total_control)[level]
    cases_above = ((total_case - np.cumsum(cases) + cases / 2) / total_case)[level]
    auc = float(case @ controls_below) / total_case
    many = [int((part > 0).sum()) for part in (case, control)]
    small_sample = [np.sqrt(n / (n - 1)) if n > 1 else 1.0 for n in many]
    influence = (
        small_sample[0] * case * (controls_below - auc) / total_case
        + small_sample[1] * control * (cases_above - auc) / total_control
    )
    return Auc(logit_interval(auc, float(np.sqrt(influence @ influence))), influence)


def auc_difference(first: Auc, second: Auc) -> Difference:
    """DeLong's paired test of two AUCs on the same subjects, first minus second."""
    gap = first.influence - second.influence
    return difference(first.estimate.value - second.estimate.value, float(np.sqrt(gap @ gap)))


def auc_ratio(first: Auc, second: Auc) -> Estimate:
    """First AUC over second on the same subjects (e.g. the oracle's); interval by the delta method."""
    a, b = first.estimate.value, second.estimate.value
    influence = first.influence / b - a * second.influence / b**2
    error = float(np.sqrt(influence @ influence))
    return Estimate(a / b, a / b - 1.959963984540054 * error, a / b + 1.959963984540054 * error, error)


def roc_curve(score: FloatArray, observed: Observed, points: int = 400) -> RocCurve:
    """Weighted ROC curve, thinned to at most `points` steps."""
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.diff(score[order]) != 0, True)
    true = np.cumsum(observed.case_weight[order])[last_of_tie]
    false = np.cumsum(observed.control_weight[order])[last_of_tie]
    true, false = np.append(0.0, true / true[-1]), np.append(0.0, false / false[-1])
    if len(true) > points:
        grid = np.searchsorted(true + false, np.linspace(0.0, 2.0, points))
        chosen = np.unique(np.append(np.minimum(grid, len(true) - 1), [0, len(true) - 1]))
        true, false = true[chosen], false[chosen]
    return RocCurve(false, true)


@dataclass(frozen=True, slots=True, eq=False)
class Concordance:
    """A C-index with its influence values (as in `Auc`)."""

    estimate: Estimate
    influence: FloatArray


def concordance(score: FloatArray, follow_up: FollowUp, limit_years: float) -> Concordance:
    """C-index up to a time limit with censoring weights and competing death.

    Of two subjects, the one who fractures first should score higher. A pair counts if the first fractures
    within the limit and the other is then still followed without a fracture or has died without one (Wolbers
    et al. 2014, Biostatistics 15:526); without deaths this is Uno's C (Uno et al. 2011, Stat Med 30:1105).
    The interval is the infinitesimal jackknife's, weights taken as known. Time: O(n log n).
    """
    survival = CensoringSurvival(follow_up)
    followed = survival.before(follow_up.years)
    event = (follow_up.ending == FRACTURE) & (follow_up.years < limit_years)
    first_weight = np.where(event, 1.0 / np.maximum(followed, 1e-12), 0.0)
    own, as_other = pair_sums(score, follow_up, first_weight, followed)
    numerator, denominator = own[:, 0], own[:, 1]
    total = float(denominator.sum())
    if total == 0.0:
        raise ValueError("a C-index needs a fracture and a subject followed beyond it")
    value = float(numerator.sum()) / total
    influence = (numerator - value * denominator + as_other[:, 0] - value * as_other[:, 1]) / total
    return Concordance(logit_interval(value, float(np.sqrt(influence @ influence))), influence)


def concordance_difference(first: Concordance, second: Concordance) -> Difference:
    """Paired comparison of two C-indices on the same subjects."""
    gap = first.influence - second.influence
    return difference(first.estimate.value - second.estimate.value, float(np.sqrt(gap @ gap)))


@dataclass(frozen=True, slots=True)
class AucOverTime:
    """AUC at a series of times."""

    years: tuple[float, ...]
    auc: tuple[Estimate | None, ...]


def auc_over_time(
    score_at: Sequence[FloatArray], observed: Sequence[Observed], least_events: int = 10
) -> AucOverTime:
    """The AUC at each time, None where fewer than `least_events` fractures make it meaningless."""
    return AucOverTime(
        tuple(part.years for part in observed),
        tuple(
            weighted_auc(score, part).estimate if part.events >= least_events else None
            for score, part in zip(score_at, observed, strict=True)
        ),
    )
