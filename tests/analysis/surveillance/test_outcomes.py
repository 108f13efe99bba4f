"""Predicted risks against what became of the patients: by year, with those who are still followed."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.cohort.columns import CENSORED, DEATH, FRACTURE, FollowUp
from analysis.surveillance import OutcomeLimits, calibration_by_year, performance


def _patients(
    size: int, seed: int, *, worse: float = 1.0, observed_years: float = 3.0
) -> tuple[np.ndarray, FollowUp]:
    """Risks within a year, and times to fracture that come `worse` times as often; some die, some leave."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(2, 18, size)
    fracture = rng.exponential(1.0 / (-np.log1p(-risk) * worse))
    death = rng.exponential(50.0, size)
    end = np.minimum(rng.exponential(15.0, size), observed_years)
    years = np.minimum(np.minimum(fracture, death), end)
    ending = np.where(years == fracture, FRACTURE, np.where(years == death, DEATH, CENSORED))
    return risk, FollowUp(years, ending)


def test_risks_that_come_true_are_called_right_although_many_are_lost_and_some_die() -> None:
    risk, follow_up = _patients(4000, 1)
    found = performance(risk, follow_up, 1.0)
    assert found.judged
    assert not found.ratio_crossed
    assert found.observed_to_expected is not None
    assert found.observed_to_expected.low < 1.0 < found.observed_to_expected.high
    assert found.unfollowed > 100
    assert found.deaths > 20


def test_the_year_in_which_fractures_became_twice_as_many_is_found_and_no_other() -> None:
    parts = {2021: _patients(1500, 1), 2022: _patients(1500, 2), 2023: _patients(1500, 3, worse=2.0)}
    year = np.repeat(list(parts), 1500)
    risk = np.concatenate([risk for risk, _ in parts.values()])
    follow_up = FollowUp(
        np.concatenate([part.years for _, part in parts.values()]),
        np.concatenate([part.ending for _, part in parts.values()]),
    )
    found = calibration_by_year(year, risk, follow_up, 1.0)
    assert {one: part.ratio_crossed for one, part in found.items()} == {2021: False, 2022: False, 2023: True}
    ratio = found[2023].observed_to_expected
    assert ratio is not None
    assert ratio.value == pytest.approx(1.9, abs=0.25)


@pytest.mark.parametrize(
    ("size", "observed_years", "waiting"),
    [(60, 3.0, "subjects"), (4000, 0.5, "follow_up"), (110, 3.0, "fractures")],
)
def test_what_is_not_ripe_yet_says_what_it_waits_for(size: int, observed_years: float, waiting: str) -> None:
    risk, follow_up = _patients(size, 3, observed_years=observed_years)
    if waiting == "fractures":
        follow_up = FollowUp(follow_up.years, np.where(follow_up.ending == FRACTURE, DEATH, follow_up.ending))
    found = performance(risk, follow_up, 1.0)
    assert found.waiting == waiting
    assert not found.judged
    assert not (found.ratio_crossed or found.auc_crossed)


def test_a_prediction_that_no_longer_tells_who_will_fracture_is_found() -> None:
    risk, follow_up = _patients(6000, 4)
    shuffled = np.random.default_rng(0).permutation(risk)
    assert performance(shuffled, follow_up, 1.0).auc_crossed
    assert not performance(risk, follow_up, 1.0).auc_crossed


def test_studies_without_a_prediction_are_left_out() -> None:
    risk, follow_up = _patients(500, 5)
    risk[:200] = np.nan
    assert performance(risk, follow_up, 1.0).subjects == 300
    assert performance(np.full(500, np.nan), follow_up, 1.0).waiting == "subjects"


def test_sound_calibration_raises_an_alarm_in_hardly_any_of_fifty_months() -> None:
    months = [performance(*_patients(800, seed), 1.0, OutcomeLimits()) for seed in range(50)]
    assert sum(month.ratio_crossed or month.auc_crossed for month in months) <= 1
