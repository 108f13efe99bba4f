"""What holds for every measure, whatever the data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import simulate

from analysis.cohort.columns import CENSORED, DEATH, FRACTURE, FollowUp
from analysis.evaluation.calibration import calibrate
from analysis.evaluation.competing import cumulative_incidence
from analysis.evaluation.decision import decision_curve, net_benefit_difference, thresholds_for
from analysis.evaluation.discrimination import (
    auc_difference,
    auc_ratio,
    concordance,
    concordance_difference,
    roc_curve,
    weighted_auc,
)
from analysis.evaluation.intervals import Difference, holm
from analysis.evaluation.observed import CensoringSurvival, observe
from analysis.evaluation.optimism import bootstrap_optimism
from analysis.evaluation.overall import brier, brier_difference
from analysis.evaluation.power import power_of
from analysis.evaluation.reclassification import reclassify

PEOPLE = simulate(300, 11)
YEARS = 5.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1.0, 3.0, 5.0, 10.0]))
def test_weights_sum_to_everybody_and_incidence_is_aalen_johansens(seed: int, years: float) -> None:
    follow_up = simulate(80, seed).follow_up
    observed = observe(follow_up, years)
    if follow_up.years.max() > years:
        assert observed.weight.sum() == pytest.approx(80)
    assert observed.case_weight.sum() / 80 == pytest.approx(cumulative_incidence(follow_up).at(years).value)


def test_follow_up_that_ends_at_the_horizon_is_complete() -> None:
    follow_up = FollowUp(np.array([1.0, 5.0, 5.0]), np.array([FRACTURE, CENSORED, DEATH]))
    assert observe(follow_up, 5.0).weight == pytest.approx([1.0, 1.0, 1.0])


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 50.0), st.floats(-10.0, 10.0))
def test_auc_and_c_index_do_not_change_with_the_scale_of_the_score(factor: float, shift: float) -> None:
    observed = observe(PEOPLE.follow_up, YEARS)
    score, stretched = np.round(PEOPLE.noisy, 1), np.exp(np.round(PEOPLE.noisy, 1)) * factor + shift
    assert weighted_auc(score, observed).estimate == weighted_auc(stretched, observed).estimate
    first, second = (concordance(part, PEOPLE.follow_up, YEARS).estimate for part in (score, stretched))
    assert first == second


def test_a_score_turned_round_has_one_minus_the_auc() -> None:
    observed = observe(PEOPLE.follow_up, YEARS)
    there, back = (weighted_auc(sign * PEOPLE.noisy, observed).estimate for sign in (1.0, -1.0))
    assert there.value + back.value == pytest.approx(1.0)
    assert there.standard_error == pytest.approx(back.standard_error)


def test_a_score_does_not_differ_from_itself() -> None:
    observed = observe(PEOPLE.follow_up, YEARS)
    auc = weighted_auc(PEOPLE.noisy, observed)
    same = weighted_auc(2.0 * PEOPLE.noisy, observed)
    assert auc_difference(auc, same) == Difference(0.0, 0.0, 0.0, 0.0, 1.0)
    assert auc_ratio(auc, same).value == 1.0
    c_index = concordance(PEOPLE.noisy, PEOPLE.follow_up, YEARS)
    assert concordance_difference(c_index, c_index).p_value == 1.0
    score = brier(PEOPLE.risk(YEARS), observed)
    assert brier_difference(score, score).p_value == 1.0
    moved = reclassify(PEOPLE.risk(YEARS), PEOPLE.risk(YEARS), observed, [0.05, 0.1])
    assert (moved.nri.value, moved.continuous_nri.value, moved.idi.value) == (0.0, 0.0, 0.0)


def test_the_c_index_is_what_all_pairs_say() -> None:
    people = simulate(60, 12, rate=0.08)
    score, years, ending = np.round(people.noisy, 0), people.follow_up.years, people.follow_up.ending
    followed = CensoringSurvival(people.follow_up).before(years)
    concordant = pairs = 0.0
    for i in np.flatnonzero((ending == FRACTURE) & (years < YEARS)):
        for j in range(60):
            at_risk, dead = years[j] > years[i], ending[j] == DEATH and years[j] <= years[i]
            if at_risk or dead:
                weight = 1 / followed[i] / (followed[i] if at_risk else followed[j])
                pairs += weight
                concordant += weight * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
    result = concordance(score, people.follow_up, YEARS)
    assert result.estimate.value == pytest.approx(concordant / pairs)
    assert result.influence.sum() == pytest.approx(0.0, abs=1e-12)


def test_the_area_under_the_roc_curve_is_the_auc() -> None:
    observed = observe(PEOPLE.follow_up, YEARS)
    curve = roc_curve(np.round(PEOPLE.noisy, 1), observed)
    area = np.trapezoid(curve.true_positive, curve.false_positive)
    assert area == pytest.approx(weighted_auc(np.round(PEOPLE.noisy, 1), observed).estimate.value)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.3, 2.0))
def test_scaling_all_risks_divides_o_to_e(factor: float) -> None:
    observed, risk = observe(PEOPLE.follow_up, YEARS), PEOPLE.risk(YEARS) * 0.5
    before, after = (calibrate(part, PEOPLE.follow_up, observed) for part in (risk, risk * factor))
    ratio = before.observed_to_expected.value / after.observed_to_expected.value
    assert ratio == pytest.approx(factor)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_net_benefit_lies_below_the_incidence_and_meets_treating_all_below_the_least_risk(seed: int) -> None:
    people = simulate(200, seed)
    observed, risk = observe(people.follow_up, YEARS), people.risk(YEARS)
    if observed.events == 0:
        return
    curve = decision_curve(risk, observed, thresholds_for(observed.incidence))
    assert np.all(curve.net_benefit <= observed.incidence + 1e-12)
    assert np.all((curve.low <= curve.net_benefit) & (curve.net_benefit <= curve.high))
    below = decision_curve(risk, observed, np.array([risk.min() / 2]))
    assert below.net_benefit == pytest.approx(below.treat_all)


def test_true_risks_are_well_calibrated_and_beat_blunt_ones() -> None:
    people = simulate(8000, 13)
    observed, risk = observe(people.follow_up, 10.0), people.risk(10.0)
    calibration = calibrate(risk, people.follow_up, observed)
    assert calibration.slope is not None and calibration.intercept is not None
    assert calibration.slope.low < 1.0 < calibration.slope.high
    assert calibration.intercept.low < 0.0 < calibration.intercept.high
    assert calibration.observed_to_expected.low < 1.0 < calibration.observed_to_expected.high
    assert calibration.ici is not None and calibration.ici_by_chance is not None
    assert calibration.ici < 3 * calibration.ici_by_chance
    exaggerated = calibrate(np.clip(2 * risk - risk.mean(), 0.001, 0.9), people.follow_up, observed)
    assert exaggerated.slope is not None and exaggerated.slope.high < 1.0
    flat = np.full(len(risk), observed.incidence)
    assert brier_difference(brier(risk, observed), brier(flat, observed)).high < 0.0
    assert brier(flat, observed).scaled.value == pytest.approx(0.0, abs=1e-12)
    threshold = 0.12
    assert net_benefit_difference(risk, None, observed, threshold).value > 0.0


def test_the_interval_of_an_auc_covers_the_truth_as_often_as_it_says() -> None:
    everybody = simulate(200_000, 14, censoring=False)
    truth = weighted_auc(everybody.noisy, observe(everybody.follow_up, YEARS)).estimate.value
    hits = 0
    for seed in range(200):
        people = simulate(400, 1000 + seed)
        interval = weighted_auc(people.noisy, observe(people.follow_up, YEARS)).estimate
        hits += interval.low < truth < interval.high
    assert 0.90 <= hits / 200 <= 0.99


def test_no_claim_without_power() -> None:
    shown = power_of(Difference(0.02, 0.012, 0.028, 0.004, 1e-6), 1000)
    assert shown.claim and shown.power > 0.99
    lucky = power_of(Difference(0.009, 0.001, 0.017, 0.004, 0.02), 1000)
    assert not lucky.claim and lucky.power < 0.8
    assert lucky.subjects_for_80 is not None and lucky.subjects_for_80 > 1000
    planned = power_of(Difference(0.009, 0.001, 0.017, 0.004, 0.02), 1000, expected=0.0112)
    assert planned.power == pytest.approx(0.8, abs=0.01)


def test_holms_p_values_rise_with_the_number_of_comparisons() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_a_model_that_learns_noise_is_found_out_by_optimism() -> None:
    people = simulate(400, 15)
    noise = np.random.default_rng(0).normal(size=(400, 25))
    observed = observe(people.follow_up, YEARS)

    def refit(sample: np.ndarray) -> object:
        from sklearn.linear_model import LogisticRegression

        seen = observed.take(sample)
        model = LogisticRegression(C=100.0).fit(noise[sample], seen.event, sample_weight=seen.weight)
        return lambda index: model.predict_proba(noise[index])[:, 1]

    figures = bootstrap_optimism(refit, people.follow_up, YEARS, 5, np.random.default_rng(1))  # type: ignore[arg-type]
    assert figures["auc"].apparent > 0.7
    assert figures["auc"].corrected < figures["auc"].apparent - 0.1
    assert figures["calibration_slope"].corrected < 0.7
