"""A journal as the released version 0.4.0 wrote it, for tests of upgrades."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlite_utils import Database

from dicom_node.storage import schema

__all__ = ["make_journal_of_version_0_4"]


def make_journal_of_version_0_4(path: Path) -> list[str]:
    """Make a journal as the released version 0.4.0 wrote it; return its dump."""
    released = schema.Migrations(schema.MIGRATIONS.name)
    for migration in schema.MIGRATIONS.pending(Database(memory=True))[:2]:
        released(name=migration.name)(migration.fn)
    with sqlite3.connect(path) as old:
        old.execute("PRAGMA journal_mode = WAL")
        released.apply(Database(old))
        old.execute("INSERT INTO studies VALUES ('1.2', 'analyzed', '', '', '', '', '', '2026', '2026')")
        old.execute(
            "INSERT INTO analyses VALUES (1, '1.2', '', '', '', '', '', 'done', 1, 0, '', '', '', '',"
            " 'analyzed', '', '', '', '')"
        )
        old.execute("INSERT INTO results VALUES ('1.2.9', 1, '1.2', '', '', 'results/a/b.dcm', '', '2026')")
        old.execute(
            "INSERT INTO deliveries"
            " VALUES (NULL, '1.2.9', '1.2', 'pacs', 'delivered', 1, '', '', '', '', 0, '')"
        )
        old.commit()
        dump = list(old.iterdump())
    old.close()
    return dump
