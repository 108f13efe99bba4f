"""Studies that report numbers without an image: what the densitometer says, judged by the same rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType

from analysis import __version__
from analysis.acquisition import NumbersOnly
from analysis.advice import recommend
from analysis.config import AnalysisConfig, ClinicalContext
from analysis.explanation import contributions
from analysis.measurement.densitometry import order_findings
from analysis.measurement.longitudinal import changes, trend
from analysis.peripheral import without_scores
from analysis.quality_control import Devices, scanner_findings
from analysis.results import (
    REGIONS,
    Calibration,
    PriorMeasurement,
    RegionMeasurement,
    Status,
    StudyAnalysis,
)
from analysis.risk import RiskInputs, known_predictors
from analysis.risk.registry import RiskModels


def reported_analysis(
    study: NumbersOnly,
    *,
    identity: str,
    day: date | None,
    history: Sequence[PriorMeasurement],
    context: ClinicalContext,
    provenance: Mapping[str, str],
    models: RiskModels,
    devices: Devices,
    config: AnalysisConfig,
) -> StudyAnalysis:
    """Everything that can be said of vendor numbers alone.

    Nothing is drawn or measured: there is no evidence, no morphometry, no texture. T- and Z-scores are the
    vendor's; a risk model runs if they are all it needs.

    Parameters
    ----------
    identity : str
        Of the analysis.
    day : date or None
        Of the study.
    provenance : Mapping[str, str]
        Of `context`.
    devices : Devices
        What the site knows of its scanners.
    """
    regions = {name: region.measurement() for name, region in study.vendor.regions.items()}
    judged = without_scores(regions) if study.peripheral else regions
    past = study.comparable_history(history)
    changed, change_findings = changes(regions, study.laterality, study.device, day, past, devices=devices)
    prediction, risk_findings = models.predict(
        RiskInputs(context.age_years, context.sex, judged, predictors=known_predictors(context))
    )
    risk = prediction.estimate if prediction else None
    advice = recommend(
        config.guideline,
        clinical=context,
        regions=judged,
        risk=risk,
        changes=changed,
        peripheral=study.peripheral,
    )
    every_region = {name: regions.get(name, RegionMeasurement()) for name in REGIONS}
    return StudyAnalysis(
        study_instance_uid=study.study_instance_uid,
        status=Status.ANALYZED,
        reason="",
        identity=identity,
        engine_version=__version__,
        study_date=day,
        laterality=study.laterality,
        calibration=Calibration.VENDOR_TABLE,
        device=study.device,
        source=study.source,
        regions=MappingProxyType(regions),
        quality=(
            *study.findings,
            *scanner_findings(devices, study.device, day),
            *order_findings(every_region),
            *change_findings,
            *risk_findings,
        ),
        risk=risk,
        explanation=contributions(prediction) if prediction else (),
        diagnosis=advice.diagnosis,
        recommendations=advice.recommendations,
        assumptions=advice.assumptions,
        assumptions_zh=advice.assumptions_zh,
        changes=changed,
        trend=trend(regions, study.laterality, study.device, day, past, devices=devices),
        context=MappingProxyType(dict(provenance)),
    )
