"""Tables of the journal, as numbered migrations: old or new schema after a crash, never one between.

Times are UTC, ISO 8601 with microseconds, so that they compare as text. States are spelled in
`dicom_node.storage.records`.
"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

from dicom_node.errors import ConfigurationError
from dicom_node.faults import reach
from dicom_node.storage.admin_schema import index_changes
from dicom_node.storage.clinical_schema import add_clinical
from dicom_node.storage.console_schema import add_console
from dicom_node.storage.jobs_schema import add_jobs
from dicom_node.storage.keeping_schema import add_releases
from dicom_node.storage.monitoring_schema import add_monitoring
from dicom_node.storage.observing_schema import add_observing
from dicom_node.storage.outbox_schema import index_open_deliveries, rebuild_outbox
from dicom_node.storage.pledge_schema import add_pledges
from dicom_node.storage.retrieval_schema import add_retrievals
from dicom_node.storage.routing_schema import add_routing
from dicom_node.storage.search_schema import add_search
from dicom_node.storage.shadow_schema import add_shadow

__all__ = ["migrate"]

MIGRATIONS = Migrations("radius-dxa-node")
"""Applied in order, each recorded in the database in the transaction that applies it; add, never edit."""


def migrate(database: Database) -> None:
    """Bring the schema up to date in one transaction; does nothing when it already is.

    Raises
    ------
    ConfigurationError
        If a newer version of the node has written this journal.
    """
    with Database(memory=True) as empty:
        known = {migration.name for migration in MIGRATIONS.pending(empty)}
    unknown = sorted({migration.name for migration in MIGRATIONS.applied(database)} - known)
    if unknown:
        raise ConfigurationError(
            f"the journal was written by a newer version (migration {unknown[-1]!r} is unknown here); "
            "install that version again, or start with another data_dir"
        )
    if not MIGRATIONS.pending(database):
        return
    database.execute("BEGIN IMMEDIATE")  # two processes may open a new journal at once
    try:
        MIGRATIONS.apply(database)
        reach("migration.in_the_middle")
        database.execute("COMMIT")
    except BaseException:
        if database.conn.in_transaction:
            database.conn.rollback()
        raise


_JOURNAL = (
    """
    CREATE TABLE instances (
        id INTEGER PRIMARY KEY,
        sop_instance_uid TEXT NOT NULL,
        sop_class_uid TEXT NOT NULL,
        study_instance_uid TEXT NOT NULL,
        series_instance_uid TEXT NOT NULL,
        transfer_syntax_uid TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        path TEXT NOT NULL,
        size INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('input', 'own_result', 'quarantined')),
        reason TEXT NOT NULL,
        version INTEGER NOT NULL,
        calling_ae TEXT NOT NULL,
        called_ae TEXT NOT NULL,
        peer_address TEXT NOT NULL,
        association_id TEXT NOT NULL,
        received_at TEXT NOT NULL,
        UNIQUE (sop_instance_uid, sha256, kind)
    ) STRICT
    """,
    "CREATE INDEX instances_by_study ON instances (study_instance_uid, kind)",
    "CREATE INDEX quarantined_sizes ON instances (size) WHERE kind = 'quarantined' AND path <> ''",
    """
    CREATE TABLE studies (
        study_instance_uid TEXT PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('receiving', 'complete', 'analyzing', 'analyzed',
                                             'not_applicable', 'rejected', 'failed')),
        reason TEXT NOT NULL,
        completed_reason TEXT NOT NULL,
        calling_ae TEXT NOT NULL,
        patient_key TEXT NOT NULL,
        study_date TEXT NOT NULL,
        first_received_at TEXT NOT NULL,
        last_received_at TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX studies_by_state ON studies (state)",
    "CREATE INDEX studies_by_patient ON studies (patient_key, study_date)",
    """
    CREATE TABLE analyses (
        id INTEGER PRIMARY KEY,
        study_instance_uid TEXT NOT NULL REFERENCES studies,
        "trigger" TEXT NOT NULL,
        input_digest TEXT NOT NULL,
        identity TEXT NOT NULL,
        engine_version TEXT NOT NULL,
        model_version TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
        attempts INTEGER NOT NULL,
        interruptions INTEGER NOT NULL,
        next_attempt_at TEXT NOT NULL,
        lease_owner TEXT NOT NULL,
        lease_expires_at TEXT NOT NULL,
        reason TEXT NOT NULL,
        status TEXT NOT NULL,
        result_json TEXT NOT NULL,
        queued_at TEXT NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX analyses_by_state ON analyses (state, next_attempt_at)",
    "CREATE INDEX analyses_by_study ON analyses (study_instance_uid, state)",
    # one waiting analysis per study: it reads the instance set when it is claimed
    "CREATE UNIQUE INDEX analyses_queued_once ON analyses (study_instance_uid) WHERE state = 'queued'",
    """
    CREATE TABLE results (
        sop_instance_uid TEXT PRIMARY KEY,
        analysis_id INTEGER NOT NULL REFERENCES analyses,
        study_instance_uid TEXT NOT NULL REFERENCES studies,
        sop_class_uid TEXT NOT NULL,
        kind TEXT NOT NULL,
        path TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX results_by_study ON results (study_instance_uid)",
    """
    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY,
        sop_instance_uid TEXT NOT NULL REFERENCES results,
        study_instance_uid TEXT NOT NULL REFERENCES studies,
        destination TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'delivered', 'dead')),
        attempts INTEGER NOT NULL,
        next_attempt_at TEXT NOT NULL,
        lease_owner TEXT NOT NULL,
        lease_expires_at TEXT NOT NULL,
        reason TEXT NOT NULL,
        last_status INTEGER,
        delivered_at TEXT NOT NULL,
        UNIQUE (sop_instance_uid, destination)
    ) STRICT
    """,
    "CREATE INDEX deliveries_by_destination ON deliveries (destination, state, next_attempt_at)",
    "CREATE INDEX deliveries_by_study ON deliveries (study_instance_uid)",
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
        code TEXT NOT NULL,
        study_instance_uid TEXT NOT NULL,
        sop_instance_uid TEXT NOT NULL,
        message TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX events_by_study ON events (study_instance_uid)",
)


_RESULT_SETS = (
    """
    CREATE TABLE result_sets (
        analysis_id INTEGER NOT NULL REFERENCES analyses,
        destination TEXT NOT NULL,
        position INTEGER NOT NULL,
        sop_instance_uid TEXT NOT NULL REFERENCES results,
        PRIMARY KEY (analysis_id, destination, position)
    ) STRICT, WITHOUT ROWID
    """,
    # until now every destination got every result, and without any they were held
    """
    INSERT INTO result_sets
    SELECT results.analysis_id, coalesce(destination, ''),
        row_number() OVER (PARTITION BY results.analysis_id, destination ORDER BY results.rowid),
        results.sop_instance_uid
    FROM results LEFT JOIN deliveries USING (sop_instance_uid)
    """,
)
"""What each destination was given by an analysis, and in which order: results may differ by destination."""


@MIGRATIONS(name="0001_journal")
def _create_journal(database: Database) -> None:
    connection: sqlite3.Connection = database.conn
    for statement in _JOURNAL:
        connection.execute(statement)


@MIGRATIONS(name="0002_result_sets")
def _create_result_sets(database: Database) -> None:
    connection: sqlite3.Connection = database.conn
    for statement in _RESULT_SETS:
        connection.execute(statement)


@MIGRATIONS(name="0003_outbox")
def _rebuild_outbox(database: Database) -> None:
    rebuild_outbox(database.conn)


@MIGRATIONS(name="0004_pledges")
def _add_pledges(database: Database) -> None:
    add_pledges(database.conn)


@MIGRATIONS(name="0005_routing")
def _add_routing(database: Database) -> None:
    add_routing(database.conn)


@MIGRATIONS(name="0008_keeping")
def _add_releases(database: Database) -> None:
    add_releases(database.conn)


@MIGRATIONS(name="0007_observing")
def _add_observing(database: Database) -> None:
    add_observing(database.conn)


@MIGRATIONS(name="0006_retrievals")
def _add_retrievals(database: Database) -> None:
    add_retrievals(database.conn)


@MIGRATIONS(name="0009_open_deliveries")
def _index_open_deliveries(database: Database) -> None:
    index_open_deliveries(database.conn)


@MIGRATIONS(name="0011_jobs")
def _add_jobs(database: Database) -> None:
    add_jobs(database.conn)


@MIGRATIONS(name="0010_console")
def _add_console(database: Database) -> None:
    add_console(database.conn)


@MIGRATIONS(name="0015_search")
def _add_search(database: Database) -> None:
    add_search(database.conn)


@MIGRATIONS(name="0012_clinical")
def _add_clinical(database: Database) -> None:
    add_clinical(database.conn)


@MIGRATIONS(name="0013_monitoring")
def _add_monitoring(database: Database) -> None:
    add_monitoring(database.conn)


@MIGRATIONS(name="0014_shadow")
def _add_shadow(database: Database) -> None:
    add_shadow(database.conn)


@MIGRATIONS(name="0016_admin")
def _index_changes(database: Database) -> None:
    index_changes(database.conn)
