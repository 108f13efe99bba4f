"""Hazards and outcomes: published ratios act as they stand in the table; the oracle tells what happens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.cohort.columns import CENSORED, DEATH, FRACTURE, FRACTURE_SITES
from analysis.errors import ConfigurationError
from analysis.simulation.cohort.hazards import EFFECT_FAMILIES, exposures_of, hazard_names, hazards_of
from analysis.simulation.cohort.outcomes import cumulative_hazard, draw_outcomes, true_risk
from analysis.simulation.cohort.parameters import number, numbers
from analysis.simulation.cohort.people import CHUNK, draw_people
from analysis.simulation.cohort.populations import population_of
from analysis.simulation.cohort.predictors import draw_covariates

FUTURES = 80


@pytest.fixture(scope="module")
def people():
    return draw_people(population_of("china-clinic"), 21, 0, CHUNK)


@pytest.fixture(scope="module")
def covariates(people):
    return draw_covariates(people, 21)


@pytest.fixture(scope="module")
def hazards(people, covariates):
    return hazards_of(people, covariates, {})


def test_every_hazard_ratio_of_the_table_acts_and_no_other(covariates):
    assert set(exposures_of(covariates)) == set(hazard_names())
    assert {name.partition(".")[0] for name in hazard_names()} == {*EFFECT_FAMILIES, "demography"}


@pytest.mark.parametrize("family", EFFECT_FAMILIES)
def test_effect_of_zero_removes_exactly_the_family(people, covariates, hazards, family):
    without = hazards_of(people, covariates, {family: 0.0})
    expected = np.zeros_like(hazards.log_fracture)
    for name, exposure in exposures_of(covariates).items():
        if name.startswith(f"{family}."):
            *ratios, centre = numbers(f"hazard.{name}")
            expected += (exposure - centre)[:, None] * np.log(ratios)
    np.testing.assert_allclose(hazards.log_fracture - without.log_fracture, expected, atol=1e-12)
    np.testing.assert_array_equal(without.log_death, hazards.log_death)


def test_without_texture_nothing_but_areal_density_tells_of_the_bone(people, covariates):
    other = replace(
        covariates,
        bones=replace(
            covariates.bones,
            trabecular_number_per_mm=covariates.bones.trabecular_number_per_mm + 0.3,
            distal_cortical_thickness_mm=covariates.bones.distal_cortical_thickness_mm * 0.8,
        ),
    )
    effects = {"texture": 0.0}
    np.testing.assert_array_equal(
        hazards_of(people, covariates, effects).log_fracture, hazards_of(people, other, effects).log_fracture
    )
    assert (
        hazards_of(people, other, {}).log_fracture != hazards_of(people, covariates, {}).log_fracture
    ).all()


def test_vdr_has_no_effect(covariates):
    assert set(numbers("hazard.genetics.vdr")[:4]) == {1.0}
    assert number("genetics.vdr.bone_mass") == 0


def test_unknown_effect_is_refused(people, covariates):
    with pytest.raises(ConfigurationError, match="densitometry"):
        hazards_of(people, covariates, {"magic": 1.0})


def test_true_risk_is_a_chance_that_grows_with_the_horizon(hazards):
    risk = np.column_stack(list(true_risk(hazards).values()))
    assert risk.min() > 0
    assert risk.max() < 1
    assert (np.diff(risk, axis=1) > 0).all()


def test_more_death_means_less_fracture(hazards):
    sicker = replace(hazards, log_death=hazards.log_death + 1)
    assert (true_risk(sicker)[10] < true_risk(hazards)[10]).all()


def test_cumulative_hazard_is_the_integral_of_the_rate(hazards):
    grid = np.linspace(0, 8, 4001)
    growth = np.array(numbers("hazard.growth"))
    wane = numbers("hazard.imminent")[1]
    person = int(np.argmax(hazards.imminent))
    assert hazards.imminent[person] > 0
    waning = 1 + hazards.imminent[person] * np.exp(-grid / wane)
    rate = np.exp(hazards.log_fracture[person] + growth * grid[:, None]) * waning[:, None]
    expected = np.trapezoid(rate, grid, axis=0)
    np.testing.assert_allclose(cumulative_hazard(hazards, np.array([8.0]))[person, 0], expected, rtol=1e-5)


def test_the_oracle_is_calibrated(hazards):
    """Eighty futures of the same people fracture and die as often as the oracle says."""
    risk = true_risk(hazards)
    events = {years: np.zeros(CHUNK) for years in risk}
    for future in range(FUTURES):
        outcomes = draw_outcomes(hazards, future, 0, censored=False)
        for years in risk:
            events[years] += (outcomes.ending == FRACTURE) & (outcomes.years <= years)
    for years, count in events.items():
        deviation = np.sqrt((FUTURES * risk[years] * (1 - risk[years])).sum())
        assert abs(count.sum() - FUTURES * risk[years].sum()) < 4 * deviation
        worst = (count - FUTURES * risk[years]) / np.sqrt(FUTURES * risk[years] * (1 - risk[years]))
        assert worst.std() == pytest.approx(1, abs=0.25)


def test_follow_up_ends_once_and_a_cause_is_told_with_a_fracture_only(hazards):
    outcomes = draw_outcomes(hazards, 1, 0)
    shortest, longest = numbers("follow_up.years")
    assert set(outcomes.ending) <= {CENSORED, FRACTURE, DEATH}
    assert outcomes.years.min() > 0
    assert outcomes.years.max() <= longest
    assert outcomes.years[outcomes.ending == CENSORED].min() >= shortest
    for cause, ending in zip(outcomes.cause, outcomes.ending, strict=True):
        assert (cause in FRACTURE_SITES) == (ending == FRACTURE)
