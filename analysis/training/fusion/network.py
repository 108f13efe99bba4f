"""The whole network: the picture's encoder, and several fusions whose answers are averaged."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from analysis.training.fusion.encoder import CHANNELS, REGIONS, build_encoder, pooled
from analysis.training.fusion.fusion import Shape, build_fusion
from analysis.training.fusion.heads import Levels, Outputs
from analysis.training.fusion.inputs import Inputs

PROBE = 0.02
"""Half the step, in standard deviations of an embedding, of the difference quotients that Grad-CAM's weights
are; the fusions are smooth, so that the quotient is nearly the derivative."""
EXPLAINED_INTERVAL = 4
"""Interval whose log-hazard of fracture the maps explain: the fifth year, the middle of ten."""


class Member(nn.Module):
    """One fusion with its own levels of risk."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.fusion = build_fusion(shape)
        self.levels = Levels()

    def forward(self, regions: Tensor, values: Tensor, known: Tensor, seen: Tensor) -> Outputs:
        outputs: Outputs = self.levels(self.fusion.scores(regions, values, known, seen))
        return outputs


class FusionNetwork(nn.Module):
    """Patch, predictors and what is known -> `heads.Outputs`, the mean of all members' log-hazards."""

    def __init__(self, shape: Shape, members: int = 1) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = build_encoder(shape.encoder)
        self.members = nn.ModuleList([Member(shape) for _ in range(members)])

    @property
    def parts(self) -> list[Member]:
        """The members."""
        return [cast(Member, member) for member in self.members]

    def forward(self, patch: Tensor, values: Tensor, known: Tensor, seen: Tensor) -> Outputs:
        return self.fused(pooled(self.encoder(patch)), values, known, seen)

    def fused(self, regions: Tensor, values: Tensor, known: Tensor, seen: Tensor) -> Outputs:
        """Outputs from regional means of the encoder's maps, which may be computed once for a cohort."""
        each = [member(regions, values, known, seen) for member in self.parts]
        return Outputs(
            torch.stack([outputs.log_hazard for outputs in each]).mean(dim=0),
            torch.stack([outputs.osteoporosis for outputs in each]).mean(dim=0),
        )


class ExplainedNetwork(nn.Module):
    """The network as the node runs it: outputs, last maps and each map's weight in the log-hazard.

    A weight is the derivative of the log-hazard of fracture by the mean of a map, taken as a central
    difference, so that no framework with gradients is needed at the node. Grad-CAM is then
    ``relu(sum of weight * map)``.
    """

    def __init__(self, network: FusionNetwork) -> None:
        super().__init__()
        self.network = network
        step = PROBE * network.parts[0].fusion.get_buffer("image_scale").clone()
        self.register_buffer("step", step, persistent=False)
        probes = torch.cat([torch.diag(step), -torch.diag(step)])[:, None, :]
        self.register_buffer("probes", probes.clone(), persistent=False)

    def forward(
        self, patch: Tensor, values: Tensor, known: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        maps = self.network.encoder(patch)
        regions = pooled(maps)
        log_hazard, osteoporosis = self.network.fused(regions, values, known, seen)
        moved = (regions[:, None] + self.get_buffer("probes")).reshape(-1, REGIONS[0] * REGIONS[1], CHANNELS)
        repeated = [
            part[:, None].expand(-1, 2 * CHANNELS, -1).reshape(-1, part.shape[1])
            for part in (values, known, seen)
        ]
        probed = self.network.fused(moved, *repeated).log_hazard[:, 0, EXPLAINED_INTERVAL]
        probed = probed.reshape(-1, 2, CHANNELS)
        weights = (probed[:, 0] - probed[:, 1]) / (2 * self.get_buffer("step"))
        return log_hazard, osteoporosis, maps, weights


def tensors(inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    """Values, known and seen of `inputs`; pictures are embedded apart."""
    return torch.from_numpy(inputs.values), torch.from_numpy(inputs.known), torch.from_numpy(inputs.seen)
