"""Earlier scans are lined up before the index scan, absent ones have no say, and a trend can be learnt."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.cohort.columns import CENSORED, FRACTURE, FollowUp
from analysis.training.fusion.fit import FitPlan
from analysis.training.fusion.heads import targets
from analysis.training.fusion.sequence import (
    READERS,
    Reader,
    SequenceNetwork,
    Visits,
    collect_visits,
    fit_sequence,
    tensors_of,
)


def as_known(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return features.astype(np.float32), np.ones_like(features, np.float32)


def test_visits_end_with_the_index_scan() -> None:
    visits = collect_visits(
        ["a", "b"],
        np.array([[1.0], [2.0]]),
        visitors=["a", "x", "a"],
        visit_years=np.array([-4.0, -1.0, -2.0]),
        visit_features=np.array([[0.8], [9.0], [0.9]]),
        describe=as_known,
    )
    assert visits.values[0, :, 0] == pytest.approx([0.0, 0.8, 0.9, 1.0])
    assert visits.years[0].tolist() == [0, -4, -2, 0]
    assert visits.there.tolist() == [[False, True, True, True], [False, False, False, True]]


@pytest.mark.parametrize("reader", READERS)
def test_visits_that_are_not_there_have_no_say(reader: Reader) -> None:
    torch.manual_seed(1)
    network = SequenceNetwork(reader, 2, width=8).eval()
    for item in network.parameters():
        torch.nn.init.normal_(item, std=0.3)
    there = np.array([[False, False, True]] * 2)
    values = np.ones((2, 3, 2), np.float32)
    values[1, :2] = 5.0
    visits = Visits(values, np.ones_like(values), np.zeros((2, 3), np.float32), there)
    with torch.no_grad():
        outputs = network(*tensors_of(visits))
    torch.testing.assert_close(outputs.log_hazard[0], outputs.log_hazard[1])


def test_a_gru_learns_a_trend_that_the_last_scan_does_not_show() -> None:
    rng = np.random.default_rng(1)
    slope = rng.standard_normal(500)
    years = np.tile(np.array([-4.0, -2.0, 0.0], np.float32), (500, 1))
    values = (slope[:, None] * years / 4)[:, :, None].astype(np.float32)
    fracture = rng.exponential(1 / (0.08 * np.exp(-1.2 * slope)))
    followed = FollowUp(np.minimum(fracture, 8.0), np.where(fracture < 8, FRACTURE, CENSORED))
    observed = targets(followed, np.full(500, np.nan))
    visits = Visits(values, np.ones_like(values), years, np.ones((500, 3), np.bool_))
    reached = {}
    for reader in ("last-scan", "gru"):
        torch.manual_seed(1)
        network = SequenceNetwork(reader, 1, width=8)  # type: ignore[arg-type]
        plan = FitPlan(epochs=20, rate=1e-2, batch=128, weight_decay=0.01)
        reached[reader] = fit_sequence(network, visits, observed, np.arange(500) % 3 == 0, plan)
    assert reached["gru"] < reached["last-scan"] - 0.03
