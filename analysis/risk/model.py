"""One risk model: a logistic predictor shared by all horizons, with ordered intercepts.

``logit P(fracture within t) = intercept[t] + Σ coefficient · feature``: direct binomial regression of the
cumulative incidence (Scheike, Zhang & Gerds 2008, Biometrika 95:205), so that death before fracture counts as
"no fracture". Intercepts do not decrease with the horizon, hence neither does the risk, whatever the input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError
from analysis.results import HORIZONS_YEARS, HorizonRisk, ModelIdentity, RiskCategory, RiskEstimate
from analysis.risk.inputs import RiskInputs, feature_phrase, feature_value, is_known_feature
from analysis.risk.prediction import FeatureTerm, RiskPrediction

SCHEMA = "1"

CATEGORY_HORIZON_YEARS = 10
NORMAL_95_PERCENT = 1.959964
"""97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class ModelFeature:
    """One feature of a model: name, UCUM unit, training mean and range, log-odds per unit."""

    name: str
    unit: str
    training_mean: float
    training_range: tuple[float, float]
    coefficient: float


@dataclass(frozen=True, slots=True, eq=False)
class RiskModel:
    """Coefficients of one model and how sure they are.

    Attributes
    ----------
    identity : ModelIdentity
    features : tuple of ModelFeature
    intercepts : ndarray, (horizons,)
        Log-odds by horizon at feature values of zero; non-decreasing.
    ensemble_intercepts, ensemble_coefficients : ndarray, (refits, horizons) and (refits, features)
        Bootstrap refits; their spread is the 95 % interval.
    moderate_from, high_from : float
        10-year probabilities at which the categories begin.
    category_rule : str
        The same thresholds in words, with how they were derived.
    """

    identity: ModelIdentity
    features: tuple[ModelFeature, ...]
    intercepts: NDArray[np.float64]
    ensemble_intercepts: NDArray[np.float64]
    ensemble_coefficients: NDArray[np.float64]
    moderate_from: float
    high_from: float
    category_rule: str

    def missing(self, inputs: RiskInputs) -> tuple[str, ...]:
        """Names of the features that `inputs` does not provide."""
        return tuple(f.name for f in self.features if feature_value(inputs, f.name) is None)

    def out_of_range(self, inputs: RiskInputs) -> tuple[str, ...]:
        """Features outside the training range, as ``age 93 a (training 40 to 90)``."""
        remarks = []
        for feature in self.features:
            value = feature_value(inputs, feature.name)
            low, high = feature.training_range
            if value is not None and not low <= value <= high:
                remarks.append(
                    f"{feature_phrase(feature.name)} {value:.4g} {feature.unit} "
                    f"(training {low:.4g} to {high:.4g})"
                )
        return tuple(remarks)

    def predict(self, inputs: RiskInputs) -> RiskPrediction:
        """Predict the fracture probability at every horizon.

        The 95 % interval is estimate ± 1.96 bootstrap standard deviations on the log-odds scale: it holds the
        uncertainty of the coefficients, not that of the measurement or of the simulated training world.

        Parameters
        ----------
        inputs : RiskInputs
            Must provide every feature (see `missing`). Values are used as they are, never clamped.

        Raises
        ------
        ValueError
            If a feature is missing.
        """
        missing = self.missing(inputs)
        if missing:
            raise ValueError(f"{self.identity.name} needs {', '.join(missing)}")
        values = np.array([feature_value(inputs, f.name) for f in self.features], dtype=np.float64)
        coefficients = np.array([f.coefficient for f in self.features])
        log_odds = self.intercepts + float(coefficients @ values)
        spread = np.std(
            self.ensemble_intercepts + (self.ensemble_coefficients @ values)[:, None], axis=0, ddof=1
        )
        horizons = {
            years: HorizonRisk(
                _probability(centre),
                (
                    _probability(centre - NORMAL_95_PERCENT * deviation),
                    _probability(centre + NORMAL_95_PERCENT * deviation),
                ),
            )
            for years, centre, deviation in zip(HORIZONS_YEARS, log_odds, spread, strict=True)
        }
        estimate = RiskEstimate(
            horizons, self._category(horizons[CATEGORY_HORIZON_YEARS]), self.identity, self.category_rule
        )
        means = np.array([f.training_mean for f in self.features])
        baseline = float(self.intercepts[HORIZONS_YEARS.index(CATEGORY_HORIZON_YEARS)] + coefficients @ means)
        terms = tuple(
            FeatureTerm(f.name, float(value), f.training_mean, f.coefficient, f.unit)
            for f, value in zip(self.features, values, strict=True)
        )
        return RiskPrediction(estimate, baseline, terms)

    def _category(self, risk: HorizonRisk) -> RiskCategory:
        if risk.probability >= self.high_from:
            return "high"
        return "moderate" if risk.probability >= self.moderate_from else "low"


def parse_model(content: Mapping[str, Any], *, file: str, sha256: str) -> RiskModel:
    """Build a model from the JSON object of its file.

    Raises
    ------
    ConfigurationError
        Naming file, key and rule, for a wrong schema, an unknown feature, unequal lengths, values that are
        not finite numbers, or intercepts that decrease with the horizon.
    """
    try:
        return _parse(content, sha256)
    except KeyError as error:
        raise _unusable(file, f"has no key {error}") from error
    except (TypeError, ValueError) as error:
        raise _unusable(file, str(error)) from error


def _parse(content: Mapping[str, Any], sha256: str) -> RiskModel:
    if content["schema"] != SCHEMA:
        raise ValueError(f"schema is {content['schema']!r}, this engine reads {SCHEMA!r}")
    if tuple(content["horizons_years"]) != HORIZONS_YEARS:
        raise ValueError(f"horizons_years must be {list(HORIZONS_YEARS)}")
    features = tuple(_parse_feature(item) for item in content["features"])
    ensemble, category = content["ensemble"], content["category"]
    horizons, width = len(HORIZONS_YEARS), len(features)
    intercepts = _numbers(content["intercepts"], "intercepts", (horizons,))
    if np.any(np.diff(intercepts) < 0):
        raise ValueError("intercepts must not decrease with the horizon")
    refits = len(ensemble["intercepts"])
    if refits < 2:
        raise ValueError("ensemble needs at least two refits")
    return RiskModel(
        ModelIdentity(content["name"], content["version"], content["training_data"], sha256),
        features,
        intercepts,
        _numbers(ensemble["intercepts"], "ensemble.intercepts", (refits, horizons)),
        _numbers(ensemble["coefficients"], "ensemble.coefficients", (refits, width)),
        float(category["moderate_from"]),
        float(category["high_from"]),
        str(category["rule"]),
    )


def _parse_feature(item: Mapping[str, Any]) -> ModelFeature:
    name = item["name"]
    if not is_known_feature(name):
        raise ValueError(f"feature {name!r} is not known to this engine")
    low, high = _numbers(item["training_range"], f"{name}.training_range", (2,))
    mean, coefficient = _numbers([item["training_mean"], item["coefficient"]], name, (2,))
    return ModelFeature(name, item["unit"], float(mean), (float(low), float(high)), float(coefficient))


def _numbers(values: Sequence[Any], key: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key} must be numbers of shape {shape}") from error
    if array.shape != shape:
        raise ValueError(f"{key} must have shape {shape}, has {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{key} holds a value that is not a finite number")
    return array


def _probability(log_odds: float) -> float:
    """Logistic function, without overflow at either end."""
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1.0 + odds)


def _unusable(file: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"risk model {file}: {why}; train it again with 'dicom-node train risk' or restore the shipped file"
    )
