"""May this data directory be served? An empty journal must never replace one that is damaged or gone."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from dicom_node.errors import ConfigurationError
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal

__all__ = ["SoundnessCheck", "begin_check", "damages", "open_journal", "open_read_only"]

CURE = (
    "nothing is served, so that nothing is lost. Stop, then: dicom-node journal restore --from BACKUP "
    "(newest copy, differences to the archive are mended), or without a copy dicom-node journal rebuild"
)


def _require_journal(archive: Archive) -> None:
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


def begin_check(archive: Archive, on_late_damage: Callable[[str], None]) -> SoundnessCheck:
    """Begin the check of an archive's journal; a new archive has none that could be damaged.

    Raises
    ------
    ConfigurationError
        If there is none although the archive holds objects.
    """
    _require_journal(archive)
    if not archive.journal_path.is_file():
        Journal(archive.journal_path).close()
    return SoundnessCheck(archive.journal_path, on_late_damage)


def open_journal(archive: Archive) -> Journal:
    """Open an archive's journal, brought up to date.

    Raises
    ------
    ConfigurationError
        If it is too damaged to be opened.
    """
    try:
        return Journal(archive.journal_path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # locked or without space: not damaged
        raise ConfigurationError(
            f"{archive.journal_path}: the journal is damaged ({error}); {CURE}"
        ) from error


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

    Parameters
    ----------
    on_late_damage : callable
        Called with a sentence if damage is found only after `require_sound` has returned.
    """

    def __init__(self, path: Path, on_late_damage: Callable[[str], None]) -> None:
        self._path = path
        self._on_late_damage = on_late_damage
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._verdict: tuple[str, ...] = ()
        self._serving = False
        threading.Thread(target=self._run, name="quick_check", daemon=True).start()

    def require_sound(self, *, wait_seconds: float) -> None:
        """Wait for the verdict, at most so long.

        Raises
        ------
        ConfigurationError
            If the journal is damaged, as far as that is known.
        """
        self._done.wait(wait_seconds)
        with self._lock:
            if self._verdict:
                raise ConfigurationError(self._sentence)
            self._serving = True

    @property
    def _sentence(self) -> str:
        return f"{self._path}: the journal is damaged ({self._verdict[0]}); {CURE}"

    def _run(self) -> None:
        verdict = damages(self._path)
        with self._lock:
            self._verdict = verdict
            late = self._serving
        self._done.set()
        if verdict and late:
            self._on_late_damage(self._sentence)


def _first_file(directory: Path) -> Path | None:
    return next(_files(directory), None)


def _files(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from (path for path in directory.rglob("*") if path.is_file())
