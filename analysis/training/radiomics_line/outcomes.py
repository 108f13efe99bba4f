"""The two outcomes of the line as yes, no or unknown, with weights for the unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import CENSORED, FRACTURE, OSTEOPOROSIS, FollowUp

if TYPE_CHECKING:
    from analysis.cohort.table import CohortTable

FloatArray = NDArray[np.float64]
OutcomeName = Literal["osteoporosis", "fracture_10y"]
OUTCOMES: tuple[OutcomeName, ...] = ("osteoporosis", "fracture_10y")
HORIZON_YEARS = 10.0


def outcome_of(table: CohortTable, name: OutcomeName) -> tuple[FloatArray, FloatArray]:
    """Outcome and weight of every subject.

    Parameters
    ----------
    name : {"osteoporosis", "fracture_10y"}
        Osteoporosis by central DXA at the scan, or a fracture within ten years.

    Returns
    -------
    outcome : ndarray, (subjects,)
        1, 0, or NaN where it is unknown.
    weight : ndarray, (subjects,)
        Inverse probability that the outcome is known; 0 where it is not.
    """
    if name == "osteoporosis":
        if OSTEOPOROSIS not in table.frame:
            known = np.full(len(table.frame), np.nan)
        else:
            known = table.frame[OSTEOPOROSIS].to_numpy(np.float64, na_value=np.nan)
        return known, np.where(np.isnan(known), 0.0, 1.0)
    return fracture_within(table.follow_up, HORIZON_YEARS)


def fracture_within(follow_up: FollowUp, years: float) -> tuple[FloatArray, FloatArray]:
    """Whether a fracture came first within `years` (death before it counts as none), and IPCW weights.

    Weights are 1/G(t−) with G the Kaplan-Meier estimate of staying under observation and t the end of
    follow-up or the horizon, whichever is first.
    """
    time, ending = follow_up.years, follow_up.ending
    outcome = np.where((ending == FRACTURE) & (time <= years), 1.0, 0.0)
    unknown = (ending == CENSORED) & (time < years)
    outcome[unknown] = np.nan
    weight = 1 / _still_observed(time, ending == CENSORED, np.minimum(time, years))
    weight[unknown] = 0.0
    return outcome, weight


def _still_observed(time: FloatArray, censored: NDArray[np.bool_], at: FloatArray) -> FloatArray:
    """Kaplan-Meier probability of no censoring before `at`."""
    order = np.argsort(time, kind="stable")
    at_risk = len(time) - np.arange(len(time))
    survival = np.cumprod(1 - censored[order] / at_risk)
    before = np.searchsorted(time[order], at, side="left")
    return np.asarray(np.concatenate([[1.0], survival])[before], np.float64)
