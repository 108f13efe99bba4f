"""Looking for a better plan with Optuna: TPE, random or grid, by the likelihood of held-out folds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from analysis.training.fusion.cross_validation import fitted
from analysis.training.fusion.fit import FitPlan, Material, Progress
from analysis.training.fusion.fusion import Shape

Search = Literal["tpe", "grid", "random"]
SEARCHES: tuple[Search, ...] = get_args(Search)

CHOICES: dict[str, list[Any]] = {
    "rate": [3e-4, 1e-3, 3e-3],
    "weight_decay": [0.01, 0.1, 0.3],
    "dropout": [0.1, 0.3, 0.5],
    "width": [16, 24, 32],
    "modality_dropout": [0.0, 0.1],
}
"""Values that all three ways of searching choose from."""


def search_plan(
    material: Material,
    folds: NDArray[np.int_],
    shape: Shape,
    plan: FitPlan,
    *,
    how: Search,
    trials: int,
    progress: Progress,
) -> tuple[FitPlan, list[dict[str, Any]]]:
    """The plan with the best mean likelihood of the folds that stopped its members.

    Parameters
    ----------
    trials : int
        A grid of more points than that is gone through in random order and cut short.

    Returns
    -------
    FitPlan
    list of dict
        Every plan tried, with its loss.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samplers: dict[Search, Any] = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=plan.seed, n_startup_trials=max(trials // 3, 2)),
        "random": lambda: optuna.samplers.RandomSampler(seed=plan.seed),
        "grid": lambda: optuna.samplers.GridSampler(CHOICES, seed=plan.seed),
    }
    study = optuna.create_study(direction="minimize", sampler=samplers[how]())
    own = {name: getattr(plan, name) for name in CHOICES}
    if all(own[name] in choices for name, choices in CHOICES.items()):
        study.enqueue_trial(own, skip_if_exists=True)
    tried: list[dict[str, Any]] = []

    def objective(trial: optuna.Trial) -> float:
        values = {name: trial.suggest_categorical(name, choices) for name, choices in CHOICES.items()}
        _, reached = fitted(material, folds, shape, replace(plan, **values), lambda stage, done, total: None)
        tried.append({**values, "loss": reached})
        progress("trials", len(tried), trials)
        return reached

    study.optimize(objective, n_trials=trials)
    return replace(plan, **study.best_params), tried
