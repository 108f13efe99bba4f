"""SHAP contributions of a risk model, in closed form."""

from __future__ import annotations

import math

from analysis.errors import AnalysisError
from analysis.results import Contribution
from analysis.risk import FeatureTerm, RiskPrediction
from analysis.risk.predictors import family_of

LARGEST_GAP = 1e-9
"""Log-hazard by which a sum of some tens of contributions may miss the model's own: rounding, no more."""


def contributions(prediction: RiskPrediction) -> tuple[Contribution, ...]:
    """Shapley values of every feature on the 10-year log-hazard, largest magnitude first.

    For a linear predictor with independent features this is coefficient × (value − training mean)
    (Lundberg & Lee 2017, Corollary 1); a curve has its own height there, and the product of two centred
    features belongs to both in equal parts. ``shap`` gives the same numbers and takes seconds to import. The
    values are interventional (Janzing, Minorics & Blöbaum 2020): they say what the model computes with, so a
    feature the model does not use gets nothing, however much it goes together with one that it uses. Features
    that go together are therefore best read by family (`analysis.wording.family_shares`).

    Returns
    -------
    tuple of Contribution
        ``unit`` is the UCUM unit of ``value``; ``contribution`` is in log-hazard.

    Raises
    ------
    AnalysisError
        If a contribution is not finite, or baseline and contributions miss the log-hazard.
    """
    check_additivity(prediction)
    ordered = sorted(prediction.terms, key=lambda term: (-abs(term.contribution), term.name))
    return tuple(_contribution(term) for term in ordered)


def check_additivity(prediction: RiskPrediction) -> None:
    """Hold that baseline and contributions add up to the model's log-hazard.

    Raises
    ------
    AnalysisError
        If they do not.
    """
    parts = [prediction.baseline_log_hazard, *(term.contribution for term in prediction.terms)]
    if not all(map(math.isfinite, parts)):
        raise AnalysisError(
            f"a contribution to the risk of {prediction.estimate.model.name} is not finite: {parts}; report "
            "this defect of the engine"
        )
    gap = math.fsum(parts) - prediction.log_hazard
    if abs(gap) > LARGEST_GAP * max(1.0, abs(prediction.log_hazard)):
        raise AnalysisError(
            f"the contributions to the risk of {prediction.estimate.model.name} miss its log-hazard by "
            f"{gap:g}; report this defect of the engine"
        )


def _contribution(term: FeatureTerm) -> Contribution:
    return Contribution(
        term.name,
        term.value,
        term.contribution,
        term.unit,
        family_of(term.name),
        term.training_mean,
        term.imputed,
    )
