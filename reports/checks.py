"""Rules that external validators do not check and that viewers rely on.

dciodvfy knows no templates, PixelMed's validator misses absent mandatory rows, and OHIF shows a black screen
for a whole report if one group lacks an outline or a tracking identifier. Every result is checked against
these rules before anyone sees it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom import Dataset
from pydicom.uid import UID

from analysis.errors import AnalysisError
from reports.identity import MANUFACTURER_MODEL_NAME
from reports.regions_of_interest import MINIMUM_POINTS
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
)
"""A result must agree with its source on these, or a PACS files it elsewhere."""

MAXIMUM_MEANING = 64
"""Characters of Code Meaning (0008,0104), VR LO."""

MEASUREMENT_GROUP = "125007"
TRACKING_IDENTIFIER, TRACKING_UNIQUE_IDENTIFIER = "112039", "112040"
ORIGINAL_SOURCE = "111040"


def check_results(results: Sequence[Dataset], context: ReportContext) -> None:
    """Check finished results.

    Raises
    ------
    AnalysisError
        Naming the result, the rule it breaks and what to do. Results are made by us: a failure is a defect of
        this program or of the analysis it was given, never of the patient's study.
    """
    uids = [str(result.SOPInstanceUID) for result in results]
    if len(set(uids)) != len(uids):
        raise _defect("the results", "have distinct SOP Instance UIDs")
    for result in results:
        _check_header(result, context)
        if result.Modality == "SR":
            check_document(result, context)


def check_document(document: Dataset, context: ReportContext) -> None:
    """Check the content tree of a Structured Report; raises AnalysisError."""
    name = document.SeriesDescription
    for item in content_items(document):
        if item.ValueType == "CONTAINER" and item.ContinuityOfContent != "SEPARATE":
            raise _defect(name, "have SEPARATE containers")
        for keyword in ("ConceptNameCodeSequence", "ConceptCodeSequence"):
            for code in item.get(keyword, ()):
                if not 0 < len(code.CodeMeaning) <= MAXIMUM_MEANING:
                    raise _defect(name, f"have code meanings of 1 to {MAXIMUM_MEANING} characters")
    groups = [group for group in content_items(document) if _concept(group) == MEASUREMENT_GROUP]
    for group in groups:
        _check_group(group, name, context)
    tracked = [_value(group, TRACKING_UNIQUE_IDENTIFIER) for group in groups]
    if len(set(tracked)) != len(tracked):
        raise _defect(name, "have a tracking UID of its own in every measurement group")
    _check_evidence(document)


def content_items(item: Dataset) -> Iterator[Dataset]:
    """Yield `item` and every content item below it, depth first."""
    yield item
    for child in item.get("ContentSequence", ()):
        yield from content_items(child)


def _check_header(result: Dataset, context: ReportContext) -> None:
    name = result.SeriesDescription
    for keyword in IDENTITY:
        if str(result.get(keyword, "")) != str(context.header.get(keyword, "")):
            raise _defect(name, f"agree with its source image on {keyword}")
    if result.ManufacturerModelName != MANUFACTURER_MODEL_NAME:
        raise _defect(name, "name this product")
    if result.SpecificCharacterSet != CHARACTER_SET:
        raise _defect(name, "declare UTF-8")
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        if not UID(result[keyword].value).is_valid:
            raise _defect(name, f"have a legal {keyword}")


def _check_group(group: Dataset, name: str, context: ReportContext) -> None:
    for code in (TRACKING_IDENTIFIER, TRACKING_UNIQUE_IDENTIFIER):
        if not _value(group, code):
            raise _defect(name, f"have ({code}, DCM) in every measurement group")
    outlines = [child for child in group.ContentSequence if child.ValueType == "SCOORD"]
    if context.evidence is None:
        if outlines:
            raise _defect(name, "have no outline where there is no image")
        return
    if len(outlines) != 1:
        raise _defect(name, "have exactly one outline in every measurement group")
    outline = outlines[0]
    numbers = list(outline.GraphicData)
    points = list(zip(numbers[0::2], numbers[1::2], strict=True))
    if outline.GraphicType != "POLYLINE" or len(points) < MINIMUM_POINTS or points[0] != points[-1]:
        raise _defect(name, f"have closed outlines of at least {MINIMUM_POINTS} points")
    image = context.image
    if not all(0 <= column <= image.columns and 0 <= row <= image.rows for column, row in points):
        raise _defect(name, f"have outlines within the image of {image.columns} x {image.rows} pixels")
    sources = outline.get("ContentSequence", ())
    if len(sources) != 1 or _concept(sources[0]) != ORIGINAL_SOURCE:
        raise _defect(name, "tie every outline to exactly one Original Source image")
    reference = sources[0].ReferencedSOPSequence[0]
    if reference.ReferencedSOPInstanceUID != image.sop_instance_uid or "ReferencedFrameNumber" in reference:
        raise _defect(name, "refer to the analysed image as a whole")


def _check_evidence(document: Dataset) -> None:
    listed = [
        instance.ReferencedSOPInstanceUID
        for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
        for study in document.get(keyword, ())
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]
    referenced = {
        reference.ReferencedSOPInstanceUID
        for item in content_items(document)
        for reference in item.get("ReferencedSOPSequence", ())
    }
    if not referenced <= set(listed) or len(set(listed)) != len(listed):
        raise _defect(document.SeriesDescription, "list every referenced image in its evidence exactly once")


def _concept(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence", ())
    return str(names[0].get("CodeValue", "")) if names else ""


def _value(group: Dataset, code: str) -> str:
    for child in group.ContentSequence:
        if _concept(child) == code:
            return str(child.get("TextValue") or child.get("UID") or "")
    return ""


def _defect(subject: str, rule: str) -> AnalysisError:
    return AnalysisError(f"{subject}: must {rule}; report this defect with the study's analysis identity")
