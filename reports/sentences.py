"""What the results say in words: the same sentences in the report SR and on the summary page."""

from __future__ import annotations

from collections.abc import Collection

from pydicom.sr.coding import Code

from analysis.results import (
    REGIONS,
    BmdSource,
    Calibration,
    RegionChange,
    RegionMeasurement,
    RiskEstimate,
    SegmentationQuality,
    Severity,
    StudyAnalysis,
)
from analysis.wording import Language, explanation_sentences
from analysis.wording.numbers import signed
from reports import codes as coded
from reports.language import translated
from reports.numbers import decimals_of, number_text, percent_text, rounded
from reports.texture import coded_texture

CALIBRATIONS = {
    Calibration.REAL_WORLD_VALUE_MAP: "Real World Value Mapping of the image",
    Calibration.VENDOR_TABLE: "the densitometer's own results table",
    Calibration.SITE: "site calibration",
    Calibration.NONE: "none: no density could be measured on this image",
}

ISCD_STATEMENT = (
    "Of the forearm regions only the one-third (33 %) radius is used for diagnosis (ISCD 2023 Official "
    "Positions); the others are shown for research."
)

PERIPHERAL_STATEMENT = (
    "The densitometer is a peripheral device: WHO T-score categories must not be applied to any of its "
    "numbers (ISCD)."
)

HEAT_MAP_STATEMENT = "The heat map shows what influenced the model, not disease."

SOURCES = {BmdSource.PIXELS: "measured on the pixels", BmdSource.VENDOR: "copied from the densitometer"}

UNITS = {
    "10*-6": "µstrain",
    "1": "",
    "deg": "°",
    "g/cm2": "g/cm²",
    "mm2": "mm²",
    "mm3": "mm³",
    "mm4": "mm⁴",
}
"""UCUM units that people write otherwise."""

KEY_SHAPES = (
    "cortical_thickness_mm",
    "medullary_width_mm",
    "shaft_diameter_mm",
    "cortical_index",
    "ring_model_bmd_g_cm2",
    "distal_width_mm",
    "radial_inclination_deg",
    "ulnar_variance_mm",
    "mean_strain_index",
    "axial_stiffness_n_mm",
)
"""Shapes and strengths with a place on the summary page; the report SR tells them all."""

SURE_SCORE = 0.99
"""Probability of a good outline above which no finer figure is printed: it was calibrated on some hundred
scans."""


def category_sentence(risk: RiskEstimate, language: Language = "en") -> str:
    """Say the risk category with the number and the rule behind it."""
    return f"{risk.category.capitalize()} risk. Rule: {risk.category_rule}"


def risk_sentences(risk: RiskEstimate, language: Language = "en") -> list[str]:
    """One sentence per horizon: probability with its 90 % interval."""
    return [
        f"{year} y: {percent_text(estimate.probability)} % "
        f"(90 % interval {percent_text(estimate.interval[0])} to {percent_text(estimate.interval[1])} %)"
        for year, estimate in sorted(risk.horizons.items())
    ]


def model_sentence(risk: RiskEstimate, language: Language = "en") -> str:
    """Name the model and what it was trained on; the model itself says whether that was simulated."""
    return f"{risk.model.name} version {risk.model.version}; training data: {risk.model.training_data}"


def region_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """One sentence per region of the radius, distal to proximal."""
    return [
        _region_sentence(coded.REGION_NAMES[region], analysis.regions[region])
        for region in REGIONS
        if region in analysis.regions and analysis.regions[region].bmd_g_cm2 is not None
    ]


def other_bone_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """One sentence per region of the ulna and of both bones together."""
    return [
        _region_sentence(coded.OTHER_BONE_FINDINGS[bone][region].meaning.removesuffix(" region"), measured)
        for bone, regions in analysis.other_bones.items()
        for region in REGIONS
        if (measured := regions.get(region)) is not None and measured.bmd_g_cm2 is not None
    ]


def _region_sentence(name: str, measured: RegionMeasurement) -> str:
    parts = [f"BMD {bmd_text(measured)} g/cm²"]
    if measured.t_score is not None:
        parts.append(f"T-score {number_text(measured.t_score, '{T-score}')}")
    if measured.z_score is not None:
        parts.append(f"Z-score {number_text(measured.z_score, '{Z-score}')}")
    if measured.bmc_g is not None:
        parts.append(f"BMC {number_text(measured.bmc_g, 'g')} g")
    if measured.area_cm2 is not None:
        parts.append(f"area {number_text(measured.area_cm2, 'cm2')} cm²")
    origin = f" (BMD {SOURCES[measured.bmd_source]})" if measured.bmd_source else ""
    return f"{name}: {', '.join(parts)}{origin}"


def bmd_text(measured: RegionMeasurement) -> str:
    """BMD with one standard deviation where one is known, without the unit."""
    text = number_text(measured.bmd_g_cm2, "g/cm2")
    spread = measured.bmd_uncertainty_g_cm2
    return text if spread is None else f"{text} ± {number_text(spread, 'g/cm2')}"


def shape_sentences(
    analysis: StudyAnalysis, language: Language = "en", *, only: Collection[str] | None = None
) -> list[str]:
    """Cortex, shaft and distal end in one sentence, the mechanical model in another, as far as measured.

    Parameters
    ----------
    only : collection of str, optional
        Keys of `StudyAnalysis.morphometry` and `StudyAnalysis.mechanics` to tell; all of them if not given.
    """
    told = (
        ("Shape of the radius", analysis.morphometry, coded.MORPHOMETRY),
        ("Model of a fall on the hand (relative use only)", analysis.mechanics, coded.MECHANICS),
    )
    sentences = []
    for what, values, concepts in told:
        parts = [
            f"{_within_sentence(concept.meaning)} {_with_error(analysis, key, value, unit)}"
            for key, (concept, unit) in concepts.items()
            if (only is None or key in only) and (value := values.get(key)) is not None
        ]
        if parts:
            sentences.append(f"{what}: {', '.join(parts)}")
    return sentences


def _with_error(analysis: StudyAnalysis, key: str, value: float, unit: Code) -> str:
    """The value with one standard deviation where one is known, and its unit."""
    spread = analysis.uncertainty.get(key)
    error = "" if spread is None else f" ± {rounded(spread, decimals_of(unit, value))}"
    return f"{number_text(value, unit)}{error} {UNITS.get(unit.value, unit.value)}".rstrip()


def _within_sentence(meaning: str) -> str:
    """Begin with a small letter, unless the first word is an abbreviation."""
    return meaning if meaning[:2].isupper() else meaning[:1].lower() + meaning[1:]


def texture_sentence(analysis: StudyAnalysis, language: Language = "en") -> str | None:
    """The coded texture features in one sentence, or None if none was measured."""
    parts = [
        f"{concept.meaning} {number_text(value, '1')}" for concept, value in coded_texture(analysis.texture)
    ]
    return f"Texture of the ultradistal radius: {', '.join(parts)}" if parts else None


def change_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """One sentence per region measured before."""
    return [_change_sentence(change) for change in analysis.changes]


def _change_sentence(change: RegionChange) -> str:
    known = change.least_significant_change_percent
    if known is None or change.significant is None:
        verdict = "no least significant change known for this region"
    else:
        relation = "exceeds" if change.significant else "within"
        verdict = f"{relation} the least significant change of {rounded(known, 1)} %"
    yearly = change.percent_per_year
    pace = "" if yearly is None else f", {signed(yearly, 1)} % per year"
    return (
        f"{coded.REGION_NAMES[change.region]}: {signed(change.change_g_cm2, 3)} g/cm² "
        f"({signed(change.change_percent, 1)} %{pace}) in {rounded(change.years, 1)} y since "
        f"{change.prior_date.isoformat()}; {verdict}"
    )


def driver_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """What raised and lowered the estimate, largest contribution to its log-hazard first, then by family."""
    return explanation_sentences(analysis.explanation, analysis.regions, language)


def recommendation_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """Advice with its source."""
    return [f"{advice.text} [{advice.source}]" for advice in analysis.recommendations]


def quality_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """Quality findings, worst first."""
    order = (Severity.ERROR, Severity.WARNING, Severity.INFO)
    findings = sorted(analysis.quality, key=lambda finding: order.index(finding.severity))
    return [f"{finding.severity.value.capitalize()}: {finding.message}" for finding in findings]


def limit_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """What the reader must know before using a number."""
    if analysis.risk is not None:
        model = f"Risk model {model_sentence(analysis.risk)}."
    else:
        model = "No fracture risk was computed; the quality findings say why."
    peripheral = any(finding.code == "peripheral_device" for finding in analysis.quality)
    return [model, PERIPHERAL_STATEMENT if peripheral else ISCD_STATEMENT]


def provenance_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """Where the numbers come from: calibration, spacing, reference, densitometer."""
    sentences = [f"Calibration: {CALIBRATIONS[analysis.calibration]}"]
    if analysis.pixel_spacing_mm is not None:
        row, column = analysis.pixel_spacing_mm
        sentences.append(
            f"Pixel spacing {row:.3f} mm (rows) x {column:.3f} mm (columns) from {analysis.spacing_source}"
        )
    elif analysis.evidence is None:
        sentences.append("No image: nothing was outlined or measured")
    else:
        sentences.append("Pixel spacing: unknown")
    scored_by = {region.score_source for region in analysis.regions.values()}
    if BmdSource.PIXELS in scored_by and analysis.reference is not None:
        sentences.append(f"T- and Z-score reference: {analysis.reference.name} ({analysis.reference.source})")
    if BmdSource.VENDOR in scored_by:
        sentences.append("T- and Z-scores copied from the densitometer, against its own reference")
    if analysis.device:
        sentences.append(f"Densitometer: {analysis.device}")
    if analysis.segmentation is not None:
        sentences.append(segmentation_sentence(analysis.segmentation))
    return sentences


def segmentation_sentence(found: SegmentationQuality) -> str:
    """Say who drew the outlines and how far to trust them."""
    model = found.model
    drawn = f"{model.name} version {model.version}; {model.training_data}" if model else "no network"
    sure = found.score > SURE_SCORE
    percent = f"above {100 * SURE_SCORE:.0f}" if sure else percent_text(found.score)
    score = f"estimated probability of a good radius outline {percent} %"
    agreement = (
        "" if found.agreement is None else f", agreement of two methods {rounded(found.agreement, 3)} (Dice)"
    )
    return f"Outlines by the {found.method} method ({drawn}): {score}{agreement}"


def context_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """The clinical inputs that were used, with their provenance."""
    inputs = [f"{name.replace('_', ' ')} {value}" for name, value in analysis.context.items()]
    return [f"Clinical inputs: {', '.join(inputs)}"] if inputs else []


def research_statement(language: Language) -> str:
    """Say what is printed on every picture and first in every text."""
    return translated("AI - RESEARCH USE ONLY - NOT FOR DIAGNOSIS", language)
