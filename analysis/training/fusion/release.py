"""From a cohort to a written fusion network with its figures."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import __version__
from analysis.cohort.columns import SUBJECT_ID
from analysis.segmentation.network import WEIGHTS as SEGMENTATION_WEIGHTS
from analysis.training.fusion.augment import Augmentation
from analysis.training.fusion.cross_validation import fitted
from analysis.training.fusion.data import (
    Pictures,
    Table,
    microstructure_of,
    osteoporosis_of,
    pictures_of,
    predictor_names,
    split_folds,
)
from analysis.training.fusion.encoder import (
    EncoderKind,
    ImageEncoder,
    SegmentationEncoder,
    build_encoder,
    embed,
    no_pictures,
)
from analysis.training.fusion.export import save
from analysis.training.fusion.figures import figures_of
from analysis.training.fusion.fit import FitPlan, Material, Progress, tune_encoder
from analysis.training.fusion.fusion import Shape
from analysis.training.fusion.heads import targets
from analysis.training.fusion.imputation import Imputer
from analysis.training.fusion.inputs import Standard
from analysis.training.fusion.network import FusionNetwork
from analysis.training.fusion.prediction import FusionModel
from analysis.training.fusion.pretraining import (
    Pretraining,
    PretrainingPlan,
    from_segmentation,
    microstructure,
    self_supervised,
)
from analysis.training.fusion.search import Search, search_plan

SEGMENTATION_NETWORK = SEGMENTATION_WEIGHTS / "forearm-deeplabv3plus.onnx"
Missing = Literal["mask", "mice"]
"""``mask`` tells the network what is unknown; ``mice`` also fills it several times, see `imputation`."""
IMPUTATIONS = 5
"""Completed tables that the imputer is learnt from; each member then learns from draws of its own."""
TEST_SHARE = 5
"""One subject in so many is held out for the figures."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that training depends on beside the cohort."""

    pretraining: Pretraining = "self-supervised"
    pretraining_plan: PretrainingPlan = field(default_factory=PretrainingPlan)
    fit: FitPlan = field(default_factory=FitPlan)
    augmentation: Augmentation = field(default_factory=Augmentation)
    image: bool = True
    missing: Missing = "mask"
    search: Search | None = None
    trials: int = 12


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A fitted network, how its inputs are prepared, the plan in the end, and what the search tried."""

    network: FusionNetwork
    standard: Standard
    imputer: Imputer | None
    fit: FitPlan
    tried: list[dict[str, Any]]


def train_fusion(table: Table, plan: Plan, out: Path, progress: Progress) -> dict[str, Any]:
    """Train on four fifths of a cohort, write the network, give its figures on the last fifth.

    Parameters
    ----------
    table : analysis.cohort.table.CohortTable
    plan : Plan
    out : Path
        Directory for ``fusion.json``, ``fusion.safetensors``, ``fusion.onnx``.
    progress : callable

    Returns
    -------
    dict
        What ``fusion.json`` says beside the network's shape: plan, subjects, figures.
    """
    torch.set_num_threads(1)
    started = time.perf_counter()
    pictures = pictures_of(table)
    train, test = test_split(table, plan.fit.seed)
    encoder = trained_encoder(table, pictures, train, plan, progress)
    trained = fit_network(table, pictures, train, encoder, plan=plan, progress=progress)
    about: dict[str, Any] = {
        "training_data": "simulated training data; research use only",
        "engine_version": __version__,
        "plan": {**asdict(plan), "fit": asdict(trained.fit)},
        "tried": trained.tried,
        "subjects": {"training": len(train), "test": len(test)},
        "test_subjects": [str(name) for name in table.frame[SUBJECT_ID].to_numpy()[test]],
        "imputer": None if trained.imputer is None else trained.imputer.to_json(),
    }
    save(trained.network, trained.standard, about, out)
    model = FusionModel(out)
    features = table.features(trained.standard.names)[test]
    inputs = model.inputs(features, pictures.patches[test], pictures.seen[test])
    about["figures"] = figures_of(
        model.predict(inputs), table.follow_up.take(test), osteoporosis_of(table)[test]
    )
    about["minutes"] = round((time.perf_counter() - started) / 60, 2)
    save(trained.network, trained.standard, about, out)
    return about


def test_split(table: Table, seed: int) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Positions of subjects to learn from and to judge on; stratified by outcome."""
    held = split_folds(table.follow_up, table.frame[SUBJECT_ID].to_numpy(), TEST_SHARE, seed) == 0
    return np.flatnonzero(~held), np.flatnonzero(held)


def encoder_kind(pretraining: Pretraining) -> EncoderKind:
    """The segmentation network's weights fit its own layers alone."""
    return "segmentation" if pretraining == "segmentation" else "texture"


def trained_encoder(
    table: Table,
    pictures: Pictures,
    train: NDArray[np.int_],
    plan: Plan,
    progress: Progress,
    *,
    repeats: Pictures | None = None,
) -> ImageEncoder:
    """An encoder pre-trained as the plan says, on the pictures of training subjects."""
    torch.manual_seed(plan.fit.seed)
    encoder = build_encoder(encoder_kind(plan.pretraining)).eval()
    if not plan.image:
        return encoder
    with_picture = train[pictures.seen[train]]
    patches = pictures.patches[with_picture]
    if isinstance(encoder, SegmentationEncoder):
        from_segmentation(encoder, SEGMENTATION_NETWORK, patches)
    elif plan.pretraining == "self-supervised":
        second = None if repeats is None else repeats.patches[with_picture]
        self_supervised(encoder, patches, second, plan.pretraining_plan, progress)
    elif plan.pretraining == "microstructure":
        _, wanted = microstructure_of(table)
        microstructure(encoder, patches, wanted[with_picture], plan.pretraining_plan, progress)
    return encoder


def fit_network(
    table: Table,
    pictures: Pictures,
    train: NDArray[np.int_],
    encoder: ImageEncoder,
    *,
    plan: Plan,
    progress: Progress,
    names: tuple[str, ...] | None = None,
) -> Trained:
    """Tune the encoder if the plan asks for it, search if it does, and fit the members, on `train` alone.

    Parameters
    ----------
    names : tuple of str, optional
        Predictors; all that the cohort has if not given.
    """
    names = predictor_names(list(table.frame.columns)) if names is None else names
    features = table.features(names)[train]
    standard = Standard.of(names, features)
    shape = Shape(
        plan.fit.kind,
        standard.families,
        image=plan.image,
        encoder=encoder_kind(plan.pretraining),
        width=plan.fit.width,
        dropout=plan.fit.dropout,
    )
    inputs = standard.apply(features, pictures.patches[train], pictures.seen[train] & plan.image)
    imputer = Imputer.of(inputs, IMPUTATIONS, plan.fit.seed) if plan.missing == "mice" else None
    observed = targets(table.follow_up.take(train), osteoporosis_of(table)[train])
    groups = table.frame[SUBJECT_ID].to_numpy()[train]
    folds = split_folds(table.follow_up.take(train), groups, plan.fit.members, plan.fit.seed)
    if plan.image and plan.fit.tuning_epochs:
        tune_encoder(
            encoder,
            inputs,
            observed,
            folds,
            shape=shape,
            plan=plan.fit,
            augmentation=plan.augmentation,
            progress=progress,
        )
    imputed = [] if imputer is None else [imputer.fill(inputs, draw) for draw in range(plan.fit.members)]
    regions = embed(encoder, inputs.patches) if plan.image else no_pictures(len(inputs))
    material = Material(regions, inputs, observed, tuple(imputed))
    fit, tried = plan.fit, list[dict[str, Any]]()
    if plan.search is not None:
        fit, tried = search_plan(
            material, folds, shape, fit, how=plan.search, trials=plan.trials, progress=progress
        )
    network, _ = fitted(material, folds, shape, fit, progress)
    network.encoder.load_state_dict(encoder.state_dict())
    return Trained(network, standard, imputer, fit, tried)


__all__ = ["Plan", "Trained", "fit_network", "test_split", "train_fusion", "trained_encoder"]
