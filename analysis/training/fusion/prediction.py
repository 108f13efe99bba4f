"""Risks from a written network: ONNX Runtime and numpy alone, as the node has them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError
from analysis.training.fusion.imputation import Imputer
from analysis.training.fusion.incidence import HORIZONS, cumulative_incidence
from analysis.training.fusion.inputs import Inputs, Standard, without

if TYPE_CHECKING:
    from analysis.training.fusion.data import Table

CONFIG, WEIGHTS, NETWORK = "fusion.json", "fusion.safetensors", "fusion.onnx"
INPUTS = ("patch", "values", "known", "seen")
OUTPUTS = ("log_hazard", "osteoporosis", "maps", "map_weights")
BATCH = 128

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a network says of n subjects.

    Attributes
    ----------
    risks : ndarray of float64, (n, 4)
        Of a fracture, before death, within 1, 3, 5 and 10 years.
    osteoporosis : ndarray of float64, (n,)
        Probability of osteoporosis by central DXA now.
    """

    risks: FloatArray
    osteoporosis: FloatArray


class FusionModel:
    """A written network, checked against its configuration before it is parsed.

    Raises
    ------
    ConfigurationError
        If a file is missing or is not the one that was written.
    """

    def __init__(self, directory: Path) -> None:
        import onnxruntime  # type: ignore[import-untyped]

        try:
            self.config: Mapping[str, Any] = json.loads((directory / CONFIG).read_bytes())
            content = (directory / NETWORK).read_bytes()
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{directory} holds no fusion network ({error}); make one with dicom-node train fusion."
            ) from error
        if hashlib.sha256(content).hexdigest() != self.config["sha256"][NETWORK]:
            raise ConfigurationError(
                f"{directory / NETWORK} is not the file that {CONFIG} describes; restore both, or train anew."
            )
        self.standard = Standard.from_json(self.config["standard"])
        imputer = self.config.get("imputer")
        self._imputer = None if imputer is None else Imputer.from_json(imputer)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def inputs(self, features: FloatArray, patches: NDArray[np.float32], seen: NDArray[np.bool_]) -> Inputs:
        """Standardise features (n, predictors), columns as ``standard.names``, NaN where unknown."""
        if not self.config["shape"]["image"]:
            seen = np.zeros_like(seen)
        return self.standard.apply(features, patches, seen)

    def predict(self, inputs: Inputs) -> Prediction:
        """Risks and the probability of osteoporosis; missing values are filled with what is expected where
        the network was trained on filled ones."""
        if self._imputer is not None:
            inputs = self._imputer.fill(inputs, None)
        parts = [
            self._session.run(list(OUTPUTS[:2]), _feed(inputs, slice(start, start + BATCH)))
            for start in range(0, len(inputs), BATCH)
        ]
        log_hazard, log_odds = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Prediction(
            cumulative_incidence(log_hazard), 1 / (1 + np.exp(-np.asarray(log_odds, np.float64)))
        )

    def explain(self, inputs: Inputs) -> NDArray[np.float32]:
        """Grad-CAM of the log-hazard of fracture in the fifth year, (n, 12, 10), 0 and above.

        It covers the whole patch: row and column span 3.2 mm each.
        """
        if self._imputer is not None:
            inputs = self._imputer.fill(inputs, None)
        maps, weights = self._session.run(list(OUTPUTS[2:]), _feed(inputs, slice(None)))
        return np.asarray(np.maximum(np.einsum("nk,nkij->nij", weights, maps), 0), np.float32)


def predict(model_dir: Path, table: Table, missing: Sequence[str] = ()) -> Prediction:
    """Risks of a cohort's subjects, pictures included where there are any.

    Parameters
    ----------
    model_dir : Path
    table : analysis.cohort.table.CohortTable
    missing : sequence of str
        Families (or ``image``) to do without, as where a site does not have them.
    """
    from analysis.training.fusion.data import pictures_of

    model = FusionModel(model_dir)
    pictures = pictures_of(table)
    inputs = model.inputs(table.features(model.standard.names), pictures.patches, pictures.seen)
    return model.predict(without(inputs, model.standard.families, missing))


def _feed(inputs: Inputs, part: slice) -> dict[str, NDArray[np.float32]]:
    patches = inputs.patches[part][:, None]
    return dict(
        zip(INPUTS, (patches, inputs.values[part], inputs.known[part], inputs.seen[part]), strict=True)
    )


__all__ = ["HORIZONS", "FusionModel", "Prediction", "predict"]
