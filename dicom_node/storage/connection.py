"""Guarded SQLite connections: the ground every topic of the journal stands on.

One connection writes, and what several threads have to write at the same time is written by one COMMIT
(`JournalConnection._grouped`); another one reads and never waits for a COMMIT's fsync.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlite_utils import Database

from dicom_node.storage.schema import migrate

__all__ = ["Clock", "JournalConnection", "Row", "timestamp", "utc_now"]

Clock = Callable[[], datetime]
Row = dict[str, Any]
Parameters = Sequence[Any] | Mapping[str, Any]
Result = TypeVar("Result")

BUSY_TIMEOUT_SECONDS = 30.0
"""How long a writer waits for another process (a command line beside the node) before it gives up."""


def utc_now() -> datetime:
    """Return the present as an aware UTC datetime."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """Return `moment` as the journal writes it: UTC, fixed width, so that text compares as time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@dataclass(eq=False, slots=True)
class _Ticket:
    """Work that waits for a COMMIT, and what came of it."""

    work: Callable[[], object]
    durable: bool
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held until the work is done, or its thread is to lead."""
    done: bool = False
    result: object = None
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.turn.acquire()


class JournalConnection:
    """The connections of a process, shared by its threads.

    Parameters
    ----------
    path : Path
        The database file; made, readable by its owner only, if absent.
    clock : Clock
        Gives the time for every stamp, lease and deadline.

    Notes
    -----
    WAL with ``synchronous = FULL`` makes a committed row survive a power cut; ``NORMAL`` may lose the last
    commits (sqlite.org/wal.html, "Performance considerations"), never one that a later ``FULL`` one follows.
    Either survives the end of the process.
    """

    def __init__(self, path: Path, *, clock: Clock = utc_now) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.RLock()
        """Held by the thread that writes."""
        self._writer: int | None = None
        self._read_lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: list[_Ticket] = []
        self._has_leader = False
        self._in_doubt = False
        self._synchronous = ""
        """What the connection that writes is set to; not known, if empty."""
        self._database = _open(path)
        self._reader = _open_reader(path)

    def close(self) -> None:
        """Close the connections; the journal must not be used afterwards."""
        with self._lock, self._read_lock:
            self._reader.close()
            self._database.close()

    def flush(self) -> None:
        """Make what was committed outlast a power cut.

        Raises
        ------
        OSError
            If the disk does not take it.
        """
        log = self.path.with_name(self.path.name + "-wal")
        with suppress(FileNotFoundError):  # nothing was written since it was last taken into the database
            descriptor = os.open(log, os.O_RDONLY)  # SQLite holds no locks on this file, which closing drops
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def check_integrity(self) -> tuple[str, ...]:
        """Return what SQLite finds wrong with the file (``PRAGMA quick_check``); empty when sound."""
        found = [row["quick_check"] for row in self._rows("PRAGMA quick_check")]
        return () if found == ["ok"] else tuple(found)

    def _grouped(self, work: Callable[[], Result], *, durable: bool) -> Result:
        """Run `work` in a transaction that it may share with other threads; return once that is committed.

        The first thread to come leads: while its COMMIT waits for the disk, others queue up, and the first
        of them leads next, for all of them. An error of one is undone and raised for that one alone; if the
        COMMIT fails, it is raised for each of them. Inside a transaction, `work` joins that.

        Parameters
        ----------
        durable : bool
            Whether what is written must outlast a power cut by itself. Else a flush of the disk is saved:
            for rows of which the archive's files tell.
        """
        if self._writer == threading.get_ident():
            return work()
        ticket = _Ticket(work, durable)
        with self._queue_lock:
            self._queue.append(ticket)
            leads = not self._has_leader
            self._has_leader = True
        if not leads:
            ticket.turn.acquire()
            leads = not ticket.done
        if leads:
            self._lead()
        if ticket.error is not None:
            raise ticket.error
        return cast(Result, ticket.result)

    def _lead(self) -> None:
        group: list[_Ticket] = []
        try:
            with self._lock:
                with self._queue_lock:
                    group, self._queue = self._queue, []
                with self._transaction(durable=any(ticket.durable for ticket in group)):
                    for ticket in group:
                        self._attempt(ticket, alone=len(group) == 1)
        except Exception as error:  # each ticket's own thread raises it
            _fail(group, error)
        except BaseException as error:  # meant for this thread alone, which must leave nobody waiting
            with self._queue_lock:
                group, self._queue = group + self._queue, []
            _fail(group, sqlite3.OperationalError(f"nothing was written: {type(error).__name__}"))
            raise
        finally:
            self._hand_over(group)

    def _hand_over(self, group: Sequence[_Ticket]) -> None:
        """Wake those whose work is done, and let the first that came meanwhile lead."""
        for ticket in group:
            ticket.done = True
        with self._queue_lock:
            successor = self._queue[0] if self._queue else None
            self._has_leader = successor is not None
        for waiting in (successor, *group):
            if waiting is not None:
                waiting.turn.release()

    def _attempt(self, ticket: _Ticket, *, alone: bool) -> None:
        if alone:
            ticket.result = ticket.work()
            return
        connection = self._database.conn
        connection.execute("SAVEPOINT ticket")
        try:
            ticket.result = ticket.work()
        except Exception as error:
            if not connection.in_transaction or _puts_in_doubt(error):
                raise  # SQLite has rolled everything back, or the whole group is in doubt
            ticket.error = error
            connection.execute("ROLLBACK TO ticket")
        connection.execute("RELEASE ticket")

    @contextmanager
    def _transaction(self, *, durable: bool = True) -> Iterator[None]:
        """Commit everything inside or nothing; nested use joins the outer transaction.

        A failed COMMIT leaves the connection in doubt (a second fsync may lie), so it is opened afresh.
        """
        with self._lock:
            if self._writer == threading.get_ident():
                yield
                return
            self._writer = threading.get_ident()
            try:
                if self._in_doubt:
                    self._reopen()
                self._synchronize("FULL" if durable else "NORMAL")
                self._database.conn.execute("BEGIN IMMEDIATE")
                yield
                self._database.conn.execute("COMMIT")
            except BaseException as error:
                self._abandon(error)
                raise
            finally:
                self._writer = None

    def _synchronize(self, level: str) -> None:
        if level != self._synchronous:
            self._database.conn.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level

    def _abandon(self, error: BaseException) -> None:
        if _puts_in_doubt(error):
            self._in_doubt = True
            with suppress(sqlite3.Error, OSError):  # else the next transaction tries again
                self._reopen()
        elif not self._in_doubt and self._database.conn.in_transaction:
            self._database.conn.rollback()

    def _reopen(self) -> None:
        """Open the connections afresh; if that fails, reading goes on over the old one."""
        self._database.close()
        self._database = _open(self.path)
        self._synchronous = ""
        # raises where SQLite could open the file for reading only
        for probe in ("BEGIN IMMEDIATE", "PRAGMA user_version = 0", "ROLLBACK"):
            self._database.conn.execute(probe)
        reader = _open_reader(self.path)
        with self._read_lock:
            self._reader.close()
            self._reader = reader
        self._in_doubt = False

    def _execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement inside a transaction; return the number of rows it changed."""
        return self._database.conn.execute(sql, parameters).rowcount

    def _rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Return what a query finds: what is committed, and inside a transaction what that has written."""
        if self._writer == threading.get_ident():
            return _fetch(self._database.conn, sql, parameters)
        with self._read_lock:
            return _fetch(self._reader, sql, parameters)

    def _row(self, sql: str, parameters: Parameters = ()) -> Row | None:
        rows = self._rows(sql, parameters)
        return rows[0] if rows else None

    def _now(self) -> str:
        return timestamp(self._clock())

    def _after(self, seconds: float) -> str:
        return timestamp(self._clock() + timedelta(seconds=seconds))


def _fail(group: Sequence[_Ticket], error: Exception) -> None:
    for ticket in group:
        ticket.error = ticket.error or error


def _fetch(connection: sqlite3.Connection, sql: str, parameters: Parameters) -> list[Row]:
    cursor = connection.execute(sql, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values, strict=True)) for values in cursor]


def _puts_in_doubt(error: BaseException) -> bool:
    """Tell whether an error leaves the connection in doubt.

    SQLite opens a file that the disk does not give it for writing for reading alone, without a word; such a
    connection is of no use either, however long the disk has been well again.
    """
    code = getattr(error, "sqlite_errorcode", 0) or 0
    in_doubt = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
    return code & 0xFF in in_doubt  # the low byte is the primary result code


def _open_reader(path: Path) -> sqlite3.Connection:
    reader = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
    )
    reader.execute("PRAGMA query_only = ON")
    return reader


def _open(path: Path) -> Database:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Only a new file is opened here: closing any handle of an existing one would drop the locks that SQLite
    # holds on it (sqlite.org/howtocorrupt.html, 2.2), and another process would delete the WAL in use.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # its WAL gets the same mode
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
