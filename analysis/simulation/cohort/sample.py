"""A large sample of simulated people with all that is true of them, and the statistics that targets need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import FRACTURE
from analysis.simulation.cohort.bones import Bodies, Bones
from analysis.simulation.cohort.hazards import hazards_of
from analysis.simulation.cohort.outcomes import draw_outcomes
from analysis.simulation.cohort.parameters import number, numbers
from analysis.simulation.cohort.people import CHUNK, chunk_sizes, draw_people
from analysis.simulation.cohort.populations import Population
from analysis.simulation.cohort.predictors import Covariates, draw_covariates

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """n people followed for the longest time, nothing missing.

    Attributes
    ----------
    population : Population
    white : ndarray of bool, (n,)
    covariates : Covariates
    rates : ndarray of float64, (n, 4)
        Fractures per year at the scan by site, at the level of a community: the population's own hazard ratio
        is taken out.
    years, ending : ndarray, (n,)
        Of the follow-up.
    risk : dict of years to ndarray of float64, (n,)
        The oracle.
    """

    population: Population
    white: BoolArray
    covariates: Covariates
    rates: FloatArray
    years: FloatArray
    ending: NDArray[np.int_]
    risk: dict[int, FloatArray]

    def __getitem__(self, name: str) -> FloatArray:
        """A predictor of the catalogue."""
        return self.covariates.predictors[name]

    @property
    def women(self) -> BoolArray:
        """Who is a woman."""
        return np.asarray(self["male"] == 0)

    def aged(self, low: float, high: float = 200.0) -> BoolArray:
        """Who is at least `low` and younger than `high`, years."""
        return np.asarray((self["age_years"] >= low) & (self["age_years"] < high))

    def fractured_within(self, years: float) -> BoolArray:
        """Who fractured within `years` of the scan."""
        return np.asarray((self.ending == FRACTURE) & (self.years <= years))

    def community_weights(self) -> FloatArray:
        """Weights that give the sample the ages of a community: a density that falls from 40 y on."""
        mean, deviation, *_ = self.population.age
        age = self["age_years"]
        drawn = np.exp(-(((age - mean) / deviation) ** 2) / 2)
        return np.asarray(np.exp(-number("targets.community_age_decline") * (age - 40)) / drawn)

    def community_mean(self, value: FloatArray | BoolArray, among: BoolArray) -> float:
        """Mean of `value` `among` some, at a community's ages."""
        weights = self.community_weights() * among
        return float(weights @ value / weights.sum())


CLINIC, COMMUNITY = "china-clinic", "western-community"
"""The populations that are held against published figures."""

Samples = Mapping[str, Sample]
"""Samples by population."""
Measure = Callable[[Samples], float]


def draw_sample(population: Population, size: int, seed: int) -> Sample:
    """Draw a sample; 60,000 people take about ten seconds.

    Parameters
    ----------
    population : Population
    size : int
        Rounded up to whole chunks.
    seed : int

    Returns
    -------
    Sample
    """
    covariates, white, rates, outcomes = [], [], [], []
    for chunk in range(len(chunk_sizes(size))):
        people = draw_people(population, seed, chunk, CHUNK)
        covariates.append(draw_covariates(people, seed))
        hazards = hazards_of(people, covariates[-1], {})
        outcomes.append(draw_outcomes(hazards, seed, chunk, censored=False))
        white.append(np.array([name == "white" for name in people.ethnicity]))
        rates.append(np.exp(hazards.log_fracture) * (1 + hazards.imminent)[:, None])
    return Sample(
        population=population,
        white=np.concatenate(white),
        covariates=_joined(covariates),
        rates=np.concatenate(rates) / number(f"population.{population.name}.hazard_ratio"),
        years=np.concatenate([one.years for one in outcomes]),
        ending=np.concatenate([one.ending for one in outcomes]),
        risk={years: np.concatenate([one.risk[years] for one in outcomes]) for years in outcomes[0].risk},
    )


def hazard_ratios(sample: Sample, exposures: Sequence[FloatArray], among: BoolArray) -> FloatArray:
    """Hazard ratio of any fracture per unit of each exposure, mutually adjusted: Cox with Breslow's ties.

    Parameters
    ----------
    sample : Sample
    exposures : sequence of ndarray of float64, (n,)
    among : ndarray of bool, (n,)

    Returns
    -------
    ndarray of float64, (exposures,)
    """
    order = np.argsort(-sample.years[among], kind="stable")  # the risk set of each is all before it
    design = np.column_stack([exposure[among] for exposure in exposures])[order]
    design = design - design.mean(axis=0)
    event = (sample.ending[among] == FRACTURE)[order]
    outer = design[:, :, None] * design[:, None, :]
    coefficients = np.zeros(design.shape[1])
    for _ in range(12):
        weight = np.exp(design @ coefficients)
        total = np.cumsum(weight)
        first = np.cumsum(weight[:, None] * design, axis=0) / total[:, None]
        second = np.cumsum(weight[:, None, None] * outer, axis=0) / total[:, None, None]
        gradient = (design - first)[event].sum(axis=0)
        information = (second - first[:, :, None] * first[:, None, :])[event].sum(axis=0)
        step = np.linalg.solve(information, gradient)
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-6:
            break
    return np.exp(coefficients)


def standard(value: FloatArray, among: BoolArray) -> FloatArray:
    """`value` in SD `among` some."""
    return np.asarray((value - value[among].mean()) / value[among].std())


def log_marker(sample: Sample, name: str) -> FloatArray:
    """Logarithm of a turnover marker in its SD."""
    column = {"ctx": "turnover.ctx_ng_l", "pinp": "turnover.pinp_ug_l"}[name]
    return np.asarray(np.log(sample[column]) / numbers(f"turnover.{name}")[3])


def _joined(parts: Sequence[Covariates]) -> Covariates:
    def stacked(objects: Sequence[Any]) -> list[FloatArray]:
        return [np.concatenate([getattr(one, field.name) for one in objects]) for field in fields(objects[0])]

    return Covariates(
        bodies=Bodies(*stacked([part.bodies for part in parts])),
        bones=Bones(*stacked([part.bones for part in parts])),
        one_third=np.concatenate([part.one_third for part in parts]),
        ultradistal=np.concatenate([part.ultradistal for part in parts]),
        central_t_score=np.concatenate([part.central_t_score for part in parts]),
        predictors={
            name: np.concatenate([part.predictors[name] for part in parts]) for name in parts[0].predictors
        },
    )
