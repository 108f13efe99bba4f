"""Follow-up of a chunk of people, and the oracle: what could be known by one who knew every hazard.

Site k fractures at the rate z·h_k·exp(g_k·t)·(1 + ρ·exp(−t/τ)) per year, z a gamma frailty of mean 1 shared
by the sites, ρ the excess of a recent fracture; death is Gompertz. Time is integrated on a grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import CENSORED, DEATH, FRACTURE, FRACTURE_SITES, TRUE_RISK
from analysis.simulation.cohort.hazards import Hazards
from analysis.simulation.cohort.parameters import number, numbers

FloatArray = NDArray[np.float64]

STREAM = 1002
"""Last part of the seed's key, see `predictors.STREAM`."""

ORACLE_STEP_YEARS = 0.125
EVENT_STEP_YEARS = 0.1
"""Steps of the grids of time: the oracle's and that on which fracture times are found."""
_MINIMUM_YEARS = 1 / 365.25


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Follow-up of n people.

    Attributes
    ----------
    years : ndarray of float64, (n,)
        To the first fracture, death or end of follow-up.
    ending : ndarray of int, (n,)
        `CENSORED`, `FRACTURE` or `DEATH`.
    cause : tuple of str
        Site of the fracture, empty without one.
    risk : mapping of years to ndarray of float64, (n,)
        True cumulative incidence of a fracture within 1, 3, 5 and 10 years, marginal over the frailty, with
        competing death.
    log_hazard : ndarray of float64, (n,)
        True log-hazard of any fracture per year at the scan, at a frailty of 1.
    """

    years: FloatArray
    ending: NDArray[np.int_]
    cause: tuple[str, ...]
    risk: dict[int, FloatArray]
    log_hazard: FloatArray


def draw_outcomes(hazards: Hazards, seed: int, chunk: int, *, censored: bool = True) -> Outcomes:
    """Draw the follow-up of a full chunk and work out its oracle.

    Parameters
    ----------
    hazards : Hazards
    seed, chunk : int
    censored : bool
        Without censoring everybody is followed for the longest follow-up.

    Returns
    -------
    Outcomes
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(chunk, STREAM)))
    size = hazards.log_death.size
    variance = number("hazard.frailty_variance")
    frailty = rng.gamma(1 / variance, variance, size)
    shortest, longest = numbers("follow_up.years")
    end = rng.uniform(shortest, longest, size)
    if not censored:
        end = np.full(size, longest)
    death = _death_times(hazards, rng.exponential(size=size))
    fracture = _fracture_times(hazards, rng.exponential(size=size) / frailty, longest)
    site = _site_of_fracture(hazards, fracture, rng.random(size))
    times = np.column_stack([end, fracture, death])
    ending = np.array([CENSORED, FRACTURE, DEATH])[np.argmin(times, axis=1)]
    return Outcomes(
        years=np.maximum(times.min(axis=1), _MINIMUM_YEARS),
        ending=ending,
        cause=tuple(
            FRACTURE_SITES[which] if how == FRACTURE else "" for which, how in zip(site, ending, strict=True)
        ),
        risk=true_risk(hazards),
        log_hazard=np.log(np.exp(hazards.log_fracture).sum(axis=1) * (1 + hazards.imminent)),
    )


def true_risk(hazards: Hazards) -> dict[int, FloatArray]:
    """Cumulative incidence of a fracture by horizon (years), marginal over the gamma frailty.

    The chance to be free of fracture at a cumulative hazard H is (1 + vH)^(−1/v), v the frailty's variance;
    its decrements, weighted by survival of death in the middle of each step, sum to the incidence.
    """
    horizons = tuple(TRUE_RISK)
    grid = _grid(max(horizons), ORACLE_STEP_YEARS)
    variance = number("hazard.frailty_variance")
    free = (1 + variance * cumulative_hazard(hazards, grid).sum(axis=2)) ** (-1 / variance)
    alive = np.exp(-_cumulative_death(hazards, (grid[1:] + grid[:-1]) / 2))
    incidence = np.cumsum((free[:, :-1] - free[:, 1:]) * alive, axis=1)
    return {years: incidence[:, round(years / ORACLE_STEP_YEARS) - 1] for years in horizons}


def cumulative_hazard(hazards: Hazards, times: FloatArray) -> FloatArray:
    """Cumulative hazard of each site at a frailty of 1, shape (n, times, 4)."""
    growth = np.array(numbers("hazard.growth"))
    _, wane = numbers("hazard.imminent")
    lasting = _integral(growth, times)
    waning = _integral(growth - 1 / wane, times)
    shape = lasting[None] + hazards.imminent[:, None, None] * waning[None]
    return np.asarray(np.exp(hazards.log_fracture)[:, None, :] * shape)


def _grid(longest: float, step: float) -> FloatArray:
    return np.linspace(0.0, longest, round(longest / step) + 1)


def _integral(rate: FloatArray, times: FloatArray) -> FloatArray:
    """∫ exp(rate·s) ds from 0 to each time, shape (times, rates)."""
    product = rate[None, :] * times[:, None]
    safe = np.where(product == 0, 1.0, product)
    return np.asarray(times[:, None] * np.where(product == 0, 1.0, np.expm1(safe) / safe))


def _cumulative_death(hazards: Hazards, times: FloatArray) -> FloatArray:
    growth = number("death.growth")
    return np.asarray(np.exp(hazards.log_death)[:, None] * np.expm1(growth * times)[None, :] / growth)


def _death_times(hazards: Hazards, threshold: FloatArray) -> FloatArray:
    """Where the cumulative hazard of death reaches `threshold`."""
    growth = number("death.growth")
    return np.asarray(np.log1p(threshold * growth / np.exp(hazards.log_death)) / growth)


def _fracture_times(hazards: Hazards, threshold: FloatArray, longest: float) -> FloatArray:
    """Where the cumulative hazard of all sites reaches `threshold`; infinite beyond the longest follow-up."""
    grid = _grid(longest, EVENT_STEP_YEARS)
    cumulated = cumulative_hazard(hazards, grid).sum(axis=2)
    step = np.minimum((cumulated <= threshold[:, None]).sum(axis=1) - 1, grid.size - 2)
    rows = np.arange(threshold.size)
    low, high = cumulated[rows, step], cumulated[rows, step + 1]
    times = grid[step] + EVENT_STEP_YEARS * (threshold - low) / (high - low)
    return np.where(threshold < cumulated[:, -1], times, np.inf)


def _site_of_fracture(hazards: Hazards, times: FloatArray, chance: FloatArray) -> NDArray[np.int_]:
    """Site of each fracture: by the share of its hazard at that time."""
    elapsed = np.where(np.isfinite(times), times, 0.0)[:, None]
    rates = np.exp(hazards.log_fracture + np.array(numbers("hazard.growth")) * elapsed)
    cumulative = np.cumsum(rates, axis=1) / rates.sum(axis=1, keepdims=True)
    return np.asarray((chance[:, None] > cumulative[:, :-1]).sum(axis=1), dtype=np.int_)
