"""What follows from the numbers, however they were come by: change, risk and advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

from analysis.advice import Advice, recommend
from analysis.case import Case, Site
from analysis.explanation import contributions
from analysis.measurement.longitudinal import changes, trend
from analysis.results import (
    Laterality,
    PriorMeasurement,
    QualityFinding,
    RegionChange,
    RegionMeasurement,
    StudyAnalysis,
    TrendPoint,
)
from analysis.risk import RiskInputs, RiskPrediction
from analysis.risk.inputs import known_features


class Scanned(Protocol):
    """What an image and a study of numbers alone have in common."""

    @property
    def laterality(self) -> Laterality | None:
        """Of the forearm; None if unknown."""

    @property
    def device(self) -> str:
        """Manufacturer and model."""

    @property
    def peripheral(self) -> bool:
        """Whether WHO's categories must not be applied to its numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Conclusions:
    """Change since the prior, risk with its reasons, and advice."""

    changes: tuple[RegionChange, ...]
    change_findings: tuple[QualityFinding, ...]
    trend: tuple[TrendPoint, ...]
    prediction: RiskPrediction | None
    risk_findings: tuple[QualityFinding, ...]
    advice: Advice
    model_inputs: Mapping[str, float]

    def told_in(self, analysis: StudyAnalysis) -> StudyAnalysis:
        """Return `analysis` with these conclusions and the remarks on them."""
        prediction, advice = self.prediction, self.advice
        return replace(
            analysis,
            risk=prediction.estimate if prediction else None,
            explanation=contributions(prediction) if prediction else (),
            diagnosis=advice.diagnosis,
            recommendations=advice.recommendations,
            assumptions=advice.assumptions,
            assumptions_zh=advice.assumptions_zh,
            changes=self.changes,
            trend=self.trend,
            model_inputs=self.model_inputs,
            quality=(*analysis.quality, *self.change_findings, *self.risk_findings),
        )


def conclude(
    scan: Scanned,
    regions: Mapping[str, RegionMeasurement],
    past: Sequence[PriorMeasurement],
    inputs: RiskInputs,
    *,
    case: Case,
    site: Site,
) -> Conclusions:
    """Compare with earlier studies, estimate the risk and advise.

    Parameters
    ----------
    scan : Scanned
    regions : mapping of region name to RegionMeasurement
        As measured; their change is stated whatever may be said of their scores.
    past : sequence of PriorMeasurement
        Earlier measurements that may be compared with this one.
    inputs : RiskInputs
        Of the risk models; its regions, whose scores may be judged, are also those of the advice.
    case : Case
    site : Site
    """
    compared = (regions, scan.laterality, scan.device, case.day, past)
    changed, change_findings = changes(*compared, devices=site.devices)
    prediction, risk_findings = site.models.predict(inputs)
    advice = recommend(
        site.config.guideline,
        clinical=case.context,
        regions=inputs.regions,
        risk=prediction.estimate if prediction else None,
        changes=changed,
        peripheral=scan.peripheral,
    )
    return Conclusions(
        changed,
        change_findings,
        trend(*compared, devices=site.devices),
        prediction,
        risk_findings,
        advice,
        MappingProxyType(known_features(inputs)),
    )
