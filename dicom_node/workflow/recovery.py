"""Brings journal and archive back into agreement after a restore, and from the files alone."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pydicom import dcmread
from pydicom.filereader import read_file_meta_info

from dicom_node.config import NodeConfig
from dicom_node.errors import ConfigurationError
from dicom_node.storage.archive import Archive, sync_directory
from dicom_node.storage.connection import timestamp, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.rebuild import AnsweredStudy
from dicom_node.storage.records import HELD, ReceivedInstance, ResultRecord, Severity
from dicom_node.storage.soundness import damages
from dicom_node.workflow.adoption import (
    DamagedFileError,
    Reconciliation,
    adopt,
    read_result,
    unknown_files,
    written_at,
)

__all__ = ["rebuild_journal", "restore_journal"]


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
            for path in unknown_files(archive, journal.kept_paths(f"{folder}/"), folder)
        ]
        results = [path for path in unknown if path.startswith("results/")]
        own = {_sop_instance_uid(archive, path) for path in results}
        for path in sorted(set(unknown) - set(results), key=lambda path: written_at(archive, path)):
            clock.moment = datetime.fromtimestamp(written_at(archive, path), UTC)
            adopt(archive, journal, path, found, own)
        clock.moment = None
        destinations = _destinations_of_every_result(config)
        for study in _answered_studies(archive, results, found):
            journal.adopt_results(study, destinations)
            found.answered += 1
        for folder in ("instances", "quarantine", "results"):
            found.missing += sorted(
                path for path in journal.kept_paths(f"{folder}/") if not archive.holds(path)
            )
        journal.count_as_released(found.missing)
        _note(journal, found)
    return found


def _answered_studies(
    archive: Archive, paths: Sequence[str], found: Reconciliation
) -> Iterator[AnsweredStudy]:
    """Group result files by analysis: their folder's name is its identity."""
    by_identity = defaultdict(list)
    for path in paths:
        by_identity[PurePosixPath(path).parent.name].append(path)
    for identity, members in sorted(by_identity.items()):
        readable = []
        for path in sorted(members, key=lambda path: written_at(archive, path)):
            try:
                readable.append(read_result(archive, path))
            except DamagedFileError:
                found.damaged.append(path)
        if readable:
            yield _answered(archive, identity, readable)


def _answered(archive: Archive, identity: str, results: Sequence[ReceivedInstance]) -> AnsweredStudy:
    numbers = next(filter(None, (_attached_numbers(archive.resolve(item.path)) for item in results)), "")
    document = json.loads(numbers) if numbers else {}
    newest = max(written_at(archive, item.path) for item in results)
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


def _sop_instance_uid(archive: Archive, path: str) -> str | None:
    with contextlib.suppress(Exception):  # a damaged header raises many kinds; it is reported elsewhere
        return str(read_file_meta_info(archive.resolve(path)).MediaStorageSOPInstanceUID)
    return None


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
