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
