"""Figures for monitoring, read beside the node's own connection: a scrape never makes a sender wait."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dicom_node.storage.records import StudyState

__all__ = ["Figures", "can_write", "read_figures"]

READ_TIMEOUT_SECONDS = 2.0
_CACHE_KIB = 256
DELIVERY_STATES = ("pending", "sending", "stored", "dead")
"""Those that are few; delivered ones are counted as they happen."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the journal says now; times are ISO 8601 UTC, empty if there is none."""

    studies: Mapping[str, int]
    analyses: Mapping[str, int]
    """Queued and running ones."""
    oldest_analysis: str
    deliveries: Mapping[tuple[str, str], int]
    """By destination and state."""
    oldest_delivery: Mapping[str, str]
    """By destination: since when its oldest undelivered object waits."""
    kept_bytes: Mapping[str, int]
    last_received: str
    spooled_audits: int


def read_figures(journal: Path) -> Figures:
    """Read everything in one snapshot.

    Raises
    ------
    sqlite3.Error
        If the journal cannot be read.
    """
    with closing(_read_only(journal)) as connection:
        connection.execute("BEGIN")
        destinations = [
            name for (name,) in connection.execute("SELECT destination FROM destination_health")
        ] + _destinations(connection)
        return Figures(
            studies={
                state: _number(connection, "SELECT count(*) FROM studies WHERE state = ?", state)
                for state in StudyState
            },
            analyses={
                state: _number(connection, "SELECT count(*) FROM analyses WHERE state = ?", state)
                for state in ("queued", "running")
            },
            oldest_analysis=_text(
                connection,
                "SELECT min(queued_at) FROM analyses INDEXED BY analyses_by_state"
                " WHERE state IN ('queued', 'running')",
            ),
            deliveries={
                (name, state): _number(
                    connection,
                    "SELECT count(*) FROM deliveries WHERE destination = ? AND state = ?",
                    name,
                    state,
                )
                for name in dict.fromkeys(destinations)
                for state in DELIVERY_STATES
            },
            oldest_delivery={
                name: _text(
                    connection,
                    "SELECT min(created_at) FROM deliveries"
                    " WHERE destination = ? AND state IN ('pending', 'sending', 'stored')",
                    name,
                )
                for name in dict.fromkeys(destinations)
            },
            kept_bytes=dict(connection.execute("SELECT kind, bytes FROM kept_bytes")),
            last_received=_text(connection, "SELECT received_at FROM instances ORDER BY id DESC LIMIT 1"),
            spooled_audits=_number(connection, "SELECT count(*) FROM audit_spool"),
        )


def can_write(journal: Path) -> str:
    """Return why the journal cannot be written, empty if it can: the write lock is taken and given back."""
    try:
        with closing(
            sqlite3.connect(journal, timeout=READ_TIMEOUT_SECONDS, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        return str(error)
    return ""


def _read_only(journal: Path) -> sqlite3.Connection:
    uri = f"{journal.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=READ_TIMEOUT_SECONDS, isolation_level=None)
    # counting passes once over an index that grows with the studies; the process would keep what is cached
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def _destinations(connection: sqlite3.Connection) -> list[str]:
    """Return every destination that has deliveries, by hops along the index instead of a scan."""
    return [
        name
        for (name,) in connection.execute(
            """
            WITH RECURSIVE hop (destination) AS (
                SELECT min(destination) FROM deliveries
                UNION ALL
                SELECT (SELECT min(destination) FROM deliveries WHERE destination > hop.destination)
                FROM hop WHERE hop.destination IS NOT NULL
            )
            SELECT destination FROM hop WHERE destination IS NOT NULL
            """
        )
    ]


def _number(connection: sqlite3.Connection, sql: str, *parameters: str) -> int:
    return int(connection.execute(sql, parameters).fetchone()[0])


def _text(connection: sqlite3.Connection, sql: str, *parameters: str) -> str:
    row = connection.execute(sql, parameters).fetchone()
    return str(row[0] or "") if row else ""
