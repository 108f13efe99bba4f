"""Documents that a reader's workstation sends back about a report: key object selections and reports."""

from __future__ import annotations

import io
from collections.abc import Sequence

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    BasicTextSRStorage,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
    generate_uid,
)

READER = "House^Gregory"


def code(value: str, meaning: str = "as the standard says", scheme: str = "DCM") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def content_item(value_type: str, concept: Dataset, **values: object) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", value_type
    item.ConceptNameCodeSequence = [concept]
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def number(name: str, value: str) -> Dataset:
    measured = Dataset()
    measured.NumericValue = value
    measured.MeasurementUnitsCodeSequence = [code("g/cm2", "gram per square centimetre", "UCUM")]
    return content_item("NUM", code("X", name, "99TEST"), MeasuredValueSequence=[measured])


def text(concept: str, said: str) -> Dataset:
    return content_item("TEXT", code(concept), TextValue=said)


def coded(concept: str, value: str, meaning: str = "") -> Dataset:
    return content_item("CODE", code(concept), ConceptCodeSequence=[code(value, meaning)])


def document(
    study: str, sop_class: str, title: Dataset, content: Sequence[Dataset], *, about: Sequence[str] = ()
) -> Dataset:
    """An SR document of a study that refers to the objects `about`."""
    found = Dataset()
    found.SOPClassUID, found.SOPInstanceUID = sop_class, generate_uid()
    found.StudyInstanceUID, found.SeriesInstanceUID = study, generate_uid()
    found.Modality, found.PatientID = "SR", "A1"
    found.ValueType, found.ConceptNameCodeSequence = "CONTAINER", [title]
    found.ContentSequence = list(content)
    if about:
        found.CurrentRequestedProcedureEvidenceSequence = [referring(study, about)]
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.file_meta.MediaStorageSOPClassUID = sop_class
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    return found


def key_objects(study: str, about: Sequence[str], title: str, content: Sequence[Dataset] = ()) -> Dataset:
    return document(study, KeyObjectSelectionDocumentStorage, code(title), content, about=about)


def reading(study: str, about: Sequence[str], content: Sequence[Dataset]) -> Dataset:
    """A radiologist's own report that mentions ours."""
    observer = content_item("PNAME", code("121008"), PersonName=READER)
    return document(
        study, BasicTextSRStorage, code("18748-4", scheme="LN"), [observer, *content], about=about
    )


def measurements(study: str, numbers: Sequence[Dataset]) -> Dataset:
    """A report of ours, as far as a successor is compared with it."""
    return document(study, EnhancedSRStorage, code("126000"), numbers)


def verified(study: str, ours: str, numbers: Sequence[Dataset]) -> Dataset:
    """A version of our report that a reader has verified."""
    found = measurements(study, numbers)
    found.PredecessorDocumentsSequence = [referring(study, [ours])]
    found.VerificationFlag = "VERIFIED"
    verifier = Dataset()
    verifier.VerifyingObserverName = READER
    found.VerifyingObserverSequence = [verifier]
    return found


def referring(study: str, uids: Sequence[str]) -> Dataset:
    references = []
    for uid in uids:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = EnhancedSRStorage, uid
        references.append(reference)
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = generate_uid(), references
    item = Dataset()
    item.StudyInstanceUID, item.ReferencedSeriesSequence = study, [series]
    return item


def file_bytes(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
