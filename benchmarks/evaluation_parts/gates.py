"""What the evaluation measures, one function a question; each returns plain numbers for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.cohort.columns import ETHNICITY, FloatArray
from analysis.cohort.table import CohortTable
from analysis.evaluation.calibration import LEAST_EVENTS, calibrate
from analysis.evaluation.discrimination import Auc, auc_difference, auc_ratio, weighted_auc
from analysis.evaluation.intervals import Difference, Estimate
from analysis.evaluation.observed import Observed, observe
from analysis.evaluation.power import power_of
from analysis.evaluation.predictions import Predictions
from analysis.evaluation.recalibrate import FOLDS, recalibrate
from analysis.evaluation.subgroups import evaluate_subgroups, grouping_variables
from analysis.results import HORIZONS_YEARS
from analysis.risk.comparators import comparator_scores

Risks = Mapping[str, FloatArray]
"""Model -> risks, (subjects, horizons)."""

TEN = HORIZONS_YEARS.index(10)
STEPS = (
    ("full", "simplified"),
    ("simplified", "clinical-bmd"),
    ("clinical-bmd-texture", "clinical-bmd"),
    ("clinical-bmd", "age-sex-bmd"),
    ("age-sex-bmd", "bmd-only"),
    ("deployable", "age-sex-bmd"),
)
"""Pairs (first, second): the first sees one more family of predictors."""
BMD_RIVALS = ("age-sex", "ost", "osta", "orai", "qfracture2012-osteoporotic")
TEXTURE_STEP = ("clinical-bmd-texture", "clinical-bmd")
FALSIFICATION_LIMIT = 0.003


def discrimination(risks: Risks, truth: FloatArray, table: CohortTable) -> dict[str, Any]:
    """AUC of every model and of the oracle at every horizon, and their ratio."""
    found: dict[str, Any] = {}
    for index, years in enumerate(HORIZONS_YEARS):
        observed = observe(table.follow_up, years)
        oracle = weighted_auc(truth[:, index], observed)
        aucs = {name: weighted_auc(risk[:, index], observed) for name, risk in risks.items()}
        found[str(years)] = {
            "events": observed.events,
            "oracle": _shown(oracle.estimate),
            "models": {name: _shown(auc.estimate) for name, auc in aucs.items()},
            "over_oracle": {name: _shown(auc_ratio(auc, oracle)) for name, auc in aucs.items()},
        }
    return found


def over_attainable(risks: Risks, attainable: Risks, table: CohortTable) -> dict[str, Any]:
    """AUC of each model over that of the same features with the large training cohort, by horizon."""
    return {
        name: {
            str(years): _shown(
                auc_ratio(
                    weighted_auc(risks[name][:, index], observed),
                    weighted_auc(attainable[name][:, index], observed),
                )
            )
            for index, years in enumerate(HORIZONS_YEARS)
            for observed in (observe(table.follow_up, years),)
        }
        for name in attainable
    }


def ordering(risks: Risks, attainable: Risks, table: CohortTable) -> list[dict[str, Any]]:
    """Every step of the ladder at 10 years: paired DeLong, and the power for what is attainable there."""
    observed = observe(table.follow_up, 10)
    scores = {name: risk[:, TEN] for name, risk in risks.items()}
    steps = [_step(first, second, scores, attainable, observed) for first, second in STEPS]
    comparators = comparator_scores(table)
    rivals = {name: comparators[name].scores for name in BMD_RIVALS if name in comparators}
    for name, score in rivals.items():
        known = np.isfinite(score)
        pair = {"bmd-only": scores["bmd-only"][known], name: score[known]}
        steps.append(_step("bmd-only", name, pair, {}, observed.take(known)))
        pair = {"age-sex-bmd": scores["age-sex-bmd"][known], name: score[known]}
        steps.append(_step("age-sex-bmd", name, pair, {}, observed.take(known)))
    return steps


def texture_gain(risks: Risks, attainable: Risks, table: CohortTable) -> dict[str, Any]:
    """Gain of texture over clinical + BMD at 10 years, and what the large training cohort gains."""
    observed = observe(table.follow_up, 10)
    first, second = TEXTURE_STEP
    gain = _gain(risks[first], risks[second], observed)
    possible = _gain(attainable[first], attainable[second], observed)
    return {
        "gain": _tested(gain),
        "attainable_gain": _tested(possible),
        "share": gain.value / possible.value if possible.value > 0 else None,
    }


def falsification(gains: list[Difference]) -> dict[str, Any]:
    """Gain of texture where the simulator gives it no effect, one figure per training cohort."""
    return {
        "gains": [gain.value for gain in gains],
        "intervals_that_contain_zero": sum(not gain.excludes_zero for gain in gains),
        "intervals_above_zero": sum(gain.low > 0 for gain in gains),
        "within_limit": sum(abs(gain.value) <= FALSIFICATION_LIMIT for gain in gains),
        "limit": FALSIFICATION_LIMIT,
        "seeds": len(gains),
    }


def gain_at_ten(first: FloatArray, second: FloatArray, table: CohortTable) -> Difference:
    """Paired difference of the AUC at 10 years."""
    return _gain(first, second, observe(table.follow_up, 10))


def calibration(risk: FloatArray, table: CohortTable) -> dict[str, Any]:
    """O:E and slope with intervals, by horizon."""
    found = {}
    for index, years in enumerate(HORIZONS_YEARS):
        at = calibrate(risk[:, index], table.follow_up, observe(table.follow_up, years))
        found[str(years)] = {
            "observed": at.observed.value,
            "expected": at.expected,
            "observed_to_expected": _shown(at.observed_to_expected),
            "slope": _shown(at.slope) if at.slope else None,
            "ici": at.ici,
        }
    return found


def recalibrated(risk: FloatArray, table: CohortTable) -> dict[str, Any]:
    """O:E and slope before and, cross-fitted, after a site's own recalibration, by horizon."""
    everywhere = {years: observe(table.follow_up, years) for years in HORIZONS_YEARS}
    observed = {years: at for years, at in everywhere.items() if at.events >= FOLDS * LEAST_EVENTS}
    done = recalibrate(Predictions("model", risk), table.follow_up, observed, np.random.default_rng(1))
    return {
        str(years): {
            "before": _shown(done.before[years].observed_to_expected),
            "after": _shown(done.after[years].observed_to_expected),
            "slope_after": _shown(slope) if (slope := done.after[years].slope) else None,
        }
        for years in observed
    }


def subgroups(risk: FloatArray, table: CohortTable) -> list[dict[str, Any]]:
    """AUC and O:E at 10 years by sex, age, ethnicity, scanner and BMI."""
    found = []
    rng = np.random.default_rng(2)
    variables = grouping_variables(table.frame)
    for variable in evaluate_subgroups(risk[:, TEN], table.follow_up, 10, variables, resamples=200, rng=rng):
        found.append(
            {
                "variable": variable.variable,
                "levels": [
                    {
                        "level": level.level,
                        "subjects": level.subjects,
                        "fractures": level.fractures,
                        "auc": _shown(level.auc) if level.auc else None,
                        "observed_to_expected": _shown(level.observed_to_expected)
                        if level.observed_to_expected
                        else None,
                    }
                    for level in variable.levels
                ],
                "auc_gap": _shown(variable.auc_gap.estimate) if variable.auc_gap else None,
                "observed_to_expected_gap": _shown(variable.observed_to_expected_gap.estimate)
                if variable.observed_to_expected_gap
                else None,
            }
        )
    return found


def case_mix(table: CohortTable) -> dict[str, Any]:
    """Who is in a cohort: what an AUC depends on besides the model."""
    frame = table.frame
    observed = observe(table.follow_up, 10)
    return {
        "subjects": len(table),
        "age_mean": float(frame["age_years"].mean()),
        "age_sd": float(frame["age_years"].std()),
        "women": float(1 - frame["male"].mean()),
        "ethnicity": {str(name): int(count) for name, count in frame[ETHNICITY].value_counts().items()},
        "fractures_10y": observed.events,
        "events": {str(years): observe(table.follow_up, years).events for years in HORIZONS_YEARS},
        "incidence_10y": observed.incidence,
    }


def _step(
    first: str, second: str, scores: Mapping[str, FloatArray], attainable: Risks, observed: Observed
) -> dict[str, Any]:
    one, other = (weighted_auc(scores[name], observed) for name in (first, second))
    found = auc_difference(one, other)
    expected = None
    if first in attainable and second in attainable:
        expected = _gain(attainable[first], attainable[second], observed).value
    power = power_of(found, len(observed.event), expected)
    return {
        "first": first,
        "second": second,
        "subjects": len(observed.event),
        "auc_first": one.estimate.value,
        "auc_second": other.estimate.value,
        "difference": _tested(found),
        "assumed_difference": power.assumed_difference,
        "assumption": power.assumption,
        "power": power.power,
        "claim": power.claim,
    }


def _gain(first: FloatArray, second: FloatArray, observed: Observed) -> Difference:
    one: Auc = weighted_auc(first[:, TEN], observed)
    return auc_difference(one, weighted_auc(second[:, TEN], observed))


def _shown(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _tested(found: Difference) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high, "p_value": found.p_value}
