"""What the encoder learns before it sees a fracture.

- ``self-supervised``: VICReg (Bardes, Ponce & LeCun 2022, arXiv 2105.04906) on unlabelled pictures. Two views
  of one picture, or two scans of one person where there are repeats, should be told alike and people apart.
- ``segmentation``: the weights of the shipped segmentation network. Its normalisations are folded into its
  convolutions and its numbers are 8-bit, so the weights are unpacked and normalisations set anew such that
  every layer first does what it did in the segmentation network.
- ``microstructure``: regression of measured or, in simulated cohorts, true microstructure. This uses what
  only a simulator knows when the targets are ``truth.*``; a site would need HR-pQCT of the same people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from analysis.training.fusion.augment import Augmentation, augmented, batches
from analysis.training.fusion.encoder import CHANNELS, ImageEncoder, SegmentationEncoder

Pretraining = Literal["none", "self-supervised", "segmentation", "microstructure"]
PRETRAININGS: tuple[Pretraining, ...] = get_args(Pretraining)

Progress = Callable[[str, int, int], None]
"""Called with the stage, how much of it is done and how much there is."""


@dataclass(frozen=True, slots=True)
class PretrainingPlan:
    """How long and how to pre-train.

    Attributes
    ----------
    epochs, batch : int
    rate : float
        Peak learning rate of AdamW, reached after a tenth of the steps, then cosine.
    seed : int
    augmentation : Augmentation
    """

    epochs: int = 6
    batch: int = 128
    rate: float = 2e-3
    seed: int = 20261127
    augmentation: Augmentation = field(default_factory=Augmentation)


def self_supervised(
    encoder: ImageEncoder,
    patches: NDArray[np.float32],
    repeats: NDArray[np.float32] | None,
    plan: PretrainingPlan,
    progress: Progress,
) -> list[float]:
    """Train `encoder` in place by VICReg; gives the mean loss of each epoch.

    Parameters
    ----------
    patches : ndarray of float32, (n, 96, 80)
    repeats : ndarray of float32, (n, 96, 80), or None
        A second scan of the same person; rows of zeros where there is none. Then the second view is another
        view of the same picture.
    """
    torch.manual_seed(plan.seed)
    projector = nn.Sequential(
        nn.Linear(CHANNELS, 128), nn.BatchNorm1d(128), nn.ReLU(inplace=True), nn.Linear(128, 128)
    )
    generator = torch.Generator().manual_seed(plan.seed)
    first = torch.from_numpy(patches)[:, None]
    second = first if repeats is None else torch.from_numpy(_filled(repeats, patches))[:, None]

    def step(index: Tensor) -> Tensor:
        views = [augmented(part[index], plan.augmentation, generator) for part in (first, second)]
        projected = projector(encoder(torch.cat(views)).mean(dim=(2, 3)))
        return vicreg(*projected.chunk(2))

    return _train(
        [encoder, projector], len(patches), plan, step=step, stage="self-supervised", progress=progress
    )


def vicreg(one: Tensor, other: Tensor) -> Tensor:
    """Variance-invariance-covariance loss with the paper's weights 25, 25 and 1."""
    total = 25 * functional.mse_loss(one, other)
    for view in (one, other):
        centred = view - view.mean(dim=0)
        spread = (centred.var(dim=0) + 1e-4).sqrt()
        covariance = centred.T @ centred / (len(view) - 1)
        off_diagonal = covariance.pow(2).sum() - covariance.diagonal().pow(2).sum()
        total = total + 12.5 * functional.relu(1 - spread).mean() + off_diagonal / view.shape[1]
    return total


def microstructure(
    encoder: ImageEncoder,
    patches: NDArray[np.float32],
    wanted: NDArray[np.float64],
    plan: PretrainingPlan,
    progress: Progress,
) -> nn.Linear:
    """Train `encoder` in place to regress `wanted` (n, targets), NaN where unknown, from its maps' means.

    Returns
    -------
    torch.nn.Linear
        From embeddings to standardised targets.
    """
    torch.manual_seed(plan.seed + 1)
    generator = torch.Generator().manual_seed(plan.seed + 1)
    mean, scale = np.nanmean(wanted, axis=0), np.nanstd(wanted, axis=0)
    standard = torch.tensor((wanted - mean) / scale, dtype=torch.float32)
    known = torch.isfinite(standard)
    standard = torch.where(known, standard, torch.zeros(()))
    readout = nn.Linear(CHANNELS, wanted.shape[1])
    pictures = torch.from_numpy(patches)[:, None]

    def step(index: Tensor) -> Tensor:
        read = readout(encoder(augmented(pictures[index], plan.augmentation, generator)).mean(dim=(2, 3)))
        misfit: Tensor = ((read - standard[index]) ** 2 * known[index]).mean()
        return misfit

    _train([encoder, readout], len(patches), plan, step=step, stage="microstructure", progress=progress)
    return readout


def _train(
    modules: list[nn.Module],
    size: int,
    plan: PretrainingPlan,
    *,
    step: Callable[[Tensor], Tensor],
    stage: str,
    progress: Progress,
) -> list[float]:
    parameters = [parameter for module in modules for parameter in module.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=plan.rate, weight_decay=1e-4)
    batch = min(plan.batch, size)
    steps = size // batch
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, plan.rate, total_steps=max(plan.epochs * steps, 2), pct_start=0.1
    )
    order = torch.Generator().manual_seed(plan.seed + 2)
    history = []
    for epoch in range(plan.epochs):
        for module in modules:
            module.train()
        total = 0.0
        for index in batches(torch.randperm(size, generator=order)[: steps * batch], batch):
            optimiser.zero_grad()
            value = step(index)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimiser.step()
            rates.step()
            total += float(value.detach())
        history.append(total / steps)
        progress(stage, epoch + 1, plan.epochs)
    return history


def from_segmentation(encoder: SegmentationEncoder, network: Path, patches: NDArray[np.float32]) -> int:
    """Start `encoder`, in place, with the weights of a segmentation network; gives how many layers took them.

    The channel of fine structure, which the segmentation network does not have, starts without effect.

    Parameters
    ----------
    network : Path
        ``forearm-deeplabv3plus.onnx`` of `analysis.segmentation`.
    patches : ndarray of float32, (n, 96, 80)
        A few hundred, on which normalisations are set.
    """
    weights = _folded_weights(network)
    taken = 0
    pairs: list[tuple[nn.BatchNorm2d, Tensor | None]] = []
    modules = dict(encoder.named_modules())
    for name, module in modules.items():
        if not isinstance(module, nn.Conv2d):
            continue
        norm = cast(nn.BatchNorm2d, modules[_next_name(name)])
        found = weights.get(name)
        if found is None:
            pairs.append((norm, None))
            continue
        kernel, bias = found
        with torch.no_grad():
            module.weight.zero_()
            module.weight[:, : kernel.shape[1]] = kernel
        pairs.append((norm, bias))
        taken += 1
    _settle(encoder, pairs, patches)
    return taken


def _folded_weights(network: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Layer's name -> kernel and bias, normalisation folded in, from 8-bit or float ONNX."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(network)).graph
    arrays: dict[str, Any] = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}

    def value(name: str) -> NDArray[np.float32]:
        if name in arrays:
            return np.asarray(arrays[name], np.float32)
        inputs = makers[name].input  # DequantizeLinear: integers, scale, zero point
        whole, scale = (np.asarray(arrays[item], np.float32) for item in inputs[:2])
        return whole * scale.reshape(-1, *(1,) * (whole.ndim - 1))

    found = {}
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        source = makers[node.input[1]].input[0] if node.input[1] in makers else node.input[1]
        layer = source.removesuffix("_quantized").removesuffix(".weight")
        kernel = value(node.input[1])
        bias = value(node.input[2]) if len(node.input) > 2 else np.zeros(len(kernel), np.float32)
        found[layer] = (torch.tensor(kernel), torch.tensor(bias.ravel()))
    return found


def _next_name(name: str) -> str:
    """The normalisation follows its convolution: ``stem.0.0`` -> ``stem.0.1``."""
    stem, _, last = name.rpartition(".")
    return f"{stem}.{int(last) + 1}"


@torch.no_grad()
def _settle(
    encoder: SegmentationEncoder,
    pairs: list[tuple[nn.BatchNorm2d, Tensor | None]],
    patches: NDArray[np.float32],
) -> None:
    """Set each normalisation, front to back, so that it only adds the folded bias."""
    biases = {id(norm): bias for norm, bias in pairs}

    def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        norm = cast(nn.BatchNorm2d, module)
        mean = inputs[0].mean(dim=(0, 2, 3))
        variance = inputs[0].var(dim=(0, 2, 3), unbiased=False)
        cast(Tensor, norm.running_mean).copy_(mean)
        cast(Tensor, norm.running_var).copy_(variance)
        bias = biases[id(norm)]
        if bias is not None:
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(bias + mean)

    hooks = [norm.register_forward_pre_hook(before) for norm, _ in pairs]
    encoder.eval()
    try:
        encoder(torch.from_numpy(patches[:256])[:, None])
    finally:
        for hook in hooks:
            hook.remove()


def _filled(repeats: NDArray[np.float32], patches: NDArray[np.float32]) -> NDArray[np.float32]:
    there = np.asarray(repeats.any(axis=(1, 2)))
    return np.where(there[:, None, None], repeats, patches).astype(np.float32)
