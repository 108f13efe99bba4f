"""Whether predicted risks came true, as far as follow-up goes: discrimination and calibration by group.

Censoring by inverse-probability weights and the Aalen-Johansen estimate, death before a fracture as a
competing event: all as in `analysis.evaluation`, whose functions these are.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import CENSORED, FloatArray, FollowUp
from analysis.evaluation.calibration import Calibration, calibrate
from analysis.evaluation.discrimination import concordance, weighted_auc
from analysis.evaluation.intervals import NORMAL_975, Estimate, log_interval, logit_interval
from analysis.evaluation.observed import observe

Group = TypeVar("Group", bound=Hashable)


@dataclass(frozen=True, slots=True)
class OutcomeLimits:
    """When discrimination and calibration are judged, and when they count as lost.

    Attributes
    ----------
    least_subjects, least_fractures : int
        Fewer are shown and not judged. Ten fractures know O:E to a factor of 1.9 (95 %).
    least_followed : int
        So many must still be under observation at the horizon, or the group is not mature.
    least_known : float
        Share (0-1) whose fate at the horizon must be known: else a few would stand for everybody.
    ratio : (float, float)
        Range in which observed to expected may lie.
    auc : float
        What the AUC must reach.
    significance : float
        Of the whole family that is judged together.
    """

    least_subjects: int = 100
    least_fractures: int = 10
    least_followed: int = 10
    least_known: float = 0.25
    ratio: tuple[float, float] = (0.8, 1.25)
    auc: float = 0.6
    significance: float = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """How one group of subjects fared against what was predicted for them.

    Attributes
    ----------
    years : float
        Horizon.
    subjects, fractures, deaths : int
        Fractures and deaths within the horizon.
    unfollowed : int
        Censored before the horizon.
    calibration : Calibration or None
        Observed (Aalen-Johansen) and expected risk, O:E with its 95 % interval, slope, curve, tenths. None
        without a predicted risk or before anybody has been followed to the horizon.
    auc, c_index : Estimate or None
        None with fewer fractures than `OutcomeLimits.least_fractures`.
    waiting : {"", "subjects", "follow_up", "fractures"}
        What there is too little of to judge; empty when judged.
    ratio_crossed, auc_crossed : bool
        The whole interval, at a level adjusted for how many groups are judged, lies outside of the range.
    """

    years: float
    subjects: int
    fractures: int
    deaths: int
    unfollowed: int
    calibration: Calibration | None
    auc: Estimate | None
    c_index: Estimate | None
    waiting: str
    ratio_crossed: bool = False
    auc_crossed: bool = False

    @property
    def judged(self) -> bool:
        return not self.waiting

    @property
    def observed_to_expected(self) -> Estimate | None:
        return None if self.calibration is None else self.calibration.observed_to_expected


def performance(
    risk: FloatArray, follow_up: FollowUp, years: float, limits: OutcomeLimits | None = None
) -> Performance:
    """Discrimination and calibration of one group at a horizon; see `performance_of_groups`."""
    return performance_of_groups({"": (risk, follow_up)}, years, limits)[""]


def calibration_by_year(
    year: NDArray[np.int_],
    risk: FloatArray,
    follow_up: FollowUp,
    years: float,
    limits: OutcomeLimits | None = None,
) -> dict[int, Performance]:
    """Performance by the calendar year of the prediction; see `performance_of_groups`.

    Parameters
    ----------
    year : ndarray of int, (subjects,)
        Of each subject's prediction.
    """
    groups = {
        int(one): (risk[year == one], follow_up.take(np.asarray(year == one))) for one in np.unique(year)
    }
    return performance_of_groups(groups, years, limits)


def performance_of_groups(
    groups: Mapping[Group, tuple[FloatArray, FollowUp]], years: float, limits: OutcomeLimits | None = None
) -> dict[Group, Performance]:
    """Discrimination and calibration of several groups of subjects, judged together.

    Parameters
    ----------
    groups : mapping
        Group (a scanner, a year) -> predicted probabilities of a fracture within `years`, (subjects,), NaN
        where none was made; and the years from the prediction to fracture, death or the end of observation.
    years : float
        Horizon.
    """
    limits = limits or OutcomeLimits()
    measured = {}
    for group, (risk, follow_up) in groups.items():
        known = np.isfinite(risk)
        measured[group] = _measured(risk[known], follow_up.take(known), years, limits)
    return _judged(measured, limits)


def _measured(risk: FloatArray, follow_up: FollowUp, years: float, limits: OutcomeLimits) -> Performance:
    if not len(risk):
        return Performance(years, 0, 0, 0, 0, None, None, None, "subjects")
    observed = observe(follow_up, years)
    within = follow_up.years <= years
    fractures = observed.events
    deaths = int(np.sum((follow_up.ending != CENSORED) & within)) - fractures
    unfollowed = int(np.sum((follow_up.ending == CENSORED) & (follow_up.years < years)))
    followed = int(np.sum(follow_up.years >= years))
    counted = Performance(years, len(risk), fractures, deaths, unfollowed, None, None, None, "")
    if followed == 0:
        return replace(counted, waiting="subjects" if len(risk) < limits.least_subjects else "follow_up")
    waiting = _waiting(counted, followed, limits)
    measured = replace(counted, calibration=calibrate(risk, follow_up, observed), waiting=waiting)
    if fractures < limits.least_fractures or float(np.ptp(risk)) == 0.0:
        return measured
    return replace(
        measured,
        auc=weighted_auc(risk, observed).estimate,
        c_index=concordance(risk, follow_up, years).estimate,
    )


def _waiting(counted: Performance, followed: int, limits: OutcomeLimits) -> str:
    if counted.subjects < limits.least_subjects:
        return "subjects"
    known = 1.0 - counted.unfollowed / counted.subjects
    if followed < limits.least_followed or known < limits.least_known:
        return "follow_up"
    return "fractures" if counted.fractures < limits.least_fractures else ""


def _judged(measured: Mapping[Group, Performance], limits: OutcomeLimits) -> dict[Group, Performance]:
    from scipy.stats import norm

    judged = sum(part.judged for part in measured.values())
    # two-sided, for O:E and the AUC of every group that is judged
    normal = float(norm.isf(limits.significance / (4.0 * max(judged, 1))))
    return {
        label: _held_against(part, limits, normal) if part.judged else part
        for label, part in measured.items()
    }


def _held_against(part: Performance, limits: OutcomeLimits, normal: float) -> Performance:
    factor = normal / NORMAL_975
    ratio_crossed = auc_crossed = False
    ratio = part.observed_to_expected
    if ratio is not None and ratio.value > 0.0:
        wide = log_interval(ratio.value, ratio.standard_error * factor)
        ratio_crossed = wide.low > limits.ratio[1] or wide.high < limits.ratio[0]
    if part.auc is not None and math.isfinite(part.auc.standard_error):
        auc_crossed = logit_interval(part.auc.value, part.auc.standard_error * factor).high < limits.auc
    return replace(part, ratio_crossed=ratio_crossed, auc_crossed=auc_crossed)
