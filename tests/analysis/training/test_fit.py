"""Hazards are found in spite of censoring, death and frailty; risks are calibrated; weights are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.cohort.columns import CENSORED, DEATH, FRACTURE, FollowUp
from analysis.errors import ConfigurationError
from analysis.results import HORIZONS_YEARS
from analysis.risk.hazard import GRID_YEARS, Hazard, spline_basis
from analysis.training.calibrate import OutOfFold, choose_calibration, slope_and_level
from analysis.training.cross_validation import (
    auc,
    censoring_weights,
    folds,
    fractured_within,
    log_score,
    outcomes,
)
from analysis.training.hazard_fit import fit_hazard, observe, spline_knots

TRUE_LOG_RATIOS = np.array([0.7, -0.4, 0.0])
RATE, DEATH_RATE = 0.008, 0.02
KNOTS = np.log([0.01, 12.0])


def synthetic(
    size: int, *, seed: int = 2, censored: bool = True, frailty: float = 0.0
) -> tuple[np.ndarray, FollowUp]:
    """Proportional hazards with constant rates; end of follow-up after 4 to 14 years."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((size, len(TRUE_LOG_RATIOS)))
    shared = rng.gamma(1 / frailty, frailty, size) if frailty else np.ones(size)
    fracture = rng.exponential(1 / (RATE * np.exp(features @ TRUE_LOG_RATIOS) * shared))
    death = rng.exponential(1 / DEATH_RATE, size)
    end = rng.uniform(4, 14, size) if censored else np.full(size, 100.0)
    times = np.array([end, fracture, death])
    ending = np.array([CENSORED, FRACTURE, DEATH])[times.argmin(axis=0)]
    return features, FollowUp(times.min(axis=0), ending)


def fitted(features: np.ndarray, follow_up: FollowUp, *, frailty: float = 0.0, sd: float = 1.0) -> Hazard:
    event = follow_up.ending == FRACTURE
    knots = spline_knots(follow_up.years, event, 1)
    fit = fit_hazard(
        features,
        observe(follow_up.years, event, knots),
        np.full(features.shape[1], sd),
        frailty_variance=frailty,
    )
    return Hazard(((0,), (1,), (2,)), fit.coefficients, knots, fit.baseline, frailty)


def test_true_hazard_ratios_are_recovered_through_censoring_and_death() -> None:
    hazard = fitted(*synthetic(20_000))
    np.testing.assert_allclose(hazard.coefficients, TRUE_LOG_RATIOS, atol=0.08)


def test_frailty_that_nobody_sees_does_not_hide_the_ratios_once_it_is_modelled() -> None:
    features, follow_up = synthetic(30_000, frailty=1.0, censored=False)
    assert abs(fitted(features, follow_up).coefficients[0]) < 0.62
    np.testing.assert_allclose(
        fitted(features, follow_up, frailty=1.0).coefficients, TRUE_LOG_RATIOS, atol=0.08
    )


def test_the_smooth_baseline_is_the_true_one() -> None:
    hazard = fitted(*synthetic(20_000))
    for years in HORIZONS_YEARS:
        cumulative = np.exp(hazard.log_baseline(np.array([float(years)])))[0]
        assert cumulative == pytest.approx(RATE * years, rel=0.12)


def test_the_coefficients_equal_those_of_a_cox_regression() -> None:
    sksurv = pytest.importorskip("sksurv.linear_model", reason="needs the training extra")
    from sksurv.util import Surv

    features, follow_up = synthetic(4000)
    ours = fitted(features, follow_up, sd=0.3)
    cox = sksurv.CoxPHSurvivalAnalysis(alpha=0.3**-2.0)
    cox.fit(features, Surv.from_arrays(follow_up.ending == FRACTURE, follow_up.years))
    np.testing.assert_allclose(ours.coefficients, cox.coef_, atol=0.01)


def test_a_strong_prior_shrinks_towards_its_centre() -> None:
    features, follow_up = synthetic(2000)
    event = follow_up.ending == FRACTURE
    observed = observe(follow_up.years, event, spline_knots(follow_up.years, event, 0))
    for centre in (0.0, 0.5):
        fit = fit_hazard(features, observed, np.full(3, 1e-3), prior_mean=np.full(3, centre))
        np.testing.assert_allclose(fit.coefficients, centre, atol=0.01)


def test_a_subject_counted_twice_is_the_same_as_two_such_subjects() -> None:
    features, follow_up = synthetic(800)
    event = follow_up.ending == FRACTURE
    observed = observe(follow_up.years, event, KNOTS)
    weight = np.ones(800)
    weight[:100] = 2
    twice = np.concatenate([np.arange(800), np.arange(100)])
    one = fit_hazard(features, observed.weighted(weight), np.full(3, 0.5))
    other = fit_hazard(features[twice], observed.take(twice), np.full(3, 0.5))
    np.testing.assert_allclose(one.coefficients, other.coefficients, atol=1e-6)


def test_no_event_is_refused() -> None:
    years = np.full(50, 5.0)
    with pytest.raises(ConfigurationError, match="no event"):
        fit_hazard(np.zeros((50, 1)), observe(years, np.zeros(50, dtype=bool), KNOTS), np.ones(1))


def test_the_spline_is_a_straight_line_without_inner_knots_and_beyond_its_ends() -> None:
    inside = np.linspace(*KNOTS, 7)
    value, slope = spline_basis(inside, KNOTS)
    np.testing.assert_allclose(value, np.column_stack([np.ones(7), inside]))
    np.testing.assert_allclose(slope, np.column_stack([np.zeros(7), np.ones(7)]))
    knots = np.log([0.01, 2.0, 12.0])
    _, beyond = spline_basis(np.log([13.0, 20.0, 40.0]), knots)
    np.testing.assert_allclose(beyond, np.tile(beyond[0], (3, 1)), atol=1e-9)


def test_without_censoring_every_weight_is_one_and_with_it_weights_stand_for_everyone() -> None:
    _, complete = synthetic(500, censored=False)
    np.testing.assert_allclose(censoring_weights(complete, 10.0), 1.0)
    _, follow_up = synthetic(5000)
    for years in HORIZONS_YEARS:
        weights = censoring_weights(follow_up, years)
        lost = (follow_up.ending == CENSORED) & (follow_up.years <= years)
        assert (weights[lost] == 0).all()
        assert weights.mean() == pytest.approx(1.0, abs=0.02)


def test_folds_keep_a_subject_together_and_share_out_the_fractures() -> None:
    _, follow_up = synthetic(1000)
    subjects = np.repeat(np.arange(500), 2)
    doubled = FollowUp(np.repeat(follow_up.years[:500], 2), np.repeat(follow_up.ending[:500], 2))
    fold = folds(doubled, subjects, 5, np.random.default_rng(0))
    assert (fold[::2] == fold[1::2]).all()
    fractures = np.bincount(fold[doubled.ending == FRACTURE], minlength=5)
    assert fractures.max() - fractures.min() <= 2 * (len(HORIZONS_YEARS) + 1)


def test_auc_is_that_of_scikit_learn_with_ties() -> None:
    from sklearn.metrics import roc_auc_score

    features, follow_up = synthetic(3000)
    score = np.round(features @ TRUE_LOG_RATIOS, 1)
    observed = outcomes(follow_up)
    ours = auc(np.tile(score[:, None], (1, 4)), observed)
    known = observed.weight[:, 3] > 0
    expected = roc_auc_score(
        observed.fractured[known, 3], score[known], sample_weight=observed.weight[known, 3]
    )
    assert ours[3] == pytest.approx(expected, abs=1e-12)


def predicted(size: int, *, slope: float = 1.0, level: float = 0.0, seed: int = 4) -> OutOfFold:
    """True log relative hazards told with a wrong slope and level."""
    features, follow_up = synthetic(size, seed=seed)
    death = DEATH_RATE * np.tile(GRID_YEARS, (size, 1))
    hazard = Hazard((), np.empty(0), KNOTS, np.array([np.log(RATE) + level, 1.0]))
    fold = folds(follow_up, np.arange(size), 5, np.random.default_rng(0))
    return OutOfFold(slope * (features @ TRUE_LOG_RATIOS), hazard, death, follow_up, fold)


def test_calibrated_predictions_are_left_alone() -> None:
    assert choose_calibration(predicted(6000)).kind == "identity"


def test_an_overconfident_prediction_is_mended() -> None:
    wrong = predicted(12_000, slope=2.0, level=0.5)
    chosen = choose_calibration(wrong)
    assert chosen.kind != "identity"
    observed = outcomes(wrong.follow_up)
    mended = chosen.map.apply(wrong.risk(chosen.slope, chosen.level))
    assert log_score(mended, observed)[3] < log_score(wrong.risk(), observed)[3]
    assert (np.diff(mended, axis=1) >= 0).all()


@pytest.mark.parametrize(("slope", "level"), [(1.0, 0.0), (2.0, 0.7), (0.5, -0.4)])
def test_slope_and_level_of_a_site_are_found(slope: float, level: float) -> None:
    told = predicted(20_000, slope=slope, level=level)
    found_slope, found_level = slope_and_level(told.log_relative, told.hazard, told.follow_up)
    assert found_slope == pytest.approx(1 / slope, rel=0.07)
    assert found_level == pytest.approx(-level, abs=0.08)
    _, level_alone = slope_and_level(told.log_relative / slope, told.hazard, told.follow_up, slope=False)
    assert level_alone == pytest.approx(-level, abs=0.08)


def test_risk_in_the_presence_of_death_is_the_share_that_fractures_when_all_are_followed() -> None:
    told = predicted(20_000)
    _, complete = synthetic(20_000, seed=4, censored=False)
    for index, years in enumerate(HORIZONS_YEARS):
        assert told.risk()[:, index].mean() == pytest.approx(
            fractured_within(complete, years).mean(), rel=0.08
        )


def test_taking_subjects_keeps_their_predictions() -> None:
    told = predicted(300)
    some = np.array([5, 7, 250])
    np.testing.assert_allclose(told.take(some).risk(), told.risk()[some])
    assert replace(told).hazard is told.hazard
