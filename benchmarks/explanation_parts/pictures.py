"""How faithful the maps of the image encoder are: Grad-CAM, occlusion and LIME on the same patches."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, label
from skimage.filters import threshold_otsu

from analysis.explanation.faithfulness import Curves, curves, gain_over_chance, rank_agreement
from analysis.explanation.grad_cam import grad_cam, on_patch
from analysis.explanation.lime_opinion import lime_map
from analysis.explanation.occlusion import blurred, occlusion
from analysis.training.fusion.inputs import Standard
from explanation_parts.people import Person

FloatArray = NDArray[np.float64]
EXPLAINED_INTERVAL = 4
"""The fifth year, which the network's map weights explain."""
METHODS = ("Grad-CAM", "occlusion", "LIME")
CELL = 8
"""Pixels of a cell of the last maps; the grain of random importance."""
BATCH = 64


class Encoder:
    """A written fusion network as the node runs it: one thread, ONNX Runtime."""

    def __init__(self, directory: Path, *, randomised: int | None = None) -> None:
        self.config = json.loads((directory / "fusion.json").read_text(encoding="utf-8"))
        self.standard = Standard.from_json(self.config["standard"])
        content = (directory / "fusion.onnx").read_bytes()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            content if randomised is None else shuffled_weights(content, randomised), options
        )

    @property
    def described(self) -> str:
        """How the network came about, in one sentence."""
        subjects = self.config.get("subjects", {}).get("training", "an unknown number of")
        return f"This one was trained on {subjects} simulated subjects; shape {self.config['shape']['kind']}."

    def feed(self, person: Person, patches: FloatArray, scan: int = 0) -> dict[str, NDArray[np.float32]]:
        """Inputs of many pictures of one person."""
        known = {**person.entered, **person.scans[scan]}
        row = np.array([[known.get(name, np.nan) for name in self.standard.names]])
        inputs = self.standard.apply(row, np.zeros((1, 96, 80), np.float32), np.ones(1, bool))
        return {
            "patch": np.ascontiguousarray(patches[:, None], np.float32),
            **{
                name: np.repeat(getattr(inputs, name), len(patches), axis=0)
                for name in ("values", "known", "seen")
            },
        }

    def score(self, person: Person, scan: int = 0) -> Callable[[FloatArray], FloatArray]:
        """Log-hazard of a fracture in the fifth year of pictures (n, 96, 80), the rest being the person's."""

        def log_hazard(pictures: FloatArray) -> FloatArray:
            parts = [
                self.session.run(["log_hazard"], self.feed(person, pictures[start : start + BATCH], scan))[0]
                for start in range(0, len(pictures), BATCH)
            ]
            return np.asarray(np.concatenate(parts)[:, 0, EXPLAINED_INTERVAL], np.float64)

        return log_hazard

    def grad_cam(self, person: Person, scan: int = 0) -> FloatArray:
        """Signed Grad-CAM on the patch's grid, log-hazard per cell of the last maps."""
        patch = person.patches[scan]
        maps, weights = self.session.run(["maps", "map_weights"], self.feed(person, patch[None], scan))
        return on_patch(grad_cam(maps[0], weights[0]), (patch.shape[0], patch.shape[1]))


def shuffled_weights(content: bytes, seed: int) -> bytes:
    """The same network with the numbers of every weight tensor in random order (Adebayo et al. 2018)."""
    import onnx
    from onnx import numpy_helper

    model, rng = onnx.load_from_string(content), np.random.default_rng(seed)
    for tensor in model.graph.initializer:
        numbers = numpy_helper.to_array(tensor)
        if numbers.dtype == np.float32 and numbers.ndim >= 2 and numbers.size > 64:
            mixed = rng.permutation(numbers.ravel()).reshape(numbers.shape)
            tensor.CopyFrom(numpy_helper.from_array(mixed, tensor.name))
    return bytes(model.SerializeToString())


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """One person's maps by method, of scan 1 and 2, and of the randomised network."""

    person: Person
    bone: NDArray[np.bool_]
    maps: Mapping[str, FloatArray]
    repeated: Mapping[str, FloatArray]
    randomised: Mapping[str, FloatArray]


def explain(encoder: Encoder, broken: Encoder, people: Sequence[Person], seed: int) -> list[Explained]:
    """All maps of all people."""
    return [
        Explained(
            person,
            bone_of(person.patches[0]),
            _maps(encoder, person, 0, seed),
            _maps(encoder, person, 1, seed),
            _maps(broken, person, 0, seed),
        )
        for person in people
    ]


def _maps(encoder: Encoder, person: Person, scan: int, seed: int) -> dict[str, FloatArray]:
    score, patch = encoder.score(person, scan), person.patches[scan]
    return {
        "Grad-CAM": encoder.grad_cam(person, scan),
        "occlusion": occlusion(score, patch),
        "LIME": lime_map(score, patch, blurred(patch), seed=seed, samples=250),
    }


def bone_of(patch: FloatArray) -> NDArray[np.bool_]:
    """Pixels of bone: denser than Otsu's threshold, the largest piece, without holes."""
    pieces, _ = label(patch > threshold_otsu(patch))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.asarray(binary_fill_holes(pieces == sizes.argmax()), bool)


@dataclass(frozen=True, slots=True)
class MapFigures:
    """Means over people, inside the bone; agreements are Spearman's."""

    gain: float
    chance: float
    people_above_chance: int
    agreement: Mapping[str, float]
    randomised: float
    repeated: float


def judged(
    encoder: Encoder, explained: Sequence[Explained], seed: int
) -> tuple[dict[str, MapFigures], dict[str, Curves]]:
    """Figures by method, and mean deletion and insertion curves (less the score of the whole picture)."""
    rng = np.random.default_rng(seed)
    figures, mean_curves = {}, {}
    for method in METHODS:
        gains, found = [], []
        for item in explained:
            score, patch = encoder.score(item.person), item.person.patches[0]
            importance = np.where(item.bone, item.maps[method], 0.0)
            gains.append(
                gain_over_chance(score, patch, blurred(patch), importance, rng=rng, draws=2, block=CELL)
            )
            one = curves(score, patch, blurred(patch), importance)
            whole = one.deletion[0]
            found.append((one.deletion - whole, one.insertion - whole))
        gain, chance = np.mean(gains, axis=0)
        mean_curves[method] = Curves(*np.mean(found, axis=0))
        figures[method] = MapFigures(
            gain,
            chance,
            sum(own > random for own, random in gains),
            {other: _agreement(explained, method, other) for other in METHODS if other != method},
            float(np.mean([_inside(e, e.maps[method], e.randomised[method]) for e in explained])),
            float(np.mean([_inside(e, e.maps[method], e.repeated[method]) for e in explained])),
        )
    return figures, mean_curves


def _agreement(explained: Sequence[Explained], one: str, other: str) -> float:
    return float(np.mean([_inside(item, item.maps[one], item.maps[other]) for item in explained]))


def _inside(item: Explained, one: FloatArray, other: FloatArray) -> float:
    return rank_agreement(one[item.bone], other[item.bone])
