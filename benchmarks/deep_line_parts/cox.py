"""Ridge Cox regressions of fracture and death, as the plain line that a network must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.cohort.columns import DEATH, FRACTURE, FollowUp
from analysis.training.fusion.fit import Material
from analysis.training.fusion.incidence import HORIZONS

PENALTIES = (10.0, 30.0, 100.0)


def cox_risks(
    material: Material,
    follow_up: FollowUp,
    train: NDArray[np.int_],
    test: NDArray[np.int_],
    folds: NDArray[np.int_],
) -> NDArray[np.float64]:
    """Cumulative incidence of fracture (test, horizons) from two cause-specific regressions.

    Missing values are taken as the mean, with an indicator; the penalty has the best mean concordance over
    folds.
    """
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    columns = np.column_stack([material.inputs.values, 1 - material.inputs.known]).astype(np.float64)
    columns = columns[:, columns[train].std(axis=0) > 0.02]
    grid = np.arange(0, 10.05, 0.1)
    steps = []
    for cause in (FRACTURE, DEATH):
        outcome = Surv.from_arrays(follow_up.ending == cause, np.maximum(follow_up.years, 1e-3))
        scores = np.zeros(len(PENALTIES))
        for fold in range(int(folds.max()) + 1):
            teaching, held = train[folds != fold], train[folds == fold]
            for place, penalty in enumerate(PENALTIES):
                tried = CoxPHSurvivalAnalysis(alpha=penalty).fit(columns[teaching], outcome[teaching])
                scores[place] += tried.score(columns[held], outcome[held])
        model = CoxPHSurvivalAnalysis(alpha=PENALTIES[int(np.argmax(scores))]).fit(
            columns[train], outcome[train]
        )
        baseline = model.cum_baseline_hazard_
        cumulative = np.concatenate([[0.0], baseline.y])[np.searchsorted(baseline.x, grid, side="right")]
        steps.append(np.exp(model.predict(columns[test]))[:, None] * np.diff(cumulative))
    fracture, death = steps
    total = fracture + death
    reached = np.exp(-np.cumsum(total, axis=1) + total)
    share = np.divide(fracture, total, out=np.zeros_like(total), where=total > 0)
    incidence = np.cumsum(reached * -np.expm1(-total) * share, axis=1)
    return np.asarray(incidence[:, [round(10 * years) - 1 for years in HORIZONS]])
