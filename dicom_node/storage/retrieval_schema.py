"""Migration 0006: studies to be fetched from archives, searches for priors, studies fetched as history."""

from __future__ import annotations

import sqlite3

__all__ = ["add_retrievals"]

_RETRIEVALS = (
    """
    CREATE TABLE retrievals (
        id INTEGER PRIMARY KEY,
        study_instance_uid TEXT NOT NULL,
        archive TEXT NOT NULL,
        purpose TEXT NOT NULL CHECK (purpose IN ('asked', 'prior', 'original')),
        state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
        attempts INTEGER NOT NULL,
        next_attempt_at TEXT NOT NULL,
        lease_owner TEXT NOT NULL,
        lease_expires_at TEXT NOT NULL,
        expected INTEGER,
        received INTEGER NOT NULL,
        reason TEXT NOT NULL,
        requested_at TEXT NOT NULL,
        finished_at TEXT NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX retrievals_open_once ON retrievals (study_instance_uid)"
    " WHERE state IN ('waiting', 'running')",
    "CREATE INDEX retrievals_by_archive ON retrievals (archive, state, next_attempt_at)",
    "CREATE INDEX retrievals_by_study ON retrievals (study_instance_uid)",
    """
    CREATE TABLE prior_searches (
        analysis_id INTEGER PRIMARY KEY REFERENCES analyses,
        state TEXT NOT NULL CHECK (state IN ('fetching', 'late', 'ended')),
        studies TEXT NOT NULL,
        reason TEXT NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX prior_searches_open ON prior_searches (state) WHERE state <> 'ended'",
    """
    CREATE TABLE fetched_histories (
        study_instance_uid TEXT PRIMARY KEY,
        wanted_by TEXT NOT NULL,
        fetched_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)
"""``retrievals.archive`` is empty where the first archive is to serve, ``expected`` NULL until it has said
how many of its objects are missing here; ``prior_searches.studies`` is a JSON list of Study Instance UIDs."""


def add_retrievals(connection: sqlite3.Connection) -> None:
    """Add the tables of what is asked from archives."""
    for statement in _RETRIEVALS:
        connection.execute(statement)
