"""How an arm lies in a training picture: which point of the bone frame every pixel sees."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from analysis.simulation.phantom import CENTRE_X_MM

MOTION_SHARE = 0.12
"""Share of strongly varied pictures in which the arm twitches."""
ELASTIC_MM = 1.5
"""Standard deviation of the smooth bending of strongly varied pictures at its 5 x 4 knots."""


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where the pixels of a batch of pictures lie.

    Attributes
    ----------
    x, z : Tensor, (batch, rows, columns)
        Point of the bone frame that each pixel sees, mm.
    inside : Tensor of bool, (batch, rows, columns)
        Pixels of the picture; the others are the letterbox's black.
    to_pixels : Tensor, (batch, 2, 2)
        Local map from bone-frame mm (x, z) to network pixels (column, row).
    displaced : Tensor of bool, (batch, rows, columns)
        Rows that motion shifted by more than a pixel.
    """

    x: Tensor
    z: Tensor
    inside: Tensor
    to_pixels: Tensor
    displaced: Tensor


def uniform(generator: torch.Generator, size: int, low: float, high: float) -> Tensor:
    """`size` numbers, evenly from `low` to `high`."""
    return low + (high - low) * torch.rand(size, generator=generator)


def mixed(
    generator: torch.Generator, strong: Tensor, plain: tuple[float, float], wide: tuple[float, float]
) -> Tensor:
    """One number per picture: from `plain`, or from `wide` where the picture is strongly varied."""
    size = len(strong)
    return torch.where(strong, uniform(generator, size, *wide), uniform(generator, size, *plain))


def place(generator: torch.Generator, strong: Tensor, shape: tuple[int, int]) -> Placement:
    """Draw where a batch of arms lies.

    Parameters
    ----------
    strong : Tensor of bool, (batch,)
        Pictures varied far beyond what scanners do; the others lie as `draw_acquisition` draws them.
    shape : (int, int)
        Rows and columns of the network's input.
    """
    size, (rows, columns) = len(strong), shape
    height = mixed(generator, strong, (125, 165), (85, 215))
    width = mixed(generator, strong, (88, 122), (58, 160))
    pixel_mm = torch.maximum(height / rows, width / columns)
    v, u = torch.meshgrid(
        torch.arange(rows) + 0.5 - rows / 2, torch.arange(columns) + 0.5 - columns / 2, indexing="ij"
    )
    across, along = u * pixel_mm[:, None, None], v * pixel_mm[:, None, None]
    inside = (across.abs() < width[:, None, None] / 2) & (along.abs() < height[:, None, None] / 2)
    shift = _motion(generator, strong, rows)
    matrix = _matrix(generator, strong)
    seen = torch.stack([across - shift[:, :, None], along], dim=-1)
    points = torch.einsum("bij,brcj->brci", matrix, seen)
    margin = mixed(generator, strong, (16, 34), (-14, 50))
    middle_x = CENTRE_X_MM + mixed(generator, strong, (-5, 5), (-30, 30))
    middle = torch.stack([middle_x, height / 2 - margin], dim=-1)
    points = points + middle[:, None, None, :] + _bending(generator, strong, shape)
    return Placement(
        x=points[..., 0],
        z=points[..., 1],
        inside=inside,
        to_pixels=torch.linalg.inv(matrix) / pixel_mm[:, None, None],
        displaced=(shift.abs() > pixel_mm[:, None])[:, :, None].expand(size, rows, columns) & inside,
    )


def _matrix(generator: torch.Generator, strong: Tensor) -> Tensor:
    """Tilt, side, way up, stretch and shear: picture mm (right, down) to bone-frame mm (x, z)."""
    size = len(strong)
    tilt = torch.deg2rad(mixed(generator, strong, (-10, 10), (-24, 24)))
    turn = torch.stack([tilt.cos(), -tilt.sin(), tilt.sin(), tilt.cos()], dim=-1).view(size, 2, 2)
    mirror, way_up = (torch.where(torch.rand(size, generator=generator) < 0.5, 1.0, -1.0) for _ in range(2))
    stretch = torch.exp(mixed(generator, strong, (-0.02, 0.02), (-0.2, 0.2)))
    shear = mixed(generator, strong, (0, 0), (-0.1, 0.1))
    deform = torch.stack([stretch, shear, torch.zeros(size), 1 / stretch], dim=-1).view(size, 2, 2)
    matrix = turn @ deform * way_up[:, None, None]
    matrix[:, 0] *= mirror[:, None]
    return matrix


def _bending(generator: torch.Generator, strong: Tensor, shape: tuple[int, int]) -> Tensor:
    """Smooth displacement in mm, (batch, rows, columns, 2); none in plain pictures."""
    knots = torch.randn(len(strong), 2, 5, 4, generator=generator) * ELASTIC_MM * strong[:, None, None, None]
    field = functional.interpolate(knots, size=shape, mode="bicubic", align_corners=True)
    return field.permute(0, 2, 3, 1)


def _motion(generator: torch.Generator, strong: Tensor, rows: int) -> Tensor:
    """Displacement of every scan line in mm, (batch, rows): the arm twitches twice and comes back."""
    size = len(strong)
    shift = torch.zeros(size, rows)
    row = torch.arange(rows) / rows
    for _ in range(2):
        centre = uniform(generator, size, 0.15, 0.85)[:, None]
        spread = uniform(generator, size, 0.015, 0.05)[:, None]
        amplitude = (uniform(generator, size, 1.5, 4.5) * torch.randn(size, generator=generator).sign())[
            :, None
        ]
        shift += amplitude * torch.exp(-(((row - centre) / spread) ** 2))
    moves = strong & (torch.rand(size, generator=generator) < MOTION_SHARE)
    return shift * moves[:, None]
