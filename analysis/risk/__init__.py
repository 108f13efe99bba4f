"""Fracture risk from age, sex and the measured radius.

`load_models` reads coefficient files whose SHA-256 the registry names; `RiskModels.predict` chooses the first
model that the available data allow and says why. The shipped models are trained on simulated data: research
use only.
"""

from pathlib import Path

from analysis.risk.inputs import RiskInputs, known_predictors
from analysis.risk.model import RiskModel
from analysis.risk.prediction import FeatureTerm, RiskPrediction
from analysis.risk.registry import RiskModels, load_models

SHIPPED_MODELS: Path = Path(__file__).parent / "models"
"""The models that come with the engine; the default of `analysis.config.AnalysisConfig.models`."""

__all__ = [
    "SHIPPED_MODELS",
    "FeatureTerm",
    "RiskInputs",
    "RiskModel",
    "RiskModels",
    "RiskPrediction",
    "known_predictors",
    "load_models",
]
