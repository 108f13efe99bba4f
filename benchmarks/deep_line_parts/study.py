"""The cohort, its split, encoders and embedded pictures, each made once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import astuple, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from analysis.cohort.columns import FollowUp
from analysis.cohort.table import CohortTable
from analysis.evaluation.discrimination import auc_difference, weighted_auc
from analysis.evaluation.observed import observe
from analysis.training.fusion.cross_validation import fitted
from analysis.training.fusion.data import (
    Pictures,
    Table,
    osteoporosis_of,
    pictures_of,
    predictor_names,
    split_folds,
)
from analysis.training.fusion.encoder import ImageEncoder, build_encoder, embed, no_pictures
from analysis.training.fusion.figures import figures_of
from analysis.training.fusion.fit import FitPlan, Material, tune_encoder
from analysis.training.fusion.fusion import Shape
from analysis.training.fusion.heads import targets
from analysis.training.fusion.imputation import Imputer
from analysis.training.fusion.incidence import HORIZONS, cumulative_incidence
from analysis.training.fusion.inputs import Standard, without
from analysis.training.fusion.network import FusionNetwork, tensors
from analysis.training.fusion.prediction import Prediction
from analysis.training.fusion.pretraining import PretrainingPlan
from analysis.training.fusion.release import Plan, encoder_kind, test_split, trained_encoder

DEPLOYABLE = ("demography", "densitometry", "microstructure")
SIMPLIFIED = ("demography", "densitometry", "turnover", "clinical")
CLINICAL_BMD = ("demography", "densitometry", "clinical")
FULL = (*DEPLOYABLE, "turnover", "clinical", "genetics", "balance_gait")
TUNING_EPOCHS = 2
IMPUTATIONS = 3


def quiet(stage: str, done: int, total: int) -> None:
    """Say how far a stage is."""
    print(f"  {stage} {done} of {total}", flush=True)


class Joined:
    """Subjects of one table, then all of another."""

    def __init__(self, first: CohortTable, second: CohortTable) -> None:
        self.parts = (first, second)
        # ids of two simulated cohorts repeat each other: the second's people are others
        renamed = second.frame.assign(subject_id="fresh-" + second.frame["subject_id"].astype(str))
        self.frame: Any = pd.concat([first.frame, renamed], ignore_index=True)

    @property
    def follow_up(self) -> FollowUp:
        """Years and endings."""
        one, other = (part.follow_up for part in self.parts)
        return FollowUp(*(np.concatenate(pair) for pair in zip(astuple(one), astuple(other), strict=True)))

    def features(self, names: Sequence[str]) -> NDArray[np.float64]:
        """(n, len(names)), NaN where unknown."""
        return np.concatenate([part.features(names) for part in self.parts])

    def patches(self) -> NDArray[np.float32]:
        """(n, 96, 80) in g/cm²."""
        return np.concatenate([part.patches() for part in self.parts])


class Study:
    """What all comparisons share."""

    def __init__(self, table: Table, work: Path, plan: FitPlan, epochs: int, pictures: int) -> None:
        self.table, self.work, self.plan, self.epochs = table, work, plan, epochs
        self.pretraining_pictures = pictures
        work.mkdir(parents=True, exist_ok=True)
        self.train, self.test = test_split(table, plan.seed)
        self.follow_up = table.follow_up
        self.osteoporosis = osteoporosis_of(table)

    def judged_by(self, fresh: CohortTable) -> Study:
        """The same teaching part and encoders, judged by people nobody has looked at."""
        taught = self.table.take(self.train)  # type: ignore[attr-defined]
        work = self.work / "fresh"
        other = Study(Joined(taught, fresh), work, self.plan, self.epochs, self.pretraining_pictures)
        other.train = np.arange(len(self.train))
        other.test = np.arange(len(self.train), len(self.train) + len(fresh))
        for path in self.work.glob("encoder-*.safetensors"):
            shutil.copy(path, work)
        return other

    @cached_property
    def pictures(self) -> Pictures:
        """Of everybody."""
        return pictures_of(self.table)

    def encoder(self, how: str) -> ImageEncoder:
        """Trained once as `how` says: a way of pre-training, perhaps ``+tuned``; ``random`` is untrained."""
        path = self.work / f"encoder-{how}.safetensors"
        base, _, tuned = how.partition("+")
        pretraining: Any = "none" if base == "random" else base
        encoder = build_encoder(encoder_kind(pretraining)).eval()
        if path.exists():
            encoder.load_state_dict(load_file(path))
            return encoder
        if tuned:
            encoder.load_state_dict(self.encoder(base).state_dict())
            self._tune(encoder)
        else:
            plan = Plan(
                pretraining=pretraining,
                pretraining_plan=PretrainingPlan(epochs=self.epochs, seed=self.plan.seed),
                fit=self.plan,
            )
            encoder = trained_encoder(
                self.table, self.pictures, self.train[: self.pretraining_pictures], plan, quiet
            )
        save_file({name: item.contiguous() for name, item in encoder.state_dict().items()}, path)
        return encoder

    def embedded(self, how: str) -> Tensor:
        """Regional means of everybody's maps by that encoder."""
        path = self.work / f"embedded-{how}.npy"
        if not path.exists():
            np.save(path, embed(self.encoder(how), self.pictures.patches).numpy().astype(np.float16))
        return torch.from_numpy(np.load(path).astype(np.float32))

    def _tune(self, encoder: ImageEncoder) -> None:
        material, standard = self.material(DEPLOYABLE, None)
        inputs = replace(
            material.inputs,
            patches=self.pictures.patches,
            seen=self.pictures.seen[:, None].astype(np.float32),
        )
        part, observed = inputs.take(self.train), material.take(self.train).targets
        shape = Shape("early", standard.families)
        plan = replace(self.plan, tuning_epochs=TUNING_EPOCHS)
        tune_encoder(
            encoder,
            part,
            observed,
            self.folds(self.train),
            shape=shape,
            plan=plan,
            augmentation=Plan().augmentation,
            progress=quiet,
        )

    def folds(self, index: NDArray[np.int_], number: int | None = None) -> NDArray[np.int_]:
        """Folds of the subjects at `index`."""
        groups = np.asarray(self.table.frame["subject_id"])[index]
        return split_folds(self.follow_up.take(index), groups, number or self.plan.members, self.plan.seed)

    def material(
        self, families: tuple[str, ...], how: str | None, *, every: bool = False, mice: bool = False
    ) -> tuple[Material, Standard]:
        """Everybody's inputs; standards and imputation are learnt on the training part.

        Parameters
        ----------
        how : str or None
            Encoder; None leaves pictures out.
        every : bool
            All texture, not the chosen few.
        """
        names = predictor_names(list(self.table.frame.columns), families, every=every)
        features = self.table.features(names)
        standard = Standard.of(names, features[self.train])
        size = len(features)
        seen = self.pictures.seen if how else np.zeros(size, np.bool_)
        inputs = standard.apply(features, np.zeros((size, 1, 1), np.float32), seen)
        imputed = ()
        if mice:
            imputer = Imputer.of(inputs.take(self.train), IMPUTATIONS, self.plan.seed)
            imputed = tuple(imputer.fill(inputs, draw) for draw in range(self.plan.members))
            inputs = imputer.fill(inputs, None)
        regions = self.embedded(how) if how else no_pictures(size)
        observed = targets(self.follow_up, self.osteoporosis)
        return Material(regions, inputs, observed, imputed), standard

    def fit(
        self, families: tuple[str, ...], how: str | None, plan: FitPlan | None = None, **options: bool
    ) -> tuple[Prediction, FusionNetwork, Material, Standard]:
        """Fit on the training part, predict the test part."""
        material, standard = self.material(families, how, **options)
        base = (how or "none").partition("+")[0]
        kind = encoder_kind("none" if base == "random" else base)  # type: ignore[arg-type]
        shape = Shape("early", standard.families, image=how is not None, encoder=kind)
        network, _ = fitted(
            material.take(self.train), self.folds(self.train), shape, plan or self.plan, lambda *_: None
        )
        return self.predict(network, material), network, material, standard

    def predict(self, network: FusionNetwork, material: Material) -> Prediction:
        """Of the test part."""
        held = material.take(self.test)
        with torch.no_grad():
            outputs = network.fused(held.regions, *tensors(held.inputs))
        return Prediction(
            cumulative_incidence(outputs.log_hazard.numpy()),
            torch.sigmoid(outputs.osteoporosis).numpy().astype(np.float64),
        )

    def without(
        self, network: FusionNetwork, material: Material, standard: Standard, families: list[str]
    ) -> Prediction:
        """Of the test part, as where a site lacks these families."""
        return self.predict(
            network, replace(material, inputs=without(material.inputs, standard.families, families))
        )

    def scored(self, name: str, prediction: Prediction) -> dict[str, Any]:
        """Figures on the test part; the risks are kept under `name` for paired comparisons."""
        path = self.work / "risks" / f"{name}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, prediction.risks)
        return figures_of(prediction, self.follow_up.take(self.test), self.osteoporosis[self.test])

    def gain(self, name: str, over: str, years: int = 10) -> list[float]:
        """Paired difference of AUCs on the test part with its 95 % interval (DeLong)."""
        observed = observe(self.follow_up.take(self.test), years)
        place = HORIZONS.index(years)
        one, other = (
            weighted_auc(np.load(self.work / "risks" / f"{item}.npy")[:, place], observed)
            for item in (name, over)
        )
        found = auc_difference(one, other)
        return [round(number, 4) for number in (found.value, found.low, found.high)]
