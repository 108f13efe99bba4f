"""The simulated world follows the rates and hazard ratios that it claims."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.simulation import Subject, age_subject, draw_subject
from analysis.training.population import (
    CENSORED,
    DEATH,
    FRACTURE,
    FRACTURES_PER_PERSON_YEAR,
    HAZARD_RATIO_AGE_PER_DECADE,
    Outcome,
    draw_outcome,
)


def outcomes(count: int, seed: int = 3, **who: object) -> tuple[list[Subject], list[Outcome]]:
    rng = np.random.default_rng(seed)
    subjects = [draw_subject(rng, **who) for _ in range(count)]  # type: ignore[arg-type]
    return subjects, [draw_outcome(subject, rng) for subject in subjects]


@pytest.mark.parametrize("sex", ["F", "M"])
def test_people_of_40_to_79_fracture_at_the_published_rate(sex: str) -> None:
    rng = np.random.default_rng(8)
    hazards = [
        np.exp(draw_outcome(draw_subject(rng, age=float(age), sex=sex), rng).log_hazard)  # type: ignore[arg-type]
        for age in np.linspace(40, 79, 6000)
    ]
    # centred log hazard ratios of the risk factors raise the mean by less than 3 %
    assert np.mean(hazards) == pytest.approx(FRACTURES_PER_PERSON_YEAR[sex], rel=0.10)


def test_age_raises_the_hazard_at_least_by_its_own_ratio() -> None:
    """The rest comes from bone lost in between."""
    for seed in range(20):
        subject = draw_subject(np.random.default_rng(seed), age=62.0, sex="F")
        now = draw_outcome(subject, np.random.default_rng(1)).log_hazard
        later = draw_outcome(age_subject(subject, 10), np.random.default_rng(1)).log_hazard
        # a prior fracture may be drawn later, never earlier: the same uniform number, a higher prevalence
        assert later - now >= np.log(HAZARD_RATIO_AGE_PER_DECADE) - 0.05


def test_thinner_bone_raises_the_hazard() -> None:
    subject = draw_subject(np.random.default_rng(4), age=65.0, sex="F")
    latents = subject.latents
    weak = replace(subject, latents=replace(latents, cortical=-2.0, trabecular=-2.0))
    strong = replace(subject, latents=replace(latents, cortical=2.0, trabecular=2.0))
    assert draw_outcome(weak, np.random.default_rng(1)).log_hazard > draw_outcome(
        strong, np.random.default_rng(1)
    ).log_hazard + np.log(1.4)


def test_every_ending_occurs_and_years_are_positive() -> None:
    _, drawn = outcomes(1500)
    assert {outcome.ending for outcome in drawn} == {CENSORED, FRACTURE, DEATH}
    assert all(0 < outcome.years <= 14 for outcome in drawn)


def test_those_who_fractured_had_the_higher_hazard() -> None:
    _, drawn = outcomes(3000)
    by_ending = {kind: [o.log_hazard for o in drawn if o.ending == kind] for kind in (CENSORED, FRACTURE)}
    assert np.mean(by_ending[FRACTURE]) > np.mean(by_ending[CENSORED]) + 0.5
