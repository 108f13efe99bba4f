"""What training minimises."""

from __future__ import annotations

import math

import torch
from monai.losses.dice import DiceCELoss
from torch import Tensor

from analysis.segmentation.network import ANATOMY_CHANNELS
from analysis.training.segmentation.labels import LANDMARK_SIGMA_PX
from analysis.training.segmentation.scanner import Batch

ARTEFACT_WEIGHT = 0.5
_BELL_ENERGY = torch.tensor([math.pi * sigma**2 for sigma in LANDMARK_SIGMA_PX])
"""Sum of the squares of each bell: an error of 1 is a heat map that shows nothing."""

_anatomy_loss = DiceCELoss(softmax=True, to_onehot_y=True, batch=True)
_artefact_loss = DiceCELoss(sigmoid=True, batch=True)


def loss(classes: Tensor, landmarks: Tensor, batch: Batch) -> Tensor:
    """Dice and cross-entropy of anatomy and of artefact, plus the heat maps' squared error per bell.

    Parameters
    ----------
    classes : Tensor, (batch, 5, rows, columns)
        Logits.
    landmarks : Tensor, (batch, 6, rows, columns)
    """
    split = len(ANATOMY_CHANNELS)
    anatomy: Tensor = _anatomy_loss(classes[:, :split], batch.anatomy)
    artefact: Tensor = _artefact_loss(classes[:, split:], batch.artefact)
    squares = ((landmarks - batch.landmarks) ** 2).sum(dim=(2, 3)) / _BELL_ENERGY
    return anatomy + ARTEFACT_WEIGHT * artefact + squares.mean()
