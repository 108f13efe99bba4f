"""Patients for the advice: rule tables by name, and advice for entries given flat, as a site writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.advice import recommend
from analysis.advice.recommend import Advice
from analysis.results import (
    HorizonRisk,
    ModelIdentity,
    Recommendation,
    RegionMeasurement,
    RiskCategory,
    RiskEstimate,
)
from dicom_node.clinical_entries import entries

GUIDELINES = Path(__file__).parents[1] / "conf" / "guidelines"
SETS = ("aace-2020", "acp-2023", "bhof-2022", "china-2022", "nogg-2024")


def table(name: str) -> Path:
    return GUIDELINES / f"{name}.toml"


def risk_of(category: RiskCategory) -> RiskEstimate:
    return RiskEstimate(
        {10: HorizonRisk(0.1, (0.05, 0.2))}, category, ModelIdentity("m", "1", "simulated", "0"), "rule"
    )


def advise(
    guideline: str | Path,
    t_score: float | None = None,
    *,
    z_score: float | None = None,
    research_risk: RiskCategory | None = None,
    peripheral: bool = False,
    **patient: Any,
) -> Advice:
    """Advice for one patient; names as in a site's JSON file, dots written as ``clinical_...``."""
    known = {name.replace("clinical_", "clinical.", 1): value for name, value in patient.items()}
    return recommend(
        table(guideline) if isinstance(guideline, str) else guideline,
        clinical=entries(known),
        regions={"one_third": RegionMeasurement(t_score=t_score, z_score=z_score)},
        risk=risk_of(research_risk) if research_risk else None,
        peripheral=peripheral,
    )


def said(advice: Advice) -> dict[str, Recommendation]:
    return {item.rule_id: item for item in advice.recommendations}
