"""What the templates of a study's page are given beside the study: words, numbers as text, plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from analysis.results import REGIONS
from analysis.wording import chinese, english, feature_name
from analysis.wording.names import Language, family_name, region_name
from analysis.wording.numbers import number_text, signed
from dicom_node.storage.study_history import ResultFile, StudyDelivery
from dicom_node.web.finding_words import finding_name
from dicom_node.web.i18n import speaker, translatable
from dicom_node.web.plots.longitudinal import Longitudinal, longitudinal
from dicom_node.web.plots.waterfall import InputWords, Waterfall, waterfall
from dicom_node.web.study_words import (
    CALIBRATIONS,
    RISKS,
    SEVERITY_TONES,
    SIDES,
    VERDICTS,
    StepWords,
)
from dicom_node.workflow.study_view import StudyPage
from dicom_node.workflow.study_view.numbers import FAMILIES, AnalysisNumbers
from reports.engine_text import engine_text
from reports.identity import SERIES, ResultKind

__all__ = ["LAYERS", "available_layers", "outlined_regions", "page_values"]

LAYERS: Mapping[str, ResultKind] = {
    "mask": ResultKind.SEGMENTATION,
    "drivers": ResultKind.DRIVER_MAP,
    "density": ResultKind.DENSITY_MAP,
    "strain": ResultKind.DENSITY_MAP,
}
"""Layer over the image -> the result that it is drawn from."""

FAMILY_TITLES = {
    "morphometry": translatable("Shape and cortex"),
    "mechanics": translatable("Mechanics (model, relative use only)"),
    "density_distribution": translatable("Distribution of density"),
    "texture": translatable("Texture of the ultradistal radius"),
}

RESULT_TITLES = {
    ResultKind.REPORT: translatable("Report (SR)"),
    ResultKind.MEASUREMENTS: translatable("Measurements (SR)"),
    ResultKind.DRIVER_MAP: translatable("Risk drivers (picture)"),
    ResultKind.SUMMARY: translatable("Summary (picture)"),
    ResultKind.DENSITY_MAP: translatable("Density map (picture)"),
    ResultKind.SEGMENTATION: translatable("Segmentation"),
    ResultKind.PRESENTATION: translatable("Outlines (presentation state)"),
    ResultKind.DOCUMENT: translatable("PDF report"),
    ResultKind.KEY_OBJECTS: translatable("Key objects"),
    ResultKind.REFUSAL_REPORT: translatable("Not analysed: report (SR)"),
    ResultKind.REFUSAL_PAGE: translatable("Not analysed (picture)"),
}

KINDS_BY_DESCRIPTION = {series.description: kind for kind, series in SERIES.items()}

DIAGNOSES = {
    "normal": translatable("Normal bone mineral density"),
    "low_bone_mass": translatable("Low bone mass (osteopenia)"),
    "osteoporosis": translatable("Osteoporosis"),
    "within_expected_range": translatable("Within the expected range for age"),
    "below_expected_range": translatable("Below the expected range for age"),
}

SOURCES = {"pixels": translatable("measured on the pixels"), "vendor": translatable("of the densitometer")}

BONES = {"radius": translatable("Radius"), "ulna": translatable("Ulna"), "both": translatable("Both bones")}

CONTEXT = {
    "age": translatable("Age"),
    "sex": translatable("Sex"),
    "height": translatable("Height"),
    "weight": translatable("Weight"),
    "forearm_length": translatable("Forearm length"),
}
"""Clinical inputs that every analysis names; others are called as the models call them."""

SEXES = {"F": translatable("female"), "M": translatable("male"), "O": translatable("other")}


@dataclass(frozen=True, slots=True)
class ListedResult:
    """One result object as the page lists it."""

    file: ResultFile
    title: str
    kind: ResultKind | None
    stands: bool


def page_values(page: StudyPage, language: str) -> dict[str, Any]:
    """Return what the templates need to say a study in a language."""
    chosen = cast(Language, language)
    say = speaker(language)
    words = StepWords(language)
    units = chinese.UNITS if language == "zh" else english.UNITS
    return {
        "page": page,
        "numbers": page.numbers,
        "layers": available_layers(page),
        "results": listed_results(page, language),
        "deliveries": _by_destination(page),
        "waterfall": _waterfall(page.numbers, chosen),
        "trends": _trends(page.numbers),
        "step_text": words,
        "entry_text": lambda entry: words.entry(entry.field, entry.value),
        "finding_name": lambda code: finding_name(say, code),
        "feature_name": lambda feature: feature_name(feature, chosen),
        "region_name": lambda region: region_name(region, chosen),
        "family_name": lambda family: family_name(family, chosen),
        "context_name": lambda name: say(CONTEXT[name]) if name in CONTEXT else feature_name(name, chosen),
        "engine_text": lambda text: engine_text(text, chosen),
        "unit": lambda unit: units.get(unit, unit),
        "num": number_text,
        "plus": signed,
        "risks": RISKS,
        "sides": SIDES,
        "sexes": SEXES,
        "bones": BONES,
        "sources": SOURCES,
        "verdicts": VERDICTS,
        "diagnoses": DIAGNOSES,
        "calibrations": CALIBRATIONS,
        "family_titles": {family: FAMILY_TITLES[family] for family in FAMILIES},
        "severity_tones": SEVERITY_TONES,
    }


def available_layers(page: StudyPage) -> dict[str, ResultFile]:
    """Return the layers whose results are kept, of the analysis that is shown."""
    if page.numbers is None or not page.numbers.rows:
        return {}
    found = {layer: page.result(kind) for layer, kind in LAYERS.items()}
    kept = {layer: file for layer, file in found.items() if file is not None}
    if page.numbers.calibration not in ("real_world_value_map", "vendor_anchor", "site"):
        kept.pop("density", None)
    if not page.numbers.quantities["mechanics"]:
        kept.pop("strain", None)
    return kept


def outlined_regions(numbers: AnalysisNumbers) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return the outlines that pages of maps draw in colour: of regions with a BMD, without their union."""
    return tuple(
        region.polygon
        for region in numbers.regions
        if region.name != "total" and region.polygon and region.bmd_g_cm2 is not None
    )


def listed_results(page: StudyPage, language: str) -> list[ListedResult]:
    """Return every result with the name of its kind, in the order of their series."""
    say = speaker(language)
    listed = []
    for file in page.results:
        kind = KINDS_BY_DESCRIPTION.get(file.kind)
        title = say(RESULT_TITLES[kind]) if kind else file.kind
        listed.append(ListedResult(file, title, kind, file.sop_instance_uid in page.standing))
    return listed


def _by_destination(page: StudyPage) -> dict[str, list[StudyDelivery]]:
    found: dict[str, list[StudyDelivery]] = {}
    for delivery in page.deliveries:
        found.setdefault(delivery.destination, []).append(delivery)
    return found


def _waterfall(numbers: AnalysisNumbers | None, language: Language) -> Waterfall | None:
    if numbers is None:
        return None
    _ = speaker(language)
    return waterfall(
        numbers.explanation,
        language,
        others=_("{count} further inputs", count="{count}"),
        words=InputWords(_("not known"), _("yes"), _("no"), _("male"), _("female")),
    )


def _trends(numbers: AnalysisNumbers | None) -> dict[str, Longitudinal]:
    if numbers is None:
        return {}
    order = ("one_third", *(region for region in REGIONS if region not in ("one_third", "total")))
    drawn = {region: longitudinal(numbers, region) for region in order}
    return {region: plot for region, plot in drawn.items() if plot is not None}
