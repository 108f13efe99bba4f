"""The JSON face of a StudyAnalysis: schema "1" of ``dicom-node analyze --json`` and of the journal.

Pixels (`ImageEvidence`) stay out of it; everything else is there, absent numbers as ``null``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from analysis.results import (
    HORIZONS_YEARS,
    REGIONS,
    Contribution,
    Laterality,
    PriorMeasurement,
    QualityFinding,
    Recommendation,
    RegionChange,
    RegionMeasurement,
    RiskEstimate,
    SegmentationQuality,
    StudyAnalysis,
    TrendPoint,
)
from analysis.wording import LANGUAGES, explanation_sentences, family_shares

SCHEMA = "1"

JsonObject = dict[str, Any]


def to_document(studies: Sequence[JsonObject]) -> JsonObject:
    """Wrap study objects made by `to_json_object` into the one object a consumer reads."""
    return {"schema": SCHEMA, "studies": list(studies)}


def to_json_object(analysis: StudyAnalysis, results: Sequence[Mapping[str, str]] = ()) -> JsonObject:
    """Describe one analysis as JSON-ready data.

    Parameters
    ----------
    analysis : StudyAnalysis
    results : sequence of mappings with ``sop_class_uid``, ``sop_instance_uid``, ``path``
        The result objects written for this analysis.

    Returns
    -------
    dict
        Plain dict, list, str, float, bool and None only. Units are in the key names; probabilities are 0–1,
        contributions are log-hazards, coordinates are ``[column, row]`` pixels of the source image.
    """
    source = analysis.source
    return {
        "study_instance_uid": analysis.study_instance_uid,
        "status": analysis.status.value,
        "reason": analysis.reason,
        "laterality": analysis.laterality.value if analysis.laterality else None,
        "pixel_spacing_mm": list(analysis.pixel_spacing_mm) if analysis.pixel_spacing_mm else None,
        "pixel_spacing_source": analysis.spacing_source or None,
        "calibration": analysis.calibration.value,
        "device": analysis.device or None,
        "source_image": {
            "sop_class_uid": source.sop_class_uid,
            "sop_instance_uid": source.sop_instance_uid,
            "series_instance_uid": source.series_instance_uid,
            "rows": source.rows,
            "columns": source.columns,
        }
        if source
        else None,
        "reference": {"name": analysis.reference.name, "source": analysis.reference.source}
        if analysis.reference
        else None,
        "regions": {name: _region(analysis.regions.get(name, RegionMeasurement())) for name in REGIONS},
        "morphometry": dict(analysis.morphometry),
        "texture": dict(analysis.texture),
        "density_distribution": dict(analysis.density_distribution),
        "mechanics": dict(analysis.mechanics),
        "uncertainty": dict(analysis.uncertainty),
        "other_bones": {
            bone: {name: _region(region) for name, region in regions.items()}
            for bone, regions in analysis.other_bones.items()
        },
        "segmentation": _segmentation(analysis.segmentation),
        "quality": [_finding(finding) for finding in analysis.quality],
        "risk": _risk(analysis.risk),
        "explanation": [_contribution(item) for item in analysis.explanation],
        "explanation_families": [asdict(item) for item in family_shares(analysis.explanation)],
        "explanation_text": {
            language: explanation_sentences(analysis.explanation, analysis.regions, language)
            for language in LANGUAGES
        },
        "diagnosis": asdict(analysis.diagnosis) if analysis.diagnosis else None,
        "recommendations": [_recommendation(item) for item in analysis.recommendations],
        "assumptions": list(analysis.assumptions),
        "changes": [_change(item) for item in analysis.changes],
        "trend": [_trend_point(item) for item in analysis.trend],
        "context": dict(analysis.context),
        "identity": analysis.identity,
        "engine_version": analysis.engine_version,
        "results": [dict(result) for result in results],
    }


def _region(region: RegionMeasurement) -> JsonObject:
    return {
        "bmd_g_cm2": region.bmd_g_cm2,
        "bmd_source": region.bmd_source.value if region.bmd_source else None,
        "bmd_uncertainty_g_cm2": region.bmd_uncertainty_g_cm2,
        "bmc_g": region.bmc_g,
        "area_cm2": region.area_cm2,
        "t_score": region.t_score,
        "z_score": region.z_score,
        "score_source": region.score_source.value if region.score_source else None,
        "polygon": [[column, row] for column, row in region.polygon],
    }


def _segmentation(quality: SegmentationQuality | None) -> JsonObject | None:
    if quality is None:
        return None
    return {
        "method": quality.method,
        "model": asdict(quality.model) if quality.model else None,
        "score": quality.score,
        "agreement": quality.agreement,
    }


def _finding(finding: QualityFinding) -> JsonObject:
    return {"code": finding.code, "severity": finding.severity.value, "message": finding.message}


def _risk(risk: RiskEstimate | None) -> JsonObject:
    if risk is None:
        return {"horizons": {str(years): None for years in HORIZONS_YEARS}, "category": None, "model": None}
    return {
        "horizons": {
            str(years): {"probability": horizon.probability, "interval": list(horizon.interval)}
            for years, horizon in sorted(risk.horizons.items())
        },
        "category": risk.category,
        "category_rule": risk.category_rule,
        "model": asdict(risk.model),
    }


def _contribution(item: Contribution) -> JsonObject:
    return {
        "feature": item.feature,
        "value": item.value,
        "unit": item.unit,
        "contribution": item.contribution,
        "family": item.family or None,
        "training_mean": item.training_mean,
        "imputed": item.imputed,
    }


def _recommendation(item: Recommendation) -> JsonObject:
    return {
        "kind": item.kind,
        "text": item.text,
        "text_zh": item.text_zh or None,
        "guideline": item.guideline or None,
        "source": item.source,
        "strength": item.strength or None,
        "rule_id": item.rule_id,
        "inputs_used": list(item.inputs_used),
        "inputs_missing": list(item.inputs_missing),
        "conclusion": item.conclusion or None,
        "agents": list(item.agents),
        "agents_to_check": list(item.agents_to_check),
    }


def _change(item: RegionChange) -> JsonObject:
    return {
        "region": item.region,
        "prior_study_instance_uid": item.prior_study_instance_uid,
        "prior_date": item.prior_date.isoformat(),
        "years": item.years,
        "change_g_cm2": item.change_g_cm2,
        "change_percent": item.change_percent,
        "percent_per_year": item.percent_per_year,
        "least_significant_change_percent": item.least_significant_change_percent,
        "significant": item.significant,
    }


def _trend_point(item: TrendPoint) -> JsonObject:
    return {
        "study_date": item.study_date.isoformat(),
        "bmd_g_cm2": dict(item.bmd_g_cm2),
        "device": item.device or None,
        "comparable": item.comparable,
    }


def prior_measurement(document: Mapping[str, Any], study_date: date) -> PriorMeasurement:
    """Read an earlier analysis, as `to_json_object` described it, back as the engine's ``history``.

    Parameters
    ----------
    document : mapping
        One study object of schema "1" with status ``analyzed``.
    study_date : datetime.date
        Study Date (0008,0020) of that study.

    Returns
    -------
    PriorMeasurement
        Regions without a BMD are left out.
    """
    side = document["laterality"]
    return PriorMeasurement(
        study_instance_uid=document["study_instance_uid"],
        study_date=study_date,
        laterality=Laterality(side) if side else None,
        device=document["device"] or "",
        bmd_g_cm2={
            name: region["bmd_g_cm2"]
            for name, region in document["regions"].items()
            if region["bmd_g_cm2"] is not None
        },
    )
