"""The yardsticks tell a good explanation from a bad one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.explanation.faithfulness import curves, gain_over_chance, rank_agreement, stability

SLOPES = np.array([2.0, 0.0, -1.0, 0.5])
AVERAGE = np.zeros(4)
PERSON = np.array([1.0, 1.0, 1.0, -1.0])


def score(inputs: np.ndarray) -> np.ndarray:
    return np.asarray(inputs @ SLOPES)


def test_curves_lead_from_the_person_to_the_average_and_back() -> None:
    found = curves(score, PERSON, AVERAGE, SLOPES * PERSON)
    assert found.deletion[0] == found.insertion[-1] == score(PERSON)
    assert found.deletion[-1] == found.insertion[0] == 0.0


def test_the_exact_explanation_gains_chance_does_not_and_its_opposite_loses() -> None:
    exact = SLOPES * PERSON
    gain, chance = gain_over_chance(score, PERSON, AVERAGE, exact, rng=np.random.default_rng(0), draws=400)
    assert gain > 1.0
    assert abs(chance) < 0.1
    assert curves(score, PERSON, AVERAGE, -exact).gain == pytest.approx(-gain)


@given(st.permutations(range(4)))
def test_no_order_gains_more_than_the_exact_one(order: list[int]) -> None:
    best = curves(score, PERSON, AVERAGE, SLOPES * PERSON).gain
    assert curves(score, PERSON, AVERAGE, np.asarray(order, float)).gain <= best + 1e-12


def test_pictures_are_deleted_in_portions() -> None:
    picture = np.arange(96.0 * 80.0).reshape(96, 80)
    found = curves(lambda inputs: inputs.sum(axis=(1, 2)), picture, np.zeros_like(picture), picture, steps=10)
    assert len(found.deletion) == 11
    assert np.all(np.diff(found.deletion) < 0)


def test_agreement_is_of_ranks() -> None:
    one = np.array([0.1, 5.0, -2.0])
    assert rank_agreement(one, np.exp(one)) == pytest.approx(1.0)
    assert rank_agreement(one, -one) == pytest.approx(-1.0)
    assert rank_agreement(one, np.zeros(3)) == 0.0


def test_stability_is_the_mean_over_pairs_of_scans() -> None:
    one = np.array([1.0, 2.0, 3.0])
    assert stability([one, one, one]) == pytest.approx(1.0)
    assert stability([one, one, -one]) == pytest.approx(-1 / 3)
