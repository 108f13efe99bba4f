"""What lies on or in an arm and is no bone of it: metal, jewellery, a cast, another bone, a lead marker.

Each painter takes the bone-frame coordinates of every pixel of one picture (mm) and gives what is added to
its areal density (g/cm²) and the pixels that belong to it. Sizes and densities are assumptions, drawn
widely.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from analysis.training.segmentation.geometry import uniform

SHARE_STRONG, SHARE_PLAIN = 0.5, 0.14
"""Share of pictures with an artefact (half as many have a second one)."""
ON_RADIUS_SHARE, FILLED_SHARE = 0.7, 0.75
"""Share of plates that lie on the distal radius, and of plates whose holes hold screws."""

Painted = tuple[Tensor, Tensor]


def paint_artefacts(generator: torch.Generator, strong: Tensor, x: Tensor, z: Tensor) -> Painted:
    """Draw artefacts into a batch.

    Parameters
    ----------
    strong : Tensor of bool, (batch,)
    x, z : Tensor, (batch, rows, columns)
        Bone-frame point of every pixel, mm.

    Returns
    -------
    added : Tensor, (batch, rows, columns)
        g/cm².
    mask : Tensor of bool, (batch, rows, columns)
    """
    added, mask = torch.zeros_like(x), torch.zeros_like(x, dtype=torch.bool)
    for number, is_strong in enumerate(strong.tolist()):
        share = SHARE_STRONG if is_strong else SHARE_PLAIN
        for chance in (share, share / 2):
            if float(torch.rand(1, generator=generator)) < chance:
                painter = PAINTERS[int(torch.randint(len(PAINTERS), (1,), generator=generator))]
                density, where = painter(generator, x[number], z[number])
                added[number] += density
                mask[number] |= where
    return added, mask


def _plate(generator: torch.Generator, x: Tensor, z: Tensor) -> Painted:
    """A fracture plate with a broader head, holes and screws seen end-on; most lie on the distal radius."""
    on_radius = _draw(generator, (0, 1))[0] < ON_RADIUS_SHARE
    across, level, turn = ((5, 14), (3, 20), 6) if on_radius else ((-20, 20), (0, 90), 25)
    along, aside = _local(generator, x, z, across=across, level=level, turn=turn)
    length, half, head, tip = _draw(generator, (22, 85), (2.5, 6.5), (0, 7), (8, 20))
    edge = half + head * (1 - along / tip).clamp(0, 1) - aside.abs()
    edge = torch.minimum(edge, torch.minimum(along, length - along))
    mask = edge > 0
    density, level_of_screws, filled = _draw(generator, (0.4, 4.0), (2.5, 20.0), (0, 1))
    pitch, size = _draw(generator, (5, 13), (1.0, 2.4))
    distance = torch.hypot(torch.remainder(along, pitch) - pitch / 2, aside)
    screw = (distance < size) & mask
    screws = level_of_screws if filled < FILLED_SHARE else 0.0
    return torch.where(screw, torch.full_like(along, screws), density * mask), mask


def _wire(generator: torch.Generator, x: Tensor, z: Tensor) -> Painted:
    """A Kirschner wire or a cable."""
    along, aside = _local(generator, x, z, across=(-30, 30), level=(-20, 90), turn=180)
    length, half, level = _draw(generator, (25, 140), (0.5, 1.3), (0.5, 5.0))
    mask = (aside.abs() < half) & (along > 0) & (along < length)
    return level * mask, mask


def _bracelet(generator: torch.Generator, x: Tensor, z: Tensor) -> Painted:
    """A band round the wrist, plain or of links, now and then with a watch."""
    level, bow, half, reach = _draw(generator, (-15, 70), (-0.006, 0.006), (0.6, 6.0), (24, 60))
    density, link, watch, place = _draw(generator, (0.25, 4.0), (2, 8), (0, 1), (-14, 14))
    offset = z - level - bow * x**2
    mask = (offset.abs() < half) & (x.abs() < reach)
    links = torch.where(torch.remainder(x, link) < 0.25 * link, 0.3, 1.0) if link > 4 else 1.0
    added = density * mask * links
    if watch < 0.3:
        case = torch.hypot(x - place, z - level) < 11 + 8 * watch
        added, mask = torch.where(case, torch.full_like(added, 1.5 * density), added), mask | case
    return added, mask


def _ring(generator: torch.Generator, x: Tensor, z: Tensor) -> Painted:
    """A ring, a button, a pendant."""
    across, level, radius, half, density = _draw(
        generator, (-40, 40), (-40, 110), (1.5, 12), (0.6, 2.5), (0.4, 5.0)
    )
    mask = (torch.hypot(x - across, z - level) - radius).abs() < half
    return density * mask, mask


def _cast(generator: torch.Generator, x: Tensor, z: Tensor) -> Painted:
    """A shell of plaster or fibreglass round the arm: seen edge-on at its sides, woven."""
    end, half, centre, density, grain = _draw(
        generator, (-50, 60), (30, 50), (-6, 6), (0.04, 0.3), (0.0, 0.5)
    )
    u = ((x - centre) / half).abs()
    mask = (u < 1) & (z > end)
    shell = (1 / torch.sqrt((1 - u.clamp(max=0.999) ** 2) + 0.02)).clamp(max=4.0)
    weave, phase = _draw(generator, (1.2, 4.0), (-0.6, 0.6))
    pattern = torch.sin((x + phase * z) / weave) * torch.sin((z - phase * x) / weave)
    return density * shell * (1 + grain * pattern) * mask, mask


def _overlap(generator: torch.Generator, x: Tensor, z: Tensor) -> Painted:
    """Another bone across the picture: the other arm, a finger, a rail of the table."""
    along, aside = _local(generator, x, z, across=(-45, 45), level=(-30, 110), turn=180)
    length, half, cortex, density = _draw(generator, (30, 160), (3.0, 9.0), (0.1, 0.5), (0.25, 1.1))
    u = (aside / half).abs()
    mask = (u < 1) & (along > 0) & (along < length)
    outer = torch.sqrt((1 - u**2).clamp(min=0))
    inner = torch.sqrt(((1 - cortex) ** 2 - u**2).clamp(min=0))
    return density * (outer - 0.75 * inner) / cortex**0.5 * mask, mask


def _marker(generator: torch.Generator, x: Tensor, z: Tensor) -> Painted:
    """A lead letter beside the arm: a few bars."""
    across, level, size, density = _draw(generator, (-60, 60), (-45, 125), (3, 8), (0.6, 5.0))
    u, v = (x - across) / size, (z - level) / size
    box = (u.abs() < 0.7) & (v.abs() < 1)
    bars = (u + 0.5).abs() < 0.2
    for place in torch.rand(2, generator=generator).tolist():
        bars = bars | ((v - 2 * place + 1).abs() < 0.2)
    mask = box & bars
    return density * mask, mask


PAINTERS: tuple[Callable[[torch.Generator, Tensor, Tensor], Painted], ...] = (
    _plate,
    _plate,
    _plate,
    _wire,
    _bracelet,
    _bracelet,
    _ring,
    _cast,
    _cast,
    _overlap,
    _marker,
)
"""Drawn with equal chance; the commonest are named more than once."""


def _local(
    generator: torch.Generator,
    x: Tensor,
    z: Tensor,
    *,
    across: tuple[float, float],
    level: tuple[float, float],
    turn: float,
) -> Painted:
    """Coordinates along and aside of a drawn axis that starts at a drawn point, within ± `turn` degrees of
    the arm."""
    start_x, start_z, degrees = _draw(generator, across, level, (-turn, turn))
    angle = torch.deg2rad(torch.tensor(degrees))
    dx, dz = x - start_x, z - start_z
    return dz * angle.cos() + dx * angle.sin(), dx * angle.cos() - dz * angle.sin()


def _draw(generator: torch.Generator, *ranges: tuple[float, float]) -> list[float]:
    return [float(uniform(generator, 1, low, high)) for low, high in ranges]
