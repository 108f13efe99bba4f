"""Migration 0010: the console's users, their sessions and tokens, and what people changed."""

from __future__ import annotations

import sqlite3

__all__ = ["add_console"]

_CONSOLE = (
    """
    CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'administrator')),
        password_hash TEXT NOT NULL,
        language TEXT NOT NULL,
        theme TEXT NOT NULL,
        created_at TEXT NOT NULL,
        disabled_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE sessions (
        key_hash TEXT PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES users,
        address TEXT NOT NULL,
        began_at TEXT NOT NULL,
        seen_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX sessions_by_user ON sessions (user_id)",
    """
    CREATE TABLE login_failures (
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        name_key TEXT NOT NULL,
        address TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX login_failures_by_name ON login_failures (name_key, at)",
    "CREATE INDEX login_failures_by_address ON login_failures (address, at)",
    """
    CREATE TABLE tokens (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'administrator')),
        token_hash TEXT NOT NULL UNIQUE,
        created_by TEXT NOT NULL,
        created_at TEXT NOT NULL,
        used_at TEXT NOT NULL,
        revoked_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE changes (
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        user TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX changes_by_subject ON changes (subject)",
    # what the first page counts
    "CREATE INDEX studies_by_arrival ON studies (first_received_at, state)",
    "CREATE INDEX deliveries_delivered ON deliveries (destination, delivered_at) WHERE state = 'delivered'",
)
"""`sessions` and `tokens` hold hashes of random keys, which only the browser and the caller have.
`login_failures` holds a keyed hash of the name as typed: people type passwords into the wrong field."""


def add_console(connection: sqlite3.Connection) -> None:
    """Add the tables, empty: a node has no user before an administrator makes one."""
    for statement in _CONSOLE:
        connection.execute(statement)
