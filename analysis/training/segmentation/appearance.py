"""What a scanner makes of an arm: texture, haze, blur, noise, grey curve, report page; then the letterbox's
greys."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from analysis.errors import RejectedInput
from analysis.segmentation.normalise import contrast
from analysis.training.segmentation.geometry import mixed, uniform

WHITE_G_CM2 = (0.55, 1.7)
"""Density at which a display window ends; metal and, in hard windows, the cortex are clipped."""


def varied_bone(generator: torch.Generator, strong: Tensor, density: Tensor) -> Tensor:
    """Other bone in the same outline: more or less of it, unevenly spread, of another texture."""
    size, rows, columns = density.shape
    amount = mixed(generator, strong, (0.85, 1.15), (0.6, 1.4))
    uneven = (
        _field(generator, size, (6, 4), (rows, columns))
        * mixed(generator, strong, (0, 0.05), (0, 0.22))[:, None, None]
    )
    grain = int(torch.randint(1, 5, (1,), generator=generator))
    texture = _field(generator, size, (rows // grain, columns // grain), (rows, columns))
    texture = texture * mixed(generator, strong, (0, 0.04), (0, 0.2))[:, None, None]
    return density * amount[:, None, None] * (1 + uneven + texture).clamp(min=0.2)


def exposed(generator: torch.Generator, strong: Tensor, bone: Tensor, soft: Tensor) -> Tensor:
    """Bone with what a scanner adds: soft tissue left in it, a gradient, scatter, blur and noise."""
    size, rows, columns = bone.shape
    leak = mixed(generator, strong, (0, 0.04), (0, 0.35)) ** 1.5
    picture = bone + leak[:, None, None] * soft
    slope = _field(generator, size, (3, 3), (rows, columns))
    picture = picture + slope * mixed(generator, strong, (0, 0.01), (0, 0.08))[:, None, None]
    haze = functional.avg_pool2d(picture[:, None], 31, stride=8, padding=15, count_include_pad=False)
    haze = functional.interpolate(haze, size=(rows, columns), mode="bilinear", align_corners=False)[:, 0]
    picture = picture + haze * mixed(generator, strong, (0, 0), (0, 0.35))[:, None, None]
    picture = _blurred(
        picture, mixed(generator, strong, (0.15, 0.6), (0.1, 1.5)), box=strong & _chance(generator, size, 0.3)
    )
    level = torch.exp(mixed(generator, strong, (-5.8, -4.0), (-5.8, -2.2)))
    noise = torch.randn(picture.shape, generator=generator)
    coarse = _chance(generator, size, 0.4)
    noise = torch.where(coarse[:, None, None], 1.8 * _blurred(noise, torch.full((size,), 0.6)), noise)
    thickness = torch.exp(0.25 * (bone.clamp(max=3) + 0.3 * soft))
    return picture + level[:, None, None] * thickness * noise


def displayed(generator: torch.Generator, strong: Tensor, picture: Tensor) -> Tensor:
    """The picture a workstation shows of most scans: window, grey curve and 8 bits; or the densities."""
    size = len(picture)
    shown = torch.where(strong, uniform(generator, size, 0, 1) < 0.75, uniform(generator, size, 0, 1) < 0.5)
    white = mixed(generator, strong, (0.9, 1.3), WHITE_G_CM2)
    black = mixed(generator, strong, (-0.02, 0.02), (-0.08, 0.12))
    gamma = torch.exp(mixed(generator, strong, (-0.5, 0.1), (-0.92, 0.92)))
    window = ((picture - black[:, None, None]) / (white - black)[:, None, None]).clamp(0, 1)
    grey = torch.round(255 * window ** gamma[:, None, None]) / 255
    return torch.where(shown[:, None, None], grey, picture)


def on_page(
    generator: torch.Generator, strong: Tensor, picture: Tensor, inside: Tensor
) -> tuple[Tensor, Tensor]:
    """Leave some crops with a border of the report page and its print, and some with lines drawn on the
    scan.

    Returns
    -------
    page : Tensor, (batch, rows, columns)
    scan : Tensor of bool, (batch, rows, columns)
        Pixels of `inside` that still show the scan.
    """
    size, rows, columns = picture.shape
    page, scan = picture.clone(), inside.clone()
    bordered = strong & _chance(generator, size, 0.25)
    ruled = strong & _chance(generator, size, 0.2)
    row, column = torch.arange(rows)[:, None], torch.arange(columns)[None, :]
    for number in torch.nonzero(bordered | ruled).flatten().tolist():
        dark, bright = float(picture[number].min()), float(picture[number].max())
        edges = _extent(inside[number])
        if bordered[number]:
            paper, ink = (bright, dark) if float(torch.rand(1, generator=generator)) < 0.6 else (dark, bright)
            share = (torch.rand(4, generator=generator) ** 2 * 0.14).tolist()
            top, left = edges[0] + share[0] * rows, edges[2] + share[1] * columns
            bottom, right = edges[1] - share[2] * rows, edges[3] - share[3] * columns
            outside = (row < top) | (row >= bottom) | (column < left) | (column >= right)
            page[number][outside] = paper
            scan[number] &= ~outside
            page[number][outside & _print(generator, rows, columns)] = ink
        if ruled[number]:
            level = bright if float(torch.rand(1, generator=generator)) < 0.7 else dark
            for place in torch.rand(3, generator=generator).tolist():
                page[number, int(place * rows)] = level
            page[number, :, int(torch.randint(columns, (1,), generator=generator))] = level
    return page, scan


def network_greys(picture: Tensor, inside: Tensor) -> Tensor:
    """The letterbox's greys: each picture normalised within its window, zeros outside; (batch, rows,
    columns)."""
    greys = torch.zeros_like(picture)
    for number, window in enumerate(inside):
        top, bottom, left, right = _extent(window)
        with suppress(RejectedInput):  # a window so hard that nothing is left: black, as it is useless
            part = np.clip(contrast(picture[number, top:bottom, left:right].numpy()), 0, 1)
            greys[number, top:bottom, left:right] = torch.from_numpy(part.astype(np.float32))
    return greys


def _extent(window: Tensor) -> tuple[int, int, int, int]:
    rows, columns = (torch.nonzero(window.any(dim=axis)).flatten() for axis in (1, 0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _print(generator: torch.Generator, rows: int, columns: int) -> Tensor:
    """Words: short runs of specks in lines."""
    coarse = torch.rand(rows // 4 + 1, columns // 2 + 1, generator=generator) < 0.3
    lines = torch.rand(rows // 4 + 1, 1, generator=generator) < 0.4
    return (coarse & lines).repeat_interleave(4, 0)[:rows].repeat_interleave(2, 1)[:, :columns]


def _chance(generator: torch.Generator, size: int, share: float) -> Tensor:
    return torch.rand(size, generator=generator) < share


def _field(generator: torch.Generator, size: int, knots: tuple[int, int], shape: tuple[int, int]) -> Tensor:
    """Smooth random fields of about unit variance, (size, rows, columns)."""
    coarse = torch.randn(size, 1, *knots, generator=generator)
    return functional.interpolate(coarse, size=shape, mode="bilinear", align_corners=False)[:, 0]


def _blurred(picture: Tensor, sigma: Tensor, box: Tensor | None = None) -> Tensor:
    """Blur every picture with its own Gaussian, or with a box of the same variance, `sigma` in pixels."""
    reach = 4
    offset = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offset / sigma.clamp(min=0.1)[:, None]) ** 2)
    if box is not None:
        flat = (sigma[:, None] * 3**0.5 + 0.5 - offset.abs()).clamp(0, 1)
        kernel = torch.where(box[:, None], flat, kernel)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    size = len(picture)
    padded = functional.pad(picture[None], (reach, reach, reach, reach), mode="replicate")
    rows = functional.conv2d(padded, kernel.view(size, 1, -1, 1), groups=size)
    return functional.conv2d(rows, kernel.view(size, 1, 1, -1), groups=size)[0]
