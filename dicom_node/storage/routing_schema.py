"""Migration 0005: how each study was routed, and what an administrator or a PACS says of its completeness."""

from __future__ import annotations

import sqlite3

__all__ = ["add_routing"]

_ROUTING = (
    """
    CREATE TABLE routings (
        study_instance_uid TEXT PRIMARY KEY REFERENCES studies,
        route TEXT NOT NULL,
        actions TEXT NOT NULL,
        destinations TEXT,
        forward_to TEXT NOT NULL,
        guideline TEXT NOT NULL,
        models TEXT NOT NULL,
        priority INTEGER NOT NULL,
        reasons TEXT NOT NULL,
        decided_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE holds (
        study_instance_uid TEXT PRIMARY KEY REFERENCES studies,
        held_by TEXT NOT NULL,
        reason TEXT NOT NULL,
        held_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE completion_requests (
        study_instance_uid TEXT PRIMARY KEY REFERENCES studies,
        requested_by TEXT NOT NULL,
        reason TEXT NOT NULL,
        requested_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE expected_counts (
        study_instance_uid TEXT PRIMARY KEY REFERENCES studies,
        archive TEXT NOT NULL,
        instances INTEGER,
        problem TEXT NOT NULL,
        asked_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE shortfalls (
        study_instance_uid TEXT PRIMARY KEY REFERENCES studies,
        missing TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE discarded_instances (
        id INTEGER PRIMARY KEY,
        study_instance_uid TEXT NOT NULL REFERENCES studies,
        sop_instance_uid TEXT NOT NULL,
        sop_class_uid TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        size INTEGER NOT NULL,
        calling_ae TEXT NOT NULL,
        called_ae TEXT NOT NULL,
        peer_address TEXT NOT NULL,
        received_at TEXT NOT NULL,
        route TEXT NOT NULL,
        discarded_at TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX discarded_by_study ON discarded_instances (study_instance_uid)",
)
"""Lists are JSON; ``routings.destinations`` NULL = every destination; ``expected_counts.instances`` NULL =
the archive did not say, for `problem`."""


def add_routing(connection: sqlite3.Connection) -> None:
    """Add the tables of routing and completeness."""
    for statement in _ROUTING:
        connection.execute(statement)
