"""Hazards become risks that only rise; the loss is least for the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from analysis.cohort.columns import CENSORED, DEATH, FRACTURE, FollowUp
from analysis.training.fusion.heads import Levels, Outputs, loss, targets
from analysis.training.fusion.incidence import BREAKS, HORIZONS, cumulative_incidence

INTERVALS = len(BREAKS) - 1


@given(st.lists(st.floats(-9, 1), min_size=2 * INTERVALS, max_size=2 * INTERVALS))
@settings(max_examples=30, deadline=None)
def test_risk_never_falls_and_stays_a_probability(levels: list[float]) -> None:
    risk = cumulative_incidence(np.array(levels).reshape(1, 2, INTERVALS))
    assert risk.shape == (1, len(HORIZONS))
    assert np.all(np.diff(risk) >= 0)
    assert 0 <= risk[0, 0] <= risk[0, -1] <= 1


def test_incidence_is_the_integral_of_the_hazard_over_those_still_at_risk() -> None:
    log_hazard = np.random.default_rng(1).normal(-3, 0.5, (1, 2, INTERVALS))
    hazard = np.exp(log_hazard[0])

    def rate(time: float, cause: int) -> float:
        return float(hazard[cause, np.searchsorted(BREAKS, time, side="right") - 1])

    def density(time: float) -> float:
        passed = np.clip(time - np.array(BREAKS[:-1]), 0, np.diff(BREAKS))
        return rate(time, 0) * float(np.exp(-(hazard.sum(axis=0) * passed).sum()))

    expected, _ = quad(density, 0, 5, points=BREAKS[1:5], limit=200)
    assert cumulative_incidence(log_hazard)[0, 2] == pytest.approx(expected, rel=1e-6)


def test_time_at_risk_stops_with_the_event_and_after_ten_years() -> None:
    followed = FollowUp(np.array([2.5, 0.4, 14.0]), np.array([FRACTURE, DEATH, CENSORED]))
    observed = targets(followed, np.array([1.0, np.nan, 0.0]))
    assert observed.exposure[0].tolist() == [1, 1, 0.5, 0, 0, 0, 0]
    assert observed.events[0, 0].tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert float(observed.events[1, 1, 0]) == 1
    assert float(observed.exposure[2].sum()) == 10
    assert float(observed.events[2].sum()) == 0


def test_the_loss_is_least_at_the_true_hazard() -> None:
    rng = np.random.default_rng(2)
    fracture, death = rng.exponential(10, 20000), rng.exponential(20, 20000)
    years = np.minimum(np.minimum(fracture, death), 8.0)
    ending = np.where(years == 8.0, CENSORED, np.where(fracture < death, FRACTURE, DEATH))
    observed = targets(FollowUp(years, ending), np.full(20000, np.nan))

    def value(fracture_rate: float) -> float:
        hazard = torch.tensor([[fracture_rate], [0.05]]).log().expand(20000, 2, INTERVALS)
        return float(loss(Outputs(hazard, torch.zeros(20000)), observed))

    assert value(0.1) < min(value(0.085), value(0.115))
    levels = Levels()
    levels.start_at(observed)
    assert float(levels.log_hazard.detach()[0, :5].exp().mean()) == pytest.approx(0.1, rel=0.05)


def test_unknown_osteoporosis_teaches_nothing() -> None:
    followed = FollowUp(np.array([5.0, 5.0]), np.array([CENSORED, CENSORED]))
    outputs = Outputs(torch.full((2, 2, INTERVALS), -3.0), torch.tensor([9.0, -9.0]))
    unknown = loss(outputs, targets(followed, np.full(2, np.nan)))
    assert float(unknown) == float(loss(outputs, targets(followed, np.full(2, np.nan)), 0.0))
    assert float(loss(outputs, targets(followed, np.array([0.0, np.nan])))) > float(unknown) + 1
