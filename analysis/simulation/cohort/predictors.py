"""Every predictor of the catalogue for a chunk of people, before anything goes missing.

Numbers stand in ``parameters.toml``. Nothing here changes a bone: what runs together with bone (prior
fracture, genotypes, turnover) is drawn given the bone, so that pictures stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis.simulation.cohort.bones import (
    Bodies,
    Bones,
    bodies_of,
    bones_of,
    one_third_bmd_g_cm2,
    ultradistal_bmd_g_cm2,
)
from analysis.simulation.cohort.parameters import number, numbers
from analysis.simulation.cohort.people import People
from analysis.simulation.cohort.populations import Population

FloatArray = NDArray[np.float64]

STREAM = 1001
"""Last part of the seed's key: every step after the people has a stream of its own."""

VARIANTS = {
    "tnfsf11": "genetics.tnfsf11_rs9533090_t",
    "tnfrsf11b": "genetics.tnfrsf11b_rs4355801_a",
    "lrp5": "genetics.lrp5_rs3736228_t",
    "vdr": "genetics.vdr_rs1544410_a",
}
"""Name in ``parameters.toml`` -> predictor."""


@dataclass(frozen=True, slots=True, eq=False)
class Covariates:
    """All that is true of n people at the scan.

    Attributes
    ----------
    bodies, bones : Bodies, Bones
    one_third, ultradistal : ndarray of float64, (n,)
        Areal densities in SD from the mean of young women of the phantom's population.
    central_t_score : ndarray of float64, (n,)
        Lowest T-score of a central DXA.
    predictors : mapping of name to ndarray of float64, (n,)
        The whole catalogue of `analysis.risk.predictors`, nothing missing.
    """

    bodies: Bodies
    bones: Bones
    one_third: FloatArray
    ultradistal: FloatArray
    central_t_score: FloatArray
    predictors: Mapping[str, FloatArray]

    @property
    def osteoporosis(self) -> FloatArray:
        """1 where the central T-score is -2.5 or lower."""
        return np.asarray(self.central_t_score <= -2.5, dtype=np.float64)


def draw_covariates(people: People, seed: int) -> Covariates:
    """Draw the predictors of a chunk.

    Parameters
    ----------
    people : People
        A full chunk: every array takes its numbers from the stream at once.
    seed : int
        Of the cohort.

    Returns
    -------
    Covariates
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(people.chunk, STREAM)))
    bodies = bodies_of(people.subjects)
    bones = bones_of(bodies)
    one_third = standardised("one_third_density", one_third_bmd_g_cm2(bones))
    ultradistal = standardised("ultradistal_density", ultradistal_bmd_g_cm2(bones))
    central = _central_t_score(bodies, one_third, ultradistal, rng)
    health = rng.standard_normal(bodies.age_years.size) + people.population.sickness_shift
    predictors = {
        "age_years": bodies.age_years,
        "male": bodies.male,
        "height_mm": bodies.height_mm,
        "weight_kg": bodies.weight_kg,
        "bmi_kg_m2": bodies.bmi_kg_m2,
    }
    predictors |= _habits_and_diseases(bodies, health, rng)
    predictors |= _kidney_and_vitamin_d(bodies, health, rng)
    predictors |= _fractures(bodies, (one_third, ultradistal), health, rng)
    predictors |= _medication(bodies, central, predictors, people.population, rng)
    predictors |= _balance_and_gait(bodies, health, rng)
    predictors |= _falls(bodies, health, predictors, rng)
    predictors |= _turnover(bodies, predictors, rng)
    predictors |= _genotypes(bodies, people, rng)
    return Covariates(bodies, bones, one_third, ultradistal, central, predictors)


def standardised(exposure: str, value: FloatArray) -> FloatArray:
    """SD from the mean of young women (35 y), the common scale of both sexes."""
    mean, deviation = numbers(f"exposure.{exposure}")
    return np.asarray((value - mean) / deviation)


def _central_t_score(
    bodies: Bodies, one_third: FloatArray, ultradistal: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Central T-score: a line on the forearm's T-score of the own sex and on age, with a residual."""
    forearm = (one_third + ultradistal) / 2 - number("central.male_forearm") * bodies.male
    intercept, slope, per_decade, residual = (
        _by_sex(f"central.{name}", bodies) for name in ("intercept", "slope", "age", "sd")
    )
    middle = intercept + slope * forearm + per_decade * (bodies.age_years - 60) / 10
    return np.asarray(middle + residual * rng.standard_normal(forearm.size))


def _habits_and_diseases(
    bodies: Bodies, health: FloatArray, rng: np.random.Generator
) -> dict[str, FloatArray]:
    decades = (bodies.age_years - 60) / 10
    arthritis = _yes(rng, _logit("clinical.rheumatoid_arthritis", bodies) + 0 * decades)
    steroid_odds = (
        _logit("clinical.glucocorticoid", bodies) + number("clinical.glucocorticoid.arthritis") * arthritis
    )
    steroid = _yes(rng, steroid_odds + number("clinical.glucocorticoid.sickness") * health)
    median, spread = numbers("clinical.glucocorticoid.dose")
    dose = np.round(np.clip(median * np.exp(spread * rng.standard_normal(health.size)), 1.0, 60.0) * 2) / 2
    drinker = _yes(rng, _logit("clinical.alcohol", bodies))
    shape, mean_units = numbers("clinical.alcohol.units")
    units = np.round(np.clip(rng.gamma(shape, mean_units / shape, health.size), 0.1, 20), 1)
    smoker = _logit("clinical.current_smoker", bodies)
    smoker = smoker + number("clinical.current_smoker.age") * decades * bodies.male
    diabetes = _logit("clinical.type2_diabetes", bodies) + number("clinical.type2_diabetes.age") * decades
    diabetes = diabetes + number("clinical.type2_diabetes.bmi") * (bodies.bmi_kg_m2 - 24) / 3
    diabetes = diabetes + number("clinical.type2_diabetes.sickness") * health
    type1 = _yes(rng, _logit("clinical.type1_diabetes", bodies))
    secondary = _logit("clinical.secondary", bodies) + number("clinical.secondary.sickness") * health
    parental = _logit("clinical.parental_fracture", bodies)
    parental = parental + number("clinical.parental_fracture.bone_mass") * bodies.bone_mass
    return {
        "clinical.rheumatoid_arthritis": arthritis,
        "clinical.glucocorticoid_mg_d": steroid * dose,
        "clinical.current_smoker": _yes(rng, smoker),
        "clinical.alcohol_units_d": drinker * units,
        "clinical.type1_diabetes": type1,
        "clinical.type2_diabetes": _yes(rng, diabetes) * (1 - type1),
        "clinical.secondary_osteoporosis": _yes(rng, secondary),
        "clinical.parental_fracture": _yes(rng, parental),
    }


def _kidney_and_vitamin_d(
    bodies: Bodies, health: FloatArray, rng: np.random.Generator
) -> dict[str, FloatArray]:
    at_40, per_year, deviation, sickness = numbers("clinical.egfr")
    kidney = at_40 - per_year * (bodies.age_years - 40) - sickness * health
    median, spread, per_bmi = numbers("clinical.vitamin_d")
    vitamin = np.log(median) + per_bmi * (bodies.bmi_kg_m2 - 24) + spread * rng.standard_normal(health.size)
    return {
        "clinical.egfr_ml_min": np.clip(kidney + deviation * rng.standard_normal(health.size), 5, 140),
        "clinical.vitamin_d_nmol_l": np.clip(np.exp(vitamin), 8, 250),
    }


def _fractures(
    bodies: Bodies, densities: tuple[FloatArray, FloatArray], health: FloatArray, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Fragility fractures since 40 y and within two years, from one rate that rises with age.

    The rate at age a is r·exp(g·(a − 57)); its integral gives both, so that two-year and five-year
    prevalences agree.
    """
    rate, growth = number("clinical.prior_fracture.rate"), number("clinical.prior_fracture.growth")
    lower = -(densities[0] + densities[1]) / 2 - _by_sex("clinical.prior_fracture.centre", bodies)
    relative = np.exp(
        number("clinical.prior_fracture.bone") * np.clip(lower, -4, 4)
        + number("clinical.prior_fracture.sickness") * health
    )

    def cumulated(start: FloatArray) -> FloatArray:
        ages = np.array([np.exp(growth * (age - 57)) for age in (bodies.age_years, start)])
        return np.asarray(rate * relative * (ages[0] - ages[1]) / growth)

    since_40 = cumulated(np.full(health.size, 40.0))
    recently = cumulated(np.maximum(bodies.age_years - 2, 40.0))
    recent = rng.random(health.size) < 1 - np.exp(-recently)
    before = rng.random(health.size) < 1 - np.exp(-(since_40 - recently))
    return {
        "clinical.prior_fracture": np.asarray(recent | before, dtype=np.float64),
        "clinical.recent_fracture": recent.astype(np.float64),
    }


def _medication(
    bodies: Bodies,
    central: FloatArray,
    predictors: Mapping[str, FloatArray],
    population: Population,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Given by indication: osteoporosis or a prior fracture."""
    indicated = (central <= -2.5) | (predictors["clinical.prior_fracture"] > 0)
    treated = numbers(f"population.{population.name}.treated")
    share = np.where(bodies.male > 0, treated[1], treated[0])
    share = np.where(indicated, share, number("clinical.medication.not_indicated"))
    drawn = rng.random(central.size) < share
    return {"clinical.osteoporosis_medication": drawn.astype(np.float64)}


def _balance_and_gait(bodies: Bodies, health: FloatArray, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Four tests that share the health factor."""
    loading = number("balance_gait.health_loading")
    rest = np.sqrt(1 - loading**2)
    decades = (bodies.age_years - 60) / 10

    def test(name: str) -> FloatArray:
        _, _, per_decade, deviation = numbers(f"balance_gait.{name}")
        worse = loading * health + rest * rng.standard_normal(health.size)
        middle = np.where(bodies.male > 0, *numbers(f"balance_gait.{name}")[1::-1])
        return np.asarray(middle + per_decade * decades + deviation * worse)

    return {
        "balance_gait.gait_speed_m_s": np.clip(test("gait_speed"), 0.15, 2.2),
        "balance_gait.timed_up_and_go_s": np.clip(np.exp(test("log_timed_up_and_go")), 4.0, 90.0),
        "balance_gait.sway_mm_s": np.clip(np.exp(test("log_sway")), 2.0, 120.0),
        "balance_gait.grip_kg": np.clip(test("grip"), 2.0, 80.0),
    }


def _falls(
    bodies: Bodies, health: FloatArray, predictors: Mapping[str, FloatArray], rng: np.random.Generator
) -> dict[str, FloatArray]:
    """A gamma-mixed Poisson count: whoever fell once falls again."""
    log_mean = (
        np.log(number("clinical.falls.mean")) + number("clinical.falls.age") * (bodies.age_years - 60) / 10
    )
    log_mean = (
        log_mean + number("clinical.falls.sickness") * health - number("clinical.falls.male") * bodies.male
    )
    slower = (1.1 - predictors["balance_gait.gait_speed_m_s"]) / 0.2
    mean = np.exp(log_mean + number("clinical.falls.gait") * np.clip(slower, -3, 4))
    shape = number("clinical.falls.shape")
    counts = rng.poisson(mean * rng.gamma(shape, 1 / shape, health.size))
    return {"clinical.falls_past_year": np.minimum(counts, 12).astype(np.float64)}


def _turnover(
    bodies: Bodies, predictors: Mapping[str, FloatArray], rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Log-normal markers that share a factor, which follows the rate of bone loss."""
    size = bodies.age_years.size
    loss, shared = number("turnover.loss_correlation"), number("turnover.marker_correlation")
    factor = loss * bodies.loss + np.sqrt(1 - loss**2) * rng.standard_normal(size)
    years = bodies.age_years - np.nan_to_num(bodies.menopause_age_years, nan=1000.0)
    values = {}
    for name, marker in (("turnover.ctx_ng_l", "turnover.ctx"), ("turnover.pinp_ug_l", "turnover.pinp")):
        before, after, men, deviation, treated, steroids = numbers(marker)
        middle = np.where(bodies.male > 0, men, np.where(years > 0, after, before))
        log_value = np.log(middle) + np.log(treated) * predictors["clinical.osteoporosis_medication"]
        log_value = log_value + np.log(steroids) * (predictors["clinical.glucocorticoid_mg_d"] > 0)
        noise = np.sqrt(shared) * factor + np.sqrt(1 - shared) * rng.standard_normal(size)
        values[name] = np.exp(log_value + deviation * noise)
    return values


def _genotypes(bodies: Bodies, people: People, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Alleles given the bone-mass latent, by Bayes: Hardy-Weinberg overall, the published slope on it."""
    mass = bodies.bone_mass - people.population.bone_mass_shift
    white = np.array([name == "white" for name in people.ethnicity])
    copies = np.arange(3)
    drawn = {}
    for variant, name in VARIANTS.items():
        chinese_frequency, white_frequency = numbers(f"genetics.{variant}.frequency")
        frequency = np.where(white, white_frequency, chinese_frequency)[:, None]
        effect = number(f"genetics.{variant}.bone_mass")
        prior = np.array([1.0, 2.0, 1.0]) * frequency**copies * (1 - frequency) ** (2 - copies)
        explained = effect**2 * 2 * frequency * (1 - frequency)
        distance = mass[:, None] - effect * (copies - 2 * frequency)
        weight = prior * np.exp(-(distance**2) / (2 * (1 - explained)))
        cumulative = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
        drawn[name] = (rng.random(mass.size)[:, None] > cumulative[:, :2]).sum(axis=1).astype(np.float64)
    return drawn


def _by_sex(name: str, bodies: Bodies) -> FloatArray:
    women, men = numbers(name)
    return np.where(bodies.male > 0, men, women)


def _logit(name: str, bodies: Bodies) -> FloatArray:
    """Log-odds of a prevalence that the table gives for women and men."""
    share = _by_sex(name, bodies)
    return np.asarray(np.log(share / (1 - share)))


def _yes(rng: np.random.Generator, log_odds: FloatArray) -> FloatArray:
    return np.asarray(rng.random(log_odds.size) < expit(log_odds), dtype=np.float64)
