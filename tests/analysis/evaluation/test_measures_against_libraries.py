"""Every measure equals an independent library's where that library can compute it."""

from __future__ import annotations

import numpy as np
import pytest
from simulated import simulate

from analysis.cohort.columns import DEATH, FRACTURE
from analysis.evaluation.calibration import intercept_and_slope
from analysis.evaluation.classification import classify
from analysis.evaluation.competing import cumulative_incidence
from analysis.evaluation.decision import decision_curve
from analysis.evaluation.discrimination import auc_difference, concordance, weighted_auc
from analysis.evaluation.logistic import logit
from analysis.evaluation.observed import observe
from analysis.evaluation.overall import brier


def test_without_censoring_auc_variance_and_paired_test_are_delongs() -> None:
    delong_test = pytest.importorskip("MLstatkit", reason="needs the training extra").Delong_test
    people = simulate(1500, 1, censoring=False)
    observed = observe(people.follow_up, 5.0)
    coarse = np.round(people.noisy, 1)  # with ties
    z, p, _, _, auc_a, auc_b, _ = delong_test(observed.event.astype(int), coarse, people.linear)
    a, b = weighted_auc(coarse, observed), weighted_auc(people.linear, observed)
    gap = auc_difference(b, a)
    assert (a.estimate.value, b.estimate.value) == pytest.approx((auc_a, auc_b), abs=1e-12)
    assert (gap.value / gap.standard_error, gap.p_value) == pytest.approx((z, p), rel=1e-9)


def test_with_censoring_auc_c_index_and_brier_score_are_those_of_scikit_survival() -> None:
    metrics = pytest.importorskip("sksurv.metrics", reason="needs the training extra")
    from sksurv.util import Surv

    people = simulate(1500, 2, deaths=False)
    outcome = Surv.from_arrays(people.follow_up.ending == FRACTURE, people.follow_up.years)
    times = [1.0, 3.0, 5.0, 9.9]
    observed = [observe(people.follow_up, years) for years in times]
    theirs, _ = metrics.cumulative_dynamic_auc(outcome, outcome, people.noisy, times)
    ours = [weighted_auc(people.noisy, part).estimate.value for part in observed]
    assert ours == pytest.approx(theirs, abs=1e-10)
    uno = metrics.concordance_index_ipcw(outcome, outcome, people.noisy, tau=9.0)[0]
    assert concordance(people.noisy, people.follow_up, 9.0).estimate.value == pytest.approx(uno, abs=1e-10)
    survival = 1 - np.column_stack([people.risk(years) for years in times])
    _, graf = metrics.brier_score(outcome, outcome, survival, times)
    assert [brier(people.risk(part.years), part).score.value for part in observed] == pytest.approx(
        graf, abs=1e-10
    )


@pytest.mark.parametrize("cause", [FRACTURE, DEATH])
def test_cumulative_incidence_and_its_error_are_those_of_scikit_survival(cause: int) -> None:
    nonparametric = pytest.importorskip("sksurv.nonparametric", reason="needs the training extra")
    follow_up = simulate(400, 3).follow_up
    times, incidence, intervals = nonparametric.cumulative_incidence_competing_risks(
        follow_up.ending, follow_up.years, conf_type="log-log", var_type="Dinse_Approx"
    )
    ours = cumulative_incidence(follow_up, cause)
    at = np.searchsorted(times, [3.0, 5.0, 9.0], side="right") - 1
    mine = [ours.at(years) for years in (3.0, 5.0, 9.0)]
    assert [m.value for m in mine] == pytest.approx(incidence[cause][at], abs=1e-12)
    # their interval is on the log(-log) scale of the incidence itself
    low = intervals[cause][0, at]
    expected = [
        m.value ** np.exp(1.959963984540054 * m.standard_error / (-m.value * np.log(m.value))) for m in mine
    ]
    assert expected == pytest.approx(low, rel=1e-6)


def test_calibration_slope_and_intercept_are_those_of_statsmodels() -> None:
    api = pytest.importorskip("statsmodels.api", reason="needs the training extra")
    people = simulate(2000, 4)
    observed = observe(people.follow_up, 5.0)
    linear, known = logit(people.risk(5.0)), observed.weight > 0
    family, weights = api.families.Binomial(), observed.weight[known]
    event = observed.event[known].astype(float)
    line = api.GLM(event, api.add_constant(linear[known]), family=family, freq_weights=weights).fit()
    shift = api.GLM(
        event, np.ones(known.sum()), family=family, freq_weights=weights, offset=linear[known]
    ).fit()
    intercept, slope = intercept_and_slope(people.risk(5.0), observed)
    assert slope.value == pytest.approx(line.params[1], abs=1e-6)
    assert intercept.value == pytest.approx(shift.params[0], abs=1e-6)


def test_figures_at_a_threshold_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

    people = simulate(1500, 5)
    observed = observe(people.follow_up, 5.0)
    risk = people.risk(5.0)
    ours = classify(risk, observed, 0.08)
    arguments = (observed.event, risk >= 0.08)
    for mine, theirs in (
        (ours.accuracy, accuracy_score),
        (ours.f1, f1_score),
        (ours.precision, precision_score),
        (ours.recall, recall_score),
    ):
        assert mine is not None
        assert mine.value == pytest.approx(theirs(*arguments, sample_weight=observed.weight), abs=1e-12)


@pytest.mark.slow
def test_net_benefit_is_that_of_dcurves() -> None:
    dcurves = pytest.importorskip("dcurves", reason="needs the training extra")
    import pandas as pd

    people = simulate(1500, 6, censoring=False)
    observed = observe(people.follow_up, 5.0)
    thresholds = np.array([0.02, 0.05, 0.1, 0.2])
    frame = pd.DataFrame({"event": observed.event.astype(int), "risk": people.risk(5.0)})
    table = dcurves.dca(data=frame, outcome="event", modelnames=["risk"], thresholds=thresholds)
    curve = decision_curve(people.risk(5.0), observed, thresholds)
    assert curve.net_benefit == pytest.approx(table[table.model == "risk"].net_benefit.to_numpy(), abs=1e-9)
    assert curve.treat_all == pytest.approx(table[table.model == "all"].net_benefit.to_numpy(), abs=1e-9)
