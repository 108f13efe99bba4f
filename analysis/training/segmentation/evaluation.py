"""How good a network is on scans it has never seen: held-out phantoms, rendered by the phantom's own scanner.

The pictures come from `analysis.simulation.render`, not from the training scanner: other noise, other blur,
the phantom's own plate, motion and crop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.segmentation.letterbox import to_network_input
from analysis.segmentation.network import ANATOMY_CHANNELS
from analysis.simulation import draw_acquisition, render
from analysis.simulation.anatomy import SAMPLE_MM, build_anatomy
from analysis.simulation.phantom import picture_map
from analysis.simulation.study import display_image
from analysis.training.segmentation.anatomies import training_subject, true_landmarks
from analysis.training.segmentation.labels import LANDMARK_NAMES

FloatMap = NDArray[np.float32]
Predict = Callable[[FloatMap], tuple[FloatMap, FloatMap]]
"""(1, 1, 256, 176) to class logits (1, 5, 256, 176) and heat maps (1, 6, 256, 176)."""

SUBJECTS_OFFSET = 7_000_000
"""Added to the seed, so that no held-out subject has been seen in training."""
PEAK_REACH_PX = 3
LOW_DICE = 0.93


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One held-out scan.

    Attributes
    ----------
    kind : str
        ``clean``, ``display`` (an 8-bit window and grey curve), ``metal``, ``motion`` or ``crop``.
    image : ndarray of float32, (rows, columns)
    spacing_mm : (row, column)
    masks : mapping of class name to ndarray of bool
        ``carpals`` is absent from moved scans.
    landmarks : ndarray of float64, (6, 2), or None
        (column, row) on the scan; None for moved scans.
    """

    kind: str
    image: FloatMap
    spacing_mm: tuple[float, float]
    masks: Mapping[str, NDArray[np.bool_]]
    landmarks: NDArray[np.float64] | None


def held_out(kinds: Mapping[str, int], seed: int, workers: Executor) -> list[Example]:
    """Scan fresh subjects: so many of each kind."""
    numbers = [(kind, seed + SUBJECTS_OFFSET, n) for kind, count in kinds.items() for n in range(count)]
    return list(workers.map(_example, numbers, chunksize=4))


def evaluate(predict: Predict, examples: Sequence[Example]) -> dict[str, Any]:
    """Dice per class and landmark error in mm, for each kind of scan.

    Returns
    -------
    dict
        ``{kind: {"scans": n, "dice": {class: {mean, p5, min}}, "radius_below_0.93": n,
        "landmark_error_mm": {landmark: {median, p95}}}}``.
    """
    figures: dict[str, Any] = {}
    for kind in dict.fromkeys(example.kind for example in examples):
        chosen = [example for example in examples if example.kind == kind]
        scores = [_score(predict, example) for example in chosen]
        figures[kind] = {"scans": len(chosen), **_summary(scores)}
    return figures


def dice(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Dice coefficient; 1 if both are empty."""
    total = int(mask.sum()) + int(truth.sum())
    return 2 * int((mask & truth).sum()) / total if total else 1.0


def peaks(heat_maps: FloatMap) -> NDArray[np.float64]:
    """(column, row) of each heat map's summit, (n, 2): centroid of what surrounds the highest pixel."""
    points = []
    for plane in heat_maps:
        row, column = np.unravel_index(int(plane.argmax()), plane.shape)
        rows = slice(max(row - PEAK_REACH_PX, 0), row + PEAK_REACH_PX + 1)
        columns = slice(max(column - PEAK_REACH_PX, 0), column + PEAK_REACH_PX + 1)
        weight = np.clip(plane[rows, columns], 1e-6, None)
        y, x = np.mgrid[
            rows.start : rows.start + weight.shape[0], columns.start : columns.start + weight.shape[1]
        ]
        points.append(((weight * (x + 0.5)).sum() / weight.sum(), (weight * (y + 0.5)).sum() / weight.sum()))
    return np.array(points)


def _example(identity: tuple[str, int, int]) -> Example:
    kind, seed, number = identity
    rng = np.random.default_rng([seed, number, len(kind)])
    subject = training_subject(seed, number + 10_000 * len(kind))
    artefact = kind if kind in ("metal", "motion", "crop") else None
    acquisition = draw_acquisition(rng, artefact=artefact)  # type: ignore[arg-type]
    phantom = render(subject, acquisition, seed=int(rng.integers(2**31)))
    masks = {"radius": phantom.truth.radius_mask, "ulna": phantom.truth.ulna_mask}
    image, landmarks = phantom.density_g_cm2, None
    if kind != "motion":  # the shift of each line is not told
        anatomy, view = build_anatomy(subject), picture_map(subject, acquisition)
        first = (float(anatomy.x[0]), float(anatomy.z[0]))
        masks["carpals"] = view.sample(anatomy.hand_cover, first, SAMPLE_MM, image.shape) >= 0.5
        landmarks = view.to_image(true_landmarks(anatomy))
    if kind == "display":
        white, gamma = rng.uniform(0.8, 1.4), np.exp(rng.uniform(-0.6, 0.6))
        image = np.round(255 * display_image(phantom, white_g_cm2=white, gamma=gamma)).astype(np.float32)
    return Example(kind, image, phantom.spacing_mm, masks, landmarks)


def _score(predict: Predict, example: Example) -> tuple[dict[str, float], dict[str, float]]:
    """Dice by class and landmark error by name, mm, of landmarks within the scan."""
    array, box = to_network_input(example.image, example.spacing_mm)
    classes, heat_maps = predict(array)
    labels = box.maps_to_source(classes[0, : len(ANATOMY_CHANNELS)]).argmax(axis=0)
    scores = {
        name: dice(labels == ANATOMY_CHANNELS.index(name), mask) for name, mask in example.masks.items()
    }
    errors: dict[str, float] = {}
    if example.landmarks is not None:
        row_mm, column_mm = example.spacing_mm
        away = (box.points_to_source(peaks(heat_maps[0])) - example.landmarks) * (column_mm, row_mm)
        rows, columns = example.image.shape
        beyond = np.maximum(-example.landmarks, example.landmarks - (columns, rows))
        seen = beyond.max(axis=1) <= 0
        distance = np.hypot(away[:, 0], away[:, 1])
        errors = {name: float(distance[number]) for number, name in enumerate(LANDMARK_NAMES) if seen[number]}
    return scores, errors


def _summary(scores: Sequence[tuple[dict[str, float], dict[str, float]]]) -> dict[str, Any]:
    by_class = {name: [dices[name] for dices, _ in scores if name in dices] for name in ANATOMY_CHANNELS[1:]}
    by_landmark = {name: [errors[name] for _, errors in scores if name in errors] for name in LANDMARK_NAMES}
    return {
        "dice": {
            name: {"mean": _r(np.mean(v)), "p5": _r(np.percentile(v, 5)), "min": _r(np.min(v))}
            for name, v in by_class.items()
            if v
        },
        "radius_below_0.93": sum(value < LOW_DICE for value in by_class["radius"]),
        "landmark_error_mm": {
            name: {"median": _r(np.median(v)), "p95": _r(np.percentile(v, 95))}
            for name, v in by_landmark.items()
            if v
        },
    }


def _r(value: np.floating[Any]) -> float:
    return round(float(value), 4)
