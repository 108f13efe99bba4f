"""The tasks: fracture against competing death in intervals of time, and osteoporosis now.

Time is cut at `BREAKS`. In each interval fracture and death have constant hazards (pc-hazard, Kvamme & Borgan
2021, Lifetime Data Analysis 27:710): a discrete-time survival model with the complementary log-log link that
also counts the part of an interval during which someone was still followed. Cumulative incidence then has a
closed form and can only rise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from analysis.cohort.columns import DEATH, FRACTURE, FollowUp
from analysis.training.fusion.incidence import BREAKS, HORIZONS, TIME_SCALE, cumulative_incidence

__all__ = [
    "BREAKS",
    "HORIZONS",
    "Heads",
    "Outputs",
    "Targets",
    "cumulative_incidence",
    "loss",
    "targets",
]

CAUSES = (FRACTURE, DEATH)


class Outputs(NamedTuple):
    """What a network says: ``log_hazard`` (n, 2, intervals) per year of fracture and of death, and
    ``osteoporosis`` (n,), a log-odds."""

    log_hazard: Tensor
    osteoporosis: Tensor


class Targets(NamedTuple):
    """``exposure`` (n, intervals) in years, ``events`` (n, 2, intervals) of 0 and 1, ``osteoporosis`` (n,),
    NaN where unknown."""

    exposure: Tensor
    events: Tensor
    osteoporosis: Tensor

    def take(self, index: Tensor) -> Targets:
        """The subjects at `index`."""
        return Targets(self.exposure[index], self.events[index], self.osteoporosis[index])


def targets(follow_up: FollowUp, osteoporosis: NDArray[np.float64]) -> Targets:
    """Time at risk and events by interval; what happens after the last break is not looked at."""
    breaks = np.asarray(BREAKS)
    years = np.asarray(follow_up.years, np.float64)[:, None]
    exposure = np.clip(years - breaks[:-1], 0.0, np.diff(breaks))
    inside = (years > breaks[:-1]) & (years <= breaks[1:])
    events = np.stack([inside & (follow_up.ending == cause)[:, None] for cause in CAUSES], axis=1)
    return Targets(
        torch.tensor(exposure, dtype=torch.float32),
        torch.tensor(events, dtype=torch.float32),
        torch.tensor(osteoporosis, dtype=torch.float32),
    )


def loss(outputs: Outputs, observed: Targets, osteoporosis_weight: float = 0.2) -> Tensor:
    """Negative log-likelihood per subject of both causes, plus the weighted cross-entropy of osteoporosis."""
    log_hazard = outputs.log_hazard
    likelihood = (observed.events * log_hazard).sum() - (
        log_hazard.exp() * observed.exposure[:, None, :]
    ).sum()
    total = -likelihood / len(log_hazard)
    known = torch.isfinite(observed.osteoporosis)
    if osteoporosis_weight and bool(known.any()):
        total = total + osteoporosis_weight * functional.binary_cross_entropy_with_logits(
            outputs.osteoporosis[known], observed.osteoporosis[known]
        )
    return total


class Heads(nn.Module):
    """Log-hazards and the log-odds of osteoporosis, linear in a representation.

    Each cause has a level per interval, a score that shifts all intervals alike, and a drift by which the
    score's effect changes over the years.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scores = nn.Linear(width, 5)
        nn.init.zeros_(self.scores.weight)
        nn.init.zeros_(self.scores.bias)

    def forward(self, representation: Tensor) -> Tensor:
        """Raw scores (n, 5): fracture, death, their drifts, osteoporosis."""
        scores: Tensor = self.scores(representation)
        return scores


class Levels(nn.Module):
    """What holds for everyone, hazards by interval and log-odds of osteoporosis; makes outputs of scores."""

    def __init__(self) -> None:
        super().__init__()
        intervals = len(BREAKS) - 1
        self.log_hazard = nn.Parameter(torch.zeros(2, intervals))
        self.log_odds = nn.Parameter(torch.zeros(()))
        self.register_buffer("time", torch.tensor(TIME_SCALE, dtype=torch.float32), persistent=False)

    def forward(self, scores: Tensor) -> Outputs:
        time = self.get_buffer("time")
        log_hazard = self.log_hazard + scores[:, :2, None] + scores[:, 2:4, None] * time
        return Outputs(log_hazard.clamp(-12.0, 2.0), self.log_odds + scores[:, 4])

    @torch.no_grad()
    def start_at(self, observed: Targets) -> None:
        """Begin with the observed rates, so that a network learns differences between people only."""
        rates = (observed.events.sum(0) + 0.5) / (observed.exposure.sum(0) + 1.0)
        self.log_hazard.copy_(rates.log())
        known = observed.osteoporosis[torch.isfinite(observed.osteoporosis)]
        if len(known):
            share = known.mean().clamp(0.01, 0.99)
            self.log_odds.copy_(torch.logit(share))
