"""A scanner's linear scale from a phantom of known densities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST_READINGS = 4
"""Two parameters and two degrees of freedom."""
LINEARITY_PERCENT = 2.0
"""Largest step residual, in % of the phantom's highest density, that still counts as linear (assumption)."""


@dataclass(frozen=True, slots=True)
class PhantomReading:
    """One step of a phantom: its certified density (g/cm²) and what the scanner reads there."""

    certificate_g_cm2: float
    reading: float
    scan: str = ""


@dataclass(frozen=True, slots=True)
class CalibrationFit:
    """``g/cm² = slope · reading + intercept`` with its uncertainty.

    Attributes
    ----------
    slope_interval, intercept_interval : (float, float)
        95 % confidence intervals.
    see_g_cm2 : float
        Standard error of the estimate of one reading, in g/cm².
    residuals_g_cm2 : tuple of float
        Density by the scale less the certificate, per reading in the order given.
    """

    slope: float
    slope_se: float
    slope_interval: tuple[float, float]
    intercept: float
    intercept_se: float
    intercept_interval: tuple[float, float]
    see_g_cm2: float
    readings: tuple[PhantomReading, ...]
    residuals_g_cm2: tuple[float, ...]

    @property
    def worst_percent(self) -> float:
        """Largest mean residual of a step, in % of the highest certified density."""
        steps: dict[float, list[float]] = {}
        for reading, residual in zip(self.readings, self.residuals_g_cm2, strict=True):
            steps.setdefault(reading.certificate_g_cm2, []).append(residual)
        return 100 * max(abs(sum(values)) / len(values) for values in steps.values()) / max(steps)

    @property
    def linear(self) -> bool:
        """Whether every step lies on the line within `LINEARITY_PERCENT`."""
        return self.worst_percent <= LINEARITY_PERCENT


def fit_scale(readings: Sequence[PhantomReading]) -> CalibrationFit:
    """Fit a scanner's scale.

    The certificate is without error and the readings scatter, so readings are regressed on certified
    densities by ordinary least squares, and the line is turned around (the basic method of ISO 11095, linear
    calibration using reference materials). The slope's interval is the turned interval of the regression's
    slope, the intercept's follows from the delta method; both by Student's t with n − 2 degrees of freedom.

    Raises
    ------
    ValueError
        With fewer than `FEWEST_READINGS` readings, fewer than three densities, or readings that do not rise
        with density.
    """
    from scipy.stats import t

    densities = sorted({reading.certificate_g_cm2 for reading in readings})
    if len(readings) < FEWEST_READINGS or len(densities) < 3:
        raise ValueError(
            f"{len(readings)} readings of {len(densities)} densities; a line and its uncertainty need at "
            f"least {FEWEST_READINGS} readings of three densities"
        )
    x = np.array([reading.certificate_g_cm2 for reading in readings])
    y = np.array([reading.reading for reading in readings])
    freedom = len(x) - 2
    middle, spread = float(x.mean()), float(np.square(x - x.mean()).sum())
    b = float((x - middle) @ y) / spread
    a = float(y.mean()) - b * middle
    scatter = math.sqrt(float(np.square(y - a - b * x).sum()) / freedom)
    b_se = scatter / math.sqrt(spread)
    student = float(t.ppf(0.975, freedom))
    if b - student * b_se <= 0:
        raise ValueError("the readings do not rise with density; check the order of the certificate's values")
    slope, intercept = 1 / b, -a / b
    a_variance = scatter**2 * (1 / len(x) + middle**2 / spread)
    covariance = -middle * b_se**2
    intercept_se = math.sqrt(a_variance + intercept**2 * b_se**2 + 2 * intercept * covariance) / b
    return CalibrationFit(
        slope=slope,
        slope_se=b_se / b**2,
        slope_interval=(1 / (b + student * b_se), 1 / (b - student * b_se)),
        intercept=intercept,
        intercept_se=intercept_se,
        intercept_interval=(intercept - student * intercept_se, intercept + student * intercept_se),
        see_g_cm2=scatter / b,
        readings=tuple(readings),
        residuals_g_cm2=tuple((slope * y + intercept - x).tolist()),
    )
