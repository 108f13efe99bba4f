"""Cumulative incidence with competing death: the Aalen-Johansen estimate with its variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.cohort.columns import DEATH, FRACTURE, FloatArray, FollowUp
from analysis.evaluation.intervals import NORMAL_975, Estimate


@dataclass(frozen=True, slots=True, eq=False)
class CumulativeIncidence:
    """A step function: probability of ending by the cause within time, right-continuous.

    Attributes
    ----------
    times, incidence, standard_error : ndarray, (steps,)
        Starts at (0, 0, 0).
    """

    times: FloatArray
    incidence: FloatArray
    standard_error: FloatArray

    def at(self, years: float) -> Estimate:
        """Incidence within `years` with its 95 % interval on the complementary log-log scale."""
        index = int(np.searchsorted(self.times, years, side="right")) - 1
        value, error = float(self.incidence[index]), float(self.standard_error[index])
        if not 0.0 < value < 1.0:
            return Estimate(value, value, value, error)
        spread = NORMAL_975 * error / ((1.0 - value) * -np.log1p(-value))
        low, high = (1.0 - (1.0 - value) ** np.exp(sign * spread) for sign in (-1.0, 1.0))
        return Estimate(value, float(low), float(high), error)


def cumulative_incidence(follow_up: FollowUp, cause: int = FRACTURE) -> CumulativeIncidence:
    """Aalen-Johansen estimate for one cause, the other competing.

    Variance by Dinse & Larson 1986 (Biometrika 73:379, eq. 6).

    Parameters
    ----------
    follow_up : FollowUp
    cause : int
        `FRACTURE` or `DEATH`.
    """
    times, position = np.unique(follow_up.years, return_inverse=True)
    leaving = np.bincount(position, minlength=len(times)).astype(np.float64)
    at_risk = len(follow_up.years) - np.concatenate([[0.0], np.cumsum(leaving)[:-1]])
    of_cause = np.bincount(position, follow_up.ending == cause, len(times)).astype(np.float64)
    of_any = np.bincount(position, np.isin(follow_up.ending, (FRACTURE, DEATH)), len(times)).astype(
        np.float64
    )
    survival_before = np.concatenate([[1.0], np.cumprod(1.0 - of_any / at_risk)[:-1]])
    incidence = np.cumsum(survival_before * of_cause / at_risk)
    error = np.sqrt(np.maximum(_variance(at_risk, of_cause, of_any, survival_before, incidence), 0.0))
    return CumulativeIncidence(
        np.concatenate([[0.0], times]),
        np.concatenate([[0.0], incidence]),
        np.concatenate([[0.0], error]),
    )


def _variance(
    at_risk: FloatArray,
    of_cause: FloatArray,
    of_any: FloatArray,
    survival_before: FloatArray,
    incidence: FloatArray,
) -> FloatArray:
    """Sum over event times of three terms in I(t) - I(t_i), written with running sums in I(t)."""
    left = at_risk - of_any
    greenwood = np.divide(of_any, at_risk * left, out=np.zeros(len(at_risk)), where=left > 0)
    own = survival_before**2 * of_cause * (at_risk - of_cause) / at_risk**3
    mixed = survival_before * of_cause / at_risk**2
    g0, g1, g2 = (np.cumsum(greenwood * incidence**power) for power in (0, 1, 2))
    m0, m1 = np.cumsum(mixed), np.cumsum(mixed * incidence)
    return np.asarray(
        incidence**2 * g0 - 2 * incidence * g1 + g2 + np.cumsum(own) - 2 * (incidence * m0 - m1),
        dtype=np.float64,
    )
