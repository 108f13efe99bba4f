"""Maps from predicted to calibrated probability: one rising map for all horizons, so that risk never
falls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.risk.hazard import FloatArray

KINDS = ("identity", "beta", "isotonic")
"""Platt's slope acts on the log-hazard and is part of the coefficients: it leaves no map behind."""

SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationMap:
    """A non-decreasing map of probabilities.

    Attributes
    ----------
    kind : {"identity", "beta", "isotonic"}
    parameters : ndarray
        ``beta``: a, b, c of ``logit q = a·log p − b·log(1 − p) + c`` (Kull et al. 2017, AISTATS 54:623), a
        and b not negative. ``isotonic``: the knots' predicted, then their calibrated probabilities, joined by
        straight lines.
    """

    kind: str
    parameters: FloatArray

    def apply(self, probability: FloatArray) -> FloatArray:
        """Calibrate probabilities of any shape."""
        if self.kind == "identity":
            return probability
        if self.kind == "isotonic":
            predicted, calibrated = np.split(self.parameters, 2)
            return np.interp(probability, predicted, calibrated)
        inside = np.clip(probability, SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
        first, second, shift = self.parameters
        logit = first * np.log(inside) - second * np.log1p(-inside) + shift
        return np.asarray(1.0 / (1.0 + np.exp(-logit)), dtype=np.float64)


IDENTITY = CalibrationMap("identity", np.empty(0))


def parse_map(content: Mapping[str, Any]) -> CalibrationMap:
    """Read a map from a model file.

    Raises
    ------
    ValueError
        If it is of no known kind, or could fall.
    """
    kind = str(content["kind"])
    parameters = np.array(content["parameters"], dtype=np.float64)
    if kind not in KINDS:
        raise ValueError(f"calibration.kind is {kind!r}, this engine knows {', '.join(KINDS)}")
    if not np.all(np.isfinite(parameters)):
        raise ValueError("calibration holds a value that is not a finite number")
    if kind == "beta" and (parameters.shape != (3,) or np.any(parameters[:2] < 0)):
        raise ValueError("calibration of kind beta needs three parameters, the first two not negative")
    if kind == "isotonic":
        if parameters.size < 4 or parameters.size % 2:
            raise ValueError(
                "calibration of kind isotonic needs as many calibrated as predicted probabilities"
            )
        predicted, calibrated = np.split(parameters, 2)
        if np.any(np.diff(predicted) <= 0) or np.any(np.diff(calibrated) < 0):
            raise ValueError("calibration of kind isotonic must not fall")
        if calibrated[0] < 0 or calibrated[-1] > 1:
            raise ValueError("calibration of kind isotonic must stay between 0 and 1")
    return CalibrationMap(kind, parameters)
