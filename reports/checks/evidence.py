"""Evidence: whatever a document refers to is listed once, under its study and series (PS3.3 C.17.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reports.checks.breach import Breach
from reports.checks.tree import Attributes, Item, items_of
from reports.source import ReportContext

CURRENT, OTHER = (
    "CurrentRequestedProcedureEvidenceSequence",
    "PertinentOtherEvidenceSequence",
)
SECTION = "PS3.3 C.17.2.3"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One listed instance."""

    instance: str
    sop_class: str
    series: str
    study: str


def check_evidence(root: Item, context: ReportContext) -> Iterator[Breach]:
    """Check the evidence of a document against what its content refers to."""
    document = root.dataset
    listed = [*listed_in(document, CURRENT), *listed_in(document, OTHER)]
    classes = {entry.instance: entry.sop_class for entry in listed}
    if len(classes) != len(listed):
        yield Breach("list every referenced image in its evidence exactly once", SECTION)
    for item in root.walk():
        for reference in items_of(item.dataset, "ReferencedSOPSequence"):
            known = classes.get(str(reference.get("ReferencedSOPInstanceUID", "")))
            if known is None:
                yield Breach("list every referenced image in its evidence exactly once", SECTION)
            elif known != reference.get("ReferencedSOPClassUID"):
                yield Breach("list an instance by the SOP class it is referred to with", SECTION)
    study = context.analysis.study_instance_uid
    if any(entry.study != study for entry in listed_in(document, CURRENT)):
        yield Breach("list as current evidence only what is of the analysed study", SECTION)
    if any(entry.study == study for entry in listed_in(document, OTHER)):
        yield Breach("list as other evidence nothing of the analysed study", SECTION)
    source = context.image
    for entry in listed:
        if entry.instance == source.sop_instance_uid and entry.series != source.series_instance_uid:
            yield Breach("list the source image under its own series", SECTION)
    if document.get("SOPInstanceUID") in classes:
        yield Breach("not be its own evidence", SECTION)


def listed_in(document: Attributes, sequence: str) -> list[Evidence]:
    """Return the instances of one hierarchical reference sequence (PS3.3 C.17.2.1)."""
    return [
        Evidence(
            str(instance.get("ReferencedSOPInstanceUID", "")),
            str(instance.get("ReferencedSOPClassUID", "")),
            str(series.get("SeriesInstanceUID", "")),
            str(study.get("StudyInstanceUID", "")),
        )
        for study in items_of(document, sequence)
        for series in items_of(study, "ReferencedSeriesSequence")
        for instance in items_of(series, "ReferencedSOPSequence")
    ]
