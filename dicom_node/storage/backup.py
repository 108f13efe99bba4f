"""Copies of the journal, made while the node runs, each checked before it counts; and of the files.

A copy is named by its time, ``journal-20260102T030405Z.db``, and appears under that name only when SQLite has
found it sound: a backup that was interrupted leaves the older ones as they are.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dicom_node.faults import reach
from dicom_node.storage.archive import Archive, sync_directory, write_durably
from dicom_node.storage.connection import Clock, utc_now

__all__ = ["Backup", "back_up", "backups", "copy_files", "newest_backup"]

_STAMP = "%Y%m%dT%H%M%SZ"
_PAGES_AT_A_TIME = 256
"""One mebibyte of the journal; between two steps others get the disk."""


@dataclass(frozen=True, slots=True)
class Backup:
    """One copy of the journal."""

    path: Path
    made_at: datetime


def back_up(
    archive: Archive, directory: Path, *, keep: int, with_files: bool = False, clock: Clock = utc_now
) -> Path:
    """Copy the journal, check the copy, and only then let it replace the oldest.

    Parameters
    ----------
    directory : Path
        Made, readable by its owner only, if absent; best on another disk.
    keep : int
        How many copies stay.
    with_files : bool
        Copy instances, results and quarantine into ``directory/files`` as well: those not yet there.

    Returns
    -------
    Path
        The copy: one file without companions, which SQLite opens as it is.

    Raises
    ------
    OSError, sqlite3.Error
        If it cannot be written, or the copy is not sound; older copies stay as they are.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for unfinished in directory.glob(".journal-*.part*"):  # of a backup that was killed, with its companions
        unfinished.unlink(missing_ok=True)
    name = f"journal-{clock().astimezone(UTC).strftime(_STAMP)}.db"
    unfinished = directory / f".{name}.part"
    os.close(os.open(unfinished, os.O_CREAT | os.O_WRONLY, 0o600))
    try:
        _copy_journal(archive.journal_path, unfinished)
        _sync_file(unfinished)
        unfinished.replace(directory / name)
    finally:
        unfinished.unlink(missing_ok=True)
    sync_directory(directory)
    if with_files:
        copy_files(archive, directory / "files")
    for superfluous in backups(directory)[:-keep]:
        superfluous.path.unlink(missing_ok=True)
    return directory / name


def backups(directory: Path) -> list[Backup]:
    """Return the copies in a directory, oldest first."""
    found = []
    for path in directory.glob("journal-*.db"):
        try:
            made_at = datetime.strptime(path.stem.removeprefix("journal-"), _STAMP).replace(tzinfo=UTC)
        except ValueError:
            continue  # somebody else's file
        found.append(Backup(path, made_at))
    return sorted(found, key=lambda backup: backup.made_at)


def newest_backup(directory: Path) -> Backup | None:
    """Return the newest copy in a directory, None without any."""
    return next(reversed(backups(directory)), None)


def copy_files(archive: Archive, target: Path) -> int:
    """Copy the archive's files that are not in `target` yet; return how many.

    Files never change under their names, which tell their content, so one that is there is the same.
    """
    copied = 0
    for relative in _archived_files(archive.data_dir):
        copy = target / relative
        if copy.exists():
            continue
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            content = (archive.data_dir / relative).read_bytes()
        except FileNotFoundError:
            continue  # released meanwhile
        write_durably(copy, content)
        copied += 1
    return copied


def _archived_files(data_dir: Path) -> Iterator[Path]:
    for folder in ("instances", "results", "quarantine"):
        for path in (data_dir / folder).rglob("*"):
            if path.is_file():
                yield path.relative_to(data_dir)


def _copy_journal(journal: Path, copy: Path) -> None:
    with closing(sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True)) as source:
        source.execute("BEGIN")  # one state of the journal: a busy writer would make the copy start over
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        with closing(sqlite3.connect(copy, isolation_level=None)) as target:
            source.backup(target, pages=_PAGES_AT_A_TIME, progress=lambda *_: reach("backup.in_the_middle"))
            target.execute("PRAGMA journal_mode = DELETE")
            found = [row[0] for row in target.execute("PRAGMA integrity_check")]
    if found != ["ok"]:
        raise sqlite3.DatabaseError(
            f"the copy is not sound ({found[0]}): the journal itself may be damaged; "
            "run dicom-node journal check"
        )


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
