"""Nested cross-validation: the inner folds choose the plan, the outer ones judge it.

Folds are stratified by outcome and keep all rows of a patient together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.training.fusion.fit import FitPlan, Material, Progress, fit_members
from analysis.training.fusion.fusion import Shape
from analysis.training.fusion.heads import Outputs, loss
from analysis.training.fusion.network import FusionNetwork, tensors

Choose = Callable[[Material, NDArray[np.int_], FitPlan], FitPlan]
"""Finds a plan on the subjects of an outer fold: material, inner folds, the plan to start from."""


def fitted(
    material: Material, folds: NDArray[np.int_], shape: Shape, plan: FitPlan, progress: Progress
) -> tuple[FusionNetwork, float]:
    """A network whose members are fitted on embedded pictures, and the mean likelihood that stopped them."""
    torch.manual_seed(plan.seed)
    network = FusionNetwork(shape_of(shape, plan), int(folds.max()) + 1)
    reached = fit_members(network, material, folds, plan, progress)
    return network, float(np.mean(reached))


def shape_of(shape: Shape, plan: FitPlan) -> Shape:
    """The shape with the plan's kind, width and dropout."""
    return replace(shape, kind=plan.kind, width=plan.width, dropout=plan.dropout)


def nested_cross_validation(
    material: Material,
    *,
    outer: NDArray[np.int_],
    inner: Callable[[NDArray[np.int_]], NDArray[np.int_]],
    shape: Shape,
    plan: FitPlan,
    choose: Choose,
    progress: Progress,
) -> tuple[Outputs, list[dict[str, Any]]]:
    """Predict every subject by a network that neither learnt from nor was chosen on it.

    Parameters
    ----------
    outer : ndarray of int, (n,)
        Outer fold of each subject.
    inner : callable
        Inner folds of the subjects at given positions.
    choose : callable

    Returns
    -------
    Outputs
        Of all subjects, in order.
    list of dict
        The plan chosen in each outer fold and its likelihood on the outer fold.
    """
    size, number = len(outer), int(outer.max()) + 1
    log_hazard = torch.zeros(size, *material.targets.events.shape[1:])
    osteoporosis = torch.zeros(size)
    chosen = []
    for fold in range(number):
        teaching, judging = np.flatnonzero(outer != fold), np.flatnonzero(outer == fold)
        folds = inner(teaching)
        part = material.take(teaching)
        best = choose(part, folds, plan)
        network, _ = fitted(part, folds, shape, best, lambda stage, done, total: None)
        held = material.take(judging)
        with torch.no_grad():
            outputs = network.fused(held.regions, *tensors(held.inputs))
        log_hazard[torch.from_numpy(judging)] = outputs.log_hazard
        osteoporosis[torch.from_numpy(judging)] = outputs.osteoporosis
        chosen.append({"plan": asdict(best), "loss": float(loss(outputs, held.targets, 0.0))})
        progress("outer folds", fold + 1, number)
    return Outputs(log_hazard, osteoporosis), chosen
