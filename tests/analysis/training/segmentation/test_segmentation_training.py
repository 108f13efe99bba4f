"""A network learns from nothing, in one process or several, and what is exported is what was trained."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from analysis.segmentation.letterbox import NETWORK_SHAPE
from analysis.training.segmentation.anatomies import Anatomies, build_anatomies
from analysis.training.segmentation.evaluation import dice, held_out, peaks
from analysis.training.segmentation.export import export_float, export_integer, predictor
from analysis.training.segmentation.fit import COARSE_SHAPE, Schedule, Task, _Exchange, fit
from analysis.training.segmentation.labels import CLASS_NAMES, LANDMARK_NAMES
from analysis.training.segmentation.losses import loss
from analysis.training.segmentation.networks import ARCHITECTURES, build_network
from analysis.training.segmentation.scanner import Scanner


def ignore(step: int, network: nn.Module) -> None:
    """Watch nothing."""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_networks_are_small_and_speak_the_contract(architecture: str) -> None:
    network = build_network(architecture).eval()
    assert 0.2e6 < sum(parameter.numel() for parameter in network.parameters()) < 0.45e6
    with torch.no_grad():
        classes, landmarks = network(torch.zeros(2, 1, *NETWORK_SHAPE))
    assert classes.shape == (2, len(CLASS_NAMES), *NETWORK_SHAPE)
    assert landmarks.shape == (2, len(LANDMARK_NAMES), *NETWORK_SHAPE)


def test_the_loss_is_least_for_the_truth(anatomies: Anatomies) -> None:
    batch = Scanner(anatomies, 4).scan(4, COARSE_SHAPE)
    one_hot = nn.functional.one_hot(batch.anatomy[:, 0], 4).permute(0, 3, 1, 2)
    logits = torch.cat([20.0 * one_hot - 10, 20 * batch.artefact - 10], dim=1)
    truth = float(loss(logits, batch.landmarks, batch))
    assert truth == pytest.approx(0, abs=1e-2)
    for wrong in (
        loss(logits.roll(3, dims=-1), batch.landmarks, batch),
        loss(logits, batch.landmarks.roll(3, dims=-1), batch),
    ):
        assert float(wrong) > truth + 0.05


def test_processes_average_their_gradients() -> None:
    exchange = _Exchange(3, 2, threading)
    parameters = [[nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))] for _ in range(2)]
    for rank, value in enumerate((1.0, 3.0)):
        for parameter in parameters[rank]:
            parameter.grad = torch.full_like(parameter, value)
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(lambda rank: exchange.average(0, rank, parameters[rank]), range(2)))
    assert all(bool((p.grad == 2.0).all()) for both in parameters for p in both if p.grad is not None)


def test_the_same_seed_trains_the_same_weights(anatomies: Anatomies) -> None:
    task = Task("deeplabv3plus", anatomies, Schedule(steps=2, seed=3, coarse_share=1.0, batch=2))
    one, two = (fit(task, 1, ignore).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_export_changes_nothing_and_integers_little(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = build_network("deeplabv3plus").eval()
    floats, integers = tmp_path / "float.onnx", tmp_path / "integer.onnx"
    export_float(network, floats)
    arrays = np.random.default_rng(2).random((6, 1, 1, *NETWORK_SHAPE), dtype=np.float32)
    export_integer(floats, integers, list(arrays))
    with torch.no_grad():
        expected = network(torch.from_numpy(arrays[0]))
    for got, truth in zip(predictor(floats)(arrays[0]), expected, strict=True):
        np.testing.assert_allclose(got, truth.numpy(), atol=1e-4)
    views = np.concatenate(arrays[:4])
    assert predictor(integers)(views)[0].shape == (4, len(CLASS_NAMES), *NETWORK_SHAPE)
    assert integers.stat().st_size < 0.5 * floats.stat().st_size
    assert onnx.load(floats).opset_import[0].version >= 17
    assert b"/home" not in floats.read_bytes() and b".py" not in floats.read_bytes()


def test_a_peak_is_found_between_pixels() -> None:
    rows, columns = np.mgrid[0:40, 0:30] + 0.5
    bell = np.exp(-0.5 * ((columns - 12.3) ** 2 + (rows - 20.8) ** 2) / 2.5**2)
    np.testing.assert_allclose(peaks(bell[None].astype(np.float32))[0], (12.3, 20.8), atol=0.3)


def test_held_out_scans_show_their_artefact_and_know_their_truth() -> None:
    with ThreadPoolExecutor(1) as worker:
        clean, metal = held_out({"clean": 1, "metal": 1}, 5, worker)
    assert metal.image.max() > 2 * clean.image.max()
    for example in (clean, metal):
        assert example.masks["radius"].sum() > example.masks["ulna"].sum() > 0
        assert not (example.masks["radius"] & example.masks["carpals"]).any()
        assert example.landmarks is not None
        column, row = example.landmarks[LANDMARK_NAMES.index("ulnar_styloid")].astype(int)
        assert example.masks["ulna"][row - 3 : row + 4, column - 3 : column + 4].any()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tiny_network_learns_the_radius_within_minutes() -> None:
    """At half resolution, from 32 forearms; chance gives 0.1."""
    with ThreadPoolExecutor(1) as worker:
        seen = build_anatomies(32, 6, worker, lambda done: None)
        unseen = build_anatomies(16, 7, worker, lambda done: None)
    schedule = Schedule(steps=500, seed=2, coarse_share=1.0, batch=8)
    network = fit(Task("deeplabv3plus", seen, schedule), 1, ignore)
    batch = Scanner(unseen, 1).scan(32, COARSE_SHAPE)
    with torch.no_grad():
        labels = network(batch.image)[0][:, :4].argmax(dim=1).numpy()
    truth = batch.anatomy[:, 0].numpy()
    ordinary = [dice(labels[n] == 1, truth[n] == 1) for n in range(0, 32, 2)]
    assert np.median(ordinary) > 0.95
    assert np.mean(ordinary) > 0.9
