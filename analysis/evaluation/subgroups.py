"""The reference model by sex, age, ethnicity, scanner and BMI, and how far the groups lie apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from analysis.cohort.columns import ETHNICITY, SCANNER, FloatArray, FollowUp
from analysis.evaluation.calibration import LEAST_EVENTS, intercept_and_slope, observed_to_expected
from analysis.evaluation.competing import cumulative_incidence
from analysis.evaluation.discrimination import weighted_auc
from analysis.evaluation.intervals import Estimate
from analysis.evaluation.observed import BoolArray, Observed, observe
from analysis.evaluation.results import Gap, SubgroupLevel, Subgroups

AGE_LIMITS = (65.0, 75.0)
BMI_LIMITS = (18.5, 25.0, 30.0)
"""kg/m², the WHO's classes."""
CHANCE_DRAWS = 4000

Groups = Mapping[str, BoolArray]


def grouping_variables(frame: Any) -> dict[str, Groups]:
    """Variable -> level -> members, for what the table (a pandas DataFrame) has."""
    variables: dict[str, Groups] = {}
    if "male" in frame:
        male = frame["male"].to_numpy(np.float64)
        variables["sex"] = {"women": male == 0, "men": male == 1}
    if "age_years" in frame:
        variables["age"] = _classes(frame["age_years"].to_numpy(np.float64), AGE_LIMITS, "years")
    for column in (ETHNICITY, SCANNER):
        if column in frame:
            words = frame[column]
            levels = sorted(str(word) for word in words.dropna().unique() if str(word))
            variables[column] = {level: np.asarray(words == level, dtype=np.bool_) for level in levels}
    if "bmi_kg_m2" in frame:
        variables["body mass index"] = _classes(frame["bmi_kg_m2"].to_numpy(np.float64), BMI_LIMITS, "kg/m²")
    return {name: groups for name, groups in variables.items() if len(groups) > 1}


def evaluate_subgroups(
    risk: FloatArray,
    follow_up: FollowUp,
    years: int,
    variables: Mapping[str, Groups],
    *,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[Subgroups, ...]:
    """AUC, O:E and slope by group at one horizon, with gaps and their bootstrap intervals.

    Censoring weights are estimated within each group.

    Parameters
    ----------
    risk : ndarray, (subjects,)
        NaN for subjects of whom the model says nothing; they are left out.
    follow_up : FollowUp
    years : int
    variables : mapping of variable to level to ndarray of bool
    resamples : int
        Bootstrap samples, drawn within each group.
    rng : numpy.random.Generator
    """
    known = np.isfinite(risk)
    return tuple(
        _evaluate_variable(
            name,
            {level: _Members.of(risk, follow_up, years, known & inside) for level, inside in groups.items()},
            years,
            resamples,
            rng,
        )
        for name, groups in variables.items()
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Members:
    """The subjects of one group."""

    risk: FloatArray
    follow_up: FollowUp
    observed: Observed

    @classmethod
    def of(cls, risk: FloatArray, follow_up: FollowUp, years: int, inside: BoolArray) -> _Members:
        own = follow_up.take(inside)
        return cls(risk[inside], own, observe(own, float(years)))

    @property
    def enough(self) -> bool:
        return self.observed.events >= LEAST_EVENTS

    def level(self, name: str) -> SubgroupLevel:
        if not self.enough:
            return SubgroupLevel(name, len(self.risk), self.observed.events, None, None, None)
        incidence = cumulative_incidence(self.follow_up).at(self.observed.years)
        return SubgroupLevel(
            name,
            len(self.risk),
            self.observed.events,
            weighted_auc(self.risk, self.observed).estimate,
            observed_to_expected(incidence, float(self.risk.mean())),
            intercept_and_slope(self.risk, self.observed)[1],
        )

    def resampled(self, resamples: int, rng: np.random.Generator) -> FloatArray:
        """(resamples, 2): AUC and log O:E of bootstrap samples of this group."""
        levels, level = np.unique(self.risk, return_inverse=True)
        case, control = self.observed.case_weight, self.observed.control_weight
        figures = np.empty((resamples, 2))
        for number in range(resamples):
            times = np.bincount(rng.integers(0, len(self.risk), len(self.risk)), minlength=len(self.risk))
            cases, controls = times * case, times * control
            own = np.bincount(level, controls, len(levels))
            below = (np.cumsum(own) - own / 2)[level]
            figures[number, 0] = cases @ below / (cases.sum() * controls.sum())
            observed = cases.sum() / (cases.sum() + controls.sum())
            figures[number, 1] = np.log(observed / np.average(self.risk, weights=times))
        return figures


def _evaluate_variable(
    name: str, members: Mapping[str, _Members], years: int, resamples: int, rng: np.random.Generator
) -> Subgroups:
    levels = tuple(group.level(level) for level, group in members.items() if len(group.risk))
    usable = [group for group in members.values() if len(group.risk) and group.enough]
    if len(usable) < 2:
        return Subgroups(name, years, levels, None, None)
    samples = np.stack([group.resampled(resamples, rng) for group in usable])
    aucs = [level.auc for level in levels if level.auc is not None]
    ratios = [level.observed_to_expected for level in levels if level.observed_to_expected is not None]
    logs = [
        Estimate(
            float(np.log(r.value)), float(np.log(r.low)), float(np.log(r.high)), r.standard_error / r.value
        )
        for r in ratios
    ]
    auc_gap = _gap(aucs, np.ptp(samples[:, :, 0], axis=0), rng)
    log_gap = _gap(logs, np.ptp(samples[:, :, 1], axis=0), rng)
    bounds = log_gap.estimate
    ratio_gap = Gap(
        Estimate(
            float(np.exp(bounds.value)),
            float(np.exp(bounds.low)),
            float(np.exp(bounds.high)),
            bounds.standard_error * float(np.exp(bounds.value)),
        ),
        float(np.exp(log_gap.by_chance)),
        log_gap.p_equal,
    )
    return Subgroups(name, years, levels, auc_gap, ratio_gap)


def _gap(estimates: Sequence[Estimate], resampled: FloatArray, rng: np.random.Generator) -> Gap:
    """Gap of some estimates, the percentile interval of its bootstrap, and what chance alone would show."""
    from scipy.stats import chi2

    values = np.array([estimate.value for estimate in estimates])
    errors = np.maximum([estimate.standard_error for estimate in estimates], 1e-12)
    gap = float(np.ptp(values))
    low, high = (float(bound) for bound in np.percentile(resampled, [2.5, 97.5]))
    chance = float(np.ptp(rng.normal(0.0, errors, (CHANCE_DRAWS, len(errors))), axis=1).mean())
    precision = 1.0 / errors**2
    centre = float(np.average(values, weights=precision))
    cochran = float(precision @ (values - centre) ** 2)
    return Gap(
        Estimate(gap, low, high, float(resampled.std(ddof=1))),
        chance,
        float(chi2.sf(cochran, len(values) - 1)),
    )


def _classes(values: FloatArray, limits: Sequence[float], unit: str) -> Groups:
    names = [f"< {limits[0]:g} {unit}"]
    names += [f"{low:g}–{high:g} {unit}" for low, high in pairwise(limits)]
    names.append(f"≥ {limits[-1]:g} {unit}")
    place = np.searchsorted(limits, values, side="right")
    return {name: np.isfinite(values) & (place == index) for index, name in enumerate(names)}
