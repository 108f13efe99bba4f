"""Other learners on the same folds, so that the shipped kind of model is chosen and not assumed.

Each takes a training and a held-out part with gaps filled by expectation, and returns the held-out cumulative
incidence at the horizons, (subjects, horizons).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import DEATH, FRACTURE
from analysis.results import HORIZONS_YEARS
from analysis.risk.hazard import (
    GRID_YEARS,
    HORIZON_INDEX,
    FloatArray,
    cumulative_incidence,
    design,
)
from analysis.training.cross_validation import censoring_weights, fractured_within
from analysis.training.fit import fit_expected
from analysis.training.training_data import TrainingData
from analysis.training.tuning import Hyperparameters

Candidate = Callable[[TrainingData, TrainingData, Hyperparameters], FloatArray]

LOGISTIC_PRIOR_SD = 0.25
HORIZON_SCALE = 30.0
"""Scale of the horizon indicators, so that the ridge leaves the intercepts practically free."""
TREES, LEAF, SAMPLE_SHARE = 60, 25, 0.4
BOOSTING_STEPS, BOOSTING_RATE, BOOSTING_LEAVES = 150, 0.05, 6
FOREST_TIME_STEP_YEARS = 0.5
"""Trees see follow-up in steps, which bounds the size of their leaves. All of these: assumption."""


def cox(seen: TrainingData, held_out: TrainingData, hyper: Hyperparameters) -> FloatArray:
    """Ridge-penalised Cox regression of fracture and of death with Breslow baselines; the tuned penalties."""
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    hazards = []
    for cause, terms, prior in (
        (FRACTURE, seen.fracture_terms, hyper.term_priors(seen)),
        (DEATH, seen.death_terms, np.full(len(seen.death_terms), LOGISTIC_PRIOR_SD)),
    ):
        if not (seen.follow_up.ending == cause).any():
            hazards.append(np.zeros((len(held_out.subjects), len(GRID_YEARS))))
            continue
        model = CoxPHSurvivalAnalysis(alpha=prior**-2.0)
        outcome = Surv.from_arrays(seen.follow_up.ending == cause, np.maximum(seen.follow_up.years, 1e-3))
        model.fit(design(seen.expected(), terms), outcome)
        relative = np.exp(model.predict(design(held_out.expected(), terms)))
        baseline = model.cum_baseline_hazard_
        steps = np.concatenate([[0.0], baseline.y])[np.searchsorted(baseline.x, GRID_YEARS, side="right")]
        hazards.append(relative[:, None] * steps[None, :])
    return cumulative_incidence(*hazards)[:, HORIZON_INDEX]


def logistic(seen: TrainingData, held_out: TrainingData, hyper: Hyperparameters) -> FloatArray:
    """Direct binomial regression of the cumulative incidence (Scheike, Zhang & Gerds 2008, Biometrika
    95:205).

    One logistic predictor with an intercept per horizon, weighted for censoring.
    """
    from sklearn.linear_model import LogisticRegression

    columns = design(seen.expected(), seen.fracture_terms)
    last = len(HORIZONS_YEARS) - 1
    rows, status, weight = [], [], []
    for index, years in enumerate(HORIZONS_YEARS):
        rows.append(np.hstack([columns, _indicators(len(columns), index)]))
        status.append(fractured_within(seen.follow_up, years))
        weight.append(censoring_weights(seen.follow_up, years))
    model = LogisticRegression(C=LOGISTIC_PRIOR_SD**2, tol=1e-8, max_iter=2000)
    model.fit(np.vstack(rows), np.concatenate(status), sample_weight=np.concatenate(weight))
    unseen = design(held_out.expected(), seen.fracture_terms)
    risk = [
        model.predict_proba(np.hstack([unseen, _indicators(len(unseen), index)]))[:, 1]
        for index in range(last + 1)
    ]
    return np.asarray(np.maximum.accumulate(np.column_stack(risk), axis=1), dtype=np.float64)


def _indicators(subjects: int, horizon: int) -> FloatArray:
    indicators = np.zeros((subjects, len(HORIZONS_YEARS) - 1))
    if horizon < indicators.shape[1]:
        indicators[:, horizon] = HORIZON_SCALE
    return indicators


def forest(seen: TrainingData, held_out: TrainingData, hyper: Hyperparameters) -> FloatArray:
    """Random survival forest of the fracture hazard (Ishwaran et al. 2008); death as in the hazard model."""
    from sksurv.ensemble import RandomSurvivalForest
    from sksurv.util import Surv

    step = FOREST_TIME_STEP_YEARS
    years = np.ceil(np.maximum(seen.follow_up.years, step) / step) * step
    model = RandomSurvivalForest(
        n_estimators=TREES, min_samples_leaf=LEAF, max_samples=SAMPLE_SHARE, random_state=0, n_jobs=1
    )
    model.fit(seen.expected(), Surv.from_arrays(seen.follow_up.ending == FRACTURE, years))
    leaves = model.predict_cumulative_hazard_function(held_out.expected(), return_array=True)
    times = np.concatenate([[0.0], model.unique_times_])
    fracture = np.array(
        [np.interp(GRID_YEARS, times, np.concatenate([[0.0], subject])) for subject in leaves]
    )
    return _with_death(fracture, seen, held_out, hyper)


def boosting(seen: TrainingData, held_out: TrainingData, hyper: Hyperparameters) -> FloatArray:
    """Gradient-boosted trees of the status at every horizon, weighted for censoring; risk rises with the
    horizon."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    columns, unseen = seen.expected(), held_out.expected()
    horizons = [np.full(len(columns), float(years)) for years in HORIZONS_YEARS]
    rows = np.vstack([np.column_stack([columns, years]) for years in horizons])
    status = np.concatenate([fractured_within(seen.follow_up, years) for years in HORIZONS_YEARS])
    weight = np.concatenate([censoring_weights(seen.follow_up, years) for years in HORIZONS_YEARS])
    model = HistGradientBoostingClassifier(
        max_iter=BOOSTING_STEPS,
        learning_rate=BOOSTING_RATE,
        max_leaf_nodes=BOOSTING_LEAVES,
        min_samples_leaf=LEAF * len(HORIZONS_YEARS),
        l2_regularization=1.0,
        monotonic_cst=[0] * columns.shape[1] + [1],
        early_stopping=False,
        random_state=0,
    )
    model.fit(rows, status, sample_weight=weight)
    risk = [
        model.predict_proba(np.column_stack([unseen, np.full(len(unseen), float(years))]))[:, 1]
        for years in HORIZONS_YEARS
    ]
    return np.asarray(np.column_stack(risk), dtype=np.float64)


def _with_death(
    fracture: FloatArray, seen: TrainingData, held_out: TrainingData, hyper: Hyperparameters
) -> FloatArray:
    death = fit_expected(seen, hyper).death
    return cumulative_incidence(fracture, death.cumulative(death.log_relative(held_out.expected())))[
        :, HORIZON_INDEX
    ]


LINEAR: Mapping[str, Candidate] = {"cox": cox, "logistic": logistic}
TREE_BASED: Mapping[str, Candidate] = {"survival forest": forest, "gradient boosting": boosting}


def cross_validated(
    candidate: Candidate,
    data: TrainingData,
    parts: list[tuple[NDArray[np.intp], NDArray[np.intp]]],
    tuned: list[Hyperparameters],
) -> FloatArray:
    """Held-out risk of everybody, (subjects, horizons); hyperparameters as tuned inside each fold."""
    risk = np.empty((len(data.subjects), len(HORIZONS_YEARS)))
    for (seen, held_out), hyper in zip(parts, tuned, strict=True):
        risk[held_out] = candidate(data.take(seen), data.take(held_out), hyper)
    return risk
