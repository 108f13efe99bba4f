"""A prediction together with the terms it is made of, so that it can be explained exactly."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.results import RiskEstimate


@dataclass(frozen=True, slots=True)
class FeatureTerm:
    """One feature's part in a linear predictor.

    Attributes
    ----------
    name : str
        See `analysis.risk.inputs.feature_value`.
    value : float
        In `unit`.
    training_mean : float
        Mean of the feature in the training cohort, in `unit`.
    coefficient : float
        Log-odds per `unit`.
    unit : str
        UCUM unit.
    """

    name: str
    value: float
    training_mean: float
    coefficient: float
    unit: str

    @property
    def contribution(self) -> float:
        """Shapley value of the feature on the log-odds: coefficient × (value − training mean).

        Exact for a linear predictor when features are treated as independent
        (Lundberg & Lee 2017, Corollary 1, "Linear SHAP").
        """
        return self.coefficient * (self.value - self.training_mean)


@dataclass(frozen=True, slots=True)
class RiskPrediction:
    """A risk estimate and the additive terms behind its 10-year log-odds.

    ``baseline_log_odds + sum(term.contribution for term in terms)`` is the 10-year log-odds.
    """

    estimate: RiskEstimate
    baseline_log_odds: float
    """10-year log-odds of a subject with the training cohort's mean of every feature."""
    terms: tuple[FeatureTerm, ...]
