"""A prediction together with the terms it is made of, so that it can be explained exactly."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.results import RiskEstimate
from analysis.risk.predictors import Family, family_of


@dataclass(frozen=True, slots=True)
class FeatureTerm:
    """One feature's part in the log-hazard of a fracture.

    Attributes
    ----------
    name : str
        See `analysis.risk.inputs.feature_value`.
    value : float
        In `unit`; where `imputed`, what is to be expected given the features that are known.
    training_mean : float
        Where the feature's contribution is zero, in `unit`: the mean in the training cohort (of the
        logarithm, carried back, for a feature that enters as logarithm).
    coefficient : float
        Log-hazard per `unit` at `value`: the local slope.
    unit : str
        UCUM unit.
    exact_contribution : float or None
        The contribution where the feature does not enter linearly; None where it does.
    imputed : bool
        True where the study does not hold the feature.
    """

    name: str
    value: float
    training_mean: float
    coefficient: float
    unit: str
    exact_contribution: float | None = None
    imputed: bool = False

    @property
    def contribution(self) -> float:
        """Shapley value of the feature on the log-hazard.

        For a feature that enters linearly coefficient × (value − training mean), exact when features are
        treated as independent (Lundberg & Lee 2017, Corollary 1, "Linear SHAP"). A transformed feature has
        its own curve's height; the product of two standardised features is shared between both in equal
        parts, which is the Shapley value of a product of independent, centred features.
        """
        if self.exact_contribution is not None:
            return self.exact_contribution
        return self.coefficient * (self.value - self.training_mean)

    @property
    def family(self) -> Family:
        """Family of predictors the feature belongs to."""
        return family_of(self.name)


@dataclass(frozen=True, slots=True)
class RiskPrediction:
    """A risk estimate and the additive terms behind its log-hazard.

    ``baseline_log_hazard + sum(term.contribution for term in terms)`` is `log_hazard`;
    `analysis.explanation.contributions` holds the model to that at every prediction.
    """

    estimate: RiskEstimate
    baseline_log_hazard: float
    """10-year log cumulative fracture hazard of a subject whose every feature is at the training mean; where
    features are imputed, with half the variance of the log-hazard that their absence leaves (the mean of a
    log-normal hazard)."""
    terms: tuple[FeatureTerm, ...]
    log_hazard: float
    """Log of the 10-year cumulative fracture hazard as the model computed it. The 10-year probability follows
    from it by competing death and calibration."""
