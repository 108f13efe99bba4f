"""How published fracture rates and hazard ratios are measured on samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import FRACTURE_SITES
from analysis.simulation.cohort.sample import (
    CLINIC,
    COMMUNITY,
    Measure,
    Sample,
    Samples,
    hazard_ratios,
    log_marker,
    standard,
)

FloatArray = NDArray[np.float64]
Read = Callable[[Sample], FloatArray]

WRIST, HIP, SPINE, HUMERUS = range(len(FRACTURE_SITES))
WOMEN, MEN, BOTH = True, False, None


def incidence_measures() -> dict[str, Measure]:
    """Fractures per 100,000 person-years of a community."""
    return {
        "incidence.hip_women_50": _rate(HIP, 50, WOMEN),
        "incidence.hip_men_50": _rate(HIP, 50, MEN),
        "incidence.hip_65": _rate(HIP, 65, BOTH),
        "incidence.hip_per_decade": _hip_per_decade,
        "incidence.wrist_women_40": _rate(WRIST, 40, WOMEN),
        "incidence.humerus_women_40": _rate(HUMERUS, 40, WOMEN),
        "incidence.humerus_men_40": _rate(HUMERUS, 40, MEN),
        "incidence.spine_women_50": _rate(SPINE, 50, WOMEN),
        "incidence.western_hip_women_50": _rate(HIP, 50, WOMEN, population=COMMUNITY),
        "incidence.western_hip_men_50": _rate(HIP, 50, MEN, population=COMMUNITY),
        "incidence.western_hip_women_50_54": _rate(HIP, 50, WOMEN, population=COMMUNITY, end=55),
        "incidence.western_hip_women_80": _rate(HIP, 80, WOMEN, population=COMMUNITY),
        "incidence.chinese_over_white": _chinese_over_white,
    }


def ratio_measures() -> dict[str, Measure]:
    """Hazard ratios as a study of the clinic would find them: Cox, adjusted for age and sex."""

    def read(name: str) -> Read:
        return lambda sample: sample[name]

    def any_of(name: str) -> Read:
        return lambda sample: np.asarray(sample[name] > 0, dtype=np.float64)

    return {
        "ratio.one_third": _ratio(lambda s: -standard(s.covariates.one_third, s.women), sex=WOMEN),
        "ratio.ultradistal": _ratio(lambda s: -standard(s.covariates.ultradistal, s.women), sex=WOMEN),
        "ratio.trabecular_number": _ratio(
            lambda s: -standard(s.covariates.bones.trabecular_number_per_mm, ~s.women),
            densities=True,
            sex=MEN,
        ),
        "ratio.prior_fracture": _ratio(read("clinical.prior_fracture")),
        "ratio.fall": _ratio(any_of("clinical.falls_past_year")),
        "ratio.glucocorticoids": _ratio(any_of("clinical.glucocorticoid_mg_d"), densities=True),
        "ratio.parental_fracture": _ratio(read("clinical.parental_fracture")),
        "ratio.smoking": _ratio(read("clinical.current_smoker")),
        "ratio.type2_diabetes": _ratio(read("clinical.type2_diabetes")),
        "ratio.pinp": _ratio(lambda s: log_marker(s, "pinp")),
        "ratio.ctx": _ratio(lambda s: log_marker(s, "ctx")),
        "ratio.lrp5": _ratio(read("genetics.lrp5_rs3736228_t")),
        "ratio.vdr": _ratio(read("genetics.vdr_rs1544410_a")),
        "ratio.bmi": _ratio(lambda s: s["bmi_kg_m2"] / 10, densities=True),
    }


def _rate(
    site: int, start: float, women: bool | None, *, population: str = CLINIC, end: float = 200.0
) -> Measure:
    """Rate of a site in people of an age and sex."""

    def measure(samples: Samples) -> float:
        sample = samples[population]
        among = sample.aged(start, end)
        if women is not None:
            among = among & (sample.women == women)
        return 1e5 * sample.community_mean(sample.rates[:, site], among)

    return measure


def _hip_per_decade(samples: Samples) -> float:
    """Factor per decade of age, over the two decades from about 60 to about 80."""
    older, younger = _rate(HIP, 75, BOTH, end=85), _rate(HIP, 55, BOTH, end=65)
    return float((older(samples) / younger(samples)) ** 0.5)


def _chinese_over_white(samples: Samples) -> float:
    """Ratio of all fractures at equal age and sex: geometric mean over strata of five years and sex."""
    west, east = samples[COMMUNITY], samples[CLINIC]
    ratios = []
    for women in (WOMEN, MEN):
        for age in range(50, 85, 5):
            white = west.aged(age, age + 5) & (west.women == women) & west.white
            chinese = east.aged(age, age + 5) & (east.women == women)
            ratios.append(east.rates[chinese].sum(axis=1).mean() / west.rates[white].sum(axis=1).mean())
    return float(np.exp(np.mean(np.log(ratios))))


def _ratio(exposure: Read, *, densities: bool = False, sex: bool | None = BOTH) -> Measure:
    """Hazard ratio of an exposure, adjusted for age, for sex where both take part, and for `densities`."""

    def measure(samples: Samples) -> float:
        sample = samples[CLINIC]
        among = np.ones(sample.years.size, dtype=bool) if sex is None else sample.women == sex
        design = [exposure(sample), sample["age_years"] / 10]
        if sex is None:
            design.append(sample["male"])
        if densities:
            design += [sample.covariates.one_third, sample.covariates.ultradistal]
        return float(hazard_ratios(sample, design, among)[0])

    return measure
