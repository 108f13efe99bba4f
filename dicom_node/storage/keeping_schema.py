"""Migration 0008: files can be released while their rows stay."""

from __future__ import annotations

import sqlite3

__all__ = ["add_releases"]

_RELEASES = (
    "ALTER TABLE instances ADD COLUMN released_at TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE results ADD COLUMN released_at TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX instances_kept ON instances (received_at) WHERE released_at = '' AND path <> ''",
    "CREATE INDEX results_kept ON results (created_at) WHERE released_at = ''",
    "DROP INDEX quarantined_sizes",
    "CREATE INDEX quarantined_kept ON instances (path, size)"
    " WHERE kind = 'quarantined' AND path <> '' AND released_at = ''",
    """
    CREATE TABLE releases (
        path TEXT PRIMARY KEY,
        sop_instance_uid TEXT NOT NULL,
        sha256 TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)
"""`released_at`: when a file was given up, empty while it is kept; `releases`: given up, to be unlinked."""


def add_releases(connection: sqlite3.Connection) -> None:
    """Add what retention remembers; every file that is there counts as kept."""
    for statement in _RELEASES:
        connection.execute(statement)
