"""The table of subjects: same seed, same bytes; nothing that is never seen changes what happens."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.cohort.columns import CAUSE, ENDING, OSTEOPOROSIS, SUBJECT_ID, TRUE_RISK, YEARS
from analysis.errors import ConfigurationError
from analysis.risk.predictors import PREDICTORS
from analysis.simulation.cohort.people import CHUNK
from analysis.simulation.cohort.populations import population_of

pandas = pytest.importorskip("pandas")

from analysis.simulation.cohort.subjects import draw_table  # noqa: E402

OUTCOME = [YEARS, ENDING, CAUSE, OSTEOPOROSIS, *TRUE_RISK.values()]


@pytest.fixture(scope="module")
def clinic():
    return population_of("china-clinic")


@pytest.fixture(scope="module")
def table(clinic):
    return draw_table(clinic, 9, 4, CHUNK, {})


def test_same_seed_gives_the_same_bytes(clinic, table):
    again = draw_table(clinic, 9, 4, CHUNK, {})
    pandas.testing.assert_frame_equal(table, again, check_exact=True)


def test_other_chunks_and_sizes_do_not_matter(clinic, table):
    draw_table(clinic, 9, 3, 10, {})
    part = draw_table(clinic, 9, 4, 33, {})
    pandas.testing.assert_frame_equal(part, table.head(33), check_exact=True)


def test_it_holds_the_catalogue_and_the_outcome(table):
    assert set(PREDICTORS) | set(OUTCOME) | {SUBJECT_ID} <= set(table.columns)
    assert table[SUBJECT_ID].is_unique
    assert table[SUBJECT_ID].iloc[0] == f"S{4 * CHUNK:07d}"


def test_missing_values_never_touch_outcomes(clinic, table):
    complete = draw_table(clinic, 9, 4, CHUNK, {}, missing=False)
    assert not complete.isna().any().any()
    assert table[list(PREDICTORS)].isna().any().any()
    pandas.testing.assert_frame_equal(complete[OUTCOME], table[OUTCOME], check_exact=True)


def test_effects_change_risks_and_nothing_of_the_person(clinic, table):
    without = draw_table(clinic, 9, 4, CHUNK, {"texture": 0.0})
    pandas.testing.assert_frame_equal(without[list(PREDICTORS)], table[list(PREDICTORS)], check_exact=True)
    assert not np.array_equal(without[TRUE_RISK[10]], table[TRUE_RISK[10]])


def test_without_censoring_nobody_is_lost_early(clinic, table):
    full = draw_table(clinic, 9, 4, CHUNK, {}, censored=False)
    assert (full[YEARS] >= table[YEARS]).all()
    assert (full[ENDING] == 0).sum() < (table[ENDING] == 0).sum()


def test_a_wrong_size_or_effect_is_refused(clinic):
    with pytest.raises(ConfigurationError, match="256"):
        draw_table(clinic, 9, 0, 0, {})
    with pytest.raises(ConfigurationError, match="texture"):
        draw_table(clinic, 9, 0, 1, {"bone": 0.0})
