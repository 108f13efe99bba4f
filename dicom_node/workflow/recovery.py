"""Brings journal and archive back into agreement: at every start, after a restore, and from the files alone.

Every archived file says by itself what it is: its name tells the digest of its bytes, its header the UIDs.
What a file cannot tell (calling AE title, address, why something was refused) is empty in a rebuilt row.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pydicom import dcmread
from pydicom.filereader import read_file_meta_info

from dicom_node.config import NodeConfig
from dicom_node.errors import ConfigurationError
from dicom_node.network.admission import StoreRequest, admit
from dicom_node.storage.archive import Archive, sync_directory
from dicom_node.storage.connection import Clock, timestamp, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.rebuild import AnsweredStudy
from dicom_node.storage.records import HELD, InstanceKind, ReceivedInstance, ResultRecord, Severity
from dicom_node.storage.soundness import damages
from reports.identity import MANUFACTURER_MODEL_NAME

__all__ = ["OrphanSweep", "Reconciliation", "read_archived", "rebuild_journal", "restore_journal"]

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


def rebuild_journal(archive: Archive, config: NodeConfig) -> Reconciliation:
    """Make a journal from nothing but the archive's files; the old one, if any, is set aside.

    Studies without results are analysed again. Call it under the data directory's lock.
    """
    unfinished = archive.data_dir / "tmp" / "rebuilt.db"
    _remove_journal(unfinished)
    clock = _SteeredClock()
    journal = Journal(unfinished, clock=clock)
    try:
        found = reconcile(archive, journal, config, clock)
    finally:
        journal.close()
    _put_in_place(unfinished, archive)
    return found


def restore_journal(archive: Archive, backup: Path, config: NodeConfig) -> Reconciliation:
    """Put a copy of the journal in place, and mend what the archive has gained or lost since it was made.

    Call it under the data directory's lock.

    Raises
    ------
    ConfigurationError
        If the copy is absent or damaged; the present journal stays then.
    """
    if not backup.is_file():
        raise ConfigurationError(f"{backup}: no such file; name a copy that dicom-node backup has made")
    found = damages(backup, thorough=True)
    if found:
        raise ConfigurationError(f"{backup}: the copy is damaged ({found[0]}); take an older one")
    unfinished = archive.data_dir / "tmp" / "restored.db"
    _remove_journal(unfinished)
    with backup.open("rb") as source, unfinished.open("xb") as target:
        while block := source.read(1 << 20):
            target.write(block)
    clock = _SteeredClock()
    journal = Journal(unfinished, clock=clock)
    try:
        differences = reconcile(archive, journal, config, clock)
    finally:
        journal.close()
    _put_in_place(unfinished, archive)
    return differences


class _SteeredClock:
    """Tells when a file was written, while its row is made; else the present."""

    def __init__(self) -> None:
        self.moment: datetime | None = None

    def __call__(self) -> datetime:
        return self.moment or utc_now()


def reconcile(archive: Archive, journal: Journal, config: NodeConfig, clock: _SteeredClock) -> Reconciliation:
    """Adopt what no row knows, mark what is gone, and send nothing that may have been sent."""
    found = Reconciliation()
    with journal.all_or_nothing():
        found.open_deliveries = journal.bury_open_deliveries()
        unknown = [
            path
            for folder in ("instances", "quarantine", "results")
            for path in _unknown_files(archive, journal.kept_paths(f"{folder}/"), folder)
        ]
        results = [path for path in unknown if path.startswith("results/")]
        own = {_sop_instance_uid(archive, path) for path in results}
        for path in sorted(set(unknown) - set(results), key=lambda path: _written_at(archive, path)):
            clock.moment = datetime.fromtimestamp(_written_at(archive, path), UTC)
            _adopt(archive, journal, path, found, own)
        clock.moment = None
        destinations = _destinations_of_every_result(config)
        for study in _answered_studies(archive, results, found):
            journal.adopt_results(study, destinations)
            found.answered += 1
        for folder in ("instances", "quarantine", "results"):
            found.missing += sorted(
                path for path in journal.kept_paths(f"{folder}/") if not archive.resolve(path).is_file()
            )
        journal.count_as_released(found.missing)
        _note(journal, found)
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
        for path in _unknown_files(self._archive, kept, folder, prefix):
            age = self._clock().timestamp() - _written_at(self._archive, path)
            if folder == "results" and age > UNUSED_RESULT_SECONDS:
                self._archive.resolve(path).unlink(missing_ok=True)
            elif folder == "instances" and age > SETTLED_SECONDS:
                _adopt(self._archive, self._journal, path, found, frozenset())
        missing = {path for path in kept if not self._archive.resolve(path).is_file()}
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
        patient_key=identification.patient_key,
        study_date=identification.study_date,
    )


def _adopt(
    archive: Archive, journal: Journal, path: str, found: Reconciliation, own: Iterable[str | None]
) -> None:
    """Journal one file that no row knows."""
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


def _result(archive: Archive, path: str) -> ReceivedInstance:
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


def _answered_studies(
    archive: Archive, paths: Sequence[str], found: Reconciliation
) -> Iterator[AnsweredStudy]:
    """Group result files by analysis: their folder's name is its identity."""
    by_identity = defaultdict(list)
    for path in paths:
        by_identity[PurePosixPath(path).parent.name].append(path)
    for identity, members in sorted(by_identity.items()):
        readable = []
        for path in sorted(members, key=lambda path: _written_at(archive, path)):
            try:
                readable.append(_result(archive, path))
            except DamagedFileError:
                found.damaged.append(path)
        if readable:
            yield _answered(archive, identity, readable)


def _answered(archive: Archive, identity: str, results: Sequence[ReceivedInstance]) -> AnsweredStudy:
    numbers = next(filter(None, (_attached_numbers(archive.resolve(item.path)) for item in results)), "")
    document = json.loads(numbers) if numbers else {}
    newest = max(_written_at(archive, item.path) for item in results)
    return AnsweredStudy(
        study_instance_uid=results[0].study_instance_uid,
        patient_key=results[0].patient_key,
        study_date=results[0].study_date,
        identity=identity,
        result_json=numbers,
        status=str(document.get("status", "")),
        engine_version=str(document.get("engine_version", "")),
        made_at=timestamp(datetime.fromtimestamp(newest, UTC)),
        results=tuple(
            ResultRecord(
                sop_instance_uid=item.sop_instance_uid,
                sop_class_uid=item.sop_class_uid,
                kind=str(
                    dcmread(archive.resolve(item.path), specific_tags=["SeriesDescription"]).get(
                        "SeriesDescription", ""
                    )
                ),
                path=item.path,
                sha256=PurePosixPath(item.path).stem,
            )
            for item in results
        ),
    )


def _attached_numbers(path: Path) -> str:
    """Return the analysis as JSON text that our PDF carries; empty if this file is none."""
    dataset = dcmread(path, specific_tags=["EncapsulatedDocument", "MIMETypeOfEncapsulatedDocument"])
    if dataset.get("MIMETypeOfEncapsulatedDocument") != "application/pdf":
        return ""
    import pikepdf

    with contextlib.suppress(pikepdf.PdfError), pikepdf.open(io.BytesIO(dataset.EncapsulatedDocument)) as pdf:
        for name, attached in pdf.attachments.items():
            if name.endswith(".json"):
                return attached.get_file().read_bytes().decode()
    return ""


def _destinations_of_every_result(config: NodeConfig) -> tuple[str, ...]:
    """Return the destinations if all want the same: else nobody knows which result was for whom."""
    wishes = config.reports_by_destination()
    names = tuple(name for name in wishes if name != HELD)
    return names if len(set(wishes.values())) == 1 else ()


def _unknown_files(archive: Archive, kept: set[str], folder: str, prefix: str = "") -> Iterator[str]:
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


def _sop_instance_uid(archive: Archive, path: str) -> str | None:
    with contextlib.suppress(Exception):  # a damaged header raises many kinds; it is reported elsewhere
        return str(read_file_meta_info(archive.resolve(path)).MediaStorageSOPInstanceUID)
    return None


def _written_at(archive: Archive, path: str) -> float:
    try:
        return archive.resolve(path).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _note(journal: Journal, found: Reconciliation) -> None:
    journal.note_event(
        Severity.WARNING,
        "journal_restored",
        f"{len(found.adopted)} objects and {found.answered} analyses were found in the archive and adopted, "
        f"{len(found.missing)} files are gone, {len(found.damaged)} are damaged; {found.open_deliveries} "
        "deliveries wait among the dead letters, since whether they arrived is not known",
    )


def _put_in_place(unfinished: Path, archive: Archive) -> None:
    """Let the new journal take the old one's place; the old one is kept under another name."""
    journal = archive.journal_path
    aside = journal.with_name(f"journal-replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db")
    for suffix in ("-wal", "-shm", ""):
        part = journal.with_name(journal.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
    descriptor = os.open(unfinished, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    unfinished.replace(journal)
    sync_directory(archive.data_dir)


def _remove_journal(path: Path) -> None:
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
