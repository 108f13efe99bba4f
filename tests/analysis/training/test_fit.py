"""The fit finds what was put into a cohort, in spite of censoring and death, and says when it cannot."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.errors import ConfigurationError
from analysis.results import HORIZONS_YEARS
from analysis.training.evaluation import evaluate, evaluate_groups
from analysis.training.fit import (
    FollowUp,
    censoring_weights,
    fit_calibrated,
    fit_predictor,
    fractured_within,
)
from analysis.training.population import CENSORED, DEATH, FRACTURE

TRUE_LOG_RATIOS = np.array([0.7, -0.4, 0.0])


def synthetic(
    size: int, *, seed: int = 2, censored: bool = True, rate: float = 0.008
) -> tuple[np.ndarray, FollowUp]:
    """Proportional hazards with constant rates; death at 2 % a year; end of follow-up after 4–14 years."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((size, len(TRUE_LOG_RATIOS)))
    fracture = rng.exponential(1 / (rate * np.exp(features @ TRUE_LOG_RATIOS)))
    death = rng.exponential(1 / 0.02, size)
    end = rng.uniform(4, 14, size) if censored else np.full(size, 100.0)
    times = np.array([end, fracture, death])
    ending = np.array([CENSORED, FRACTURE, DEATH])[times.argmin(axis=0)]
    return features, FollowUp(times.min(axis=0), ending)


def test_true_coefficients_are_recovered_through_censoring_and_death() -> None:
    features, follow_up = synthetic(20_000)
    predictor = fit_predictor(features, follow_up)
    np.testing.assert_allclose(predictor.coefficients, TRUE_LOG_RATIOS, atol=0.08)


def test_censoring_does_not_bias_the_predicted_risk() -> None:
    """What is fitted under censoring is the share that fractures when everyone is followed to the end."""
    features, censored = synthetic(20_000)
    _, complete = synthetic(20_000, censored=False)
    risk = 1 / (1 + np.exp(-fit_predictor(features, censored).log_odds(features)))
    for index, years in enumerate(HORIZONS_YEARS):
        assert risk[:, index].mean() == pytest.approx(fractured_within(complete, years).mean(), rel=0.08)


def test_without_censoring_every_weight_is_one() -> None:
    _, follow_up = synthetic(500, censored=False)
    np.testing.assert_allclose(censoring_weights(follow_up, 10.0), 1.0)


def test_weights_stand_for_everyone() -> None:
    _, follow_up = synthetic(5000)
    for years in HORIZONS_YEARS:
        weights = censoring_weights(follow_up, years)
        lost = (follow_up.ending == CENSORED) & (follow_up.years <= years)
        assert (weights[lost] == 0).all()
        assert weights.mean() == pytest.approx(1.0, abs=0.02)


def test_intercepts_never_fall_with_the_horizon_in_any_refit_of_a_small_cohort() -> None:
    features, follow_up = synthetic(900)
    fit = fit_calibrated(features, follow_up, np.random.default_rng(1))
    assert (np.diff(fit.predictor.intercepts) >= 0).all()


def test_fit_in_other_units_predicts_the_same() -> None:
    features, follow_up = synthetic(1500)
    scale, shift = np.array([10.0, 0.01, 3.0]), np.array([60.0, 0.5, -2.0])
    one = fit_calibrated(features, follow_up, np.random.default_rng(1)).predictor
    other = fit_calibrated(features * scale + shift, follow_up, np.random.default_rng(1)).predictor
    np.testing.assert_allclose(
        one.log_odds(features), other.log_odds(features * scale + shift), rtol=1e-4, atol=1e-4
    )


def test_a_cohort_with_too_few_fractures_is_refused_with_the_remedy() -> None:
    features, follow_up = synthetic(60)
    with pytest.raises(ConfigurationError, match="raise --size"):
        fit_calibrated(features, follow_up, np.random.default_rng(1))


def test_features_without_any_signal_are_refused() -> None:
    _, follow_up = synthetic(800)
    noise = np.random.default_rng(0).standard_normal((800, 3))
    with pytest.raises(ConfigurationError, match="no signal"):
        fit_calibrated(noise, follow_up, np.random.default_rng(1))


def test_evaluation_knows_a_good_a_blind_and_an_overconfident_model() -> None:
    features, follow_up = synthetic(6000)
    signal = features @ TRUE_LOG_RATIOS
    log_odds = fit_predictor(features, follow_up).log_odds(features)
    rng = np.random.default_rng(0)
    good = evaluate(log_odds, signal, follow_up, rng)["10"]
    blind = evaluate(
        np.tile(log_odds.mean(axis=0), (len(signal), 1)) + rng.normal(0, 0.1, (len(signal), 1)),
        signal,
        follow_up,
        rng,
    )["10"]
    overconfident = evaluate(2 * log_odds, signal, follow_up, rng)["10"]
    assert good["auc"] == pytest.approx(good["auc_oracle"], abs=0.01)
    assert good["calibration_slope"] == pytest.approx(1.0, abs=0.1)
    assert good["calibration_intercept"] == pytest.approx(0.0, abs=0.1)
    assert good["observed_to_expected"] == pytest.approx(1.0, abs=0.1)
    assert good["brier"] < good["brier_null"]
    assert blind["auc"] == pytest.approx(0.5, abs=0.03)
    assert overconfident["calibration_slope"] == pytest.approx(good["calibration_slope"] / 2, rel=1e-3)
    low, high = good["auc_interval"]
    assert low < good["auc"] < high


def test_auc_within_groups_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    features, follow_up = synthetic(3000)
    log_odds = np.round(features @ TRUE_LOG_RATIOS - 2.5, 1)  # rounded, so that there are ties
    weight = censoring_weights(follow_up, 10)
    outcome = fractured_within(follow_up, 10)
    members = features[:, 2] > 0
    figures = evaluate_groups(log_odds, {"some": members, "none": features[:, 2] > 99}, follow_up)
    known = members & (weight > 0)
    expected = roc_auc_score(outcome[known], log_odds[known], sample_weight=weight[known])
    assert figures["some"]["auc"] == pytest.approx(expected, abs=1e-12)
    assert figures["none"] == {"subjects": 0, "fractures": 0, "auc": None, "observed_to_expected": None}
