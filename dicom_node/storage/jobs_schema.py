"""Migration 0011: what became of periodic jobs, what people want of them, and plans of reprocessing."""

from __future__ import annotations

import sqlite3

__all__ = ["add_jobs"]

_JOBS = (
    """
    CREATE TABLE jobs (
        name TEXT PRIMARY KEY,
        period_seconds REAL NOT NULL,
        started_at TEXT NOT NULL,
        seconds REAL NOT NULL,
        outcome TEXT NOT NULL CHECK (outcome IN ('', 'done', 'failed')),
        reason TEXT NOT NULL,
        runs INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        next_run_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE job_runs (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        started_at TEXT NOT NULL,
        seconds REAL NOT NULL,
        outcome TEXT NOT NULL CHECK (outcome IN ('done', 'failed')),
        reason TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX job_runs_by_name ON job_runs (name, id)",
    """
    CREATE TABLE job_pauses (
        name TEXT PRIMARY KEY,
        paused_by TEXT NOT NULL,
        reason TEXT NOT NULL,
        paused_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE job_requests (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        requested_by TEXT NOT NULL,
        reason TEXT NOT NULL,
        requested_at TEXT NOT NULL
    ) STRICT
    """,
)
"""``jobs`` holds the last run of each job and counts since the node's start; ``job_requests`` are taken out
as they are carried out; ``jobs.outcome`` is empty until a job has ended a run."""

_REPROCESSING = (
    "ALTER TABLE analyses ADD COLUMN comparison TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE analyses ADD COLUMN changes TEXT NOT NULL DEFAULT '[]'",
    """
    CREATE TABLE reprocessing_jobs (
        name TEXT PRIMARY KEY,
        selection TEXT NOT NULL,
        cron TEXT NOT NULL,
        hours TEXT NOT NULL,
        studies_per_hour REAL NOT NULL,
        source TEXT NOT NULL CHECK (source IN ('configuration', 'command', 'console')),
        created_by TEXT NOT NULL,
        reason TEXT NOT NULL,
        created_at TEXT NOT NULL,
        next_at TEXT NOT NULL,
        last_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE reprocessing_plans (
        id INTEGER PRIMARY KEY,
        job TEXT NOT NULL,
        selection TEXT NOT NULL,
        hours TEXT NOT NULL,
        studies_per_hour REAL NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('running', 'paused', 'done', 'cancelled')),
        waits_for TEXT NOT NULL,
        requested_by TEXT NOT NULL,
        reason TEXT NOT NULL,
        created_at TEXT NOT NULL,
        first_queued_at TEXT NOT NULL,
        last_queued_at TEXT NOT NULL,
        ended_at TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX reprocessing_plans_open ON reprocessing_plans (id) WHERE state IN ('running', 'paused')",
    """
    CREATE TABLE reprocessing_items (
        plan_id INTEGER NOT NULL REFERENCES reprocessing_plans,
        study_instance_uid TEXT NOT NULL REFERENCES studies,
        position INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'queued', 'changed', 'unchanged', 'declined',
                                             'skipped', 'failed', 'cancelled')),
        reason TEXT NOT NULL,
        analysis_id INTEGER REFERENCES analyses,
        fetched INTEGER NOT NULL,
        queued_at TEXT NOT NULL,
        ended_at TEXT NOT NULL,
        PRIMARY KEY (plan_id, study_instance_uid)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX reprocessing_items_by_state ON reprocessing_items (plan_id, state, position)",
    "CREATE INDEX reprocessing_items_queued ON reprocessing_items (analysis_id) WHERE state = 'queued'",
)
"""``analyses.comparison``: how the result stands to the one before it (``changed``, ``unchanged``, empty for
the first); ``analyses.changes``: a JSON list of what changed. A plan's items, in the order of ``position``,
are its cursor; ``fetched`` is 1 where originals had to be fetched for the study."""


def add_jobs(connection: sqlite3.Connection) -> None:
    """Add the tables of the clock's jobs and of reprocessing."""
    for statement in (*_JOBS, *_REPROCESSING):
        connection.execute(statement)
