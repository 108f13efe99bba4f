"""What all results have in common: series, equipment, dates, and bytes that do not depend on the clock."""

from __future__ import annotations

import copy
from typing import Any

from highdicom.base import SOPClass
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from reports.identity import MANUFACTURER, MANUFACTURER_MODEL_NAME, SERIES, ResultKind, result_uid
from reports.source import CHARACTER_SET, NO_DATE, ReportContext

VOLATILE = (
    "InstanceCreationDate",
    "InstanceCreationTime",
    "ContributingEquipmentSequence",
    "DateOfSecondaryCapture",
    "TimeOfSecondaryCapture",
)
"""Optional attributes in which highdicom records the moment of building: dropped, so that equal work gives
equal bytes."""

CONTENT_DATE_MAY_BE_EMPTY = frozenset({"OT", "DOC"})
"""Modalities of secondary captures (type 2C, PS3.3 C.7.6.1) and encapsulated documents (type 2, C.24.2); in
reports, key objects and segmentations a content date is of type 1."""


def instance_arguments(context: ReportContext, kind: ResultKind) -> dict[str, Any]:
    """Return the constructor arguments every highdicom class takes alike."""
    day, time = context.content_date_time
    return {
        "series_instance_uid": context.uid("series", kind),
        "series_number": SERIES[kind].number,
        "series_description": SERIES[kind].description,
        "sop_instance_uid": context.uid("instance", kind),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MANUFACTURER_MODEL_NAME,
        "software_versions": context.analysis.engine_version,
        "specific_character_set": CHARACTER_SET,
        "transfer_syntax_uid": ExplicitVRLittleEndian,
        "content_qualification": "RESEARCH",
        "content_date": day,
        "content_time": time,
        "series_date": day,
        "series_time": time,
    }


def plain_instance(context: ReportContext, kind: ResultKind, sop_class_uid: str, modality: str) -> SOPClass:
    """Return an object with patient, study, series and equipment, for classes that are filled by hand."""
    header = context.header
    return SOPClass(
        study_instance_uid=context.analysis.study_instance_uid,
        sop_class_uid=sop_class_uid,
        modality=modality,
        patient_id=header.PatientID,
        patient_name=header.PatientName,
        patient_birth_date=header.PatientBirthDate,
        patient_sex=header.PatientSex,
        accession_number=header.AccessionNumber,
        study_id=header.StudyID,
        study_date=header.StudyDate,
        study_time=header.StudyTime,
        referring_physician_name=header.ReferringPhysicianName,
        **instance_arguments(context, kind),
    )


def device_uid(context: ReportContext) -> str:
    """Return the UID of this program in this version, by which the reports name their observer."""
    return result_uid(context.analysis.engine_version, MANUFACTURER_MODEL_NAME)


def coded_item(code: Code) -> Dataset:
    """Return the item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = (
        code.value,
        code.scheme_designator,
        code.meaning,
    )
    return item


def image_reference(context: ReportContext) -> Dataset:
    """Return an item that refers to the analysed image (or document)."""
    item = Dataset()
    item.ReferencedSOPClassUID = context.image.sop_class_uid
    item.ReferencedSOPInstanceUID = context.image.sop_instance_uid
    return item


def finish(dataset: Dataset, context: ReportContext) -> None:
    """Make `dataset` agree with its study and independent of when it was built."""
    for keyword in VOLATILE:
        if keyword in dataset:
            delattr(dataset, keyword)
    _blank_stand_ins(dataset)
    # highdicom shares the elements it copies: a copy of its own keeps results independent of each other
    dataset.copy_patient_and_study_information(copy.deepcopy(context.header))


def _blank_stand_ins(dataset: Dataset) -> None:
    """Leave out a date that no source attribute provides, wherever the standard lets us."""
    if str(dataset.get("SeriesDate", "")) == NO_DATE:
        del dataset.SeriesDate, dataset.SeriesTime
    if str(dataset.get("ContentDate", "")) == NO_DATE and dataset.Modality in CONTENT_DATE_MAY_BE_EMPTY:
        dataset.ContentDate = dataset.ContentTime = ""
