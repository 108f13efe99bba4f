"""True fracture hazards of simulated people: published hazard ratios on the bone that the phantom shows.

Level: hospitalised fracture in the China Kadoorie Biobank, the population nearest to the phantom's anchors.
Every number is *sourced* or an *assumption*. The result is a simulator's law, not epidemiology: absolute
risks and AUCs learnt from it describe the simulator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from analysis.simulation.subject import BoneParameters, Sex, Subject, draw_subject

FRACTURES_PER_PERSON_YEAR = {"F": 0.00509, "M": 0.00369}
"""At 40–79 y. China Kadoorie Biobank: 4.39 hospitalised fractures per 1,000 person-years (17,118 events in
7.7 y, sourced), shared by as many women as men in the ratio of its hip fractures, 5.8 to 4.2 (assumption)."""

HAZARD_RATIO_PER_SD_LOWER = {
    "one_third_density": 1.40,
    "trabecular_density": 1.25,
    "cortical_thickness": 1.25,
    "trabecular_number": 1.20,
}
"""Per SD of young women, mutually adjusted. Assumptions at the low end of published single-exposure ratios:
aBMD 1.5 (1.4–1.6) Marshall 1996; trabecular vBMD 1.58 (BoMIC 2019); cortical measures 1.28–1.61 (Sarfati
2024, PMID 39236248); Tb.N 1.63 (STRAMBO)."""

HAZARD_RATIO_AGE_PER_DECADE = 1.45
"""Beyond what bone loss carries (falls, muscle, sight): assumption."""

HAZARD_RATIO = {
    "prior_fracture": 1.61,
    "glucocorticoids": 1.66,
    "current_smoker": 1.13,
    "parental_fracture": 1.17,
}
"""Any fracture, adjusted for BMD where published. Prior fracture 1.88, of which BMD explains 14–33 % (Kanis
2023, PMC7615305: 1.88^0.75); glucocorticoids 1.66 (Kanis 2004, at 85 y); smoking 1.13 (Kanis 2005); parental
fracture 1.17 (Kanis 2004, not BMD-adjusted)."""

PREVALENCE = {
    "glucocorticoids": {"F": 0.03, "M": 0.03},
    "current_smoker": {"F": 0.03, "M": 0.45},
    "parental_fracture": {"F": 0.10, "M": 0.10},
}
"""Assumptions. Prior fracture: see `_draw_risk_factors`."""

FRAILTY_VARIANCE = 0.5
"""Variance of the gamma frailty (mean 1): what nobody measures. Assumption, so that AUCs land at 0.7–0.8."""

DEATHS_PER_PERSON_YEAR_AT_60 = {"F": 0.004, "M": 0.006}
DEATH_GROWTH_PER_YEAR = 0.09
"""Gompertz mortality: assumption; about 30 % of women of 80 die within ten years."""

FOLLOW_UP_YEARS = (4.0, 14.0)
"""Administrative censoring, uniform: assumption."""

CENSORED, FRACTURE, DEATH = 0, 1, 2
"""How a subject's follow-up ends."""

REFERENCE_SEED = 20_260_101
"""Seed of the two fixed reference populations: young women (scale) and 40–79 y (level)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Follow-up of one subject.

    Attributes
    ----------
    years : float
        Until fracture, death or end of follow-up.
    ending : {0, 1, 2}
        Censored, fracture, death.
    log_hazard : float
        True log-hazard of fracture per year at the scan, without frailty: what an oracle would know.
    """

    years: float
    ending: int
    log_hazard: float


def draw_outcome(subject: Subject, rng: np.random.Generator) -> Outcome:
    """Draw risk factors, frailty, fracture, death and censoring times of one subject.

    Fracture and death are Gompertz: T = ln(1 + E·b/h)/b with E standard exponential, h the hazard at the scan
    and b its growth per year.
    """
    log_hazard = np.log(_baseline_hazard(subject.sex)) + _log_relative_hazard(subject)
    log_hazard += _draw_risk_factors(subject, rng)
    frailty = rng.gamma(1 / FRAILTY_VARIANCE, FRAILTY_VARIANCE)
    years_to_fracture = _gompertz(
        float(np.exp(log_hazard)) * frailty, np.log(HAZARD_RATIO_AGE_PER_DECADE) / 10, rng
    )
    mortality = DEATHS_PER_PERSON_YEAR_AT_60[subject.sex] * np.exp(
        DEATH_GROWTH_PER_YEAR * (subject.age_years - 60)
    )
    years_to_death = _gompertz(float(mortality), DEATH_GROWTH_PER_YEAR, rng)
    years = (rng.uniform(*FOLLOW_UP_YEARS), years_to_fracture, years_to_death)
    return Outcome(float(min(years)), int(np.argmin(years)), float(log_hazard))


def _gompertz(hazard: float, growth: float, rng: np.random.Generator) -> float:
    return float(np.log1p(rng.exponential() * growth / hazard) / growth)


def _draw_risk_factors(subject: Subject, rng: np.random.Generator) -> float:
    """Draw the clinical risk factors and return their log hazard ratio, centred on the mean."""
    # prior fracture: 10 % at 50 y and 5 points more per decade, assumption
    prevalence = {name: by_sex[subject.sex] for name, by_sex in PREVALENCE.items()}
    prevalence["prior_fracture"] = float(np.clip(0.10 + 0.005 * (subject.age_years - 50), 0.05, 0.30))
    return float(
        sum(
            np.log(HAZARD_RATIO[name]) * ((rng.random() < share) - share)
            for name, share in prevalence.items()
        )
    )


def _log_relative_hazard(subject: Subject) -> float:
    means, deviations = _young_women()
    lower = (means - _exposures(subject.bone)) / deviations
    ratios = np.log(list(HAZARD_RATIO_PER_SD_LOWER.values()))
    return float(ratios @ lower + np.log(HAZARD_RATIO_AGE_PER_DECADE) * (subject.age_years - 60) / 10)


def _exposures(bone: BoneParameters) -> np.ndarray:
    """True exposures, ordered as `HAZARD_RATIO_PER_SD_LOWER`; the first is the ring model's areal density."""
    thickness, diameter = bone.shaft_cortical_thickness_mm, bone.shaft_diameter_mm
    return np.array(
        [
            np.pi * thickness * (diameter - thickness) / diameter,
            bone.bone_volume_fraction,
            bone.distal_cortical_thickness_mm,
            bone.trabecular_number_per_mm,
        ]
    )


@cache
def _young_women() -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of the exposures in women of 35 y, the common scale for both sexes."""
    rng = np.random.default_rng(REFERENCE_SEED)
    exposures = np.array([_exposures(draw_subject(rng, age=35.0, sex="F").bone) for _ in range(2000)])
    return exposures.mean(axis=0), exposures.std(axis=0, ddof=1)


@cache
def _baseline_hazard(sex: Sex) -> float:
    """Hazard per year at a relative hazard of 1, so that 40–79-year-olds fracture at the published rate."""
    rng = np.random.default_rng(REFERENCE_SEED + 1)
    ages = np.linspace(40, 79, 2000)
    relative = [np.exp(_log_relative_hazard(draw_subject(rng, age=float(age), sex=sex))) for age in ages]
    return FRACTURES_PER_PERSON_YEAR[sex] / float(np.mean(relative))
