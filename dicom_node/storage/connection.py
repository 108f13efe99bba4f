"""One guarded SQLite connection: the ground every topic of the journal stands on."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from dicom_node.storage.schema import migrate

__all__ = ["Clock", "JournalConnection", "Row", "timestamp", "utc_now"]

Clock = Callable[[], datetime]
Row = dict[str, Any]
Parameters = Sequence[Any] | Mapping[str, Any]

BUSY_TIMEOUT_SECONDS = 30.0
"""How long a writer waits for another process (a command line beside the node) before it gives up."""


def utc_now() -> datetime:
    """Return the present as an aware UTC datetime."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """Return `moment` as the journal writes it: UTC, fixed width, so that text compares as time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class JournalConnection:
    """A connection with one lock, shared by the threads of a process.

    Parameters
    ----------
    path : Path
        The database file; made, readable by its owner only, if absent.
    clock : Clock
        Gives the time for every stamp, lease and deadline.

    Notes
    -----
    WAL with ``synchronous = FULL`` makes a committed row survive a power cut; ``NORMAL`` may lose the last
    commits (sqlite.org/wal.html, "Performance considerations").
    """

    def __init__(self, path: Path, *, clock: Clock = utc_now) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.RLock()
        self._database = _open(path)

    def close(self) -> None:
        """Close the connection; the journal must not be used afterwards."""
        with self._lock:
            self._database.close()

    def check_integrity(self) -> tuple[str, ...]:
        """Return what SQLite finds wrong with the file (``PRAGMA quick_check``); empty when sound."""
        with self._lock:
            found = [row[0] for row in self._database.conn.execute("PRAGMA quick_check")]
        return () if found == ["ok"] else tuple(found)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit everything inside or nothing; nested use joins the outer transaction.

        A failed COMMIT leaves the connection in doubt (a second fsync may lie), so it is opened afresh.
        """
        with self._lock:
            connection = self._database.conn
            if connection.in_transaction:
                yield
                return
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield
                connection.execute("COMMIT")
            except BaseException as error:
                self._abandon(error)
                raise

    def _abandon(self, error: BaseException) -> None:
        code = getattr(error, "sqlite_errorcode", 0) or 0
        if code & 0xFF == sqlite3.SQLITE_IOERR:  # the low byte is the primary result code
            self._database.close()
            self._database = _open(self.path)
        elif self._database.conn.in_transaction:
            self._database.conn.rollback()

    def _execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement inside a transaction; return the number of rows it changed."""
        return self._database.conn.execute(sql, parameters).rowcount

    def _rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        with self._lock:
            cursor = self._database.conn.execute(sql, parameters)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, values, strict=True)) for values in cursor]

    def _row(self, sql: str, parameters: Parameters = ()) -> Row | None:
        rows = self._rows(sql, parameters)
        return rows[0] if rows else None

    def _now(self) -> str:
        return timestamp(self._clock())

    def _after(self, seconds: float) -> str:
        return timestamp(self._clock() + timedelta(seconds=seconds))


def _open(path: Path) -> Database:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its WAL the same permissions
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
    )
    _switch_to_wal(connection)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    database = Database(connection, execute_plugins=False)
    migrate(database)
    return database


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Switch a new file to WAL; SQLite's own wait does not cover two processes that do so at once."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
