"""What every model must beat: age and sex, bone density alone, and the published prevalence model."""

from __future__ import annotations

import numpy as np

from analysis.risk.comparators.people import People
from analysis.risk.comparators.scores import Comparator, Computed

HAZARD_RATIO_AGE_PER_DECADE = 1.45
"""Any fracture: assumption, as in the simulator's population; ranks hardly depend on it within a sex."""
HAZARD_RATIO_WOMEN = 155.4 / 71.8
"""Any fracture from 50 years, women over men: rates per 10,000 person-years (Curtis 2016, PMID 27283403)."""

PREVALENCE_INTERCEPT, PREVALENCE_MALE, PREVALENCE_AGE = -6.178, -0.885, 0.097
"""logit P = −6.178 − 0.885·male + 0.097·age (Wang WB et al., Radiol Practice 2026;41:453)."""


def _age_sex(people: People) -> Computed:
    age, male = people.column("age_years"), people.column("male")
    rank = np.log(HAZARD_RATIO_AGE_PER_DECADE) * age / 10 + np.log(HAZARD_RATIO_WOMEN) * (1 - male)
    return Computed(rank, [(np.isnan(age), "age is unknown"), (np.isnan(male), "sex is unknown")])


def _bmd(people: People) -> Computed:
    bmd = people.column("one_third.bmd_g_cm2")
    return Computed(bmd, [(np.isnan(bmd), "one-third radius BMD is not measured on calibrated pixels")])


def _prevalence(people: People) -> Computed:
    age, male = people.column("age_years"), people.column("male")
    logit = PREVALENCE_INTERCEPT + PREVALENCE_MALE * male + PREVALENCE_AGE * age
    probability = 1 / (1 + np.exp(-logit))
    refused = [(np.isnan(age), "age is unknown"), (np.isnan(male), "sex is unknown")]
    return Computed(probability, refused, probability[:, None])


AGE_SEX = Comparator(
    "age-sex",
    "Age and sex",
    "any fracture",
    "women over men by Curtis 2016 (PMID 27283403); slope of age an assumption",
    "A ranking, without probability: refit on the site's data for a fair baseline.",
    _age_sex,
    refit=("age_years", "male"),
)
BMD_ONLY = Comparator(
    "bmd-only",
    "One-third radius BMD",
    "any fracture",
    "lower areal density of the one-third radius ranks higher",
    "A ranking by g/cm², men and women together, without age: refit on the site's data for a fair baseline.",
    _bmd,
    higher_is_riskier=False,
    refit=("one_third.bmd_g_cm2", "ultradistal.bmd_g_cm2"),
)
PREVALENCE = Comparator(
    "osteoporosis-logistic",
    "Published clinical model of osteoporosis prevalence",
    "osteoporosis at the scan by quantitative CT (not fractures)",
    "Wang WB et al., Radiol Practice 2026;41:453: logit P = −6.178 − 0.885·male + 0.097·age",
    "Prevalence among patients with back pain, of whom 55 % had osteoporosis: its level does not carry over "
    "to a screened population, and it predicts no fracture.",
    _prevalence,
)
