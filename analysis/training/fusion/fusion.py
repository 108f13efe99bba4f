"""Fusion of families of predictors with the picture: early, late (weighted, stacked) and hybrid.

Every fusion takes regional means of the picture's maps, standardised predictors (0 where unknown) and what is
known, and gives raw scores for `heads.Levels`. A family of which nothing is known counts as missing; so does
a picture that is not there. All have a linear path beside the deep one: hazards of fracture are close to
log-linear, and a few hundred fractures do not teach a network what a straight line already says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from analysis.training.fusion.encoder import CHANNELS, REGIONS, EncoderKind
from analysis.training.fusion.heads import Heads

FusionKind = Literal["early", "late-weighted", "late-stacked", "hybrid"]
FUSIONS: tuple[FusionKind, ...] = get_args(FusionKind)
IMAGE = "image"
"""The picture's name among the modalities."""
SCORES = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network is built from.

    Attributes
    ----------
    kind : FusionKind
    families : mapping of str to tuple of int
        Family -> positions of its predictors.
    image : bool
        Whether the picture takes part.
    encoder : {"texture", "segmentation"}
    width : int
        Numbers in a hidden layer or a token.
    dropout : float
        Share of a hidden representation dropped while training.
    """

    kind: FusionKind
    families: Mapping[str, tuple[int, ...]]
    image: bool = True
    encoder: EncoderKind = "texture"
    width: int = 24
    dropout: float = 0.2

    @property
    def predictors(self) -> int:
        """Number of tabular predictors."""
        return sum(len(positions) for positions in self.families.values())

    @property
    def modalities(self) -> tuple[str, ...]:
        """The families and, where it takes part, the picture."""
        return (*self.families, *((IMAGE,) if self.image else ()))


def build_fusion(shape: Shape) -> Fusion:
    """An untrained fusion; torch's global seed decides its weights."""
    return {
        "early": EarlyFusion,
        "late-weighted": LateFusion,
        "late-stacked": LateFusion,
        "hybrid": HybridFusion,
    }[shape.kind](shape)


class Fusion(nn.Module):
    """Common part: the picture's standardised embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("image_mean", torch.zeros(CHANNELS))
        self.register_buffer("image_scale", torch.ones(CHANNELS))

    def scores(self, regions: Tensor, values: Tensor, known: Tensor, seen: Tensor) -> Tensor:
        """Raw scores (n, 5) of `heads.Heads`.

        Parameters
        ----------
        regions : Tensor, (n, regions, 64)
        values, known : Tensor, (n, predictors)
            Standardised and 0 where unknown; 1 where known.
        seen : Tensor, (n, 1)
            1 where there is a picture.
        """
        raise NotImplementedError

    def modality_scores(self, regions: Tensor, values: Tensor, known: Tensor, seen: Tensor) -> Tensor | None:
        """Scores of each modality alone (n, modalities, 5) where a fusion has them."""
        return None

    @torch.no_grad()
    def standardise_images(self, regions: Tensor) -> None:
        """Take mean and spread of embeddings from training pictures."""
        embeddings = regions.mean(dim=1)
        self.get_buffer("image_mean").copy_(embeddings.mean(dim=0))
        self.get_buffer("image_scale").copy_(embeddings.std(dim=0).clamp_min(1e-3))

    def _standard(self, regions: Tensor, seen: Tensor) -> Tensor:
        standard = (regions - self.get_buffer("image_mean")) / self.get_buffer("image_scale")
        return standard * seen[:, :, None]


class EarlyFusion(Fusion):
    """Everything side by side into one network."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        inputs = 2 * shape.predictors + (CHANNELS + 1 if shape.image else 0)
        self.branch = Branch(inputs, shape.width, shape.dropout)

    def scores(self, regions: Tensor, values: Tensor, known: Tensor, seen: Tensor) -> Tensor:
        parts = [values, 1 - known]
        if self.shape.image:
            parts += [self._standard(regions, seen).mean(dim=1), 1 - seen]
        scores: Tensor = self.branch(torch.cat(parts, dim=1))
        return scores


class LateFusion(Fusion):
    """One network per modality; their scores are summed with learnt weights.

    ``late-weighted`` learns the weights with the networks, ``late-stacked`` gets them from `stack`, learnt on
    subjects that the networks did not see. A missing modality has a learnt score of its own.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        branches = {
            family: Branch(2 * len(positions), shape.width, shape.dropout)
            for family, positions in shape.families.items()
        }
        if shape.image:
            branches[IMAGE] = Branch(CHANNELS + 1, shape.width, shape.dropout)
        self.branches = nn.ModuleDict(branches)
        self.weights = nn.Parameter(torch.ones(len(branches), SCORES))
        self.weights.requires_grad_(shape.kind == "late-weighted")

    def scores(self, regions: Tensor, values: Tensor, known: Tensor, seen: Tensor) -> Tensor:
        return (self.weights * self.modality_scores(regions, values, known, seen)).sum(dim=1)

    def modality_scores(self, regions: Tensor, values: Tensor, known: Tensor, seen: Tensor) -> Tensor:
        scores = []
        for family, positions in self.shape.families.items():
            index = list(positions)
            scores.append(self.branches[family](torch.cat([values[:, index], 1 - known[:, index]], dim=1)))
        if self.shape.image:
            embedding = self._standard(regions, seen).mean(dim=1)
            scores.append(self.branches[IMAGE](torch.cat([embedding, 1 - seen], dim=1)))
        return torch.stack(scores, dim=1)

    @torch.no_grad()
    def stack(self, weights: Tensor) -> None:
        """Set the weights (modalities, 5)."""
        self.weights.copy_(weights)


class HybridFusion(Fusion):
    """Families ask the picture's regions and one another (cross-attention); a linear path runs beside it."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        width = shape.width
        self.tokens = nn.ModuleDict(
            {family: nn.Linear(2 * len(positions), width) for family, positions in shape.families.items()}
        )
        self.missing = nn.Parameter(0.1 * torch.randn(len(shape.families), width))
        self.question = nn.Parameter(0.1 * torch.randn(1, 1, width))
        self.regions = nn.Linear(CHANNELS, width)
        self.places = nn.Parameter(0.1 * torch.randn(1, REGIONS[0] * REGIONS[1], width))
        self.unseen = nn.Parameter(0.1 * torch.randn(1, 1, width))
        self.cross = Attention(width)
        self.among = Attention(width)
        self.drop = nn.Dropout(shape.dropout)
        self.heads = Heads(width)
        linear = 2 * shape.predictors + (CHANNELS + 1 if shape.image else 0)
        self.linear = Heads(linear)

    def scores(self, regions: Tensor, values: Tensor, known: Tensor, seen: Tensor) -> Tensor:
        straight = [values, 1 - known]
        tokens = [self.question.expand(values.shape[0], -1, -1), self._family_tokens(values, known)]
        asked = torch.cat(tokens, dim=1)
        if self.shape.image:
            standard = self._standard(regions, seen)
            straight += [standard.mean(dim=1), 1 - seen]
            places = self.regions(standard) + self.places
            places = seen[:, :, None] * places + (1 - seen[:, :, None]) * self.unseen
            asked = asked + self.cross(asked, places)
        answer = (asked + self.among(asked, asked))[:, 0]
        scores: Tensor = self.heads(self.drop(answer)) + self.linear(torch.cat(straight, dim=1))
        return scores

    def _family_tokens(self, values: Tensor, known: Tensor) -> Tensor:
        tokens = []
        for place, (family, positions) in enumerate(self.shape.families.items()):
            index = list(positions)
            token = self.tokens[family](torch.cat([values[:, index], 1 - known[:, index]], dim=1))
            any_known = known[:, index].amax(dim=1, keepdim=True)
            tokens.append(any_known * token + (1 - any_known) * self.missing[place])
        return torch.stack(tokens, dim=1)


class Branch(nn.Module):
    """A linear path and a network with one hidden layer, added."""

    def __init__(self, inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.linear = Heads(inputs)
        self.hidden = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Dropout(dropout))
        self.deep = Heads(width)

    def forward(self, inputs: Tensor) -> Tensor:
        scores: Tensor = self.linear(inputs) + self.deep(self.hidden(inputs))
        return scores


class Attention(nn.Module):
    """Scaled dot-product attention of two heads (Vaswani et al. 2017), then a small network."""

    HEADS = 2

    def __init__(self, width: int) -> None:
        super().__init__()
        self.asks = nn.Linear(width, width)
        self.answers = nn.Linear(width, 2 * width)
        self.out = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, asked: Tensor, answering: Tensor) -> Tensor:
        count, wanted, width = asked.shape
        share = width // self.HEADS
        query = self.asks(asked).view(count, wanted, self.HEADS, share).transpose(1, 2)
        key, value = (
            part.reshape(count, -1, self.HEADS, share).transpose(1, 2)
            for part in self.answers(answering).chunk(2, dim=-1)
        )
        weights = torch.softmax(query @ key.transpose(2, 3) / share**0.5, dim=-1)
        mixed = (weights @ value).transpose(1, 2).reshape(count, wanted, width)
        answer: Tensor = self.out(mixed)
        return answer
