"""Folds that keep a subject together and endings balanced, and the scores by which candidates are compared.

Scores handle censoring by inverse-probability weights and count death before fracture as "no fracture": the
Brier and the logarithmic score are proper for the cumulative incidence (Graf et al. 1999, Stat Med 18:2529).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import CENSORED, FRACTURE, FollowUp
from analysis.results import HORIZONS_YEARS
from analysis.risk.hazard import FloatArray

SMALLEST_RISK = 1e-6
"""Predicted risks are cut here before a logarithm is taken, in scores only."""


def folds(
    follow_up: FollowUp, subjects: NDArray[np.generic], count: int, rng: np.random.Generator
) -> NDArray[np.int_]:
    """Fold of every row: stratified by ending and by the horizons between which it came, grouped by
    subject."""
    _, first, member = np.unique(subjects, return_index=True, return_inverse=True)
    interval = np.searchsorted(HORIZONS_YEARS, follow_up.years)
    stratum = (follow_up.ending * (len(HORIZONS_YEARS) + 1) + interval)[first]
    fold = np.empty(len(first), dtype=np.int_)
    for kind in np.unique(stratum):
        members = rng.permutation(np.flatnonzero(stratum == kind))
        fold[members] = (np.arange(len(members)) + rng.integers(count)) % count
    return np.asarray(fold[member.ravel()], dtype=np.int_)


def splits(fold: NDArray[np.int_]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Positions seen and held out, fold by fold."""
    for held_out in range(int(fold.max()) + 1):
        yield np.flatnonzero(fold != held_out), np.flatnonzero(fold == held_out)


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Status and censoring weight at every horizon, (subjects, horizons)."""

    fractured: NDArray[np.bool_]
    weight: FloatArray

    @property
    def told(self) -> list[bool]:
        """At which horizons there are both subjects with and without a fracture."""
        with_weight = self.weight > 0
        return [
            bool((known & fractured).any() and (known & ~fractured).any())
            for known, fractured in zip(with_weight.T, self.fractured.T, strict=True)
        ]

    def take(self, index: NDArray[np.intp]) -> Outcomes:
        """The subjects at `index`."""
        return Outcomes(self.fractured[index], self.weight[index])


def outcomes(follow_up: FollowUp) -> Outcomes:
    """Who is known to have fractured by each horizon, and how much each known status counts."""
    return Outcomes(
        np.column_stack([fractured_within(follow_up, years) for years in HORIZONS_YEARS]),
        np.column_stack([censoring_weights(follow_up, years) for years in HORIZONS_YEARS]),
    )


def log_score(risk: FloatArray, observed: Outcomes) -> FloatArray:
    """Weighted mean negative log-likelihood of the status at each horizon; lower is better."""
    inside = np.clip(risk, SMALLEST_RISK, 1.0 - SMALLEST_RISK)
    each = -np.where(observed.fractured, np.log(inside), np.log1p(-inside))
    return _weighted_mean(each, observed.weight)


def brier_score(risk: FloatArray, observed: Outcomes) -> FloatArray:
    """Weighted mean squared error at each horizon; lower is better."""
    return _weighted_mean((observed.fractured - risk) ** 2, observed.weight)


def auc(risk: FloatArray, observed: Outcomes) -> list[float | None]:
    """Weighted Mann–Whitney at each horizon, ties counting half; None without fractures."""
    return [
        _auc(observed.fractured[:, index], risk[:, index], observed.weight[:, index])
        if observed.told[index]
        else None
        for index in range(risk.shape[1])
    ]


def observed_to_expected(risk: FloatArray, observed: Outcomes) -> FloatArray:
    """Weighted observed incidence over mean predicted risk at each horizon."""
    incidence = _weighted_mean(observed.fractured.astype(np.float64), observed.weight)
    return np.asarray(incidence / risk.mean(axis=0), dtype=np.float64)


def _weighted_mean(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Weighted mean of each column; NaN where nothing has weight."""
    total = weight.sum(axis=0)
    mean = (values * weight).sum(axis=0) / np.where(total > 0, total, np.nan)
    return np.asarray(mean, dtype=np.float64)


def calibration_slope(risk: FloatArray, observed: Outcomes) -> list[float | None]:
    """Slope of the status on the log-odds of the predicted risk at each horizon; 1 is ideal."""
    from sklearn.linear_model import LogisticRegression

    slopes: list[float | None] = []
    for index in range(risk.shape[1]):
        if not observed.told[index]:
            slopes.append(None)
            continue
        inside = np.clip(risk[:, index], SMALLEST_RISK, 1.0 - SMALLEST_RISK)
        model = LogisticRegression(C=1e6, tol=1e-8, max_iter=1000)
        model.fit(
            np.log(inside / (1.0 - inside))[:, None],
            observed.fractured[:, index],
            sample_weight=observed.weight[:, index],
        )
        slopes.append(float(model.coef_[0, 0]))
    return slopes


def fractured_within(follow_up: FollowUp, years: float) -> NDArray[np.bool_]:
    """Whether each subject is known to have fractured within `years`."""
    return np.asarray((follow_up.ending == FRACTURE) & (follow_up.years <= years), dtype=np.bool_)


def censoring_weights(follow_up: FollowUp, years: float) -> FloatArray:
    """Inverse probability of still being observed when the status at `years` became known; 0 if it never did.

    The censoring distribution is the Kaplan–Meier estimate with censoring as the event. Beyond the longest
    follow-up nothing is known of anybody: all weights are 0.
    """
    if years > follow_up.years.max():
        return np.zeros(len(follow_up.years))
    known = (follow_up.ending != CENSORED) | (follow_up.years > years)
    times, survival = _censoring_survival(follow_up)
    before = np.searchsorted(times, np.minimum(follow_up.years, years), side="left")
    observed = np.concatenate([[1.0], survival])[before]
    return np.where(known, 1.0 / np.maximum(observed, 1e-9), 0.0)


def _censoring_survival(follow_up: FollowUp) -> tuple[FloatArray, FloatArray]:
    """Kaplan–Meier survival of the censoring time: jump times and the survival just after each."""
    order = np.argsort(follow_up.years, kind="stable")
    at_risk = len(order) - np.arange(len(order))
    censored = follow_up.ending[order] == CENSORED
    survival = np.cumprod(1.0 - np.where(censored, 1.0 / at_risk, 0.0))
    return follow_up.years[order], survival.astype(np.float64)


def _auc(outcome: NDArray[np.bool_], score: FloatArray, weight: FloatArray) -> float:
    levels, level = np.unique(score, return_inverse=True)
    fractured = np.bincount(level, np.where(outcome, weight, 0.0), len(levels))
    others = np.bincount(level, np.where(outcome, 0.0, weight), len(levels))
    below = np.cumsum(others) - others / 2
    return float(fractured @ below / (fractured.sum() * others.sum()))
