"""How published figures of bone, of what runs together with it, and of prevalences are measured."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.cohort.bones import (
    Bones,
    bodies_of,
    bones_of,
    one_third_bmd_g_cm2,
    ultradistal_bmd_g_cm2,
)
from analysis.simulation.cohort.sample import CLINIC, Measure, Sample, Samples, log_marker
from analysis.simulation.subject import Sex, draw_subject

_PEOPLE_PER_AGE = 800


def bone_measures() -> dict[str, Measure]:
    """Bones of Chinese people of one age."""
    return {
        "bone.one_third_women": lambda _: float(_density("one_third", 40, "F").mean()),
        "bone.one_third_women_sd": lambda _: float(_density("one_third", 40, "F").std(ddof=1)),
        "bone.cortex_women": lambda _: float(_bones(40, "F").distal_cortical_thickness_mm.mean()),
        "bone.volume_fraction_women": lambda _: float(_bones(40, "F").bone_volume_fraction.mean()),
        "bone.one_third_loss_women": lambda _: _loss("one_third", "F", 45, 80),
        "bone.ultradistal_loss_women": lambda _: _loss("ultradistal", "F", 45, 80),
        "bone.ultradistal_men_over_women": lambda _: float(
            _density("ultradistal", 35, "M").mean() / _density("ultradistal", 35, "F").mean()
        ),
        "bone.loss_women_over_men": lambda _: (
            _loss("ultradistal", "F", 50, 80) / _loss("ultradistal", "M", 50, 80)
        ),
        "bone.number_loss_women": lambda _: _change(
            _bones(35, "F").trabecular_number_per_mm, _bones(90, "F").trabecular_number_per_mm
        ),
    }


def correlation_measures() -> dict[str, Measure]:
    """Pearson's r in women of the clinic."""
    return {
        "correlation.one_third_central": _correlation(
            lambda s: s.covariates.one_third, lambda s: s.covariates.central_t_score
        ),
        "correlation.ultradistal_central": _correlation(
            lambda s: s.covariates.ultradistal, lambda s: s.covariates.central_t_score
        ),
        "correlation.ctx_pinp": _correlation(lambda s: log_marker(s, "ctx"), lambda s: log_marker(s, "pinp")),
    }


def prevalence_measures() -> dict[str, Measure]:
    """Shares in %, at a community's ages; falls in the clinic as it is."""
    osteoporosis: dict[str, Measure] = {
        f"prevalence.osteoporosis_{sex}_{age}": _osteoporosis(age, women=sex == "women")
        for sex in ("women", "men")
        for age in (40, 50, 65)
    }
    return osteoporosis | {
        "prevalence.fracture_women": _fractured(women=True),
        "prevalence.fracture_men": _fractured(women=False),
        "prevalence.fall": lambda samples: (
            100 * float((samples[CLINIC]["clinical.falls_past_year"] > 0).mean())
        ),
    }


@cache
def _bones(age: float, sex: Sex) -> Bones:
    rng = np.random.default_rng(20_260_101)
    return bones_of(bodies_of([draw_subject(rng, age=age, sex=sex) for _ in range(_PEOPLE_PER_AGE)]))


def _density(region: str, age: float, sex: Sex) -> NDArray[np.float64]:
    """Densities of a region at an age, g/cm²."""
    read = {"one_third": one_third_bmd_g_cm2, "ultradistal": ultradistal_bmd_g_cm2}[region]
    return read(_bones(age, sex))


def _loss(region: str, sex: Sex, start: float, end: float) -> float:
    """Change of the mean density from age `start` to `end`, %."""
    return _change(_density(region, start, sex), _density(region, end, sex))


def _change(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    return 100 * float(after.mean() / before.mean() - 1)


def _correlation(
    first: Callable[[Sample], NDArray[np.float64]], second: Callable[[Sample], NDArray[np.float64]]
) -> Measure:
    def measure(samples: Samples) -> float:
        sample = samples[CLINIC]
        return float(np.corrcoef(first(sample)[sample.women], second(sample)[sample.women])[0, 1])

    return measure


def _osteoporosis(age: float, *, women: bool) -> Measure:
    def measure(samples: Samples) -> float:
        sample = samples[CLINIC]
        among = sample.aged(age) & (sample.women == women)
        return 100 * sample.community_mean(sample.covariates.osteoporosis, among)

    return measure


def _fractured(*, women: bool) -> Measure:
    """Clinical fracture within five years: two and a half times that within two."""

    def measure(samples: Samples) -> float:
        sample = samples[CLINIC]
        among = sample.aged(40) & (sample.women == women)
        return 250 * sample.community_mean(sample["clinical.recent_fracture"], among)

    return measure
