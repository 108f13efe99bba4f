"""The anatomies a network learns from: maps of simulated forearms in the bone frame, without any scanner.

They are the ring phantom's own maps on a coarser grid. Where an arm lies, how it is scanned and what spoils
the scan are drawn anew for every picture (`analysis.training.segmentation.scanner`), so a few hundred
anatomies make any number of pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.simulation import Subject, draw_subject
from analysis.simulation.anatomy import SAMPLE_MM, Anatomy, build_anatomy
from analysis.simulation.phantom import CENTRE_X_MM
from analysis.training.segmentation.labels import AXIS_LEVELS_MM

COARSENING = 2
"""The maps' cells are this many of the phantom's wide: 0.5 mm, a network pixel being 0.4 to 0.8 mm."""
CELL_MM = SAMPLE_MM * COARSENING
COVER_SCALE = 255


@dataclass(frozen=True, slots=True, eq=False)
class Anatomies:
    """Maps of n forearms in the bone frame, rows along z and columns along x, cells of `CELL_MM`.

    Attributes
    ----------
    densities : Tensor of float16, (n, 2, rows, columns)
        Bone and soft tissue, g/cm².
    covers : Tensor of uint8, (n, 3, rows, columns)
        Share of the cell inside radius, ulna and bones of the hand, times 255.
    landmarks : Tensor of float32, (n, 6, 2)
        (x, z) in mm, in the order of `labels.LANDMARK_NAMES`.
    origin_mm : (x, z)
        Centre of the first cell.
    """

    densities: Tensor
    covers: Tensor
    landmarks: Tensor
    origin_mm: tuple[float, float]

    def __len__(self) -> int:
        return len(self.densities)


def build_anatomies(size: int, seed: int, workers: Executor, progress: Callable[[int], None]) -> Anatomies:
    """Draw and project `size` subjects; the same seed gives the same maps whatever the number of workers.

    Parameters
    ----------
    progress : callable
        Told how many are done.
    """
    parts = []
    for part in workers.map(_one, ((seed, number) for number in range(size)), chunksize=4):
        parts.append(part)
        progress(len(parts))
    return Anatomies(
        densities=torch.from_numpy(np.stack([part.densities for part in parts])),
        covers=torch.from_numpy(np.stack([part.covers for part in parts])),
        landmarks=torch.from_numpy(np.stack([part.landmarks for part in parts])),
        origin_mm=parts[0].origin_mm,
    )


def true_landmarks(anatomy: Anatomy) -> NDArray[np.float64]:
    """(x, z) of the landmarks in the bone frame, mm; shape (6, 2)."""
    end_plate = anatomy.geometry.end_plate
    return np.array(
        [
            end_plate.styloid,
            end_plate.ulnar_corner,
            end_plate.centre,
            (anatomy.geometry.ulnar_styloid.centre[0], 0.0),
            *((CENTRE_X_MM, level) for level in AXIS_LEVELS_MM),
        ]
    )


def training_subject(seed: int, number: int) -> Subject:
    """The subject with a given number; other seeds share no subject with it."""
    return draw_subject(np.random.default_rng([seed, number, 8]))


class _Part(NamedTuple):
    """One forearm, as `Anatomies` stacks them."""

    densities: NDArray[np.float16]
    covers: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    origin_mm: tuple[float, float]


def _one(identity: tuple[int, int]) -> _Part:
    anatomy = build_anatomy(training_subject(*identity))
    covers = np.stack([anatomy.radius_cover, anatomy.ulna_cover, anatomy.hand_cover])
    return _Part(
        densities=_coarser(np.stack([anatomy.density, anatomy.soft_tissue])).astype(np.float16),
        covers=np.round(COVER_SCALE * _coarser(covers)).astype(np.uint8),
        landmarks=true_landmarks(anatomy).astype(np.float32),
        origin_mm=(float(anatomy.x[:COARSENING].mean()), float(anatomy.z[:COARSENING].mean())),
    )


def _coarser(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    *rest, rows, columns = maps.shape
    blocks = maps.reshape(*rest, rows // COARSENING, COARSENING, columns // COARSENING, COARSENING)
    return np.asarray(blocks.mean(axis=(-3, -1), dtype=np.float32))
