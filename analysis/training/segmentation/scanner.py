"""An endless scanner: every call gives a batch of new training pictures with their truth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from analysis.training.segmentation.anatomies import CELL_MM, COVER_SCALE, Anatomies
from analysis.training.segmentation.appearance import displayed, exposed, network_greys, on_page, varied_bone
from analysis.training.segmentation.artefacts import paint_artefacts
from analysis.training.segmentation.geometry import Placement, place
from analysis.training.segmentation.labels import LANDMARK_SIGMA_PX


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Pictures and truth on the network's grid.

    Attributes
    ----------
    image : Tensor of float32, (batch, 1, rows, columns)
        0–1, as `analysis.segmentation.letterbox.to_network_input` gives it.
    anatomy : Tensor of int64, (batch, 1, rows, columns)
        Index into `analysis.segmentation.network.ANATOMY_CHANNELS`; bone under metal is bone.
    artefact : Tensor of float32, (batch, 1, rows, columns)
        1 on artefacts.
    landmarks : Tensor of float32, (batch, 6, rows, columns)
        Heat maps, 0–1.
    """

    image: Tensor
    anatomy: Tensor
    artefact: Tensor
    landmarks: Tensor


class Scanner:
    """Scans anatomies anew at every call, half of each batch with variation far beyond real scanners.

    Strong variation of every picture would slow learning and cost accuracy on ordinary ones.

    Parameters
    ----------
    anatomies : Anatomies
    seed : int
        Same seed, same pictures.
    """

    def __init__(self, anatomies: Anatomies, seed: int) -> None:
        self.anatomies = anatomies
        self.generator = torch.Generator().manual_seed(seed)

    def scan(self, size: int, shape: tuple[int, int]) -> Batch:
        """Scan `size` arms onto a grid of `shape` (rows, columns)."""
        generator = self.generator
        chosen = torch.randint(len(self.anatomies), (size,), generator=generator)
        strong = torch.arange(size) % 2 == 1
        placement = place(generator, strong, shape)
        density, soft, *covers = self._sampled(chosen, placement).unbind(dim=1)
        metal, artefact = paint_artefacts(generator, strong, placement.x, placement.z)
        bone = varied_bone(generator, strong, density)
        picture = exposed(generator, strong, bone + metal, soft)
        picture = displayed(generator, strong, picture)
        picture, scan = on_page(generator, strong, picture, placement.inside)
        artefact = (artefact | placement.displaced) & scan
        return Batch(
            image=network_greys(picture, placement.inside)[:, None],
            anatomy=_anatomy(covers, scan)[:, None],
            artefact=artefact[:, None].float(),
            landmarks=_heat_maps(self.anatomies.landmarks[chosen], placement) * scan[:, None],
        )

    def _sampled(self, chosen: Tensor, placement: Placement) -> Tensor:
        """Density, soft tissue and the three covers at every pixel; (batch, 5, rows, columns)."""
        anatomies = self.anatomies
        densities = anatomies.densities[chosen].float()
        maps = torch.cat([densities, anatomies.covers[chosen].float() / COVER_SCALE], dim=1)
        rows, columns = maps.shape[-2:]
        x0, z0 = anatomies.origin_mm
        across = 2 * ((placement.x - x0) / CELL_MM + 0.5) / columns - 1
        along = 2 * ((placement.z - z0) / CELL_MM + 0.5) / rows - 1
        grid = torch.stack([across, along], dim=-1)
        return functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)


def _anatomy(covers: list[Tensor], inside: Tensor) -> Tensor:
    """Class of each pixel: the bone that covers at least half of it, the radius first."""
    labels = torch.zeros_like(inside, dtype=torch.int64)
    for number in (3, 2, 1):
        labels[covers[number - 1] >= 0.5] = number
    return labels * inside


def _heat_maps(landmarks: Tensor, placement: Placement) -> Tensor:
    """A bell at each landmark, measured in network pixels, whatever bends the picture."""
    matrix = placement.to_pixels
    points = torch.stack([placement.x, placement.z], dim=1)
    column, row = torch.einsum("bij,bjrc->birc", matrix, points)[:, None].unbind(dim=2)
    there = torch.einsum("bij,bkj->bki", matrix, landmarks)[:, :, None, None, :]
    squared = (column - there[..., 0]) ** 2 + (row - there[..., 1]) ** 2
    sharpness = 0.5 / torch.tensor(LANDMARK_SIGMA_PX) ** 2
    return torch.exp(-sharpness[:, None, None] * squared)
