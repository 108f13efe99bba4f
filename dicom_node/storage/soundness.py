"""May this data directory be served? An empty journal must never replace one that is damaged or gone."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from dicom_node.errors import ConfigurationError
from dicom_node.storage.archive import Archive

__all__ = ["SoundnessCheck", "damages", "open_read_only", "require_journal"]

CURE = (
    "nothing is served, so that nothing is lost. Stop, then: dicom-node journal restore --from BACKUP "
    "(newest copy, differences to the archive are mended), or without a copy dicom-node journal rebuild"
)


def require_journal(archive: Archive) -> None:
    """Refuse to start an empty journal beside an archive that holds objects.

    Raises
    ------
    ConfigurationError
        If the journal is missing, empty or no database although objects are archived.
    """
    if not any(_first_file(archive.data_dir / folder) for folder in ("instances", "results")):
        return
    path = archive.journal_path
    if not path.is_file() or path.stat().st_size == 0:
        raise ConfigurationError(f"{path}: the journal is missing, but the archive holds objects; {CURE}")
    try:
        with closing(open_read_only(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(f"{path}: the journal is damaged ({error}); {CURE}") from error


def damages(path: Path, *, thorough: bool = False) -> tuple[str, ...]:
    """Return what SQLite finds wrong with a journal; empty when it is sound.

    Parameters
    ----------
    thorough : bool
        Compare indexes with their tables as well (``integrity_check``): several times slower.
    """
    check = "integrity_check" if thorough else "quick_check"
    try:
        with closing(open_read_only(path)) as connection:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}")]
    except sqlite3.DatabaseError as error:
        return (str(error),)
    return () if found == ["ok"] else tuple(found)


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a journal without changing a byte of it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


class SoundnessCheck:
    """``quick_check`` beside the start of the node, on a connection of its own.

    A journal of a million rows takes about a second (docs/operations.md), a cold disk longer: the node waits
    for the verdict a bounded time and then serves; a verdict that comes later still counts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: tuple[str, ...] = ()
        self._done = threading.Event()
        threading.Thread(target=self._run, name="quick_check", daemon=True).start()

    def require_sound(self, *, wait_seconds: float) -> None:
        """Wait for the verdict, at most so long.

        Raises
        ------
        ConfigurationError
            If the journal is damaged, as far as that is known.
        """
        self._done.wait(wait_seconds)
        if self._found:
            raise ConfigurationError(f"{self._path}: the journal is damaged ({self._found[0]}); {CURE}")

    def _run(self) -> None:
        self._found = damages(self._path)
        self._done.set()


def _first_file(directory: Path) -> Path | None:
    return next(_files(directory), None)


def _files(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from (path for path in directory.rglob("*") if path.is_file())
