"""The closed form of a risk model's contributions is the Shapley value, by its definition."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest

from analysis.explanation import contributions
from analysis.results import BmdSource, ModelIdentity, RegionMeasurement
from analysis.risk import RiskInputs, RiskModel
from analysis.risk.calibration import CalibrationMap
from analysis.risk.features import ModelFeature
from analysis.risk.hazard import GRID_YEARS, Hazard

NAMES = ("age_years", "one_third.bmd_g_cm2", "ultradistal.bmd_g_cm2", "morphometry.cortical_thickness_mm")
KNOTS = np.log([0.5, 10.0])
TERMS = ((0,), (1,), (2,), (3,), (0, 1), (2, 2), (2, 3))
COEFFICIENTS = np.array([0.5, -0.4, -0.3, 0.0, 0.15, 0.1, -0.07])


def a_model() -> RiskModel:
    """Four features, linear, in products and squared, one as logarithm."""
    hazard = Hazard(TERMS, COEFFICIENTS, KNOTS, np.array([-4.0, 1.1]))
    death = Hazard(((0,),), np.array([0.9]), KNOTS, np.array([-5.0, 1.2]))
    scales = ((65.0, 10.0), (0.6, 0.1), (0.35, 0.06), (0.9, 0.2))
    features = tuple(
        ModelFeature(
            name,
            "1",
            "log" if name.startswith("morphometry") else "identity",
            mean,
            deviation,
            (0.0, 1e3),
            required=False,
        )
        for name, (mean, deviation) in zip(NAMES, scales, strict=True)
    )
    return RiskModel(
        ModelIdentity("m", "1", "simulated", "0"),
        features,
        np.eye(len(NAMES)),
        {},
        hazard,
        death,
        Hazard(TERMS, np.stack([COEFFICIENTS, 1.1 * COEFFICIENTS]), KNOTS, np.array([[-4.0, 1.1]] * 2)),
        Hazard(((0,),), np.array([[0.9], [0.8]]), KNOTS, np.array([[-5.0, 1.2]] * 2)),
        CalibrationMap("identity", np.zeros(0)),
        0.1,
        0.2,
        "rule",
    )


def a_person() -> RiskInputs:
    regions = {
        "one_third": RegionMeasurement(bmd_g_cm2=0.47, bmd_source=BmdSource.PIXELS),
        "ultradistal": RegionMeasurement(bmd_g_cm2=0.41, bmd_source=BmdSource.PIXELS),
    }
    return RiskInputs(81.0, "F", regions, {"cortical_thickness_mm": 1.9})


def shapley_by_definition(model: RiskModel, person: np.ndarray) -> np.ndarray:
    """All coalitions, over a background of independent features with mean 0 and variance 1."""
    features = range(len(person))
    background = np.array(list(product((-1.0, 1.0), repeat=len(person))))

    def worth(coalition: tuple[int, ...]) -> float:
        mixed = background.copy()
        mixed[:, list(coalition)] = person[list(coalition)]
        return float(model.fracture.log_relative(mixed).mean())

    values = np.zeros(len(person))
    for feature in features:
        others = [other for other in features if other != feature]
        for size in range(len(others) + 1):
            weight = math.factorial(size) * math.factorial(len(others) - size) / math.factorial(len(person))
            for coalition in combinations(others, size):
                values[feature] += weight * (worth((*coalition, feature)) - worth(coalition))
    return values


def test_contributions_are_shapley_values_of_linear_product_and_square_terms() -> None:
    model = a_model()
    prediction = model.predict(a_person())
    person = np.array([(81 - 65) / 10, (0.47 - 0.6) / 0.1, (0.41 - 0.35) / 0.06, (math.log(1.9) - 0.9) / 0.2])
    told = {item.feature: item.contribution for item in contributions(prediction)}
    np.testing.assert_allclose(
        [told[name] for name in NAMES], shapley_by_definition(model, person), atol=1e-12
    )


def test_with_everything_known_the_baseline_is_that_of_the_model_whoever_is_asked() -> None:
    model = a_model()
    prediction = model.predict(a_person())
    baseline = float(model.fracture.log_baseline(GRID_YEARS)[-1])
    assert prediction.baseline_log_hazard == pytest.approx(baseline, abs=1e-12)
    values = np.array([[81.0, 0.47, 0.41, 1.9]])
    assert prediction.log_hazard == pytest.approx(float(model.log_hazard(values)[0]), abs=1e-12)
