"""Tables of what the node was asked to keep, and of what it promised (migration 0004)."""

from __future__ import annotations

import sqlite3

__all__ = ["add_pledges"]

_PLEDGES = (
    """
    CREATE TABLE pledges (
        id INTEGER PRIMARY KEY,
        transaction_uid TEXT NOT NULL,
        calling_ae TEXT NOT NULL,
        called_ae TEXT NOT NULL,
        peer_address TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('asked', 'checked', 'reported', 'unreported')),
        attempts INTEGER NOT NULL,
        next_attempt_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        requested_at TEXT NOT NULL,
        reported_at TEXT NOT NULL,
        reason TEXT NOT NULL,
        UNIQUE (calling_ae, transaction_uid)
    ) STRICT
    """,
    "CREATE INDEX pledges_by_state ON pledges (state, next_attempt_at)",
    """
    CREATE TABLE pledged_instances (
        pledge_id INTEGER NOT NULL REFERENCES pledges ON DELETE CASCADE,
        position INTEGER NOT NULL,
        sop_class_uid TEXT NOT NULL,
        sop_instance_uid TEXT NOT NULL,
        failure_reason INTEGER,
        PRIMARY KEY (pledge_id, position)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX pledged_instances_by_uid ON pledged_instances (sop_instance_uid, failure_reason)",
)
"""`failure_reason`: NULL until the object was looked for, 0 if it is promised to be kept."""


def add_pledges(connection: sqlite3.Connection) -> None:
    """Add the tables to a journal."""
    for statement in _PLEDGES:
        connection.execute(statement)
