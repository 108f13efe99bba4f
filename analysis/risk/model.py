"""One risk model: cause-specific hazards of fracture and death, log-linear in a few features.

The 1-, 3-, 5- and 10-year risks are one cumulative incidence read at four times, so that the risk never falls
with the horizon, whatever the input. What a study does not hold is replaced by its expectation given what it
does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.results import HORIZONS_YEARS, HorizonRisk, ModelIdentity, RiskCategory, RiskEstimate
from analysis.risk.calibration import SMALLEST_PROBABILITY, CalibrationMap
from analysis.risk.features import ModelFeature
from analysis.risk.hazard import GRID_YEARS, HORIZON_INDEX, FloatArray, Hazard, cumulative_incidence
from analysis.risk.inputs import RiskInputs, feature_phrase, feature_value
from analysis.risk.missing import Completed, complete, expected_log_relative
from analysis.risk.prediction import FeatureTerm, RiskPrediction
from analysis.risk.predictors import Family, family_of

CATEGORY_HORIZON_YEARS = 10
INTERVAL_PERCENT = 90
NORMAL_90_PERCENT = 1.644854
"""95 % quantile of the standard normal distribution: either end of a 90 % interval."""

WIDENING = 1.13
"""The refits' spread leaves out what the choice of hyperparameters adds: over 20 simulated training cohorts,
90 % intervals without this factor held 84 (image alone) to 87 % (all families) of the attainable risks. How
many they hold with it is measured on other cohorts in docs/evaluation.md."""

SUBJECTS_AT_ONCE = 500
"""For intervals of many subjects: refits × subjects × grid points are held at once."""


@dataclass(frozen=True, slots=True, eq=False)
class RiskModel:
    """Coefficients of one model and how sure they are.

    Attributes
    ----------
    identity : ModelIdentity
    features : tuple of ModelFeature
    correlation : ndarray, (features, features)
        Covariance of the standardised features in the training cohort, for what is missing.
    family_minimum : mapping of family to int
        How many features of a family a study must hold at least.
    fracture, death : Hazard
    fracture_refits, death_refits : Hazard
        Stacks of bootstrap refits; their spread is the 90 % interval.
    calibration : CalibrationMap
        From the cumulative incidence to the risk that is reported.
    moderate_from, high_from : float
        10-year probabilities at which the categories begin.
    category_rule : str
        The same thresholds in words, with how they were derived.
    """

    identity: ModelIdentity
    features: tuple[ModelFeature, ...]
    correlation: FloatArray
    family_minimum: Mapping[Family, int]
    fracture: Hazard
    death: Hazard
    fracture_refits: Hazard
    death_refits: Hazard
    calibration: CalibrationMap
    moderate_from: float
    high_from: float
    category_rule: str

    def missing(self, inputs: RiskInputs) -> tuple[str, ...]:
        """Names of the required features that `inputs` does not provide."""
        return tuple(f.name for f in self.features if f.required and feature_value(inputs, f.name) is None)

    def unmet(self, inputs: RiskInputs) -> tuple[str, ...]:
        """What keeps the model from being used, in words; empty if nothing does."""
        names = [feature_phrase(name) for name in self.missing(inputs)]
        known = Counter(family_of(f.name) for f in self.features if feature_value(inputs, f.name) is not None)
        scarce = [
            f"at least {least} of its {family.replace('_', ' and ')} inputs (has {known[family]})"
            for family, least in self.family_minimum.items()
            if known[family] < least
        ]
        return (*names, *scarce)

    def usable(self, values: FloatArray) -> NDArray[np.bool_]:
        """Of whom enough is known, as `unmet` judges one study, (subjects,); `values` as in `risk`."""
        known = np.isfinite(values)
        required = [column for column, feature in enumerate(self.features) if feature.required]
        usable = known[:, required].all(axis=1)
        families = [family_of(feature.name) for feature in self.features]
        for family, least in self.family_minimum.items():
            columns = [column for column, name in enumerate(families) if name == family]
            usable &= known[:, columns].sum(axis=1) >= least
        return np.asarray(usable, dtype=np.bool_)

    def imputed(self, inputs: RiskInputs) -> tuple[str, ...]:
        """Names of the features that a prediction would replace by their expectation."""
        values = self._values(inputs)
        return tuple(
            f.name
            for f, value in zip(self.features, values[0], strict=True)
            if np.isnan(f.standardised(np.array([value]))[0])
        )

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

        The 90 % interval is for the risk given the study's inputs: bootstrap refits (with draws of what was
        missing in training) on the scale log(-log(1 - p)), and the spread that the study's own missing
        features leave. It holds neither the uncertainty of the measurement nor that of the simulated training
        world.

        Parameters
        ----------
        inputs : RiskInputs
            Must meet `unmet`. Values are used as they are, never clamped.

        Raises
        ------
        ValueError
            If a required feature or a family is missing.
        """
        unmet = self.unmet(inputs)
        if unmet:
            raise ValueError(f"{self.identity.name} needs {', '.join(unmet)}")
        values = self._values(inputs)
        risk, interval = self.risk(values)[0], self.interval(values)[0]
        horizons = {
            years: HorizonRisk(float(risk[index]), (float(interval[index, 0]), float(interval[index, 1])))
            for index, years in enumerate(HORIZONS_YEARS)
        }
        estimate = self.estimate(horizons)
        completed = self.completed(values)
        terms = self._feature_terms(values[0], completed.values[0])
        expected = float(expected_log_relative(self.fracture, completed)[0])
        baseline = float(self.fracture.log_baseline(GRID_YEARS)[-1])
        unknown = expected - float(self.fracture.log_relative(completed.values)[0])
        return RiskPrediction(estimate, baseline + unknown, terms, expected + baseline)

    def estimate(self, horizons: Mapping[int, HorizonRisk]) -> RiskEstimate:
        """Risks at every horizon as they are reported: with their category and this model's identity."""
        return RiskEstimate(
            horizons,
            self._category(horizons[CATEGORY_HORIZON_YEARS]),
            self.identity,
            self.category_rule,
            self.moderate_from,
            self.high_from,
        )

    def risk(self, values: FloatArray) -> FloatArray:
        """Calibrated fracture probabilities, (subjects, horizons).

        Parameters
        ----------
        values : ndarray, (subjects, features)
            In the features' own units and order; NaN where unknown.
        """
        return self.calibration.apply(self.incidence(values))

    def incidence(self, values: FloatArray) -> FloatArray:
        """Fracture probabilities before calibration, (subjects, horizons); `values` as in `risk`."""
        completed = self.completed(values)
        fracture = self.fracture.cumulative(expected_log_relative(self.fracture, completed))
        death = self.death.cumulative(self.death.log_relative(completed.values))
        return cumulative_incidence(fracture, death)[:, HORIZON_INDEX]

    def log_hazard(self, values: FloatArray) -> FloatArray:
        """Log cumulative fracture hazard over 10 years, (subjects,); `values` as in `risk`."""
        relative = expected_log_relative(self.fracture, self.completed(values))
        return np.asarray(relative + self.fracture.log_baseline(GRID_YEARS)[-1], dtype=np.float64)

    def interval(self, values: FloatArray) -> FloatArray:
        """90 % intervals, (subjects, horizons, 2); `values` as in `risk`."""
        parts = [
            self._interval(values[start : start + SUBJECTS_AT_ONCE])
            for start in range(0, len(values), SUBJECTS_AT_ONCE)
        ]
        return np.concatenate(parts)

    def _interval(self, values: FloatArray) -> FloatArray:
        completed = self.completed(values)
        excess = expected_log_relative(self.fracture, completed) - self.fracture.log_relative(
            completed.values
        )
        fracture = self.fracture_refits.cumulative(
            self.fracture_refits.log_relative(completed.values) + excess
        )
        death = self.death_refits.cumulative(self.death_refits.log_relative(completed.values))
        refits = _log_minus_log(cumulative_incidence(fracture, death)[..., HORIZON_INDEX])
        centre = _log_minus_log(self.incidence(values))
        unknown = completed.variance(self.fracture.gradient(completed.values))
        spread = np.sqrt(WIDENING**2 * np.var(refits, axis=0, ddof=1) + unknown[:, None])
        ends = np.stack([centre - NORMAL_90_PERCENT * spread, centre + NORMAL_90_PERCENT * spread], axis=-1)
        calibrated = self.calibration.apply(-np.expm1(-np.exp(np.minimum(ends, 700.0))))
        risk = self.risk(values)
        calibrated[..., 0] = np.minimum(calibrated[..., 0], risk)
        calibrated[..., 1] = np.maximum(calibrated[..., 1], risk)
        return calibrated

    def _values(self, inputs: RiskInputs) -> FloatArray:
        values = [feature_value(inputs, feature.name) for feature in self.features]
        return np.array([[np.nan if value is None else value for value in values]], dtype=np.float64)

    def completed(self, values: FloatArray) -> Completed:
        """Standardised features with every gap filled by what is to be expected; `values` as in `risk`."""
        columns = [f.standardised(values[:, column]) for column, f in enumerate(self.features)]
        return complete(np.column_stack(columns), self.correlation)

    def _feature_terms(self, values: FloatArray, standardised: FloatArray) -> tuple[FeatureTerm, ...]:
        contribution, curved = np.zeros(len(values)), np.zeros(len(values), dtype=bool)
        for coefficient, term in zip(self.fracture.coefficients, self.fracture.terms, strict=True):
            product = float(np.prod(standardised[list(term)])) - (len(set(term)) < len(term))
            contribution[list(term)] += coefficient * product / len(set(term))
            curved[list(term)] |= len(term) > 1
        slopes = self.fracture.gradient(standardised[None, :])[0]
        terms = []
        for index, feature in enumerate(self.features):
            imputed = bool(np.isnan(feature.standardised(values[index : index + 1])[0]))
            value = feature.value(float(standardised[index])) if imputed else float(values[index])
            linear = feature.transform == "identity" and not curved[index]
            terms.append(
                FeatureTerm(
                    feature.name,
                    value,
                    feature.training_mean,
                    float(slopes[index]) * feature.slope(value),
                    feature.unit,
                    None if linear else float(contribution[index]),
                    imputed,
                )
            )
        return tuple(terms)

    def _category(self, risk: HorizonRisk) -> RiskCategory:
        if risk.probability >= self.high_from:
            return "high"
        return "moderate" if risk.probability >= self.moderate_from else "low"


def _log_minus_log(probability: FloatArray) -> FloatArray:
    inside = np.clip(probability, SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
    return np.asarray(np.log(-np.log1p(-inside)), dtype=np.float64)
