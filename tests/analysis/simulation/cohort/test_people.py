"""People of a population: who they are, and that any chunk can be drawn alone."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import ConfigurationError
from analysis.simulation.cohort.parameters import number, numbers, parameters
from analysis.simulation.cohort.people import CHUNK, chunk_sizes, draw_people
from analysis.simulation.cohort.populations import DESCRIPTIONS, population_of


@pytest.fixture(scope="module")
def clinic():
    return population_of("china-clinic")


def test_same_seed_gives_the_same_people(clinic):
    assert draw_people(clinic, 3, 5, 20).subjects == draw_people(clinic, 3, 5, 20).subjects


def test_other_seed_or_chunk_gives_other_people(clinic):
    first = draw_people(clinic, 3, 5, 5).subjects
    assert draw_people(clinic, 4, 5, 5).subjects != first
    assert draw_people(clinic, 3, 6, 5).subjects != first


def test_a_larger_cohort_begins_with_the_smaller_one(clinic):
    assert draw_people(clinic, 3, 0, 10).subjects == draw_people(clinic, 3, 0, 40).subjects[:10]


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_ages_and_sexes_are_those_of_the_population(name):
    population = population_of(name)
    people = [subject for chunk in range(3) for subject in draw_people(population, 1, chunk, CHUNK).subjects]
    ages = np.array([subject.age_years for subject in people])
    assert ages.min() >= population.age[2]
    assert ages.max() <= population.age[3]
    women = np.mean([subject.sex == "F" for subject in people])
    assert women == pytest.approx(population.women, abs=4 * np.sqrt(0.25 / len(people)))


def test_white_people_are_taller_and_have_less_trabecular_bone(clinic):
    western = population_of("western-community")
    chinese = draw_people(clinic, 2, 0, CHUNK)
    people = draw_people(western, 2, 0, CHUNK)
    white = [s for s, e in zip(people.subjects, people.ethnicity, strict=True) if e == "white"]
    assert len(white) / CHUNK == pytest.approx(western.white, abs=0.1)

    def mean(subjects, of):
        return np.mean([of(subject) for subject in subjects if subject.sex == "F"])

    assert mean(white, lambda s: s.height_mm) > mean(chinese.subjects, lambda s: s.height_mm) + 20
    ratio = mean(white, lambda s: s.bone.bone_volume_fraction) / mean(
        chinese.subjects, lambda s: s.bone.bone_volume_fraction
    )
    assert 0.70 < ratio < 0.95  # 0.114 / 0.140 in Walker 2009


def test_latents_keep_unit_variance_and_depend_on_body_mass_index(clinic):
    people = [subject for chunk in range(8) for subject in draw_people(clinic, 1, chunk, CHUNK).subjects]
    mass = np.array([subject.latents.bone_mass for subject in people])
    bmi = np.array([subject.weight_kg / (subject.height_mm / 1000) ** 2 for subject in people])
    assert mass.std() == pytest.approx(1, abs=0.06)
    assert np.corrcoef(mass, bmi)[0, 1] == pytest.approx(number("people.bmi_bone_correlation"), abs=0.07)


def test_ids_count_through_the_chunks(clinic):
    assert draw_people(clinic, 1, 2, 3).ids == (2 * CHUNK, 2 * CHUNK + 1, 2 * CHUNK + 2)
    assert chunk_sizes(600) == [CHUNK, CHUNK, 600 - 2 * CHUNK]
    assert sum(chunk_sizes(CHUNK)) == CHUNK


def test_unknown_population_and_wrong_chunk_are_refused(clinic):
    with pytest.raises(ConfigurationError, match="china-clinic"):
        population_of("moon")
    with pytest.raises(ConfigurationError, match="256"):
        draw_people(clinic, 1, 0, CHUNK + 1)


def test_every_parameter_has_a_source_or_is_an_assumption():
    assert all(row.source and row.unit for row in parameters().values())
    with pytest.raises(ConfigurationError, match="no parameter"):
        numbers("people.none")
