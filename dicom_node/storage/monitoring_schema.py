"""Migration 0013: what models were fed and said, by analysis, and what surveillance made of it."""

from __future__ import annotations

import sqlite3

__all__ = ["add_monitoring"]

_MONITORING = (
    """
    CREATE TABLE surveyed_analyses (
        analysis_id INTEGER PRIMARY KEY REFERENCES analyses,
        study_instance_uid TEXT NOT NULL REFERENCES studies,
        model_name TEXT NOT NULL,
        model_version TEXT NOT NULL,
        inputs TEXT NOT NULL,
        risks TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX surveyed_by_study ON surveyed_analyses (study_instance_uid, analysis_id)",
    """
    CREATE TABLE surveillance_runs (
        id INTEGER PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
        reason TEXT NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT NOT NULL,
        studies INTEGER NOT NULL,
        figures INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE surveillance_figures (
        scanner TEXT NOT NULL,
        month TEXT NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        judged INTEGER NOT NULL CHECK (judged IN (0, 1)),
        crossed INTEGER NOT NULL CHECK (crossed IN (0, 1)),
        detail TEXT NOT NULL,
        PRIMARY KEY (scanner, kind, subject, month)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE surveillance_alarms (
        id INTEGER PRIMARY KEY,
        scanner TEXT NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        month TEXT NOT NULL,
        figure TEXT NOT NULL,
        raised_at TEXT NOT NULL,
        ended_month TEXT NOT NULL,
        ended_at TEXT NOT NULL
    ) STRICT
    """,
    # at most one open alarm of one thing
    "CREATE UNIQUE INDEX surveillance_alarms_open ON surveillance_alarms (scanner, kind, subject)"
    " WHERE ended_at = ''",
)
"""`inputs`, `risks` and `detail` are JSON: values by feature, probabilities by horizon in years, what a
figure is made of. `month` is YYYY-MM of the Study Date. An alarm is open until its `ended_at` is set."""


def add_monitoring(connection: sqlite3.Connection) -> None:
    """Add the tables, empty; the next run of surveillance reads the analyses that are there."""
    for statement in _MONITORING:
        connection.execute(statement)
