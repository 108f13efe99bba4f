"""From nothing to the files the node runs: anatomies, training, evaluation, ONNX, manifest, model card.

    dicom-node train segmentation --out DIR --architecture deeplabv3plus
    dicom-node train segmentation --out DIR --architecture unet

The first writes the network that the node uses; the second adds the UNet it is compared with. Both write
``segmentation.json`` (what the node reads) and ``segmentation-evaluation.json`` (everything measured) anew.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from analysis import __version__
from analysis.errors import ConfigurationError
from analysis.segmentation.letterbox import NETWORK_SHAPE, to_network_input
from analysis.segmentation.network import MANIFEST
from analysis.training.segmentation.anatomies import build_anatomies
from analysis.training.segmentation.evaluation import Example, FloatMap, Predict, evaluate, held_out
from analysis.training.segmentation.export import export_float, export_integer, predictor
from analysis.training.segmentation.fit import Schedule, Task, fit
from analysis.training.segmentation.labels import (
    AXIS_LEVELS_MM,
    CLASS_NAMES,
    LANDMARK_NAMES,
    LANDMARK_SIGMA_PX,
)
from analysis.training.segmentation.model_card import MODEL_CARD_FILE, model_card

SHIPPED = "deeplabv3plus"
EVALUATION_FILE = "segmentation-evaluation.json"
TOLERATED_DICE_LOSS = 0.001
"""The integer network is written if it costs no more mean radius Dice than this."""
CALIBRATION_SCANS = 40
VALIDATION_SCANS = {"clean": 12, "display": 6, "metal": 6, "crop": 6}
TEST_SCANS = {"clean": 60, "display": 30, "metal": 30, "motion": 30, "crop": 30}
VALIDATIONS = 12
"""How often a training is scored on its way, once it has reached full resolution."""
INFERENCE_REPEATS = 60


class Report(Protocol):
    """Told of progress: the stage, how far it is, and a word on it."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train.

    Attributes
    ----------
    architecture : {"deeplabv3plus", "unet"}
    size : int
        Simulated forearms to learn from.
    schedule : Schedule
    processes : int
    test_scans : mapping of kind to number
    """

    architecture: str
    size: int
    schedule: Schedule
    processes: int
    test_scans: Mapping[str, int]


def train_segmentation(plan: Plan, directory: Path, workers: Executor, report: Report) -> dict[str, Any]:
    """Train one network and write it into `directory`, beside networks of other architectures.

    Returns
    -------
    dict
        The network's entry of ``segmentation-evaluation.json``.

    Raises
    ------
    ConfigurationError
        If the processes cannot share a batch evenly.
    """
    if plan.schedule.batch % plan.processes:
        raise ConfigurationError(
            f"{plan.processes} processes cannot share batches of {plan.schedule.batch} pictures evenly: "
            "choose --processes 1, 2, 4, 8 or 16"
        )
    started = time.monotonic()
    seed = plan.schedule.seed
    anatomies = build_anatomies(plan.size, seed, workers, lambda n: report("anatomies", n, plan.size))
    validation = held_out(VALIDATION_SCANS, seed + 1, workers)
    test = held_out(plan.test_scans, seed + 2, workers)
    rendered = time.monotonic()
    curve = _Curve(plan.schedule, validation, report)
    network = fit(Task(plan.architecture, anatomies, plan.schedule), plan.processes, curve.watch)
    trained = time.monotonic()
    directory.mkdir(parents=True, exist_ok=True)
    file, figures = _export(network, plan, directory, _calibration(seed + 3, workers), test)
    figures = {
        "architecture": plan.architecture,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "training_data": training_data(plan),
        "size": plan.size,
        "seed": seed,
        "steps": plan.schedule.steps,
        "batch": plan.schedule.batch,
        "processes": plan.processes,
        **figures,
        "minutes": {
            "rendering": round((rendered - started) / 60, 2),
            "training": round((trained - rendered) / 60, 2),
        },
        "curve": curve.points,
    }
    _write(directory, file, figures)
    return figures


def training_data(plan: Plan) -> str:
    """What a network was trained on, in the words that travel with every result."""
    pictures = plan.schedule.steps * plan.schedule.batch
    return (
        f"simulated ring phantom: {plan.size} forearms in {pictures} pictures, seed {plan.schedule.seed}, "
        f"engine {__version__}; trained on simulated data, research use only"
    )


class _Curve:
    """Dice over the minutes of a training, on scans that are neither trained on nor reported."""

    def __init__(self, schedule: Schedule, validation: Sequence[Example], report: Report) -> None:
        self._schedule, self._validation, self._report = schedule, validation, report
        self._started = time.monotonic()
        first = int(schedule.coarse_share * schedule.steps)
        marks = np.linspace(first, schedule.steps, VALIDATIONS + 1)[1:]
        self._marks = {round(float(mark)) for mark in marks}
        self.points: list[dict[str, float]] = []

    def watch(self, step: int, network: nn.Module) -> None:
        note = ""
        if step in self._marks:
            figures = evaluate(_eager(network.eval()), self._validation)
            minutes = (time.monotonic() - self._started) / 60
            dice = float(np.mean([kind["dice"]["radius"]["mean"] for kind in figures.values()]))
            self.points.append({"step": step, "minutes": round(minutes, 2), "radius_dice": round(dice, 4)})
            note = f"radius Dice {dice:.4f}"
        self._report("steps", step, self._schedule.steps, note)


def _eager(network: nn.Module) -> Predict:
    def predict(array: FloatMap) -> tuple[FloatMap, FloatMap]:
        with torch.no_grad():
            classes, landmarks = network(torch.from_numpy(array))
        return classes.numpy(), landmarks.numpy()

    return predict


def _calibration(seed: int, workers: Executor) -> list[FloatMap]:
    scans = {
        "clean": CALIBRATION_SCANS // 2,
        "display": CALIBRATION_SCANS // 4,
        "metal": CALIBRATION_SCANS // 4,
    }
    return [to_network_input(scan.image, scan.spacing_mm)[0] for scan in held_out(scans, seed, workers)]


def _export(
    network: nn.Module, plan: Plan, directory: Path, calibration: Sequence[FloatMap], test: Sequence[Example]
) -> tuple[Path, dict[str, Any]]:
    """Write the integer network, or the float one where integers cost too much; and score both."""
    file = directory / f"forearm-{plan.architecture}.onnx"
    figures: dict[str, Any] = {}
    with TemporaryDirectory() as temporary:
        candidates = {kind: Path(temporary) / f"{kind}.onnx" for kind in ("float32", "int8")}
        export_float(network, candidates["float32"])
        export_integer(candidates["float32"], candidates["int8"], calibration)
        for kind, path in candidates.items():
            predict = predictor(path)
            figures[kind] = {
                "bytes": path.stat().st_size,
                "inference_ms": _inference_ms(predict),
                "held_out": evaluate(predict, test),
            }
        loss = _mean_dice(figures["float32"]) - _mean_dice(figures["int8"])
        shipped = "int8" if loss <= TOLERATED_DICE_LOSS else "float32"
        file.write_bytes(candidates[shipped].read_bytes())
    return file, {"shipped": shipped, "dice_loss_int8": round(loss, 5), "networks": figures}


def _mean_dice(figures: Mapping[str, Any]) -> float:
    """Mean radius Dice over all test scans."""
    kinds = figures["held_out"].values()
    total = sum(kind["scans"] * kind["dice"]["radius"]["mean"] for kind in kinds)
    return float(total / sum(kind["scans"] for kind in kinds))


def _inference_ms(predict: Predict) -> dict[str, float]:
    """Median and least milliseconds for one picture on one thread."""
    array = np.random.default_rng(0).random((1, 1, *NETWORK_SHAPE), dtype=np.float32)
    times = []
    for _ in range(INFERENCE_REPEATS):
        start = time.perf_counter()
        predict(array)
        times.append(1000 * (time.perf_counter() - start))
    return {"median": round(float(np.median(times)), 2), "min": round(min(times), 2)}


def _write(directory: Path, file: Path, figures: Mapping[str, Any]) -> None:
    """Bring evaluation, manifest and model card up to date."""
    evaluation = _read(directory / EVALUATION_FILE)
    evaluation[figures["architecture"]] = figures
    entry = {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "name": f"forearm-{figures['architecture']}",
        "version": __version__,
        "architecture": figures["architecture"],
        "number_format": figures["shipped"],
        "training_data": figures["training_data"],
        "held_out": _brief(figures["networks"][figures["shipped"]]["held_out"]),
    }
    manifest = _read(directory / MANIFEST)
    if figures["architecture"] == SHIPPED or "file" not in manifest:
        manifest = {**_contract(), **entry, "comparators": manifest.get("comparators", {})}
    else:
        manifest["comparators"][figures["architecture"]] = entry
    _write_json(directory / MANIFEST, manifest)
    _write_json(directory / EVALUATION_FILE, evaluation)
    (directory / MODEL_CARD_FILE).write_text(model_card(manifest, evaluation), encoding="utf-8")


def _contract() -> dict[str, Any]:
    """What a caller must know of input and output."""
    return {
        "schema": "1",
        "input": {
            "name": "image",
            "shape": [1, 1, *NETWORK_SHAPE],
            "normalisation": "analysis.segmentation.letterbox.to_network_input",
        },
        "classes": list(CLASS_NAMES),
        "class_activation": "softmax over all but artefact; sigmoid for artefact",
        "landmarks": list(LANDMARK_NAMES),
        "landmark_sigma_px": list(LANDMARK_SIGMA_PX),
        "landmark_stride": 1,
        "axis_levels_mm": list(AXIS_LEVELS_MM),
    }


def _brief(held_out_figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        kind: {"scans": figures["scans"], "radius_dice": figures["dice"]["radius"]}
        for kind, figures in held_out_figures.items()
    }


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
