"""Fits a bone's cross section to its projected profile: sub-pixel geometry without a threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.measurement.sections import Section
from analysis.segmentation.anatomy import FloatArray

_ALL = tuple(range(len(Section._fields)))
_ALONG_THE_SHAFT = (0, 1, 2, 3)
"""What changes from level to level: centre, width, thickness, eccentricity."""
EXPECTED = (0.0, 0.0, 0.0, 0.15, 0.1, 0.1, 0.95, 0.4)
EXPECTED_SD = (np.inf, np.inf, np.inf, 0.15, 0.12, 0.4, 0.08, 0.3)
"""What is expected of a radius's shaft, and how loosely: assumptions. They decide only what the profile
leaves open; the blur is all but free."""
LOWEST = (-3.0, 0.6, 0.25, -0.3, -0.1, -0.6, 0.6, 0.1)
HIGHEST = (3.0, 1.4, 0.9, 0.8, 0.6, 2.5, 1.4, 0.9)
"""Bounds; half width and thickness in units of the first half width, lowest thickness in mm."""
STEPS = (0.1, 0.1, 0.1, 0.1, 0.05, 0.2, 0.1, 0.05)
MISFIT = 0.004
"""Typical misfit over the profile's height, against which expectations are weighed."""
STARTS = (0.2, 0.35, 0.5, 0.65)
"""Wall thickness over half width; the search starts from the one that fits best, since a thick wall started
thin may end as a thin one around a dense cavity."""
LEAST_HALF_WIDTH_MM, FEWEST_BINS = 2.0, 20
"""Below either, a profile holds no shaft: wall and blur could not be told apart."""
TOLERANCE, ROUGH_TOLERANCE = 1e-6, 1e-3
"""Relative change at which a search ends: of a whole section, and of a neighbouring level."""


@dataclass(frozen=True, slots=True)
class SectionFit:
    """A fitted section.

    Attributes
    ----------
    section : Section
    bone, cavity : float
        Density of wall and cavity, in the profile's unit per mm of path.
    residual : float
        Root mean square misfit over the profile's height.
    covariance : ndarray, (parameters, parameters)
        Of the section's parameters that were free (`free`), from the misfit.
    """

    section: Section
    bone: float
    cavity: float
    residual: float
    free: tuple[int, ...]
    covariance: FloatArray

    @property
    def mean_height(self) -> float:
        """Mineral of the section over its width: areal density where the profile is one."""
        wall, cavity = self.section.areas()
        return (self.bone * wall + self.cavity * cavity) / self.section.width()

    def sd(self, quantity: FloatArray) -> float:
        """One SD of a quantity from its gradient by every parameter of the section."""
        gradient = quantity[list(self.free)]
        return math.sqrt(max(float(gradient @ self.covariance @ gradient), 0.0))


def fit_section(position: FloatArray, height: FloatArray, half_width_mm: float) -> SectionFit | None:
    """Fit a section and the scanner's blur to a profile by least squares.

    Densities of wall and cavity and a straight soft-tissue baseline enter linearly and are solved for exactly
    (variable projection, Golub and Pereyra 1973), the rest by a bounded search.

    Parameters
    ----------
    position : ndarray, (bins,)
        Millimetres from about the bone's middle, growing away from the neighbouring bone.
    height : ndarray, (bins,)
        Mean pixel value of each bin, any unit.
    half_width_mm : float
        About half of the bone's width.

    Returns
    -------
    SectionFit or None
        None if the profile is too short or too flat to hold a bone.
    """
    if not _holds_bone(height, half_width_mm):
        return None
    guesses = [Section(0.0, half_width_mm, start * half_width_mm, *EXPECTED[3:]) for start in STARTS]
    nearest = min(guesses, key=lambda guess: _squared_misfit(guess, position, height))
    return _search(position, height, nearest, _ALL, TOLERANCE)


def refit_section(position: FloatArray, height: FloatArray, near: Section) -> SectionFit | None:
    """Fit a neighbouring level: shape and blur stay as they are `near`, size, place and wall are free.

    Returns
    -------
    SectionFit or None
        None if the profile is too short or too flat to hold a bone of about that size.
    """
    if not _holds_bone(height, near.half_width_mm):
        return None
    return _search(position, height, near, _ALONG_THE_SHAFT, ROUGH_TOLERANCE)


def _holds_bone(height: FloatArray, half_width_mm: float) -> bool:
    """Whether a profile is long enough, finite, and not flat."""
    return (
        half_width_mm >= LEAST_HALF_WIDTH_MM
        and height.size >= FEWEST_BINS
        and bool(np.isfinite(height).all())
        and float(np.ptp(height)) > 0.0
    )


def _search(
    position: FloatArray, height: FloatArray, start: Section, free: Sequence[int], tolerance: float
) -> SectionFit:
    from scipy.optimize import least_squares

    index = list(free)
    scale = float(np.ptp(height))
    whole = np.array(start)
    tall = float(start.half_width_mm)
    low = np.array(LOWEST) * np.where(np.arange(len(whole)) == 1, tall, 1.0)
    high = np.array(HIGHEST) * np.where(np.isin(np.arange(len(whole)), (1, 2)), tall, 1.0)
    expected, spread = np.array(EXPECTED)[index], np.array(EXPECTED_SD)[index]

    def section(values: FloatArray) -> Section:
        parameters = whole.copy()
        parameters[index] = values
        return Section(*parameters.tolist())

    def misfit(values: FloatArray) -> FloatArray:
        columns = _columns(section(values), position)
        surprise = MISFIT * (values - expected) / spread
        return np.concatenate([(columns @ _densities(columns, height) - height) / scale, surprise])

    first = np.clip(whole[index], low[index] + 1e-6, high[index] - 1e-6)
    fit = least_squares(
        misfit,
        first,
        bounds=(low[index], high[index]),
        x_scale=np.array(STEPS)[index],
        xtol=tolerance,
        ftol=tolerance,
    )
    best = section(fit.x)
    densities = _densities(_columns(best, position), height)
    variance = 2.0 * fit.cost / max(position.size - len(index), 1)
    return SectionFit(
        section=best,
        bone=float(densities[0]),
        cavity=float(densities[1]),
        residual=float(np.sqrt(np.mean(fit.fun[: position.size] ** 2))),
        free=tuple(index),
        covariance=variance * np.linalg.pinv(fit.jac.T @ fit.jac),
    )


def _squared_misfit(section: Section, position: FloatArray, height: FloatArray) -> float:
    columns = _columns(section, position)
    return float(np.sum((columns @ _densities(columns, height) - height) ** 2))


def _columns(section: Section, position: FloatArray) -> FloatArray:
    """Wall, cavity, baseline, baseline's slope; shape (bins, 4)."""
    wall, cavity = section.projected(position)
    return np.stack([wall, cavity, np.ones_like(position), position / 10.0], axis=1)


def _densities(columns: FloatArray, height: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.lstsq(columns, height, rcond=None)[0])
