"""Migration 0012: what sites, registries and radiologists tell of patients and studies."""

from __future__ import annotations

import sqlite3

__all__ = ["add_clinical"]

_TOLD = """
        source TEXT NOT NULL CHECK (source IN ('csv', 'fhir', 'console', 'command', 'dicom')),
        origin TEXT NOT NULL,
        reference TEXT NOT NULL,
        recorded_by TEXT NOT NULL,
        reason TEXT NOT NULL,
        recorded_at TEXT NOT NULL,
"""
"""By which way and from where a row came, what it is called there, who brought it, why, and when."""

_CLINICAL = (
    f"""
    CREATE TABLE clinical_facts (
        id INTEGER PRIMARY KEY,
        patient_key TEXT NOT NULL CHECK (patient_key <> ''),
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        valid_from TEXT NOT NULL,
        valid_until TEXT NOT NULL,
        {_TOLD}
        withdrawn INTEGER NOT NULL CHECK (withdrawn IN (0, 1)),
        superseded_by INTEGER REFERENCES clinical_facts
    ) STRICT
    """,
    "CREATE INDEX clinical_facts_by_patient ON clinical_facts (patient_key, name)",
    "CREATE INDEX clinical_facts_by_reference ON clinical_facts (reference) WHERE reference <> ''",
    f"""
    CREATE TABLE outcomes (
        id INTEGER PRIMARY KEY,
        patient_key TEXT NOT NULL CHECK (patient_key <> ''),
        kind TEXT NOT NULL CHECK (kind IN ('fracture', 'death', 'end_of_follow_up')),
        occurred_on TEXT NOT NULL,
        site TEXT NOT NULL,
        mechanism TEXT NOT NULL,
        {_TOLD}
        withdrawn INTEGER NOT NULL CHECK (withdrawn IN (0, 1)),
        superseded_by INTEGER REFERENCES outcomes
    ) STRICT
    """,
    "CREATE INDEX outcomes_by_patient ON outcomes (patient_key, occurred_on)",
    "CREATE INDEX outcomes_by_reference ON outcomes (reference) WHERE reference <> ''",
    f"""
    CREATE TABLE site_entries (
        id INTEGER PRIMARY KEY,
        study_instance_uid TEXT NOT NULL REFERENCES studies,
        field TEXT NOT NULL,
        value TEXT NOT NULL,
        {_TOLD}
        superseded_by INTEGER REFERENCES site_entries
    ) STRICT
    """,
    # one standing entry per field: a correction supersedes it
    "CREATE UNIQUE INDEX site_entries_standing ON site_entries (study_instance_uid, field)"
    " WHERE superseded_by IS NULL",
    "CREATE INDEX site_entries_by_study ON site_entries (study_instance_uid)",
    f"""
    CREATE TABLE opinions (
        id INTEGER PRIMARY KEY,
        study_instance_uid TEXT NOT NULL REFERENCES studies,
        analysis_id INTEGER NOT NULL REFERENCES analyses,
        verdict TEXT NOT NULL CHECK (verdict IN ('agree', 'disagree', 'amend')),
        comment TEXT NOT NULL,
        amendments TEXT NOT NULL,
        {_TOLD}
        superseded_by INTEGER REFERENCES opinions
    ) STRICT
    """,
    "CREATE INDEX opinions_by_study ON opinions (study_instance_uid)",
    "CREATE INDEX opinions_by_time ON opinions (recorded_at)",
    # objects that speak about a result of ours: they are kept, and are no input of an analysis
    """
    CREATE TABLE opinion_objects (
        sop_instance_uid TEXT PRIMARY KEY,
        study_instance_uid TEXT NOT NULL,
        understood INTEGER NOT NULL CHECK (understood IN (0, 1)),
        finding TEXT NOT NULL,
        examined_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE opinion_bookmark (id INTEGER PRIMARY KEY CHECK (id = 1), instance_id INTEGER NOT NULL)"
    " STRICT",
    "INSERT INTO opinion_bookmark VALUES (1, 0)",
    # how far each FHIR server was read
    """
    CREATE TABLE fhir_bookmarks (
        server TEXT NOT NULL,
        resource_type TEXT NOT NULL,
        last_updated TEXT NOT NULL,
        read_at TEXT NOT NULL,
        PRIMARY KEY (server, resource_type)
    ) STRICT, WITHOUT ROWID
    """,
    # of whom everything was asked for once; from then on changes suffice
    """
    CREATE TABLE fhir_patients (
        server TEXT NOT NULL,
        patient_key TEXT NOT NULL,
        read_at TEXT NOT NULL,
        PRIMARY KEY (server, patient_key)
    ) STRICT, WITHOUT ROWID
    """,
)
"""Dates are YYYY-MM-DD. Values are JSON. What a row says never changes: a correction is a new row, which the
old one names (`superseded_by`)."""


def add_clinical(connection: sqlite3.Connection) -> None:
    """Add outcomes, clinical facts, site entries, and opinions on results."""
    for statement in _CLINICAL:
        connection.execute(statement)
