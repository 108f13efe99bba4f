"""The numbers of one analysis, with unit, uncertainty and provenance, as a page shows them.

Read from the JSON that the journal holds (`analysis.serialization`, schema "1"); a number that is absent
there is absent here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from analysis.results import HORIZONS_YEARS, REGIONS, Contribution, ReferenceBand

__all__ = [
    "Advice",
    "AnalysisNumbers",
    "Finding",
    "Horizon",
    "MeasuredRegion",
    "Model",
    "Quantity",
    "RegionalChange",
    "Risk",
    "TrendStudy",
    "numbers_of",
]

OutlinePoints = tuple[tuple[float, float], ...]
"""(column, row) in pixels of the source image."""


@dataclass(frozen=True, slots=True)
class MeasuredRegion:
    """Densitometry of one region: BMD in g/cm² with one standard deviation, BMC in g, area in cm²."""

    bone: str
    name: str
    bmd_g_cm2: float | None
    bmd_source: str
    bmd_uncertainty_g_cm2: float | None
    bmc_g: float | None
    area_cm2: float | None
    t_score: float | None
    z_score: float | None
    score_source: str
    polygon: OutlinePoints


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a family, by the name that `analysis.wording.feature_name` says in words."""

    feature: str
    value: float
    uncertainty: float | None
    unit: str
    """UCUM."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """Probability (0-1) of a fracture within `years`, with its 90 % interval."""

    years: int
    probability: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Model:
    """Which model made a number, and on what it was trained."""

    name: str
    version: str
    training_data: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Risk:
    """The risk estimate and where it comes from."""

    horizons: tuple[Horizon, ...]
    category: str
    category_rule: str
    model: Model


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark on input or measurement."""

    code: str
    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class Advice:
    """One recommendation with its source."""

    kind: str
    text: str
    text_zh: str
    guideline: str
    source: str
    strength: str
    rule: str
    inputs_used: tuple[str, ...]
    inputs_missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegionalChange:
    """Change of a region's BMD since an earlier study, in g/cm² and percent."""

    region: str
    prior_study_instance_uid: str
    prior_date: str
    years: float
    change_g_cm2: float
    change_percent: float
    percent_per_year: float | None
    least_significant_change_percent: float | None
    significant: bool | None


@dataclass(frozen=True, slots=True)
class TrendStudy:
    """BMD (g/cm²) by region of one study of the same side; `comparable` if a line may join it."""

    day: date
    bmd_g_cm2: Mapping[str, float]
    device: str
    comparable: bool


@dataclass(frozen=True, slots=True)
class AnalysisNumbers:
    """What one analysis says.

    Attributes
    ----------
    quantities : mapping of str to tuple of Quantity
        By family, see `FAMILIES`.
    explanation : tuple of Contribution
        SHAP contributions to the log of the 10-year cumulative hazard, largest first.
    context : mapping of str to str
        Clinical inputs used, each with its provenance.
    """

    status: str
    reason: str
    laterality: str
    calibration: str
    device: str
    pixel_spacing_mm: tuple[float, float] | None
    pixel_spacing_source: str
    source_sop_instance_uid: str
    rows: int
    columns: int
    reference_name: str
    reference_source: str
    regions: tuple[MeasuredRegion, ...]
    other_bones: tuple[MeasuredRegion, ...]
    quantities: Mapping[str, tuple[Quantity, ...]]
    segmentation_method: str
    segmentation_score: float | None
    segmentation_agreement: float | None
    segmentation_model: Model | None
    diagnosis: str
    diagnosis_basis: Mapping[str, str]
    """Language -> the rule behind the category, or why there is none."""
    findings: tuple[Finding, ...]
    risk: Risk | None
    explanation: tuple[Contribution, ...]
    explanation_text: Mapping[str, tuple[str, ...]]
    advice: tuple[Advice, ...]
    assumptions: tuple[str, ...]
    changes: tuple[RegionalChange, ...]
    trend: tuple[TrendStudy, ...]
    reference_bands: Mapping[str, ReferenceBand]
    context: Mapping[str, str]
    engine_version: str
    identity: str

    def region(self, name: str) -> MeasuredRegion | None:
        """Return a region of the radius, None if it is not there."""
        return next((region for region in self.regions if region.name == name), None)


FAMILIES = ("morphometry", "mechanics", "density_distribution", "texture")


def numbers_of(document: Mapping[str, Any], bands: Mapping[str, ReferenceBand]) -> AnalysisNumbers:
    """Read one study object of schema "1".

    Parameters
    ----------
    bands : mapping of str to ReferenceBand
        Young adults of the configured reference by region, for the plot over time.
    """
    source = document.get("source_image") or {}
    reference = document.get("reference") or {}
    segmentation = document.get("segmentation") or {}
    diagnosis = document.get("diagnosis") or {}
    spacing = document.get("pixel_spacing_mm")
    return AnalysisNumbers(
        status=document.get("status", ""),
        reason=document.get("reason", ""),
        laterality=document.get("laterality") or "",
        calibration=document.get("calibration", ""),
        device=document.get("device") or "",
        pixel_spacing_mm=(spacing[0], spacing[1]) if spacing else None,
        pixel_spacing_source=document.get("pixel_spacing_source") or "",
        source_sop_instance_uid=source.get("sop_instance_uid", ""),
        rows=source.get("rows", 0),
        columns=source.get("columns", 0),
        reference_name=reference.get("name", ""),
        reference_source=reference.get("source", ""),
        regions=_regions("radius", document.get("regions") or {}),
        other_bones=tuple(
            region
            for bone, regions in (document.get("other_bones") or {}).items()
            for region in _regions(bone, regions)
        ),
        quantities={family: _quantities(family, document) for family in FAMILIES},
        segmentation_method=segmentation.get("method", ""),
        segmentation_score=segmentation.get("score"),
        segmentation_agreement=segmentation.get("agreement"),
        segmentation_model=_model(segmentation.get("model")),
        diagnosis=diagnosis.get("category") or "",
        diagnosis_basis={
            "en": diagnosis.get("basis") or diagnosis.get("reason") or "",
            "zh": diagnosis.get("basis_zh") or diagnosis.get("reason_zh") or "",
        },
        findings=tuple(
            Finding(item["code"], item["severity"], item["message"]) for item in document.get("quality") or ()
        ),
        risk=_risk(document.get("risk") or {}),
        explanation=tuple(_contribution(item) for item in document.get("explanation") or ()),
        explanation_text={
            language: tuple(sentences)
            for language, sentences in (document.get("explanation_text") or {}).items()
        },
        advice=tuple(_advice(item) for item in document.get("recommendations") or ()),
        assumptions=tuple(document.get("assumptions") or ()),
        changes=tuple(RegionalChange(**item) for item in document.get("changes") or ()),
        trend=tuple(
            TrendStudy(
                date.fromisoformat(item["study_date"]),
                item["bmd_g_cm2"],
                item.get("device") or "",
                item["comparable"],
            )
            for item in document.get("trend") or ()
        ),
        reference_bands=bands,
        context=document.get("context") or {},
        engine_version=document.get("engine_version", ""),
        identity=document.get("identity", ""),
    )


def _regions(bone: str, regions: Mapping[str, Any]) -> tuple[MeasuredRegion, ...]:
    return tuple(
        MeasuredRegion(
            bone=bone,
            name=name,
            bmd_g_cm2=regions[name].get("bmd_g_cm2"),
            bmd_source=regions[name].get("bmd_source") or "",
            bmd_uncertainty_g_cm2=regions[name].get("bmd_uncertainty_g_cm2"),
            bmc_g=regions[name].get("bmc_g"),
            area_cm2=regions[name].get("area_cm2"),
            t_score=regions[name].get("t_score"),
            z_score=regions[name].get("z_score"),
            score_source=regions[name].get("score_source") or "",
            polygon=tuple((column, row) for column, row in regions[name].get("polygon") or ()),
        )
        for name in REGIONS
        if name in regions
    )


UNIT_SUFFIXES = (
    ("_g_cm2_mm", "g/cm2/mm"),
    ("_g_cm2", "g/cm2"),
    ("_n_mm", "N/mm"),
    ("_mm2", "mm2"),
    ("_mm3", "mm3"),
    ("_mm4", "mm4"),
    ("_mm", "mm"),
    ("_deg", "deg"),
    ("_bit", "bit"),
    ("_strain", "10*-6"),
    ("_strain_index", "10*-6"),
)
"""Ends of the names of `StudyAnalysis` -> UCUM unit; all others are pure numbers."""


def _quantities(family: str, document: Mapping[str, Any]) -> tuple[Quantity, ...]:
    uncertainty = document.get("uncertainty") or {}
    return tuple(
        Quantity(f"{family}.{name}", value, uncertainty.get(name), _unit(name))
        for name, value in (document.get(family) or {}).items()
        if value is not None
    )


def _unit(name: str) -> str:
    return next((unit for suffix, unit in UNIT_SUFFIXES if name.endswith(suffix)), "1")


def _risk(risk: Mapping[str, Any]) -> Risk | None:
    model = _model(risk.get("model"))
    if model is None:
        return None
    horizons = ((years, (risk.get("horizons") or {}).get(str(years))) for years in HORIZONS_YEARS)
    return Risk(
        tuple(
            Horizon(years, item["probability"], item["interval"][0], item["interval"][1])
            for years, item in horizons
            if item
        ),
        risk.get("category") or "",
        risk.get("category_rule") or "",
        model,
    )


def _model(model: Mapping[str, Any] | None) -> Model | None:
    if not model:
        return None
    return Model(model["name"], model["version"], model["training_data"], model["sha256"])


def _contribution(item: Mapping[str, Any]) -> Contribution:
    return Contribution(
        feature=item["feature"],
        value=item["value"],
        contribution=item["contribution"],
        unit=item["unit"],
        family=item.get("family") or "",
        training_mean=item.get("training_mean"),
        imputed=bool(item.get("imputed")),
    )


def _advice(item: Mapping[str, Any]) -> Advice:
    return Advice(
        kind=item["kind"],
        text=item["text"],
        text_zh=item.get("text_zh") or "",
        guideline=item.get("guideline") or "",
        source=item["source"],
        strength=item.get("strength") or "",
        rule=item.get("rule_id") or "",
        inputs_used=tuple(item.get("inputs_used") or ()),
        inputs_missing=tuple(item.get("inputs_missing") or ()),
    )
