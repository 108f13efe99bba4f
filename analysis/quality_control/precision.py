"""Precision of BMD from repeated scans, and the least significant change that follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LSC_FACTOR = 2.77
"""Least significant change over precision error at 95 % confidence: 1.96 · √2, as ISCD rounds it (ISCD
precision calculator, glossary)."""

ENOUGH_DEGREES_OF_FREEDOM = 30
"""15 patients scanned three times or 30 patients scanned twice (ISCD precision calculator, FAQ)."""


@dataclass(frozen=True, slots=True)
class PrecisionError:
    """Precision of one region.

    Attributes
    ----------
    rms_sd_g_cm2, rms_cv_percent : float
        Root mean square over patients of their standard deviation, and of their coefficient of variation.
    rms_sd_interval, rms_cv_interval : (float, float)
        95 % confidence interval by the chi-square distribution.
    degrees_of_freedom : int
        Scans less patients.
    patients, scans : int
    """

    rms_sd_g_cm2: float
    rms_sd_interval: tuple[float, float]
    rms_cv_percent: float
    rms_cv_interval: tuple[float, float]
    degrees_of_freedom: int
    patients: int
    scans: int

    @property
    def lsc_g_cm2(self) -> float:
        """Least significant change at 95 % confidence, g/cm²."""
        return LSC_FACTOR * self.rms_sd_g_cm2

    @property
    def lsc_percent(self) -> float:
        """Least significant change at 95 % confidence, % of the first value."""
        return LSC_FACTOR * self.rms_cv_percent

    @property
    def sufficient(self) -> bool:
        """Whether there are enough degrees of freedom for a site's own precision."""
        return self.degrees_of_freedom >= ENOUGH_DEGREES_OF_FREEDOM


def precision_error(scans: Mapping[str, Sequence[float]], confidence: float = 0.95) -> PrecisionError | None:
    """Precision of one region from repeated scans of several patients.

    Root mean square averages, each patient weighted by its degrees of freedom (C.-C. Glüer et al.,
    Osteoporos Int 1995;5:262–270); with as many scans of every patient this is ISCD's
    ``√(Σ SD² / number of patients)``. The interval is ``s·√(f/χ²)`` with f degrees of freedom.

    Parameters
    ----------
    scans : mapping of patient to BMD values, g/cm²
        Patients with a single scan say nothing about precision and are left out.

    Returns
    -------
    PrecisionError or None
        ``None`` if nobody was scanned twice.
    """
    repeated = {patient: np.asarray(values, float) for patient, values in scans.items() if len(values) > 1}
    if not repeated:
        return None
    freedom = sum(len(values) - 1 for values in repeated.values())
    squares = {patient: float(((values - values.mean()) ** 2).sum()) for patient, values in repeated.items()}
    sd = math.sqrt(sum(squares.values()) / freedom)
    relative = sum(squares[patient] / values.mean() ** 2 for patient, values in repeated.items())
    cv = 100 * math.sqrt(relative / freedom)
    low, high = interval_factors(freedom, confidence)
    return PrecisionError(
        rms_sd_g_cm2=sd,
        rms_sd_interval=(low * sd, high * sd),
        rms_cv_percent=cv,
        rms_cv_interval=(low * cv, high * cv),
        degrees_of_freedom=freedom,
        patients=len(repeated),
        scans=sum(map(len, repeated.values())),
    )


def interval_factors(degrees_of_freedom: int, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper limit of a standard deviation's two-sided interval, over its estimate."""
    from scipy.stats import chi2

    tail = (1 - confidence) / 2
    upper, lower = chi2.ppf((1 - tail, tail), degrees_of_freedom)
    return math.sqrt(degrees_of_freedom / upper), math.sqrt(degrees_of_freedom / lower)
