"""Ways to find something in a result and to spoil it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

from pydicom import Dataset

from reports.checks import content_items

Spoil = Callable[[Dataset], object]
NUMBERS, REPORT, SUMMARY, PICTURE = "Measurements", "Report", "Summary", "Risk drivers"
REGIONS, OUTLINES, PDF, KEYS = "Segmentation", "Outlines", "PDF report", "Look here first"
"""First word of a result's Series Description."""


# --- ways to find something in a result -------------------------------------------------------------------


def code_of(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue) if "ConceptNameCodeSequence" in item else ""


def items(document: Dataset, code: str) -> Iterator[Dataset]:
    return (item for item in content_items(document) if code_of(item) == code)


def item(document: Dataset, code: str) -> Dataset:
    return next(items(document, code))


def number(document: Dataset) -> Dataset:
    """The first measurement; the image library has numbers too."""
    return next(
        item
        for item in content_items(document)
        if item.ValueType == "NUM" and item.RelationshipType == "CONTAINS"
    )


def measured(document: Dataset) -> Dataset:
    value: Dataset = number(document).MeasuredValueSequence[0]
    return value


def outline(document: Dataset) -> Dataset:
    return item(document, "111030")


def section(document: Dataset) -> Dataset:
    found: Dataset = next(c for c in document.ContentSequence if c.ValueType == "CONTAINER")
    return found


# --- ways to spoil it -------------------------------------------------------------------------------------


def drop(code: str) -> Spoil:
    """Remove the first item with this concept name."""

    def spoil(document: Dataset) -> None:
        for parent in content_items(document):
            children = list(parent.get("ContentSequence", ()))
            found = [child for child in children if code_of(child) == code]
            if found:
                parent.ContentSequence = [child for child in children if child is not found[0]]
                return
        raise LookupError(code)

    return spoil


def drop_in(container: str, code: str) -> Spoil:
    """Remove from the first item named `container` its child named `code`."""
    return lambda document: drop(code)(item(document, container))


def repeat(code: str) -> Spoil:
    def spoil(document: Dataset) -> None:
        for parent in content_items(document):
            for child in parent.get("ContentSequence", ()):
                if code_of(child) == code:
                    parent.ContentSequence.append(copy.deepcopy(child))
                    return
        raise LookupError(code)

    return spoil


def repeat_in(container: str, code: str) -> Spoil:
    return lambda document: repeat(code)(item(document, container))


def put(
    keyword: str,
    value: object,
    at: Callable[[Dataset], Dataset] = lambda document: document,
) -> Spoil:
    return lambda document: setattr(at(document), keyword, value)


def remove(keyword: str, at: Callable[[Dataset], Dataset] = lambda document: document) -> Spoil:
    return lambda document: delattr(at(document), keyword)


def at(code: str) -> Callable[[Dataset], Dataset]:
    return lambda document: item(document, code)


def concept(code: str) -> Callable[[Dataset], Dataset]:
    return lambda document: item(document, code).ConceptNameCodeSequence[0]


def value(code: str) -> Callable[[Dataset], Dataset]:
    return lambda document: item(document, code).ConceptCodeSequence[0]


def evidence(document: Dataset) -> Dataset:
    study: Dataset = document.CurrentRequestedProcedureEvidenceSequence[0]
    return study


def evidence_series(document: Dataset) -> Dataset:
    series: Dataset = evidence(document).ReferencedSeriesSequence[0]
    return series


def outline_image(document: Dataset) -> Dataset:
    reference: Dataset = outline(document).ContentSequence[0].ReferencedSOPSequence[0]
    return reference


def unit(document: Dataset) -> Dataset:
    code: Dataset = measured(document).MeasurementUnitsCodeSequence[0]
    return code


def moved_out(document: Dataset) -> None:
    outline(document).GraphicData = [x + 150 for x in outline(document).GraphicData]


def shared_tracking(document: Dataset) -> None:
    first, second, *_ = items(document, "112040")
    second.UID = first.UID


def listed_twice(document: Dataset) -> None:
    instances = evidence_series(document).ReferencedSOPSequence
    instances.append(copy.deepcopy(instances[0]))


def as_other_evidence(document: Dataset) -> None:
    document.PertinentOtherEvidenceSequence = document.CurrentRequestedProcedureEvidenceSequence
    del document.CurrentRequestedProcedureEvidenceSequence


def replacing_itself(document: Dataset) -> None:
    document.PredecessorDocumentsSequence = copy.deepcopy(document.CurrentRequestedProcedureEvidenceSequence)
    series = document.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = document.SOPInstanceUID


def its_own_evidence(document: Dataset) -> None:
    instances = evidence_series(document).ReferencedSOPSequence
    instances.append(copy.deepcopy(instances[0]))
    instances[-1].ReferencedSOPInstanceUID = document.SOPInstanceUID


def emptied_section(document: Dataset) -> None:
    section(document).ContentSequence = []


def wordless_section(document: Dataset) -> None:
    code = next(child for child in content_items(document) if child.ValueType == "CODE")
    word = copy.deepcopy(code)
    word.RelationshipType = "CONTAINS"
    section(document).ContentSequence = [word]


def without_sections(document: Dataset) -> None:
    document.ContentSequence = [c for c in document.ContentSequence if c.ValueType != "CONTAINER"]


def without_numbers(document: Dataset) -> None:
    for group in items(document, "125007"):
        group.ContentSequence = [child for child in group.ContentSequence if child.ValueType != "NUM"]


def outsider_in_measurements(document: Dataset) -> None:
    stray = next(child for child in content_items(document) if child.ValueType == "TEXT")
    stray = copy.deepcopy(stray)
    stray.RelationshipType = "CONTAINS"
    item(document, "126010").ContentSequence.append(stray)


def by_reference(document: Dataset) -> None:
    reference = Dataset()
    reference.RelationshipType = "CONTAINS"
    reference.ReferencedContentItemIdentifier = [1, 1]
    item(document, "126010").ContentSequence.append(reference)


def segment(segmentation: Dataset) -> Dataset:
    first: Dataset = segmentation.SegmentSequence[0]
    return first


def frame(segmentation: Dataset) -> Dataset:
    first: Dataset = segmentation.PerFrameFunctionalGroupsSequence[0]
    return first


def shared(segmentation: Dataset) -> Dataset:
    groups: Dataset = segmentation.SharedFunctionalGroupsSequence[0]
    return groups


def frame_source(segmentation: Dataset) -> Dataset:
    source: Dataset = frame(segmentation).DerivationImageSequence[0].SourceImageSequence[0]
    return source


def reference_of(dataset: Dataset) -> Dataset:
    """The reference to the source of a segmentation or presentation state."""
    series = dataset.ReferencedSeriesSequence[0]
    instances = series.get("ReferencedInstanceSequence") or series.ReferencedImageSequence
    reference: Dataset = instances[0]
    return reference


def annotation(state: Dataset) -> Dataset:
    first: Dataset = state.GraphicAnnotationSequence[0]
    return first


def graphic(state: Dataset) -> Dataset:
    first: Dataset = annotation(state).GraphicObjectSequence[0]
    return first


def label(state: Dataset) -> Dataset:
    first: Dataset = annotation(state).TextObjectSequence[0]
    return first


def first_key_object(selection: Dataset) -> Dataset:
    return next(item for item in content_items(selection) if item.ValueType in ("IMAGE", "COMPOSITE"))


def select_what_is_not_sent(selection: Dataset) -> None:
    old = first_key_object(selection).ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    first_key_object(selection).ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "2.25.5"
    for series in evidence(selection).ReferencedSeriesSequence:
        for instance in series.ReferencedSOPSequence:
            if instance.ReferencedSOPInstanceUID == old:
                instance.ReferencedSOPInstanceUID = "2.25.5"


def select_nothing(selection: Dataset) -> None:
    selection.ContentSequence = [
        child for child in selection.ContentSequence if child.ValueType not in ("IMAGE", "COMPOSITE")
    ]


def torn(document: Dataset) -> None:
    document.EncapsulatedDocument = bytes(len(document.EncapsulatedDocument))


def cropped(picture: Dataset) -> None:
    picture.PixelData = picture.PixelData[:-2]
