"""What was measured and what was remarked on, in words; names of quantities are in `analysis.wording`."""

from __future__ import annotations

from collections.abc import Collection

from pydicom.sr.coding import Code

from analysis.results import (
    REGIONS,
    BmdSource,
    RegionMeasurement,
    Severity,
    StudyAnalysis,
)
from analysis.wording import Language, feature_name
from analysis.wording.names import region_name, texture_name
from reports import codes as coded
from reports.engine_text import engine_text
from reports.language import joined, translatable, translated
from reports.numbers import decimals_of, number_text, rounded
from reports.options import DEFAULT_OPTIONS
from reports.texture import TEXTURE

HEAT_MAP_STATEMENT = translatable("The heat map shows what influenced the model, not disease.")

SOURCES = {
    BmdSource.PIXELS: translatable("measured on the pixels"),
    BmdSource.VENDOR: translatable("copied from the densitometer"),
}

SEVERITIES = {
    Severity.ERROR: translatable("Error: {finding}"),
    Severity.WARNING: translatable("Warning: {finding}"),
    Severity.INFO: translatable("Info: {finding}"),
}

BONES = {
    "ulna": {
        "ultradistal": translatable("Ultradistal ulna"),
        "mid": translatable("Mid ulna"),
        "one_third": translatable("One-third ulna"),
        "total": translatable("Total ulna"),
    },
    "both": {
        "ultradistal": translatable("Ultradistal radius and ulna"),
        "mid": translatable("Mid radius and ulna"),
        "one_third": translatable("One-third radius and ulna"),
        "total": translatable("Total radius and ulna"),
    },
}
"""Regions of `StudyAnalysis.other_bones`."""

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


def research_statement(language: Language) -> str:
    """Say what is printed on every picture and first in every text."""
    return translated("AI - RESEARCH USE ONLY - NOT FOR DIAGNOSIS", language)


def unit_text(unit: Code | str, language: Language) -> str:
    """Write a UCUM unit as people do; empty for a pure number."""
    value = unit if isinstance(unit, str) else unit.value
    return translated("µstrain", language) if value == "10*-6" else UNITS.get(value, value)


def region_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """One sentence per region of the radius, distal to proximal."""
    return [
        region_sentence(region_name(region, language), analysis.regions[region], language)
        for region in REGIONS
        if region in analysis.regions and analysis.regions[region].bmd_g_cm2 is not None
    ]


def other_bone_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """One sentence per region of the ulna and of both bones together."""
    return [
        region_sentence(translated(BONES[bone][region], language), measured, language)
        for bone, regions in analysis.other_bones.items()
        for region in REGIONS
        if (measured := regions.get(region)) is not None and measured.bmd_g_cm2 is not None
    ]


def region_sentence(name: str, measured: RegionMeasurement, language: Language) -> str:
    """BMD, scores, content and area of one region, and who measured the BMD."""
    parts = [translated("BMD {bmd} g/cm²", language, bmd=bmd_text(measured))]
    if measured.t_score is not None:
        parts.append(
            translated("T-score {score}", language, score=number_text(measured.t_score, "{T-score}"))
        )
    if measured.z_score is not None:
        parts.append(
            translated("Z-score {score}", language, score=number_text(measured.z_score, "{Z-score}"))
        )
    if measured.bmc_g is not None:
        parts.append(translated("BMC {bmc} g", language, bmc=number_text(measured.bmc_g, "g")))
    if measured.area_cm2 is not None:
        parts.append(translated("area {area} cm²", language, area=number_text(measured.area_cm2, "cm2")))
    said = joined(parts, language)
    if measured.bmd_source is None:
        return translated("{region}: {values}", language, region=name, values=said)
    origin = translated(SOURCES[measured.bmd_source], language)
    return translated("{region}: {values} (BMD {origin})", language, region=name, values=said, origin=origin)


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
        (translatable("Shape of the radius: {values}"), analysis.morphometry, coded.MORPHOMETRY),
        (
            translatable("Model of a fall on the hand (relative use only): {values}"),
            analysis.mechanics,
            coded.MECHANICS,
        ),
    )
    sentences = []
    for sentence, values, concepts in told:
        parts = [
            f"{shape_name(key, concept, language)} {_with_error(analysis, key, value, unit, language)}"
            for key, (concept, unit) in concepts.items()
            if (only is None or key in only) and (value := values.get(key)) is not None
        ]
        if parts:
            sentences.append(translated(sentence, language, values=joined(parts, language)))
    return sentences


def shape_name(key: str, concept: Code, language: Language) -> str:
    """Name a shape or strength within a sentence; English by its short Code Meaning."""
    return feature_name(f"morphometry.{key}", language) if language == "zh" else _within(concept.meaning)


def _with_error(analysis: StudyAnalysis, key: str, value: float, unit: Code, language: Language) -> str:
    """The value with one standard deviation where one is known, and its unit."""
    spread = analysis.uncertainty.get(key)
    error = "" if spread is None else f" ± {rounded(spread, decimals_of(unit, value))}"
    return f"{number_text(value, unit)}{error} {unit_text(unit, language)}".rstrip()


def _within(meaning: str) -> str:
    """Begin with a small letter, unless the first word is an abbreviation."""
    return meaning if meaning[:2].isupper() else meaning[:1].lower() + meaning[1:]


def texture_sentence(
    analysis: StudyAnalysis, language: Language = "en", *, only: Collection[str] = DEFAULT_OPTIONS.texture
) -> str | None:
    """The coded texture features in one sentence, or None if none was measured.

    Parameters
    ----------
    only : collection of str
        Keys of `StudyAnalysis.texture` to tell, as `ReportOptions.texture` lists them.
    """
    parts = [
        f"{texture_name(key, 'zh') if language == 'zh' else concept.meaning} {number_text(value, '1')}"
        for key, concept in TEXTURE.items()
        if key in only and (value := analysis.texture.get(key)) is not None
    ]
    if not parts:
        return None
    return translated("Texture of the ultradistal radius: {values}", language, values=joined(parts, language))


def quality_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """Quality findings, worst first."""
    order = tuple(SEVERITIES)
    findings = sorted(analysis.quality, key=lambda finding: order.index(finding.severity))
    return [
        translated(SEVERITIES[finding.severity], language, finding=engine_text(finding.message, language))
        for finding in findings
    ]
