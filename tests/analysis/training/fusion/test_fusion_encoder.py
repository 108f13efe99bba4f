"""Encoders are compact, take the segmentation network's weights and learn to tell people apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.training.fusion.augment import NO_AUGMENTATION, Augmentation, augmented
from analysis.training.fusion.encoder import (
    CHANNELS,
    MAP_SHAPE,
    SegmentationEncoder,
    build_encoder,
    embed,
    pooled,
)
from analysis.training.fusion.pretraining import (
    PretrainingPlan,
    _folded_weights,
    from_segmentation,
    microstructure,
    self_supervised,
    vicreg,
)
from analysis.training.fusion.release import SEGMENTATION_NETWORK


def ignore(stage: str, done: int, total: int) -> None:
    """Report nothing."""


def pictures(size: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Noise whose strength differs from picture to picture, and that strength."""
    rng = np.random.default_rng(seed)
    strength = rng.uniform(0.02, 0.08, size)
    noise = rng.standard_normal((size, 96, 80)) * strength[:, None, None]
    return (0.4 + noise).astype(np.float32), strength


@pytest.mark.parametrize("kind", ["texture", "segmentation"])
def test_encoders_are_compact_and_end_in_the_same_maps(kind: str) -> None:
    encoder = build_encoder(kind)  # type: ignore[arg-type]
    assert 50_000 < sum(item.numel() for item in encoder.parameters()) < 150_000
    with torch.no_grad():
        maps = encoder.eval()(torch.rand(2, 1, 96, 80))
    assert maps.shape == (2, CHANNELS, *MAP_SHAPE)
    assert float(maps.min()) >= 0
    torch.testing.assert_close(pooled(maps).mean(dim=1), maps.mean(dim=(2, 3)))


def test_the_segmentation_networks_layers_do_what_they_did_there() -> None:
    torch.manual_seed(1)
    encoder = SegmentationEncoder()
    patches, _ = pictures(24)
    assert from_segmentation(encoder, SEGMENTATION_NETWORK, patches) == 19
    kernel, bias = _folded_weights(SEGMENTATION_NETWORK)["stem.0.0"]
    with torch.no_grad():
        seen = torch.from_numpy(patches)[:, None]
        expected = torch.relu(torch.nn.functional.conv2d(seen, kernel, bias, stride=2, padding=1))
        found = encoder.eval().stem[0](encoder.fine(seen))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def test_augmentation_of_nothing_changes_nothing_and_repeats_with_its_seed() -> None:
    patches = torch.from_numpy(pictures(4)[0])[:, None]
    same = augmented(patches, NO_AUGMENTATION, torch.Generator().manual_seed(1))
    torch.testing.assert_close(same, patches)
    one, two = (augmented(patches, Augmentation(), torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, patches)


def test_vicreg_prefers_views_that_agree_and_people_who_differ() -> None:
    torch.manual_seed(1)
    people = torch.randn(64, 16)
    alike = vicreg(people, people + 0.1 * torch.randn(64, 16))
    assert alike < vicreg(people, torch.randn(64, 16))
    assert alike < vicreg(torch.zeros(64, 16), torch.zeros(64, 16))


def test_self_supervision_lowers_its_loss_and_repeats_with_its_seed() -> None:
    patches, _ = pictures(32)
    plan = PretrainingPlan(epochs=2, batch=16)
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        encoder = build_encoder("texture")
        history = self_supervised(encoder, patches, None, plan, ignore)
        states.append(encoder.state_dict())
    assert history[-1] < history[0]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_repeat_scan_is_another_view_and_a_missing_one_is_not() -> None:
    patches, _ = pictures(16)
    repeats = np.zeros_like(patches)
    repeats[:8] = pictures(8, seed=2)[0]
    torch.manual_seed(3)
    encoder = build_encoder("texture")
    history = self_supervised(encoder, patches, repeats, PretrainingPlan(epochs=1, batch=16), ignore)
    assert np.isfinite(history).all()


def test_texture_can_be_read_off_the_picture() -> None:
    patches, strength = pictures(120)
    torch.manual_seed(3)
    encoder = build_encoder("texture")
    plan = PretrainingPlan(epochs=8, batch=20, augmentation=NO_AUGMENTATION)
    wanted = np.where(np.arange(120) == 5, np.nan, strength)[:, None]
    readout = microstructure(encoder, patches, wanted, plan, ignore)
    fresh, truth = pictures(40, seed=9)
    with torch.no_grad():
        read = readout(embed(encoder, fresh).mean(dim=1))[:, 0].numpy()
    assert np.corrcoef(read, truth)[0, 1] > 0.8
