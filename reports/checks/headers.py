"""What every result has in its header, whatever it is: identity, series, equipment, character set."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.uid import (
    UID,
    ColorSoftcopyPresentationStateStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from reports.checks.breach import Breach
from reports.checks.tree import FILE_META, Attributes
from reports.identity import MANUFACTURER, MANUFACTURER_MODEL_NAME, SERIES, ResultKind
from reports.source import CHARACTER_SET, ReportContext

IDENTITY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "StudyDescription",
)
"""A result must agree with its source on these, or a PACS files it elsewhere."""

SR_CLASSES = {
    "comprehensive": ComprehensiveSRStorage,
    "enhanced": EnhancedSRStorage,
    "comprehensive_3d": Comprehensive3DSRStorage,
}
"""`ReportOptions.sr_class` -> storage SOP class."""

CLASSES = {
    ResultKind.SUMMARY: (SecondaryCaptureImageStorage, "OT"),
    ResultKind.DRIVER_MAP: (SecondaryCaptureImageStorage, "OT"),
    ResultKind.DENSITY_MAP: (SecondaryCaptureImageStorage, "OT"),
    ResultKind.SEGMENTATION: (SegmentationStorage, "SEG"),
    ResultKind.PRESENTATION: (GrayscaleSoftcopyPresentationStateStorage, "PR"),
    ResultKind.DOCUMENT: (EncapsulatedPDFStorage, "DOC"),
    ResultKind.REFUSAL_PAGE: (SecondaryCaptureImageStorage, "OT"),
    ResultKind.KEY_OBJECTS: (KeyObjectSelectionDocumentStorage, "KO"),
}
"""Kind -> storage SOP class and Modality (PS3.3 C.7.3.1.1.1); the reports' class is the site's choice."""

_KINDS = {series.number: kind for kind, series in SERIES.items()}


def kind_of(result: Attributes) -> ResultKind | None:
    """Return which result this is, by its series number; ``None`` for a number that is none of ours."""
    return _KINDS.get(int(result.get("SeriesNumber") or 0))


def check_header(result: Attributes, context: ReportContext) -> Iterator[Breach]:
    """Check what does not depend on the kind of a result."""
    for keyword in IDENTITY:
        if str(result.get(keyword) or "") != str(context.header.get(keyword) or ""):
            yield Breach(f"agree with its source image on {keyword}", "PS3.3 C.7.1.1, C.7.2.1")
    if result.get("StudyInstanceUID") != context.analysis.study_instance_uid:
        yield Breach("stay in the analysed study", "PS3.3 C.7.2.1")
    if (result.get("Manufacturer"), result.get("ManufacturerModelName")) != (
        MANUFACTURER,
        MANUFACTURER_MODEL_NAME,
    ):
        yield Breach("name this product", "PS3.3 C.7.5.1")
    if result.get("SoftwareVersions") != context.analysis.engine_version:
        yield Breach("name this version", "PS3.3 C.7.5.1")
    if result.get("SpecificCharacterSet") != CHARACTER_SET:
        yield Breach("declare UTF-8", "PS3.3 C.12.1.1.2")
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        if not UID(result.get(keyword) or "").is_valid:
            yield Breach(f"have a legal {keyword}", "PS3.5 9.1")
    yield from _check_meta(result)
    yield from _check_series(result, context)


def _check_meta(result: Attributes) -> Iterator[Breach]:
    meta = result[FILE_META]
    if (
        meta.get("MediaStorageSOPInstanceUID"),
        meta.get("MediaStorageSOPClassUID"),
    ) != (
        result.get("SOPInstanceUID"),
        result.get("SOPClassUID"),
    ):
        yield Breach("have the file header of its own instance", "PS3.10 7.1")


def _check_series(result: Attributes, context: ReportContext) -> Iterator[Breach]:
    kind = kind_of(result)
    if kind is None or result.get("SeriesDescription") != SERIES[kind].description:
        yield Breach(
            "have the series number and description of one kind of result",
            "PS3.3 C.7.3.1, ours",
        )
        return
    if result.get("SeriesInstanceUID") == context.image.series_instance_uid:
        yield Breach("have a series of its own", "PS3.3 C.7.3.1")
    expected = _class_of(kind, context)
    if (result.get("SOPClassUID"), result.get("Modality")) != expected:
        yield Breach(f"be a {expected[0].name} of modality {expected[1]}", "PS3.3 C.7.3.1.1.1")
    if result.get("ContentQualification", "RESEARCH") != "RESEARCH":
        yield Breach("be qualified as RESEARCH", "PS3.3 C.8.13.2.1.1")


def _class_of(kind: ResultKind, context: ReportContext) -> tuple[UID, str]:
    photometric = str(context.header.get("PhotometricInterpretation") or "MONOCHROME2")
    if kind is ResultKind.PRESENTATION and not photometric.startswith("MONOCHROME"):
        return ColorSoftcopyPresentationStateStorage, "PR"
    return CLASSES.get(kind, (SR_CLASSES[context.options.sr_class], "SR"))
