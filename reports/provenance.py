"""How the numbers came about and how far they reach: order, calibration, outlines, inputs, limits."""

from __future__ import annotations

from pydicom import Dataset

from analysis.results import BmdSource, Calibration, RiskEstimate, SegmentationQuality, StudyAnalysis
from analysis.wording import Language
from reports.engine_text import engine_text
from reports.language import joined, translatable, translated
from reports.numbers import percent_text, rounded

CALIBRATIONS = {
    Calibration.REAL_WORLD_VALUE_MAP: translatable("Real World Value Mapping of the image"),
    Calibration.VENDOR_TABLE: translatable("the densitometer's own results table"),
    Calibration.SITE: translatable("site calibration"),
    Calibration.VENDOR_ANCHOR: translatable("greys scaled by the densitometer's own BMD, relative use only"),
    Calibration.NONE: translatable("none: no density could be measured on this image"),
}

ISCD_STATEMENT = translatable(
    "Of the forearm regions only the one-third (33 %) radius is used for diagnosis (ISCD 2023 Official "
    "Positions); the others are shown for research."
)

PERIPHERAL_STATEMENT = translatable(
    "The densitometer is a peripheral device: WHO T-score categories must not be applied to any of its "
    "numbers (ISCD)."
)

METHODS = {"network": translatable("network"), "classical": translatable("classical")}
"""Values of `SegmentationQuality.method`."""

INDICATION_ATTRIBUTES = {
    "ReasonForStudy": translatable("Reason for the study: {text}"),
    "ReasonForTheRequestedProcedure": translatable("Reason for the requested procedure: {text}"),
    "RequestedProcedureDescription": translatable("Requested procedure: {text}"),
    "AdmittingDiagnosesDescription": translatable("Admitting diagnoses: {text}"),
}
"""Attributes in which the order or the scanner tells why the study was made: (0032,1030), (0040,1002),
(0032,1060), (0008,1080); the second and third also of an item of (0040,0275)."""

SURE_SCORE = 0.99
"""Probability of a good outline above which no finer figure is printed: it was calibrated on some hundred
scans."""


def limit_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """What the reader must know before using a number."""
    if analysis.risk is not None:
        model = translated("Risk model {model}.", language, model=model_sentence(analysis.risk, language))
    else:
        model = translated("No fracture risk was computed; the quality findings say why.", language)
    peripheral = any(finding.code == "peripheral_device" for finding in analysis.quality)
    return [model, translated(PERIPHERAL_STATEMENT if peripheral else ISCD_STATEMENT, language)]


def provenance_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """Where the numbers come from: calibration, spacing, reference, densitometer."""
    calibration = translated(CALIBRATIONS[analysis.calibration], language)
    sentences = [
        translated("Calibration: {calibration}", language, calibration=calibration),
        _spacing_sentence(analysis, language),
    ]
    scored_by = {region.score_source for region in analysis.regions.values()}
    if BmdSource.PIXELS in scored_by and analysis.reference is not None:
        name, source = analysis.reference.name, analysis.reference.source
        sentences.append(
            translated("T- and Z-score reference: {name} ({source})", language, name=name, source=source)
        )
    if BmdSource.VENDOR in scored_by:
        sentences.append(
            translated("T- and Z-scores copied from the densitometer, against its own reference", language)
        )
    if analysis.device:
        sentences.append(translated("Densitometer: {device}", language, device=analysis.device))
    if analysis.segmentation is not None:
        sentences.append(segmentation_sentence(analysis.segmentation, language))
    return sentences


def _spacing_sentence(analysis: StudyAnalysis, language: Language) -> str:
    if analysis.pixel_spacing_mm is not None:
        row, column = analysis.pixel_spacing_mm
        return translated(
            "Pixel spacing {row} mm (rows) x {column} mm (columns) from {source}",
            language,
            row=rounded(row, 3),
            column=rounded(column, 3),
            source=engine_text(analysis.spacing_source, language),
        )
    if analysis.evidence is None:
        return translated("No image: nothing was outlined or measured", language)
    return translated("Pixel spacing: unknown", language)


def segmentation_sentence(found: SegmentationQuality, language: Language = "en") -> str:
    """Say who drew the outlines and how far to trust them."""
    model = found.model
    if model:
        drawn = translated(
            "{name} version {version}; {data}",
            language,
            name=model.name,
            version=model.version,
            data=engine_text(model.training_data, language),
        )
    else:
        drawn = translated("no network", language)
    if found.score > SURE_SCORE:
        score = translated("above {percent} %", language, percent=rounded(100 * SURE_SCORE, 0))
    else:
        score = translated("{percent} %", language, percent=percent_text(found.score))
    sentence = translated(
        "Outlines by the {method} method ({drawn}): estimated probability of a good radius outline {score}",
        language,
        method=translated(METHODS.get(found.method, found.method), language),
        drawn=drawn,
        score=score,
    )
    if found.agreement is None:
        return sentence
    return sentence + translated(
        ", agreement of two methods {dice} (Dice)", language, dice=rounded(found.agreement, 3)
    )


def context_sentences(analysis: StudyAnalysis, language: Language = "en") -> list[str]:
    """The clinical inputs that were used, with their provenance."""
    inputs = [
        f"{engine_text(name.replace('_', ' '), language)} {engine_text(value, language)}"
        for name, value in analysis.context.items()
    ]
    return (
        [translated("Clinical inputs: {inputs}", language, inputs=joined(inputs, language))] if inputs else []
    )


def model_sentence(risk: RiskEstimate, language: Language = "en") -> str:
    """Name the model and what it was trained on; the model itself says whether that was simulated."""
    return translated(
        "{name} version {version}; training data: {data}",
        language,
        name=risk.model.name,
        version=risk.model.version,
        data=engine_text(risk.model.training_data, language),
    )


def indication_sentences(header: Dataset, language: Language = "en") -> list[str]:
    """Why the study was made, as far as its header tells; one sentence says so if it does not.

    Parameters
    ----------
    header : Dataset
        Of the source image, e.g. `ReportContext.header`.
    """
    requests = list(header.get("RequestAttributesSequence") or [])
    sentences = [
        translated(message, language, text=text)
        for keyword, message in INDICATION_ATTRIBUTES.items()
        for text in dict.fromkeys(_text(item, keyword) for item in (header, *requests))
        if text
    ]
    return sentences or [translated("The indication is not given in the DICOM header.", language)]


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    values = [value] if isinstance(value, str) else list(value or [])
    return "; ".join(str(part).strip() for part in values if str(part).strip())
