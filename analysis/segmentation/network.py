"""The segmentation network at work: ONNX Runtime on one thread, over several views of the same picture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError
from analysis.results import ModelIdentity
from analysis.segmentation.anatomy import Point
from analysis.segmentation.letterbox import Letterbox, to_network_input

if TYPE_CHECKING:
    import onnxruntime  # type: ignore[import-untyped]

FloatMaps = NDArray[np.float32]

WEIGHTS = Path(__file__).parent / "weights"
MANIFEST = "segmentation.json"

ANATOMY_CHANNELS = ("background", "radius", "ulna", "carpals")
"""Exclusive classes (softmax) of the network's ``classes`` output; one more channel, ``artefact``, is a
sigmoid of its own."""
LANDMARKS = (
    "radial_styloid",
    "end_plate_medial",
    "end_plate_middle",
    "ulnar_styloid",
    "axis_distal",
    "axis_proximal",
)
"""Channels of the ``landmarks`` output: bells of height 1, zero where unseen."""
PEAK_REACH_PX = 3
"""Pixels around a heat map's maximum whose centre of mass is the landmark."""


@dataclass(frozen=True, slots=True)
class Landmark:
    """A landmark's place on the picture's grid, ``(column, row)``, and its heat map's height there (0–1)."""

    point: Point
    height: float


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What the network believes about a picture, on the picture's own grid; mean over all views.

    Attributes
    ----------
    radius, ulna, carpals, artefact : ndarray of float32, (rows, columns)
        Probabilities, 0 to 1.
    uncertainty : ndarray of float32, (rows, columns)
        Standard deviation of the radius's probability over the views, doubled: 0 to 1.
    landmarks : mapping of landmark name to Landmark
    agreement : float
        Smallest Dice between the radius of one view and of all together.
    model : ModelIdentity
    """

    radius: FloatMaps
    ulna: FloatMaps
    carpals: FloatMaps
    artefact: FloatMaps
    uncertainty: FloatMaps
    landmarks: Mapping[str, Landmark]
    agreement: float
    model: ModelIdentity


class Network:
    """A trained network, checked against its manifest before it is loaded.

    Parameters
    ----------
    directory : Path
        Holds ``segmentation.json`` (``file``, ``sha256``, ``name``, ``version``, ``training_data``) and the
        ONNX file that it names: input ``image`` (n, 1, 256, 176), outputs ``classes`` (n, 5, 256, 176) and
        ``landmarks`` (n, 6, 256, 176).

    Raises
    ------
    ConfigurationError
        If a file is missing, unreadable, or differs from the manifest's SHA-256.
    """

    def __init__(self, directory: Path) -> None:
        path, self.model = _checked(directory)
        self._session = _session(path)

    def look_at(self, image: NDArray[np.floating], spacing_mm: tuple[float, float] | None) -> Belief:
        """Segment a picture and find its landmarks.

        Parameters
        ----------
        image : ndarray of float, (rows, columns)
            Dense bone bright.
        spacing_mm : (row, column) or None
            None where it is unknown: pixels then count as square.

        Notes
        -----
        The views are the picture, its mirror image, and both turned by 180°: all are forearms the network
        knows, and none of them needs a resampling (Ayhan & Berens, MIDL 2018, on test-time augmentation as
        a measure of uncertainty).

        Raises
        ------
        RejectedInput
            ``radius_not_found`` if the picture cannot be brought to the network's grid.
        """
        boxed, box = to_network_input(image, spacing_mm)
        views = np.concatenate([boxed[:, :, ::up, ::left] for up, left in _VIEWS])
        classes, heat = self._session.run(("classes", "landmarks"), {"image": views})
        seen = zip(classes, heat, _VIEWS, strict=True)
        turned_back = [(c[:, ::up, ::left], h[:, ::up, ::left]) for c, h, (up, left) in seen]
        probabilities = np.stack([_probabilities(c) for c, _ in turned_back])
        mean = probabilities.mean(axis=0)
        spread = 2 * probabilities[:, ANATOMY_CHANNELS.index("radius")].std(axis=0)
        radius, ulna, carpals, artefact, uncertainty = box.maps_to_source(
            np.concatenate([mean[1:], spread[None]])
        )
        heat_map = np.mean([h for _, h in turned_back], axis=0)
        return Belief(
            radius=radius,
            ulna=ulna,
            carpals=carpals,
            artefact=artefact,
            uncertainty=uncertainty,
            landmarks=MappingProxyType(
                {name: _peak(plane, box) for name, plane in zip(LANDMARKS, heat_map, strict=True)}
            ),
            agreement=_agreement(probabilities),
            model=self.model,
        )


_VIEWS = ((1, 1), (1, -1), (-1, -1), (-1, 1))
"""Steps along rows and columns: as it is, mirrored, turned by 180°, both."""


@cache
def shipped_network() -> Network | None:
    """The network that comes with the engine, None if it was left out; one session per process, made when
    first needed."""
    return Network(WEIGHTS) if (WEIGHTS / MANIFEST).exists() else None


def _checked(directory: Path) -> tuple[Path, ModelIdentity]:
    manifest_path = directory / MANIFEST
    try:
        manifest = json.loads(manifest_path.read_bytes())
        path = directory / manifest["file"]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        model = ModelIdentity(
            manifest["name"], manifest["version"], manifest["training_data"], manifest["sha256"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"segmentation network {manifest_path.name}: it or the file it names cannot be read ({error!r}); "
            'restore the shipped files or set analysis.segmentation = "classical"'
        ) from error
    if digest != model.sha256:
        raise ConfigurationError(
            f"segmentation network {path.name}: its SHA-256 is {digest}, the manifest says {model.sha256}; "
            "restore the shipped files or train anew"
        )
    return path, model


def _session(path: Path) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes do not share a public base
        raise ConfigurationError(
            f"segmentation network {path.name}: ONNX Runtime cannot load it ({error}); train anew"
        ) from error


def _probabilities(logits: NDArray[Any]) -> FloatMaps:
    """Softmax over the anatomy, sigmoid for the artefact."""
    anatomy = logits[: len(ANATOMY_CHANNELS)]
    power = np.exp(anatomy - anatomy.max(axis=0))
    artefact = 1 / (1 + np.exp(-np.clip(logits[len(ANATOMY_CHANNELS) :], -30.0, 30.0)))
    return np.concatenate([power / power.sum(axis=0), artefact]).astype(np.float32)


def _peak(heat: FloatMaps, box: Letterbox) -> Landmark:
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    rows = slice(max(0, row - PEAK_REACH_PX), row + PEAK_REACH_PX + 1)
    columns = slice(max(0, column - PEAK_REACH_PX), column + PEAK_REACH_PX + 1)
    weight = np.clip(heat[rows, columns], 1e-6, None)
    y, x = np.mgrid[rows, columns][:, : weight.shape[0], : weight.shape[1]] + 0.5
    centre = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
    point = box.points_to_source(centre)
    return Landmark((float(point[0]), float(point[1])), float(np.clip(heat[row, column], 0.0, 1.0)))


def _agreement(probabilities: FloatMaps) -> float:
    radius = probabilities[:, ANATOMY_CHANNELS.index("radius")]
    together = radius.mean(axis=0) > 0.5
    views = radius > 0.5
    total = views.sum(axis=(1, 2)) + together.sum()
    overlap = (views & together).sum(axis=(1, 2))
    return float(np.min(np.where(total > 0, 2 * overlap / np.maximum(total, 1), 0.0)))
