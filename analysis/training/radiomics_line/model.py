"""The fitted line: a Radscore and three logistic models, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError
from analysis.training.radiomics_line.outcomes import OUTCOMES, OutcomeName

if TYPE_CHECKING:
    from analysis.cohort.table import CohortTable

FloatArray = NDArray[np.float64]
Variant = Literal["clinical", "radiomics", "combined"]

SCHEMA = "radiomics-line/1"
CLINICAL = ("age_years", "male")
"""The published study's clinical factors."""
RADSCORE = "radscore"
"""Name of the Radscore among the predictors of a logistic model."""
TRAINING_DATA = "Simulated training data; research use only."


@dataclass(frozen=True, slots=True)
class Logistic:
    """logit P = intercept + Σ coefficient · predictor, predictors in their own units."""

    intercept: float
    coefficients: Mapping[str, float]

    def log_odds(self, columns: Mapping[str, FloatArray]) -> FloatArray:
        """Log-odds by column; NaN where a predictor is unknown."""
        total = np.zeros(len(next(iter(columns.values()))))
        for name, coefficient in self.coefficients.items():
            total = total + coefficient * columns[name]
        return total + self.intercept


@dataclass(frozen=True, slots=True)
class Part:
    """One feature of the Radscore: weight · (value − mean) / SD."""

    name: str
    mean: float
    sd: float
    weight: float


@dataclass(frozen=True, slots=True)
class RadiomicsModel:
    """A Radscore and the logistic models on it.

    Attributes
    ----------
    outcome : {"osteoporosis", "fracture_10y"}
    parts : tuple of Part
        May be empty if no feature was chosen: the Radscore is then 0.
    models : mapping of {"clinical", "radiomics", "combined"} to Logistic
    training : str
        What it was fitted on.
    """

    outcome: OutcomeName
    parts: tuple[Part, ...]
    models: Mapping[Variant, Logistic]
    training: str = TRAINING_DATA

    def radscore(self, table: CohortTable) -> FloatArray:
        """Radscore of every subject; NaN where a feature is unknown."""
        return self.radscore_of(table.features([part.name for part in self.parts]))

    def radscore_of(self, values: FloatArray) -> FloatArray:
        """Radscore by the values of `parts`, (subjects, features)."""
        score = np.zeros(len(values))
        for column, part in enumerate(self.parts):
            score += part.weight * (values[:, column] - part.mean) / part.sd
        return score

    def predict(self, table: CohortTable, variant: Variant = "combined") -> FloatArray:
        """Probability of the outcome, 0 to 1; NaN where an input is unknown."""
        clinical = table.features(list(CLINICAL))
        return self.predict_of(clinical, self.radscore(table), variant)

    def predict_of(
        self, clinical: FloatArray, radscore: FloatArray, variant: Variant = "combined"
    ) -> FloatArray:
        """Probability by age and sex, (subjects, 2), and Radscore."""
        columns = {name: clinical[:, column] for column, name in enumerate(CLINICAL)} | {RADSCORE: radscore}
        return np.asarray(1 / (1 + np.exp(-self.models[variant].log_odds(columns))), np.float64)


def save(model: RadiomicsModel, path: Path) -> None:
    """Write a model as JSON; the same model gives the same bytes."""
    content = {
        "schema": SCHEMA,
        "outcome": model.outcome,
        "training": model.training,
        "radscore": [
            {"name": part.name, "mean": part.mean, "sd": part.sd, "weight": part.weight}
            for part in model.parts
        ],
        "models": {
            variant: {"intercept": logistic.intercept, "coefficients": dict(logistic.coefficients)}
            for variant, logistic in model.models.items()
        },
    }
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load(path: Path) -> RadiomicsModel:
    """Read a model.

    Raises
    ------
    ConfigurationError
        If the file is not such a model.
    """
    try:
        content = json.loads(path.read_bytes())
        if content["schema"] != SCHEMA or content["outcome"] not in OUTCOMES:
            raise ValueError("another schema or outcome")
        return RadiomicsModel(
            content["outcome"],
            tuple(_part(part) for part in content["radscore"]),
            {variant: _logistic(content["models"][variant]) for variant in get_args(Variant)},
            str(content["training"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{path.name} is not a model of the radiomics line ({SCHEMA}): {error}; write it anew with "
            "'dicom-node train radiomics'"
        ) from error


def _part(content: Mapping[str, Any]) -> Part:
    part = Part(str(content["name"]), *_finite([content["mean"], content["sd"], content["weight"]]))
    if part.sd <= 0:
        raise ValueError(f"{part.name} has no spread")
    return part


def _logistic(content: Mapping[str, Any]) -> Logistic:
    coefficients = content["coefficients"]
    if not set(coefficients) <= {*CLINICAL, RADSCORE}:
        raise ValueError("a predictor is unknown")
    names = list(coefficients)
    values = _finite([content["intercept"], *(coefficients[name] for name in names)])
    return Logistic(values[0], dict(zip(names, values[1:], strict=True)))


def _finite(values: Sequence[Any]) -> list[float]:
    numbers = [float(value) for value in values]
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError("a number is not finite")
    return numbers
