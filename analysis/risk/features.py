"""A model's feature: how its value in its own unit becomes a standardised number, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.risk.hazard import FloatArray

Transform = Literal["identity", "log", "log1p"]
TRANSFORMS: tuple[Transform, ...] = ("identity", "log", "log1p")

LARGEST_LOG = 300.0
"""Logarithms are cut here in arithmetic only, so that what is to be expected beside absurd inputs stays a
number."""


@dataclass(frozen=True, slots=True)
class ModelFeature:
    """One feature of a model.

    Attributes
    ----------
    name : str
        See `analysis.risk.inputs.feature_value`.
    unit : str
        UCUM.
    transform : {"identity", "log", "log1p"}
        ``log`` for positive quantities that vary by factors, ``log1p`` for doses and counts with many zeros.
    mean, deviation : float
        Of the transformed feature in the training cohort.
    training_range : (float, float)
        Smallest and largest training value, in `unit`.
    required : bool
        Without it the model is not used; any other feature is imputed where it is unknown.
    """

    name: str
    unit: str
    transform: Transform
    mean: float
    deviation: float
    training_range: tuple[float, float]
    required: bool

    @property
    def training_mean(self) -> float:
        """Value at which the feature's contribution is zero, in `unit`."""
        return self.value(0.0)

    def standardised(self, values: FloatArray) -> FloatArray:
        """Transformed, less the mean, over the deviation; NaN where unknown or outside the transform."""
        standardised: FloatArray = (transformed(values, self.transform) - self.mean) / self.deviation
        return standardised

    def value(self, standardised: float) -> float:
        """Value in `unit` of a standardised number."""
        plain = self.mean + self.deviation * standardised
        if self.transform == "identity":
            return plain
        return math.exp(min(max(plain, -LARGEST_LOG), LARGEST_LOG)) - (self.transform == "log1p")

    def slope(self, value: float) -> float:
        """Change of the standardised number per `unit` at `value`."""
        if self.transform == "identity":
            return 1.0 / self.deviation
        return 1.0 / (self.deviation * (value + (self.transform == "log1p")))


def transformed(values: FloatArray, transform: Transform) -> FloatArray:
    """Values on the scale on which a model is linear; NaN outside the transform's domain."""
    if transform == "identity":
        return values
    shifted = values + (transform == "log1p")
    return np.log(np.where(shifted > 0, shifted, np.nan))
