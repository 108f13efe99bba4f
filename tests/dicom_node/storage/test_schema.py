"""The schema is brought up to date once, whole or not at all, and never downgraded."""

from __future__ import annotations

import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from sqlite_utils import Database

from dicom_node.errors import ConfigurationError
from dicom_node.storage import schema
from dicom_node.storage.journal import Journal

TABLES = {"instances", "studies", "analyses", "results", "result_sets", "deliveries", "events"}


def dump(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        return list(connection.iterdump())


def test_opening_a_journal_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    Journal(path).close()
    before = dump(path)
    Journal(path).close()
    assert dump(path) == before


def test_a_new_journal_has_every_table_and_survives_power_cuts(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    database = journal._database
    assert set(database.table_names()) >= TABLES
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert database.execute("PRAGMA foreign_keys").fetchone() == (1,)
    assert journal.check_integrity() == ()
    journal.close()


def test_only_the_owner_can_read_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "data" / "journal.db"
    Journal(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_migration_that_fails_leaves_the_old_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    Journal(path).close()
    before = dump(path)

    migrations = schema.Migrations(schema.MIGRATIONS.name)
    for migration in schema.MIGRATIONS.pending(Database(memory=True)):
        migrations(name=migration.name)(migration.fn)

    @migrations(name="9998_breaks_half_way")
    def _break(database: Database) -> None:
        database.execute("ALTER TABLE studies ADD COLUMN added TEXT")
        raise RuntimeError("power cut")

    monkeypatch.setattr(schema, "MIGRATIONS", migrations)
    with pytest.raises(RuntimeError, match="power cut"):
        Journal(path)
    assert dump(path) == before


def test_a_journal_of_the_first_version_keeps_what_stands_where(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    first_version = schema.MIGRATIONS.pending(Database(memory=True))[0]
    with sqlite3.connect(path) as old:
        migrations = schema.Migrations(schema.MIGRATIONS.name)
        migrations(name=first_version.name)(first_version.fn)
        migrations.apply(Database(old))
        old.execute("INSERT INTO studies VALUES ('1.2', 'analyzed', '', '', '', '', '', '', '')")
        old.execute(
            "INSERT INTO analyses VALUES (1, '1.2', '', '', '', '', '', 'done', 1, 0, '', '', '', '',"
            " 'analyzed', '', '', '', '')"
        )
        for uid in ("1.2.1", "1.2.2"):
            old.execute("INSERT INTO results VALUES (?, 1, '1.2', '', '', '', '', '')", (uid,))
            old.execute(
                "INSERT INTO deliveries"
                " VALUES (NULL, ?, '1.2', 'pacs', 'delivered', 1, '', '', '', '', 0, '')",
                (uid,),
            )
    old.close()
    journal = Journal(path)
    assert journal.standing_results("1.2") == {"pacs": ("1.2.1", "1.2.2")}
    journal.close()


def test_a_journal_of_version_0_4_keeps_its_outbox_in_every_state(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    states = {"pending": "busy", "sending": "", "delivered": "", "dead": "SOP class refused"}
    with sqlite3.connect(path) as old:
        migrations = schema.Migrations(schema.MIGRATIONS.name)
        for migration in schema.MIGRATIONS.pending(Database(memory=True))[:2]:
            migrations(name=migration.name)(migration.fn)
        migrations.apply(Database(old))
        old.execute("INSERT INTO studies VALUES ('1.2', 'analyzed', '', '', '', '', '', '', '')")
        old.execute(
            "INSERT INTO analyses VALUES (1, '1.2', '', '', '', '', '', 'done', 1, 0, '', '', '', '',"
            " 'analyzed', '', '', '', '')"
        )
        for number, (state, reason) in enumerate(states.items()):
            uid = f"1.2.{number}"
            old.execute(
                "INSERT INTO results VALUES (?, 1, '1.2', '1.4', 'report', ?, '', '2026-01-01')",
                (uid, f"results/{uid}.dcm"),
            )
            old.execute(
                "INSERT INTO deliveries VALUES (?, ?, '1.2', 'pacs', ?, 2, '', ?, '', ?, 0, '')",
                (10 + number, uid, state, "owner" if state == "sending" else "", reason),
            )
    old.close()
    journal = Journal(path)
    (queue,) = journal.destination_queues()
    assert (queue.pending, queue.stored, queue.delivered, queue.dead) == (2, 0, 1, 1)
    assert queue.oldest_waiting == "2026-01-01"
    assert [letter["reason"] for letter in journal.dead_letters()] == ["SOP class refused"]
    assert journal.recover("a new node") == 1
    claimed = journal.claim_deliveries("pacs", owner="me", lease_seconds=60)
    assert [(delivery.id, delivery.sop_class_uid, str(delivery.path)) for delivery in claimed] == [
        (10, "1.4", "results/1.2.0.dcm"),
        (11, "1.4", "results/1.2.1.dcm"),
    ]
    assert journal.check_integrity() == ()
    journal.close()


def test_opening_waits_for_another_process_that_is_making_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    maker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    maker.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.3, maker.execute, ["ROLLBACK"])
    release.start()
    journal = Journal(path)
    assert journal.check_integrity() == ()
    journal.close()
    release.join()
    maker.close()


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.db"
    with monkeypatch.context() as newer:
        migrations = schema.Migrations(schema.MIGRATIONS.name)
        migrations(name="9999_from_the_future")(lambda database: None)
        newer.setattr(schema, "MIGRATIONS", migrations)
        Journal(path).close()
    with pytest.raises(ConfigurationError, match="9999_from_the_future"):
        Journal(path)


def test_a_journal_of_version_0_4_0_with_everything_in_it_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    old = schema.Migrations(schema.MIGRATIONS.name)
    for migration in schema.MIGRATIONS.pending(Database(memory=True))[:2]:
        old(name=migration.name)(migration.fn)
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", old)
        with sqlite3.connect(path) as connection:
            schema.migrate(Database(connection))
            connection.executescript(OF_0_4_0)
    journal = Journal(path)
    try:
        assert journal.check_integrity() == ()
        assert journal._rows("PRAGMA foreign_key_check") == []
        deliveries = journal.everything_about("1.2")["deliveries"]
        told = [(row["destination"], row["kind"], row["state"], row["path"]) for row in deliveries]
        assert told == [
            ("pacs", "result", "delivered", "results/a/1"),
            ("vna", "result", "dead", "results/a/1"),
            ("pacs", "result", "sending", "results/a/2"),
        ]
        assert [row["stored_at"] for row in deliveries] == ["2025-01-02T", "", ""]
        assert {
            row["kind"]: (row["files"], row["bytes"]) for row in journal._rows("SELECT * FROM kept_bytes")
        } == {
            "input": (1, 10),
            "own_result": (1, 20),
            "quarantined": (1, 30),  # one more was not kept for want of room
        }
        assert journal.quarantined_bytes() == 30
        assert journal.recover("new owner") == 1
        (again,) = journal.claim_deliveries("pacs", owner="new owner", lease_seconds=60)
        assert again.sop_instance_uid == "1.2.9.2"
        assert journal.routing("1.2").destinations is None
    finally:
        journal.close()


def _instance(uid: str, kind: str, path: str, size: int) -> str:
    return (
        "INSERT INTO instances (sop_instance_uid, sop_class_uid, study_instance_uid, series_instance_uid,"  # noqa: S608
        " transfer_syntax_uid, sha256, path, size, kind, reason, version, calling_ae, called_ae,"
        f" peer_address, association_id, received_at) VALUES ('{uid}', '1.2.3', '1.2', '1.3', '1.4', '{uid}',"
        f" '{path}', {size}, '{kind}', '', 1, 'A', 'B', '192.0.2.1', 'c', '2025-01-01T');"
    )


def _delivery(uid: str, destination: str, state: str, delivered_at: str = "") -> str:
    return (
        "INSERT INTO deliveries (sop_instance_uid, study_instance_uid, destination, state, attempts,"  # noqa: S608
        " next_attempt_at, lease_owner, lease_expires_at, reason, last_status, delivered_at) VALUES"
        f" ('{uid}', '1.2', '{destination}', '{state}', 1, '', '', '', '', 0, '{delivered_at}');"
    )


def _result(number: int) -> str:
    return (
        f"INSERT INTO results VALUES ('1.2.9.{number}', 1, '1.2', '1.2.3', 'k', 'results/a/{number}', 'd',"  # noqa: S608
        f" '2025-01-01T'); INSERT INTO result_sets VALUES (1, 'pacs', {number}, '1.2.9.{number}');"
    )


OF_0_4_0 = "".join(
    [
        "INSERT INTO studies VALUES ('1.2', 'analyzed', '', 'quiet', 'A', 'k', '20250101', '2025-01-01T',"
        " '2025-01-01T');",
        _instance("1.2.1", "input", "instances/1", 10),
        _instance("1.2.9.1", "own_result", "instances/2", 20),
        _instance("", "quarantined", "quarantine/1", 30),
        _instance("odd", "quarantined", "", 40),
        "INSERT INTO analyses VALUES (1, '1.2', 'received', '', 'a', '0', '0', 'done', 1, 0, '', '', '', '',"
        " 'analyzed', '{}', '2025-01-01T', '', '');",
        *(_result(number) for number in (1, 2)),
        _delivery("1.2.9.1", "pacs", "delivered", "2025-01-02T"),
        _delivery("1.2.9.1", "vna", "dead"),
        _delivery("1.2.9.2", "pacs", "sending"),
        "INSERT INTO events (at, severity, code, study_instance_uid, sop_instance_uid, message) VALUES"
        " ('2025-01-01T', 'info', 'study_complete', '1.2', '', '');",
    ]
)
