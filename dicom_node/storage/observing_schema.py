"""Migration 0007: what is kept in bytes, and what is to be told to auditors."""

from __future__ import annotations

import sqlite3

__all__ = ["add_observing"]

_OBSERVING = (
    """
    CREATE TABLE kept_bytes (
        kind TEXT PRIMARY KEY,
        files INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    INSERT INTO kept_bytes
    SELECT kinds.column1, count(instances.id), coalesce(sum(size), 0)
    FROM (VALUES ('input'), ('own_result'), ('quarantined')) AS kinds
    LEFT JOIN instances ON kind = kinds.column1 AND path <> '' AND released_at = ''
    GROUP BY kinds.column1
    """,
    # kept by the database itself, so that no writer can forget it; a sum over the table would take seconds
    """
    CREATE TRIGGER kept_bytes_grow AFTER INSERT ON instances WHEN NEW.path <> '' AND NEW.released_at = ''
    BEGIN
        UPDATE kept_bytes SET files = files + 1, bytes = bytes + NEW.size WHERE kind = NEW.kind;
    END
    """,
    """
    CREATE TRIGGER kept_bytes_shrink AFTER DELETE ON instances WHEN OLD.path <> '' AND OLD.released_at = ''
    BEGIN
        UPDATE kept_bytes SET files = files - 1, bytes = bytes - OLD.size WHERE kind = OLD.kind;
    END
    """,
    """
    CREATE TRIGGER kept_bytes_change AFTER UPDATE OF path, released_at ON instances
    WHEN (OLD.path <> '' AND OLD.released_at = '') <> (NEW.path <> '' AND NEW.released_at = '')
    BEGIN
        UPDATE kept_bytes SET
            files = files + iif(NEW.path <> '' AND NEW.released_at = '', 1, -1),
            bytes = bytes + iif(NEW.path <> '' AND NEW.released_at = '', NEW.size, -NEW.size)
        WHERE kind = NEW.kind;
    END
    """,
    """
    CREATE TABLE audit_bookmark (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        recording INTEGER NOT NULL,
        instance_id INTEGER NOT NULL,
        event_id INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO audit_bookmark VALUES (1, 0, 0, 0)",
    """
    CREATE TABLE audit_transfers (
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        step TEXT NOT NULL CHECK (step IN ('begun', 'transferred', 'failed')),
        destination TEXT NOT NULL,
        study_instance_uid TEXT NOT NULL,
        sop_class_uid TEXT NOT NULL,
        path TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TRIGGER audit_deliveries AFTER UPDATE OF state ON deliveries
    WHEN NEW.state <> OLD.state AND (SELECT recording FROM audit_bookmark)
        AND ((NEW.state = 'sending' AND NEW.attempts = 1)
             OR NEW.state = 'stored' OR (NEW.state = 'delivered' AND OLD.state <> 'stored')
             OR NEW.state = 'dead')
    BEGIN
        INSERT INTO audit_transfers (at, step, destination, study_instance_uid, sop_class_uid, path)
        VALUES (strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'),
            CASE NEW.state WHEN 'sending' THEN 'begun' WHEN 'dead' THEN 'failed' ELSE 'transferred' END,
            NEW.destination, NEW.study_instance_uid, NEW.sop_class_uid, NEW.path);
    END
    """,
    """
    CREATE TABLE audit_spool (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        message TEXT NOT NULL
    ) STRICT
    """,
)
"""`kept_bytes`: files of received objects that are kept, by kind. `audit_bookmark`: how far instances and
events are told; `audit_transfers`: deliveries that began and ended, untold; `audit_spool`: yet to be sent."""


def add_observing(connection: sqlite3.Connection) -> None:
    """Count what is kept, and prepare for auditing, which starts off."""
    for statement in _OBSERVING:
        connection.execute(statement)
