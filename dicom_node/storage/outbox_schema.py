"""Migrations of the outbox: 0003, it carries originals too and waits for commitment; 0009, what is open."""

from __future__ import annotations

import sqlite3

__all__ = ["index_open_deliveries", "rebuild_outbox"]

_OUTBOX = (
    """
    CREATE TABLE rebuilt_deliveries (
        id INTEGER PRIMARY KEY,
        sop_instance_uid TEXT NOT NULL,
        sop_class_uid TEXT NOT NULL,
        study_instance_uid TEXT NOT NULL REFERENCES studies,
        destination TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('result', 'original')),
        path TEXT NOT NULL,
        priority INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'stored', 'delivered', 'dead',
                                             'discarded')),
        attempts INTEGER NOT NULL,
        next_attempt_at TEXT NOT NULL,
        lease_owner TEXT NOT NULL,
        lease_expires_at TEXT NOT NULL,
        reason TEXT NOT NULL,
        last_status INTEGER,
        created_at TEXT NOT NULL,
        stored_at TEXT NOT NULL,
        delivered_at TEXT NOT NULL,
        transaction_uid TEXT NOT NULL,
        requested_at TEXT NOT NULL,
        verifications INTEGER NOT NULL,
        refusals INTEGER NOT NULL,
        replaced_by TEXT NOT NULL,
        UNIQUE (sop_instance_uid, destination, path)
    ) STRICT
    """,
    """
    INSERT INTO rebuilt_deliveries
    SELECT deliveries.id, sop_instance_uid, results.sop_class_uid, deliveries.study_instance_uid, destination,
        'result', results.path, 0, state, attempts, next_attempt_at, lease_owner, lease_expires_at, reason,
        last_status, results.created_at, delivered_at, delivered_at, '', '', 0, 0, ''
    FROM deliveries JOIN results USING (sop_instance_uid)
    """,
    "DROP TABLE deliveries",
    "ALTER TABLE rebuilt_deliveries RENAME TO deliveries",
    "CREATE INDEX deliveries_by_destination ON deliveries (destination, state, next_attempt_at)",
    "CREATE INDEX deliveries_by_study ON deliveries (study_instance_uid)",
    "CREATE INDEX deliveries_by_transaction ON deliveries (transaction_uid) WHERE transaction_uid <> ''",
    """
    CREATE TABLE destination_health (
        destination TEXT PRIMARY KEY,
        breaker TEXT NOT NULL CHECK (breaker IN ('closed', 'open')),
        failures INTEGER NOT NULL,
        rests_until TEXT NOT NULL,
        reason TEXT NOT NULL,
        changed_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE notice_bookmark (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        event_id INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE notices (
        channel TEXT NOT NULL,
        cause TEXT NOT NULL,
        code TEXT NOT NULL,
        message TEXT NOT NULL,
        study_instance_uid TEXT NOT NULL,
        first_at TEXT NOT NULL,
        times INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        next_attempt_at TEXT NOT NULL,
        PRIMARY KEY (channel, cause)
    ) STRICT, WITHOUT ROWID
    """,
)
"""`stored`: accepted by the peer, its commitment awaited since `stored_at`; `requested_at` tells when a
commitment under `transaction_uid` was asked for, `verifications` how often the peer was searched since and
`refusals` how often it turned out not to hold what it had accepted; `replaced_by` names the result that was
sent instead of a discarded one, in a SOP class that the peer takes."""


_OPEN = (
    """
    CREATE INDEX deliveries_open ON deliveries (destination, study_instance_uid, id, priority)
        WHERE state IN ('pending', 'sending')
    """,
    "CREATE INDEX deliveries_dead ON deliveries (destination, study_instance_uid) WHERE state = 'dead'",
    "CREATE INDEX deliveries_stored ON deliveries (stored_at) WHERE state = 'stored'",
)
"""What waits, and what is given up, found without a look at the many rows that are done."""


def rebuild_outbox(connection: sqlite3.Connection) -> None:
    """Rebuild ``deliveries`` with every row kept, and add what deliveries and notifications remember."""
    for statement in _OUTBOX:
        connection.execute(statement)


def index_open_deliveries(connection: sqlite3.Connection) -> None:
    """Index the few rows that claims and administrators look for."""
    for statement in _OPEN:
        connection.execute(statement)
