"""Small changes to pictures while training, as scanners and positioning make them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much pictures vary; uniform within plus or minus the figure, or up to it. All are assumptions.

    Attributes
    ----------
    shift_px : float
        In each direction.
    turn_degrees : float
    gain : float
        Relative, of density.
    noise_g_cm2 : float
        Largest SD of added white noise.
    blur_px : float
        Largest SD of added Gaussian blur. Blur also takes away what tells trabeculae apart: keep it small.
    """

    shift_px: float = 2.0
    turn_degrees: float = 2.0
    gain: float = 0.02
    noise_g_cm2: float = 0.01
    blur_px: float = 0.4


NO_AUGMENTATION = Augmentation(0.0, 0.0, 0.0, 0.0, 0.0)


def augmented(patches: Tensor, amount: Augmentation, generator: torch.Generator) -> Tensor:
    """Change each of the patches (n, 1, rows, columns) in its own way."""
    count, _, rows, columns = patches.shape

    def within(limit: float) -> Tensor:
        return limit * (2 * torch.rand(count, generator=generator) - 1)

    angle = within(math.radians(amount.turn_degrees))
    across, along = within(2 * amount.shift_px / columns), within(2 * amount.shift_px / rows)
    aspect = rows / columns
    moves = torch.stack(
        [
            torch.stack([angle.cos(), -angle.sin() * aspect, across], dim=1),
            torch.stack([angle.sin() / aspect, angle.cos(), along], dim=1),
        ],
        dim=1,
    )
    if amount.shift_px or amount.turn_degrees:
        grid = functional.affine_grid(moves, [count, 1, rows, columns], align_corners=False)
        patches = functional.grid_sample(
            patches, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
    if amount.blur_px:
        patches = _blurred(patches, amount.blur_px * torch.rand(count, generator=generator))
    gain = 1 + within(amount.gain)
    noise = amount.noise_g_cm2 * torch.rand(count, generator=generator)
    patches = patches * gain[:, None, None, None]
    return patches + noise[:, None, None, None] * torch.randn(patches.shape, generator=generator)


def _blurred(patches: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of three taps, which is exact in its variance: each side gets half of sigma²."""
    side = (sigma**2 / 2).clamp_max(1 / 3)
    taps = torch.stack([side, 1 - 2 * side, side], dim=1)
    count = len(patches)
    flat = patches.transpose(0, 1)
    flat = functional.conv2d(
        functional.pad(flat, (1, 1, 0, 0), mode="replicate"), taps.view(count, 1, 1, 3), groups=count
    )
    flat = functional.conv2d(
        functional.pad(flat, (0, 0, 1, 1), mode="replicate"), taps.view(count, 1, 3, 1), groups=count
    )
    return flat.transpose(0, 1)


def batches(order: Tensor, size: int) -> Iterator[Tensor]:
    """Consecutive parts of `order`, each of `size` positions but for the last."""
    for start in range(0, len(order), size):
        yield order[start : start + size]
