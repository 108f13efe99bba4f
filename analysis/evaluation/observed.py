"""What was observed by a horizon when some are censored and some die first.

A fracture within the horizon is an event. Who is still followed without one, or died without one before it,
had none: risks are predicted in a world where people die, so death is not censoring (Wolbers et al. 2014,
Biostatistics 15:526). Who was lost before the horizon has an unknown outcome; those who are known stand for
them with weights 1 / P(still followed) (inverse probability of censoring, Graf et al. 1999, Stat Med
18:2529).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import CENSORED, FRACTURE, FloatArray, FollowUp

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """The outcome by a horizon, per subject.

    Attributes
    ----------
    event : ndarray of bool, (subjects,)
        Known to have fractured within the horizon.
    weight : ndarray, (subjects,)
        Inverse probability of being still observed when the outcome became known; 0 if it never did. Sums to
        the number of subjects.
    years : float
    """

    event: BoolArray
    weight: FloatArray
    years: float

    def take(self, index: NDArray[np.int_] | BoolArray) -> Observed:
        """The subjects at `index` (positions or a mask), with the weights they have."""
        return Observed(self.event[index], self.weight[index], self.years)

    @property
    def case_weight(self) -> FloatArray:
        """Weight of the fractured, 0 elsewhere."""
        return np.where(self.event, self.weight, 0.0)

    @property
    def control_weight(self) -> FloatArray:
        """Weight of those known to have had no fracture, 0 elsewhere."""
        return np.where(self.event, 0.0, self.weight)

    @property
    def events(self) -> int:
        return int(self.event.sum())

    @property
    def incidence(self) -> float:
        """Weighted share with a fracture; equals the Aalen-Johansen estimate."""
        return float(np.average(self.event, weights=self.weight))


def observe(follow_up: FollowUp, years: float) -> Observed:
    """Outcomes and weights at a horizon.

    Parameters
    ----------
    follow_up : FollowUp
    years : float
        Above 0. Follow-up that ended exactly at the horizon counts as complete.
    """
    event = (follow_up.ending == FRACTURE) & (follow_up.years <= years)
    known = (follow_up.ending != CENSORED) | (follow_up.years >= years)
    still_followed = CensoringSurvival(follow_up).before(np.minimum(follow_up.years, years))
    return Observed(
        np.asarray(event, dtype=np.bool_),
        np.where(known, 1.0 / np.maximum(still_followed, 1e-12), 0.0),
        years,
    )


class CensoringSurvival:
    """Kaplan-Meier estimate of P(not yet censored), with fracture and death ending observation.

    Of events and censorings at one time, the events come first.
    """

    def __init__(self, follow_up: FollowUp) -> None:
        times, at_risk, ended, censored = _counts(follow_up)
        at_risk_of_censoring = at_risk - ended
        steps = 1.0 - censored / np.maximum(at_risk_of_censoring, 1.0)
        self._times = times
        self._survival = np.concatenate([[1.0], np.cumprod(steps)])

    def before(self, years: FloatArray) -> FloatArray:
        """P(not censored before `years`), the left limit."""
        return np.asarray(self._survival[np.searchsorted(self._times, years, side="left")], dtype=np.float64)


def _counts(follow_up: FollowUp) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Distinct times, number at risk just before each, how many had an event and how many were censored."""
    times, position = np.unique(follow_up.years, return_inverse=True)
    censored = np.bincount(position, follow_up.ending == CENSORED, len(times)).astype(np.float64)
    ended = np.bincount(position, follow_up.ending != CENSORED, len(times)).astype(np.float64)
    leaving = np.cumsum(censored + ended)
    at_risk = len(follow_up.years) - np.concatenate([[0.0], leaving[:-1]])
    return times, at_risk, ended, censored
