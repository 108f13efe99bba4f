"""Fitting fusions on embedded pictures, and fine-tuning the encoder with them.

The encoder is trained or pre-trained first and then held fixed while several members are fitted, each on all
but one fold of the training subjects and stopped early by the likelihood of that fold, a proper score. So
every subject teaches, and no subject that teaches a member also stops it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from analysis.training.fusion.augment import Augmentation, augmented, batches
from analysis.training.fusion.early_stopping import keep_best
from analysis.training.fusion.encoder import ImageEncoder, pooled
from analysis.training.fusion.fusion import Fusion, FusionKind, LateFusion, Shape
from analysis.training.fusion.heads import Outputs, Targets, loss
from analysis.training.fusion.inputs import Inputs
from analysis.training.fusion.network import FusionNetwork, Member, tensors

Optimiser = Literal["adam", "adamw", "sgd"]
OPTIMISERS: tuple[Optimiser, ...] = get_args(Optimiser)
Schedule = Literal["cosine", "step", "plateau", "constant"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
ALWAYS_THERE = "demography"
"""The family that is never dropped while training: no study comes without age and sex that gets a risk."""
LARGEST_GRADIENT = 5.0
RIDGES = (2e-2, 6e-3, 2e-3, 6e-4)
"""Penalties of squared slopes, per subject, from which the stopping fold chooses; from stiff to soft."""
DRIFT_RIDGE = 3.0
"""How many times a drift of an effect over the years is penalised more than the effect: assumption."""
OWN_LOSS_WEIGHT = 0.1
"""Weight of each modality's own loss beside that of a late weighted fusion: each part stays a model."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class FitPlan:
    """How fusions are fitted; `search` looks for better values of most.

    Attributes
    ----------
    kind : FusionKind
    epochs, patience, batch : int
        At most so many passes, stopped after `patience` without a better validation likelihood.
    optimiser, schedule
    rate, weight_decay : float
    width : int
        Even.
    dropout, modality_dropout : float
        Share of hidden numbers, and of whole families, left out at random while training.
    osteoporosis_weight : float
        Weight of that task's cross-entropy beside the likelihood of follow-up.
    tuning_epochs : int
        Passes over pictures in which the encoder learns with the fusion before members are fitted.
    tuning_rate : float
    members : int
        At least 2.
    seed : int
    """

    kind: FusionKind = "early"
    epochs: int = 60
    patience: int = 8
    batch: int = 256
    optimiser: Optimiser = "adamw"
    schedule: Schedule = "cosine"
    rate: float = 1e-3
    weight_decay: float = 0.1
    width: int = 24
    dropout: float = 0.3
    modality_dropout: float = 0.1
    osteoporosis_weight: float = 0.2
    tuning_epochs: int = 0
    tuning_rate: float = 3e-4
    members: int = 8
    seed: int = 20261127


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What members learn from.

    Attributes
    ----------
    regions : Tensor, (n, regions, 64)
        Embedded pictures.
    inputs : Inputs
    targets : Targets
    imputed : tuple of Inputs
        The same subjects with missing values drawn anew, one for each member in turn; may be empty.
    """

    regions: Tensor
    inputs: Inputs
    targets: Targets
    imputed: tuple[Inputs, ...] = ()

    def take(self, index: NDArray[np.int_]) -> Material:
        """The subjects at `index`."""
        where = torch.from_numpy(np.asarray(index, np.int64))
        return Material(
            self.regions[where],
            self.inputs.take(index),
            self.targets.take(where),
            tuple(inputs.take(index) for inputs in self.imputed),
        )

    def of_member(self, number: int) -> Material:
        """With the missing values that this member sees."""
        if not self.imputed:
            return self
        return Material(self.regions, self.imputed[number % len(self.imputed)], self.targets)


def fit_members(
    network: FusionNetwork,
    material: Material,
    folds: NDArray[np.int_],
    plan: FitPlan,
    progress: Progress,
) -> list[float]:
    """Fit all members of `network` in place; gives the validation likelihood at which each was stopped.

    Parameters
    ----------
    folds : ndarray of int, (n,)
        Number of the member that a subject does not teach but stops, 0 to members - 1.
    """
    reached = []
    out_of_fold: list[tuple[NDArray[np.int_], Tensor]] = []
    for number, member in enumerate(network.parts):
        teaching, stopping = np.flatnonzero(folds != number), np.flatnonzero(folds == number)
        torch.manual_seed(plan.seed + 100 * number)
        drawn = material.of_member(number)
        held = drawn.take(stopping)
        reached.append(_fit_member(member, drawn.take(teaching), held, plan, plan.seed + number))
        if plan.kind == "late-stacked":
            out_of_fold.append((stopping, _modality_scores(member, held)))
        progress("members", number + 1, len(network.members))
    if plan.kind == "late-stacked":
        _stack(network, material, out_of_fold)
    network.eval()
    return reached


def tune_encoder(
    encoder: ImageEncoder,
    inputs: Inputs,
    observed: Targets,
    folds: NDArray[np.int_],
    *,
    shape: Shape,
    plan: FitPlan,
    augmentation: Augmentation,
    progress: Progress,
) -> list[float]:
    """Let the encoder learn with one fusion, in place; keeps the pass with the best likelihood of fold 0.

    Returns
    -------
    list of float
        Validation loss before and after each pass.
    """
    torch.manual_seed(plan.seed)
    member = Member(replace(shape, kind="early", image=True))
    with_picture = np.flatnonzero(inputs.seen[:, 0] > 0)
    teaching = torch.from_numpy(with_picture[folds[with_picture] != 0])
    stopping = torch.from_numpy(with_picture[folds[with_picture] == 0])
    member.levels.start_at(observed.take(teaching))
    pictures = torch.from_numpy(inputs.patches)[:, None]
    tables = tensors(inputs)
    generator = torch.Generator().manual_seed(plan.seed)
    optimiser = torch.optim.AdamW(
        [
            {"params": list(encoder.parameters()), "lr": plan.tuning_rate},
            {"params": list(member.parameters()), "lr": plan.rate},
        ],
        weight_decay=1e-2,
    )

    def forward(index: Tensor, patches: Tensor) -> Outputs:
        outputs: Outputs = member(pooled(encoder(patches)), *(part[index] for part in tables))
        return outputs

    @torch.no_grad()
    def validation() -> float:
        encoder.eval()
        member.eval()
        parts = [forward(index, pictures[index]) for index in batches(stopping, 256)]
        every = Outputs(*(torch.cat(part) for part in zip(*parts, strict=True)))
        return float(loss(every, observed.take(stopping), plan.osteoporosis_weight))

    with torch.no_grad():
        encoder.eval()
        some = teaching[:512]
        member.fusion.standardise_images(pooled(encoder(pictures[some])))
    history = [validation()]
    best, kept = history[0], copy.deepcopy(encoder.state_dict())
    for epoch in range(plan.tuning_epochs):
        encoder.train()
        member.train()
        order = teaching[torch.randperm(len(teaching), generator=generator)]
        for index in batches(order, 128):
            if len(index) < 16:
                continue
            optimiser.zero_grad()
            outputs = forward(index, augmented(pictures[index], augmentation, generator))
            loss(outputs, observed.take(index), plan.osteoporosis_weight).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_([*encoder.parameters(), *member.parameters()], LARGEST_GRADIENT)
            optimiser.step()
        history.append(validation())
        progress("encoder with fusion", epoch + 1, plan.tuning_epochs)
        if history[-1] < best:
            best, kept = history[-1], copy.deepcopy(encoder.state_dict())
    encoder.load_state_dict(kept)
    encoder.eval()
    return history


def _fit_member(member: Member, teaching: Material, stopping: Material, plan: FitPlan, seed: int) -> float:
    """Until the epochs are over or patience is; the best pass is kept."""
    with_picture = torch.from_numpy(teaching.inputs.seen[:, 0] > 0)
    if int(with_picture.sum()) > 1:
        member.fusion.standardise_images(teaching.regions[with_picture])
    member.levels.start_at(teaching.targets)
    _start_straight(member, teaching, stopping, plan)
    generator = torch.Generator().manual_seed(seed)
    optimiser = make_optimiser(member, plan)
    size = len(teaching.inputs)
    steps = max(size // plan.batch, 1)
    rates = make_schedule(optimiser, plan, steps * plan.epochs)
    tables = tensors(teaching.inputs)

    def one_pass() -> None:
        order = torch.randperm(size, generator=generator)
        for index in batches(order[: steps * plan.batch], plan.batch):
            optimiser.zero_grad()
            batch = (part[index] for part in tables)
            values, known, seen = drop_modalities(
                member.fusion, *batch, share=plan.modality_dropout, generator=generator
            )
            inputs = teaching.regions[index], values, known, seen
            _training_loss(member, inputs, teaching.targets.take(index), plan).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(member.parameters(), LARGEST_GRADIENT)
            optimiser.step()
            if plan.schedule != "plateau":
                rates.step()

    def judged() -> float:
        now = _loss(member, stopping, plan)
        if plan.schedule == "plateau":
            rates.step(now)  # type: ignore[arg-type]
        return now

    return keep_best(member, one_pass, judged, passes=plan.epochs, patience=plan.patience)


def _start_straight(member: Member, teaching: Material, stopping: Material, plan: FitPlan) -> None:
    """Begin where ridge regression ends: linear paths and levels by L-BFGS, the ridge by the stopping fold.

    The deep paths end in zeros and have no say yet: what they then learn adds to a converged regression.
    """
    straight = [item for name, item in member.named_parameters() if ".linear." in name]
    slopes = [item for item in straight if item.ndim > 1]
    inputs = (teaching.regions, *tensors(teaching.inputs))
    best, kept = _loss(member, stopping, plan), copy.deepcopy(member.state_dict())
    scale = torch.tensor([1.0, 1.0, DRIFT_RIDGE, DRIFT_RIDGE, max(plan.osteoporosis_weight, 1e-3)])[:, None]
    for ridge in RIDGES:
        optimiser = torch.optim.LBFGS(
            [*straight, *member.levels.parameters()], max_iter=60, line_search_fn="strong_wolfe"
        )

        def closure(optimiser: torch.optim.LBFGS = optimiser, ridge: float = ridge) -> Tensor:
            optimiser.zero_grad()
            value = _training_loss(member, inputs, teaching.targets, plan)
            for item in slopes:
                value = value + ridge * (scale * item**2).sum()
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        now = _loss(member, stopping, plan)
        if now < best:
            best, kept = now, copy.deepcopy(member.state_dict())
    member.load_state_dict(kept)


def make_optimiser(member: nn.Module, plan: FitPlan) -> torch.optim.Optimizer:
    """Weights decay, levels and biases do not."""
    decaying = [item for item in member.parameters() if item.ndim > 1 and item.requires_grad]
    free = [item for item in member.parameters() if item.ndim <= 1 and item.requires_grad]
    levels = member.levels.log_hazard if isinstance(member, Member) else None
    decaying, free = (
        [item for item in decaying if item is not levels],
        free + ([levels] if levels is not None else []),
    )
    groups = [{"params": decaying, "weight_decay": plan.weight_decay}, {"params": free, "weight_decay": 0.0}]
    if plan.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=10 * plan.rate, momentum=0.9, nesterov=True)
    kinds: dict[str, type[torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[plan.optimiser](groups, lr=plan.rate)  # type: ignore[call-arg]


def make_schedule(
    optimiser: torch.optim.Optimizer, plan: FitPlan, steps: int
) -> torch.optim.lr_scheduler.LRScheduler | torch.optim.lr_scheduler.ReduceLROnPlateau:
    """By step, except ``plateau``, which looks at the validation loss after every pass."""
    if plan.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1))
    if plan.schedule == "step":
        return torch.optim.lr_scheduler.StepLR(optimiser, max(steps // 3, 1), gamma=0.3)
    if plan.schedule == "plateau":
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.3, patience=2)
    return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)


def drop_modalities(
    fusion: Fusion,
    values: Tensor,
    known: Tensor,
    seen: Tensor,
    *,
    share: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Leave out whole families, and pictures, of some subjects at random."""
    if share <= 0:
        return values, known, seen
    kept = torch.ones_like(values)
    for family, positions in fusion.shape.families.items():
        if family != ALWAYS_THERE:
            stays = (torch.rand(len(values), 1, generator=generator) >= share).float()
            kept[:, list(positions)] = stays
    stays = (torch.rand(len(values), 1, generator=generator) >= share).float()
    return values * kept, known * kept, seen * stays


def _training_loss(
    member: Member, inputs: tuple[Tensor, Tensor, Tensor, Tensor], observed: Targets, plan: FitPlan
) -> Tensor:
    """The fusion's loss; of a late fusion also each modality's own, and of a stacked one only these."""
    if not isinstance(member.fusion, LateFusion):
        return loss(member(*inputs), observed, plan.osteoporosis_weight)
    scores = member.fusion.modality_scores(*inputs)
    alone = [
        loss(member.levels(scores[:, place]), observed, plan.osteoporosis_weight)
        for place in range(scores.shape[1])
    ]
    mean = torch.stack(alone).mean()
    if plan.kind == "late-stacked":
        return mean
    together = member.levels((member.fusion.weights * scores).sum(dim=1))
    return loss(together, observed, plan.osteoporosis_weight) + OWN_LOSS_WEIGHT * mean


@torch.no_grad()
def _loss(member: Member, held: Material, plan: FitPlan) -> float:
    member.eval()
    return float(_training_loss(member, (held.regions, *tensors(held.inputs)), held.targets, plan))


@torch.no_grad()
def _modality_scores(member: Member, held: Material) -> Tensor:
    member.eval()
    return cast(LateFusion, member.fusion).modality_scores(held.regions, *tensors(held.inputs))


def _stack(
    network: FusionNetwork, material: Material, out_of_fold: list[tuple[NDArray[np.int_], Tensor]]
) -> None:
    """Weights of the modalities by likelihood on scores of members that had not seen the subject."""
    scores = torch.zeros(len(material.inputs), *out_of_fold[0][1].shape[1:])
    for index, found in out_of_fold:
        scores[torch.from_numpy(index)] = found
    levels = copy.deepcopy(network.parts[0].levels)
    weights = torch.full(scores.shape[1:], 1.0, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights, *levels.parameters()], max_iter=200, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(levels((weights * scores).sum(dim=1)), material.targets, 1.0)
        value = value + 1e-4 * ((weights - 1) ** 2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    for member in network.parts:
        cast(LateFusion, member.fusion).stack(weights.detach())
        member.levels.load_state_dict(levels.state_dict())
