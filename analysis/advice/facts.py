"""What a rule may ask about a patient, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.config import ClinicalContext
from analysis.results import RegionMeasurement, RiskEstimate

Fact = float | bool | str


@dataclass(frozen=True, slots=True)
class FactKind:
    """How a missing input is called in a sentence, and which type its values have."""

    phrase: str
    type: type[float] | type[bool] | type[str]


FACTS: Mapping[str, FactKind] = {
    "age_years": FactKind("the age", float),
    "sex": FactKind("the sex", str),
    "one_third_t_score": FactKind("a T-score of the one-third radius", float),
    "one_third_z_score": FactKind("a Z-score of the one-third radius", float),
    "risk_category": FactKind("a fracture risk estimate", str),
    "prior_fragility_fracture": FactKind("whether there was a fragility fracture", bool),
    "current_smoker": FactKind("whether the patient smokes", bool),
}
"""Every input a rule may use."""


def gather_facts(
    clinical: ClinicalContext, regions: Mapping[str, RegionMeasurement], risk: RiskEstimate | None
) -> dict[str, Fact | None]:
    """Collect the inputs of `FACTS`; None means unknown, never "no".

    Scores are rounded to the one decimal a report shows, so that advice never contradicts the printed number.
    """
    one_third = regions.get("one_third", RegionMeasurement())
    return {
        "age_years": clinical.age_years,
        "sex": clinical.sex,
        "one_third_t_score": _reported(one_third.t_score),
        "one_third_z_score": _reported(one_third.z_score),
        "risk_category": risk.category if risk else None,
        "prior_fragility_fracture": clinical.prior_fragility_fracture,
        "current_smoker": clinical.current_smoker,
    }


def _reported(score: float | None) -> float | None:
    return None if score is None else round(score, 1) + 0.0  # + 0.0: −0.0 becomes 0.0
