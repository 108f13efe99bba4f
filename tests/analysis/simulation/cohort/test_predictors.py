"""Predictors of simulated people: the whole catalogue, within its limits, running together as published."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.risk.predictors import PREDICTORS, rule_broken
from analysis.simulation import true_measurements
from analysis.simulation.cohort.bones import bodies_of, bones_of, one_third_bmd_g_cm2, ultradistal_bmd_g_cm2
from analysis.simulation.cohort.missingness import remove_values
from analysis.simulation.cohort.parameters import number, numbers
from analysis.simulation.cohort.people import CHUNK, draw_people
from analysis.simulation.cohort.populations import DESCRIPTIONS, population_of
from analysis.simulation.cohort.predictors import VARIANTS, draw_covariates

CHUNKS = 16


@pytest.fixture(scope="module")
def drawn():
    clinic = population_of("china-clinic")
    return [draw_covariates(draw_people(clinic, 11, chunk, CHUNK), 11) for chunk in range(CHUNKS)]


@pytest.fixture(scope="module")
def predictors(drawn):
    return {name: np.concatenate([one.predictors[name] for one in drawn]) for name in PREDICTORS}


@pytest.mark.parametrize("population", DESCRIPTIONS)
def test_bones_of_many_are_those_of_each(population):
    subjects = draw_people(population_of(population), 5, 0, 60).subjects
    bones = bones_of(bodies_of(subjects))
    for name in bones.__slots__:
        expected = [getattr(subject.bone, name) for subject in subjects]
        np.testing.assert_allclose(getattr(bones, name), expected, rtol=1e-12)


def test_areal_densities_are_those_of_the_rendered_anatomy():
    subjects = draw_people(population_of("china-clinic"), 5, 0, 5).subjects
    bones = bones_of(bodies_of(subjects))
    truth = [true_measurements(subject) for subject in subjects]
    for region, density in (("one_third", one_third_bmd_g_cm2), ("ultradistal", ultradistal_bmd_g_cm2)):
        expected = np.array([regions[region].bmd_g_cm2 for regions in truth])
        assert np.corrcoef(density(bones), expected)[0, 1] > 0.998
        np.testing.assert_allclose(density(bones), expected, rtol=0.05)


def test_every_predictor_of_the_catalogue_is_drawn_within_its_limits(drawn):
    assert set(drawn[0].predictors) == set(PREDICTORS)
    for name in PREDICTORS:
        assert all(rule_broken(name, float(value)) is None for value in drawn[0].predictors[name]), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_genotypes_are_in_hardy_weinberg_equilibrium(predictors, variant):
    alleles = predictors[VARIANTS[variant]]
    frequency = numbers(f"genetics.{variant}.frequency")[0]
    expected = np.array([(1 - frequency) ** 2, 2 * frequency * (1 - frequency), frequency**2])
    counts = np.bincount(alleles.astype(int), minlength=3)
    chi_square = float(((counts - alleles.size * expected) ** 2 / (alleles.size * expected)).sum())
    assert chi_square < 16  # p = 0.0003 with two degrees of freedom


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_lower_the_bone_mass_latent_as_published(drawn, predictors, variant):
    mass = np.concatenate([one.bodies.bone_mass for one in drawn])
    alleles = predictors[VARIANTS[variant]]
    slope = np.polyfit(alleles, mass, 1)[0]
    assert slope == pytest.approx(
        number(f"genetics.{variant}.bone_mass"), abs=4 / alleles.std() / mass.size**0.5
    )


def test_turnover_markers_run_together_and_rise_after_the_menopause(predictors):
    women = predictors["male"] == 0
    ctx, pinp = np.log(predictors["turnover.ctx_ng_l"]), np.log(predictors["turnover.pinp_ug_l"])
    assert 0.5 < np.corrcoef(ctx[women], pinp[women])[0, 1] < 0.75
    old, young = women & (predictors["age_years"] > 60), women & (predictors["age_years"] < 45)
    assert ctx[old].mean() > ctx[young].mean() + 0.3


def test_medication_is_given_by_indication_and_lowers_turnover(drawn, predictors):
    treated = predictors["clinical.osteoporosis_medication"] > 0
    osteoporosis = np.concatenate([one.osteoporosis for one in drawn]) > 0
    assert treated[osteoporosis].mean() > 3 * treated[~osteoporosis].mean()
    assert predictors["turnover.ctx_ng_l"][treated].mean() < 0.8 * predictors["turnover.ctx_ng_l"].mean()


def test_prior_fracture_is_commoner_with_little_bone_and_every_recent_one_is_a_prior_one(drawn, predictors):
    density = np.concatenate([one.ultradistal for one in drawn])
    prior = predictors["clinical.prior_fracture"] > 0
    women = predictors["male"] == 0
    assert density[prior & women].mean() < density[~prior & women].mean() - 0.3
    assert prior[predictors["clinical.recent_fracture"] > 0].all()


def test_slow_people_fall_more(predictors):
    fell = predictors["clinical.falls_past_year"] > 0
    gait = predictors["balance_gait.gait_speed_m_s"]
    assert gait[fell].mean() < gait[~fell].mean() - 0.05


def test_kidneys_and_grip_decline_with_age_and_disease_is_commoner_in_hospital(predictors):
    age = predictors["age_years"]
    assert np.corrcoef(age, predictors["clinical.egfr_ml_min"])[0, 1] < -0.4
    assert np.corrcoef(age, predictors["balance_gait.grip_kg"])[0, 1] < -0.2
    ward = population_of("china-hospital")
    sick = draw_covariates(draw_people(ward, 11, 0, CHUNK), 11).predictors
    assert sick["balance_gait.gait_speed_m_s"].mean() < predictors["balance_gait.gait_speed_m_s"].mean()


def test_whole_families_go_missing_together_and_demography_never(predictors):
    kept = remove_values(predictors, 1, 0)
    for family in ("turnover", "genetics", "balance_gait"):
        masks = [np.isnan(kept[name]) for name, one in PREDICTORS.items() if one.family == family]
        assert all((mask == masks[0]).all() for mask in masks)
        assert masks[0].mean() == pytest.approx(numbers(f"missing.{family}")[0], abs=0.06)
    assert not any(
        np.isnan(kept[name]).any() for name, one in PREDICTORS.items() if one.family == "demography"
    )


def test_missing_values_depend_on_age_and_leave_the_others_as_they_were(predictors):
    kept = remove_values(predictors, 1, 0)
    absent = np.isnan(kept["balance_gait.grip_kg"])
    age = predictors["age_years"]
    assert age[absent].mean() > age[~absent].mean() + 1
    for name, values in kept.items():
        present = ~np.isnan(values)
        np.testing.assert_array_equal(values[present], predictors[name][present])
