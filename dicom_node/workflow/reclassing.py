"""Writes reports anew as Enhanced SR for a destination that does not take their SOP class.

Another SOP class makes another SOP instance, so the UID changes, and with it every result of the study that
refers to the report: the text report to the measurements, the key objects to both. All of them are replaced
together, for this destination only. UIDs derive from those they replace: the same work gives the same
objects.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.replacements import Replacement
from reports.identity import result_uid

__all__ = ["may_be_enhanced", "rewrite_as_enhanced"]

_RICHER = (ComprehensiveSRStorage, Comprehensive3DSRStorage)

ENHANCED_VALUE_TYPES = {
    *("TEXT", "CODE", "NUM", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME"),
    *("SCOORD", "TCOORD", "COMPOSITE", "IMAGE", "WAVEFORM", "CONTAINER"),
}
"""PS3.3 section A.35.2.3.1.1; SCOORD3D and TABLE are not among them."""


def rewrite_as_enhanced(
    archive: Archive, journal: Journal, destination: str, study_instance_uid: str
) -> bool:
    """Replace what a destination still waits for and does not take; False if there is nothing to replace.

    Raises
    ------
    OSError
        If a replacement could not be made durable; nothing has changed then.
    """
    waiting = journal.unsent_results(destination, study_instance_uid)
    datasets = {row.sop_instance_uid: dcmread(archive.resolve(row.path)) for row in waiting}
    new_uids = _new_uids(datasets)
    if not new_uids:
        return False
    replacements = {}
    for row in waiting:
        if row.sop_instance_uid in new_uids:
            dataset = datasets[row.sop_instance_uid]
            _rewrite(dataset, new_uids)
            replacements[row.sop_instance_uid] = _store(archive, dataset, PurePosixPath(row.path).parent.name)
    journal.replace_results(destination, study_instance_uid, replacements)
    return True


def may_be_enhanced(dataset: Dataset) -> bool:
    """Tell whether a report's content is legal in Enhanced SR (PS3.3 section A.35.2.3.1)."""
    return all(
        item.get("ValueType", "CONTAINER") in ENHANCED_VALUE_TYPES
        and "ReferencedContentItemIdentifier" not in item  # by-reference relationships
        for item in _content_items(dataset)
    )


def _content_items(item: Dataset) -> Iterator[Dataset]:
    yield item
    for child in item.get("ContentSequence", ()):
        yield from _content_items(child)


def _new_uids(datasets: Mapping[str, Dataset]) -> dict[str, str]:
    """Return old -> new UID of the reports that change class and of all that refer to them, at any remove."""
    new_uids = {
        uid: result_uid(uid, "as Enhanced SR")
        for uid, dataset in datasets.items()
        if dataset.SOPClassUID in _RICHER and may_be_enhanced(dataset)
    }
    while True:
        referring = [
            uid
            for uid, dataset in datasets.items()
            if uid not in new_uids and any(other in new_uids for other in _referenced_uids(dataset))
        ]
        if not referring:
            return new_uids
        new_uids |= {uid: result_uid(uid, "beside Enhanced SR") for uid in referring}


def _referenced_uids(dataset: Dataset) -> Iterator[str]:
    for element in dataset.iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            yield str(element.value)


def _rewrite(dataset: Dataset, new_uids: Mapping[str, str]) -> None:
    """Change the object's own identity, and its references to others that change."""
    old_uid = str(dataset.SOPInstanceUID)
    own_class = EnhancedSRStorage if dataset.SOPClassUID in _RICHER else UID(dataset.SOPClassUID)
    for item in _items(dataset):
        referenced = str(item.get("ReferencedSOPInstanceUID", ""))
        if referenced in new_uids:
            item.ReferencedSOPInstanceUID = new_uids[referenced]
            if item.get("ReferencedSOPClassUID") in _RICHER:
                item.ReferencedSOPClassUID = EnhancedSRStorage
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = own_class
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(new_uids[old_uid])


def _items(dataset: Dataset) -> Iterator[Dataset]:
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _items(item)


def _store(archive: Archive, dataset: Dataset, identity: str) -> Replacement:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    path, digest = archive.store_result(identity, buffer.getvalue())
    return Replacement(
        sop_instance_uid=str(dataset.SOPInstanceUID),
        sop_class_uid=str(dataset.SOPClassUID),
        path=str(path),
        sha256=digest,
    )
