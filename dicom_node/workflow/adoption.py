"""Files of the archive that no row of the journal knows: what they are, and their rows made anew.

Every archived file says by itself what it is: its name tells the digest of its bytes, its header the UIDs,
and of what came over an association, who sent it to whom. What a file cannot tell (address, association, why
it was refused) is empty in such a row.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from pydicom.filereader import read_file_meta_info

from dicom_node.network.admission import StoreRequest, admit
from dicom_node.storage.archive import Archive
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import InstanceKind, ReceivedInstance, Severity
from reports.identity import MANUFACTURER_MODEL_NAME

__all__ = [
    "DamagedFileError",
    "OrphanSweep",
    "Reconciliation",
    "adopt",
    "adopt_after_power_failure",
    "read_archived",
    "read_result",
    "unknown_files",
    "written_at",
]

logger = logging.getLogger(__name__)

PREAMBLE_BYTES = 132
_META_GROUP_LENGTH_BYTES = 12  # (0002,0000) UL 4 (PS3.10 7.1)
_HEX_DIGITS = "0123456789abcdef"

SETTLED_SECONDS = 600.0
"""A file that young may belong to a C-STORE that is about to be journalled."""
UNUSED_RESULT_SECONDS = 86_400.0
"""A result that young may belong to an analysis that is still running."""
SWEEP_PERIOD_SECONDS = 86_400.0
"""How often the whole archive is compared with the journal."""


class DamagedFileError(ValueError):
    """A file below the data directory is not what its name says."""


@dataclass(slots=True)
class Reconciliation:
    """How journal and archive differed, and what became of it; paths relative to the data directory."""

    adopted: list[str] = field(default_factory=list)
    """Received objects that no row knew; they have one now."""
    answered: int = 0
    """Analyses whose results no row knew; whether those were sent is unknown, so they are dead letters."""
    missing: list[str] = field(default_factory=list)
    """Files that rows count as kept and that are gone."""
    damaged: list[str] = field(default_factory=list)
    """Files that are not what their name says; left where they are, with no row."""
    open_deliveries: int = 0
    """Deliveries that were open in the older journal; dead letters now, for the same reason."""


def adopt_after_power_failure(archive: Archive, journal: Journal) -> Reconciliation:
    """Give every received object a row that lost it; call it before anything is received.

    A row of a received object reaches the disk some time after the acknowledgement, its file before it
    (`JournalConnection._grouped`), so that the machine's failure takes the last rows only.
    """
    found = Reconciliation()
    kept = journal.kept_paths("instances/")
    unknown = unknown_files(archive, kept, "instances")
    for path in sorted(unknown, key=lambda path: written_at(archive, path)):
        adopt(archive, journal, path, found)
    _log(found)
    return found


class OrphanSweep:
    """Compares archive and journal, a sixteenth of them at a time: nobody notices, and nothing is forgotten.

    A received object without a row is adopted: either it was never acknowledged, then it does no harm, or the
    journal has lost a row, then this brings it back. A result without a row is removed: its analysis makes it
    again. A row without its file is an event.
    """

    def __init__(self, archive: Archive, journal: Journal, *, clock: Clock = utc_now) -> None:
        self._archive = archive
        self._journal = journal
        self._clock = clock
        self._next = iter(_HEX_DIGITS)
        self._rests_until = 0.0

    def run(self) -> Reconciliation:
        """Compare the next sixteenth; after all of them, rest until the next day."""
        found = Reconciliation()
        if time.monotonic() < self._rests_until:
            return found
        digit = next(self._next, None)
        if digit is None:
            self._next = iter(_HEX_DIGITS)
            self._rests_until = time.monotonic() + SWEEP_PERIOD_SECONDS
            return found
        for folder in ("instances", "results"):
            self._compare(f"{folder}/{digit}", folder, found)
        self._note(found)
        return found

    def _compare(self, prefix: str, folder: str, found: Reconciliation) -> None:
        with closing(Journal(self._journal.path)) as reader:  # a long look must not keep others waiting
            kept = reader.kept_paths(prefix)
        for path in unknown_files(self._archive, kept, folder, prefix):
            age = self._clock().timestamp() - written_at(self._archive, path)
            if folder == "results" and age > UNUSED_RESULT_SECONDS:
                self._archive.resolve(path).unlink(missing_ok=True)
            elif folder == "instances" and age > SETTLED_SECONDS:
                adopt(self._archive, self._journal, path, found)
        missing = {path for path in kept if not self._archive.holds(path)}
        if missing:
            with closing(Journal(self._journal.path)) as reader:
                found.missing += sorted(missing & reader.kept_paths(prefix))  # some were released meanwhile

    def _note(self, found: Reconciliation) -> None:
        if found.missing:
            self._journal.note_event(
                Severity.ERROR,
                "file_missing",
                f"{len(found.missing)} files are gone that the journal counts as kept, the first is "
                f"{found.missing[0]}; restore them from a backup, or send their studies again",
            )
        _log(found)


def _log(found: Reconciliation) -> None:
    if found.adopted:
        logger.warning("%d archived objects had no row in the journal; they have now", len(found.adopted))
    for path in found.damaged:
        logger.error("%s is not what its name says; it stays where it is", path)


def read_archived(archive: Archive, path: str) -> ReceivedInstance:
    """Read what an archived file says of itself.

    Raises
    ------
    DamagedFileError
        If the file is not one that the archive has written, or its bytes have changed.
    """
    file = archive.resolve(path)
    try:
        meta = read_file_meta_info(file)
        start = PREAMBLE_BYTES + _META_GROUP_LENGTH_BYTES + int(meta.FileMetaInformationGroupLength)
        data_set = file.read_bytes()[start:]
        request = StoreRequest(
            sop_class_uid=str(meta.MediaStorageSOPClassUID),
            sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
            context_sop_class_uid=str(meta.MediaStorageSOPClassUID),
            transfer_syntax_uid=str(meta.TransferSyntaxUID),
            data_set=data_set,
        )
    except Exception as error:  # a damaged header raises many kinds
        raise DamagedFileError(f"{path}: not a file of this archive ({type(error).__name__})") from error
    admission = admit(request)
    if not admission.admitted:
        raise DamagedFileError(f"{path}: {admission.reason}")
    identification = admission.identification
    own = identification.model_name == MANUFACTURER_MODEL_NAME
    return ReceivedInstance(
        sop_instance_uid=request.sop_instance_uid,
        sop_class_uid=request.sop_class_uid,
        study_instance_uid=identification.study_instance_uid,
        series_instance_uid=identification.series_instance_uid,
        transfer_syntax_uid=request.transfer_syntax_uid,
        sha256=hashlib.sha256(data_set).hexdigest(),
        path=path,
        size=len(data_set),
        kind=InstanceKind.OWN_RESULT if own else InstanceKind.INPUT,
        calling_ae=str(meta.get("SendingApplicationEntityTitle", "")),
        called_ae=str(meta.get("ReceivingApplicationEntityTitle", "")),
        patient_key=identification.patient_key,
        study_date=identification.study_date,
    )


def adopt(
    archive: Archive,
    journal: Journal,
    path: str,
    found: Reconciliation,
    own: Iterable[str | None] = (),
) -> None:
    """Journal one file that no row knows, unless it is damaged or was discarded; note that in `found`.

    Parameters
    ----------
    own : iterable of str
        SOP Instance UIDs of results that have no row yet.
    """
    try:
        quarantined = path.startswith("quarantine/")
        instance = _quarantined(archive, path) if quarantined else _received(archive, path)
    except DamagedFileError:
        found.damaged.append(path)
        return
    if instance.sop_instance_uid in own or journal.is_own_result(instance.sop_instance_uid):
        instance = replace(instance, kind=InstanceKind.OWN_RESULT)
    if journal.was_discarded(instance.sop_instance_uid, instance.sha256):
        return
    journal.record_instance(instance)
    found.adopted.append(path)


def _received(archive: Archive, path: str) -> ReceivedInstance:
    instance = read_archived(archive, path)
    if instance.sha256 != PurePosixPath(path).stem:
        raise DamagedFileError(f"{path}: its bytes have changed")
    return instance


def read_result(archive: Archive, path: str) -> ReceivedInstance:
    if hashlib.sha256(archive.resolve(path).read_bytes()).hexdigest() != PurePosixPath(path).stem:
        raise DamagedFileError(f"{path}: its bytes have changed")
    return read_archived(archive, path)


def _quarantined(archive: Archive, path: str) -> ReceivedInstance:
    content = archive.resolve(path).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != PurePosixPath(path).stem:
        raise DamagedFileError(f"{path}: its bytes have changed")
    return ReceivedInstance(
        sop_instance_uid="",
        sop_class_uid="",
        study_instance_uid="",
        series_instance_uid="",
        transfer_syntax_uid="",
        sha256=digest,
        path=path,
        size=len(content),
        kind=InstanceKind.QUARANTINED,
        reason_code="restored",
        reason="refused once; why is no longer known, since the journal was rebuilt",
    )


def unknown_files(archive: Archive, kept: set[str], folder: str, prefix: str = "") -> Iterator[str]:
    """Yield the files of a folder that are not among `kept`."""
    with os.scandir(archive.data_dir / folder) as directories:
        names = sorted(entry.name for entry in directories if entry.is_dir())
    for name in names:
        if not f"{folder}/{name}".startswith(prefix):
            continue
        for file in sorted((archive.data_dir / folder / name).iterdir()):
            path = f"{folder}/{name}/{file.name}"
            if path not in kept and not file.name.startswith("."):
                yield path


def written_at(archive: Archive, path: str) -> float:
    try:
        return archive.resolve(path).stat().st_mtime
    except FileNotFoundError:
        return 0.0
