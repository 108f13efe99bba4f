"""Choosing a few features out of many: LASSO as in the study, and three other ways for comparison.

Every method sees z-scores and a 0/1 outcome with weights, and answers with a weight per feature; 0 means not
chosen. LASSO and elastic net regress the 0/1 outcome linearly: the ranking is the aim, the logistic model
that follows sets the scale.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Select = Callable[[FloatArray, FloatArray, FloatArray, int], FloatArray]
"""(z-scores, outcome, weights, seed) -> importance per feature."""

FOLDS = 10
"""As in the published study."""
PENALTIES, LEAST_PENALTY = 50, 0.01
"""Points of the path of penalties, and its end as a share of the penalty that chooses nothing."""
MOST_STEPS = 150
"""Features may enter or leave so often before a path ends."""
LARGEST_CHOICE = 20
"""Most features that a ranking keeps; the study kept 11 to 18."""
ELASTIC_NET_RIDGE = 0.1
"""Quadratic penalty of the elastic net beside unit variances: assumption."""
TREES, LEAF = 100, 10
"""Of the random forest: assumptions."""
FOREST_SUBJECTS = 1500
"""Most subjects a tree is grown on: keeps the forest within seconds."""
NEIGHBOUR_SUBJECTS = 1000
"""Most subjects that mutual information is estimated on, evenly spaced: it compares neighbours."""


def lasso(z: FloatArray, outcome: FloatArray, weight: FloatArray, seed: int) -> FloatArray:
    """Coefficients at the penalty of least error in 10-fold cross-validation."""
    return _penalised(0.0, z, outcome, weight, seed)


def elastic_net(z: FloatArray, outcome: FloatArray, weight: FloatArray, seed: int) -> FloatArray:
    """The same with a quadratic penalty beside it: correlated features are kept together."""
    return _penalised(ELASTIC_NET_RIDGE, z, outcome, weight, seed)


def mutual_information(z: FloatArray, outcome: FloatArray, weight: FloatArray, seed: int) -> FloatArray:
    """Mutual information with the outcome (nats, nearest neighbours; unweighted) of the best features."""
    from sklearn.feature_selection import mutual_info_classif

    some = np.linspace(0, len(z) - 1, min(len(z), NEIGHBOUR_SUBJECTS)).astype(int)
    return _best(mutual_info_classif(z[some], outcome[some].astype(int), random_state=seed))


def forest_importance(z: FloatArray, outcome: FloatArray, weight: FloatArray, seed: int) -> FloatArray:
    """Mean decrease of impurity in a random forest of the best features."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        TREES,
        min_samples_leaf=LEAF,
        max_samples=min(1.0, FOREST_SUBJECTS / len(z)),
        random_state=seed,
    )
    forest.fit(z, outcome.astype(int), sample_weight=weight)
    return _best(np.asarray(forest.feature_importances_, np.float64))


METHODS: Mapping[str, Select] = {
    "LASSO": lasso,
    "elastic net": elastic_net,
    "mutual information": mutual_information,
    "random forest": forest_importance,
}
"""Name as in reports -> method."""


def _penalised(ridge: float, z: FloatArray, outcome: FloatArray, weight: FloatArray, seed: int) -> FloatArray:
    """Least-angle path of the L1 penalty, the quadratic one fixed; the penalty by weighted squared error."""
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    largest = np.abs(_moments(z, outcome, weight)[1]).max()
    penalties = np.geomspace(largest, largest * LEAST_PENALTY, PENALTIES)
    error = np.zeros(PENALTIES)
    for train, test in folds.split(z, outcome.astype(int)):
        mean, centre = np.average(outcome[train], weights=weight[train]), _centre(z[train], weight[train])
        path = _path(z[train], outcome[train], weight[train], penalties, ridge)
        residual = (outcome[test] - mean)[:, None] - (z[test] - centre) @ path.T
        error += weight[test] @ residual**2
    best = int(np.argmin(error))
    return np.asarray(_path(z, outcome, weight, penalties[: best + 1], ridge)[-1], np.float64)


def _path(
    z: FloatArray, outcome: FloatArray, weight: FloatArray, penalties: FloatArray, ridge: float
) -> FloatArray:
    """Coefficients at every penalty, (penalties, features); the path is linear between its knots."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import lars_path_gram

    gram, covariance = _moments(z, outcome, weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # drops features that equal others, and says so
        warnings.simplefilter("ignore", RuntimeWarning)
        knots, _, coefficients = lars_path_gram(
            covariance,
            Gram=gram + ridge * np.eye(len(gram)),
            n_samples=1,
            method="lasso",
            max_iter=MOST_STEPS,
            alpha_min=float(penalties[-1]),
        )
    rising = knots[::-1]
    return np.column_stack([np.interp(penalties, rising, row[::-1]) for row in coefficients])


def _moments(z: FloatArray, outcome: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weighted covariance of the features, and of each with the outcome."""
    share = weight / weight.sum()
    centred = z - _centre(z, weight)
    return (centred * share[:, None]).T @ centred, centred.T @ (share * (outcome - share @ outcome))


def _centre(z: FloatArray, weight: FloatArray) -> FloatArray:
    return np.asarray(np.average(z, axis=0, weights=weight), np.float64)


def _best(importance: FloatArray) -> FloatArray:
    """Keep the `LARGEST_CHOICE` highest, set the others to 0."""
    kept = np.argsort(importance)[::-1][:LARGEST_CHOICE]
    chosen = np.zeros_like(importance)
    chosen[kept] = importance[kept]
    return chosen
