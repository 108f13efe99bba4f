"""Migration 0014: what models in shadow say, what models were given, and what the learning job did."""

from __future__ import annotations

import sqlite3

__all__ = ["add_shadow"]

_SHADOW = (
    """
    CREATE TABLE model_inputs (
        analysis_id INTEGER PRIMARY KEY REFERENCES analyses,
        inputs TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE shadow_risks (
        analysis_id INTEGER NOT NULL REFERENCES analyses,
        model_sha256 TEXT NOT NULL,
        model_name TEXT NOT NULL,
        model_version TEXT NOT NULL,
        risks TEXT NOT NULL,
        PRIMARY KEY (analysis_id, model_sha256)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX shadow_risks_by_model ON shadow_risks (model_name, model_version)",
    """
    CREATE TABLE learning_split (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        key TEXT NOT NULL,
        held_out_share REAL NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE learning_patients (
        patient_key TEXT PRIMARY KEY,
        held_out INTEGER NOT NULL CHECK (held_out IN (0, 1)),
        assigned_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE learning_runs (
        id INTEGER PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('running', 'done', 'declined', 'failed', 'interrupted')),
        reason TEXT NOT NULL,
        started_by TEXT NOT NULL,
        last_outcome_id INTEGER NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT NOT NULL,
        figures TEXT NOT NULL
    ) STRICT
    """,
)
"""`inputs`, `risks` and `figures` are JSON: values by feature, probabilities by horizon (years), a run's own.
`key` (hexadecimal) decides which patients are held out; a patient's place never changes."""


def add_shadow(connection: sqlite3.Connection) -> None:
    """Add the tables, empty."""
    for statement in _SHADOW:
        connection.execute(statement)
