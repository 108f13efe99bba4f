"""A model's inputs are watched: what has moved is called so, what has not is left in peace."""

from __future__ import annotations

import numpy as np

from analysis.surveillance import DriftLimits, distribution_of, drift, drift_of_groups

RNG = np.random.default_rng(7)
TRAINING = {f"feature {number}": distribution_of(RNG.normal(size=5000)) for number in range(20)}


def test_a_feature_that_has_moved_by_a_standard_deviation_is_named_and_no_other() -> None:
    samples = {name: RNG.normal(size=150) for name in TRAINING}
    samples["feature 3"] = samples["feature 3"] + 1.0
    found = drift(TRAINING, samples)
    assert [name for name, part in found.items() if part.crossed] == ["feature 3"]
    assert found["feature 3"].level == "far"


def test_a_handful_of_studies_is_shown_and_not_judged() -> None:
    found = drift(TRAINING, {"feature 1": np.full(49, 9.0)})["feature 1"]
    assert (found.level, found.crossed, found.p_value) == ("few", False, None)
    assert found.psi is not None
    assert found.psi > 1


def test_a_quantity_that_nobody_measured_has_no_figure() -> None:
    found = drift(TRAINING, {"feature 1": np.full(80, np.nan)})["feature 1"]
    assert (found.psi, found.ks, found.level, found.known) == (None, None, "few", 0.0)


def test_what_the_training_did_not_know_is_left_out() -> None:
    assert drift(TRAINING, {"shoe size": np.arange(100.0)}) == {}


def test_twenty_features_of_ten_scanners_raise_no_alarm_by_chance() -> None:
    """200 comparisons a month over 20 months without any drift: Holm lets fewer than one month in a hundred
    through; without it, about 40 P values would be below 0.01."""
    rng = np.random.default_rng(11)
    limits = DriftLimits(far=0.0)  # so that only the P value decides
    alarms = 0
    for _ in range(20):
        groups = {
            scanner: (TRAINING, {name: rng.normal(size=60) for name in TRAINING}) for scanner in range(10)
        }
        found = drift_of_groups(groups, limits)
        alarms += any(part.crossed for group in found.values() for part in group.values())
    assert alarms <= 1


def test_a_small_but_certain_shift_is_no_alarm() -> None:
    """With 20,000 studies a shift of 0.08 standard deviations is certain, and of no consequence."""
    found = drift(TRAINING, {"feature 1": np.random.default_rng(3).normal(0.08, size=20_000)})["feature 1"]
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert (found.level, found.crossed) == ("stable", False)
