"""Migration 0015: what studies are found by, one narrow row each."""

from __future__ import annotations

import sqlite3

__all__ = ["add_search"]

_SEARCH = (
    """
    CREATE TABLE study_facts (
        study_key INTEGER PRIMARY KEY,
        study_instance_uid TEXT NOT NULL UNIQUE REFERENCES studies,
        state TEXT NOT NULL,
        study_date TEXT NOT NULL,
        received_at TEXT NOT NULL,
        patient_name TEXT NOT NULL DEFAULT '',
        patient_id TEXT NOT NULL DEFAULT '',
        searched TEXT NOT NULL DEFAULT '',
        scanner TEXT NOT NULL DEFAULT '',
        station TEXT NOT NULL DEFAULT '',
        laterality TEXT NOT NULL DEFAULT '',
        risk_category TEXT NOT NULL DEFAULT '',
        risk_10_years REAL,
        engine_version TEXT NOT NULL DEFAULT '',
        model_version TEXT NOT NULL DEFAULT '',
        due INTEGER NOT NULL DEFAULT 1
    ) STRICT
    """,
    """
    CREATE TABLE study_findings (
        code TEXT NOT NULL,
        study_key INTEGER NOT NULL REFERENCES study_facts,
        severity TEXT NOT NULL,
        PRIMARY KEY (code, study_key)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX study_findings_by_study ON study_findings (study_key)",
    "INSERT INTO study_facts (study_key, study_instance_uid, state, study_date, received_at)"
    " SELECT rowid, study_instance_uid, state, study_date, first_received_at FROM studies",
    # the key that SQLite orders and ends each index with is study_key: newest first without a sort
    "CREATE INDEX study_facts_by_state ON study_facts (state)",
    "CREATE INDEX study_facts_by_scanner ON study_facts (scanner)",
    "CREATE INDEX study_facts_by_risk ON study_facts (risk_category)",
    "CREATE INDEX study_facts_by_date ON study_facts (study_date)",
    "CREATE INDEX study_facts_by_patient ON study_facts (searched)",
    "CREATE INDEX study_facts_due ON study_facts (study_key) WHERE due > 0",
    # by the database itself: the receiver, which opens studies, has not to know of the search
    """
    CREATE TRIGGER study_facts_begin AFTER INSERT ON studies
    BEGIN
        INSERT INTO study_facts (study_instance_uid, state, study_date, received_at)
        VALUES (NEW.study_instance_uid, NEW.state, NEW.study_date, NEW.first_received_at);
    END
    """,
    """
    CREATE TRIGGER study_facts_change AFTER UPDATE OF state, study_date ON studies
    WHEN NEW.state <> OLD.state OR NEW.study_date <> OLD.study_date
    BEGIN
        UPDATE study_facts SET state = NEW.state, study_date = NEW.study_date,
            due = due + (NEW.state NOT IN ('receiving', 'analyzing'))
        WHERE study_instance_uid = NEW.study_instance_uid;
    END
    """,
)
"""`study_key` names a study in URLs. `searched` is name and ID as they are compared; `due` counts the changes
that the facts from headers and results have not followed. `study_findings`: codes of the newest result."""


def add_search(connection: sqlite3.Connection) -> None:
    """Add the tables; the facts of studies that are there are due."""
    for statement in _SEARCH:
        connection.execute(statement)
