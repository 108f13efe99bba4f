"""Training pictures and their truth belong together, whatever has been done to the picture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy import ndimage

from analysis.segmentation.letterbox import NETWORK_SHAPE
from analysis.segmentation.network import ANATOMY_CHANNELS
from analysis.training.segmentation.anatomies import CELL_MM, COVER_SCALE, Anatomies, build_anatomies
from analysis.training.segmentation.artefacts import PAINTERS
from analysis.training.segmentation.evaluation import peaks
from analysis.training.segmentation.geometry import place
from analysis.training.segmentation.labels import LANDMARK_NAMES
from analysis.training.segmentation.scanner import Batch, Scanner

RADIUS, ULNA = ANATOMY_CHANNELS.index("radius"), ANATOMY_CHANNELS.index("ulna")


@pytest.fixture(scope="module")
def batch(anatomies: Anatomies) -> Batch:
    return Scanner(anatomies, 5).scan(24, NETWORK_SHAPE)


def test_the_same_seed_scans_the_same_pictures(anatomies: Anatomies) -> None:
    one, two, other = (Scanner(anatomies, seed).scan(4, (128, 96)) for seed in (1, 1, 2))
    for name in ("image", "anatomy", "artefact", "landmarks"):
        assert torch.equal(getattr(one, name), getattr(two, name))
    assert not torch.equal(one.image, other.image)


def test_more_anatomies_begin_with_the_fewer_and_another_seed_shares_none() -> None:
    with ThreadPoolExecutor(2) as workers:
        few, many, others = (
            build_anatomies(n, seed, workers, lambda done: None) for n, seed in ((1, 3), (2, 3), (1, 4))
        )
    assert torch.equal(few.densities[0], many.densities[0])
    assert not torch.equal(few.densities[0], others.densities[0])


def test_pictures_are_what_the_letterbox_gives(batch: Batch) -> None:
    assert batch.image.shape == (24, 1, *NETWORK_SHAPE)
    assert float(batch.image.min()) == 0.0 and float(batch.image.max()) <= 1.0
    assert (batch.image.amax(dim=(1, 2, 3)) > 0.5).all()


@pytest.mark.parametrize(
    ("landmark", "bone", "reach_px"),
    [
        ("end_plate_middle", RADIUS, 4),
        ("radial_styloid", RADIUS, 8),  # the end of the articular line, which the bone rounds off
        ("ulnar_styloid", ULNA, 4),
    ],
)
def test_landmarks_stay_on_their_bone_when_the_picture_is_bent(
    batch: Batch, landmark: str, bone: int, reach_px: float
) -> None:
    number, seen = LANDMARK_NAMES.index(landmark), 0
    for labels, maps in zip(batch.anatomy[:, 0].numpy(), batch.landmarks.numpy(), strict=True):
        if maps[number].max() < 0.97:
            continue  # outside of the picture
        seen += 1
        column, row = peaks(maps)[number]
        away = ndimage.distance_transform_edt(labels != bone)
        assert away[int(row), int(column)] <= reach_px
    assert seen >= 12


def test_bone_keeps_its_size_on_the_way_from_the_bone_frame_into_an_ordinary_picture(
    anatomies: Anatomies,
) -> None:
    scanner = Scanner(anatomies, 8)
    placement = place(torch.Generator().manual_seed(8), torch.zeros(12, dtype=torch.bool), NETWORK_SHAPE)
    radius = scanner._sampled(torch.arange(12), placement)[:, 2]
    pixel_mm2 = 1 / torch.linalg.det(placement.to_pixels).abs()
    # the slab from 20 to 60 mm is in every ordinary picture
    slab = (placement.z > 20) & (placement.z < 60) & placement.inside
    area = (radius * slab).sum(dim=(1, 2)) * pixel_mm2
    rows = anatomies.origin_mm[1] + CELL_MM * torch.arange(anatomies.covers.shape[2])
    cover = anatomies.covers[:, 0][:, (rows > 20) & (rows < 60)].float() / COVER_SCALE
    truth = cover.sum(dim=(1, 2)) * CELL_MM**2
    np.testing.assert_allclose(area.numpy(), truth.numpy(), rtol=0.015)


def test_bone_under_metal_is_still_bone(anatomies: Anatomies) -> None:
    batch = Scanner(anatomies, 21).scan(48, (128, 96))
    covered = (batch.artefact > 0) & (batch.anatomy == RADIUS)
    assert covered.any(dim=(1, 2, 3)).sum() >= 4


@pytest.mark.parametrize("painter", PAINTERS, ids=lambda painter: painter.__name__)
def test_an_artefact_is_bright_where_it_is_marked_and_nowhere_else(painter) -> None:  # type: ignore[no-untyped-def]
    z, x = torch.meshgrid(torch.linspace(-40, 110, 256), torch.linspace(-50, 50, 176), indexing="ij")
    generator, painted = torch.Generator().manual_seed(3), 0
    for _ in range(12):
        added, mask = painter(generator, x, z)
        assert bool((added[~mask] == 0).all()) and bool((added >= 0).all())
        painted += int(added[mask].sum() > 0)
    assert painted >= 6
