"""Migration 0016: what administrators search is indexed."""

from __future__ import annotations

import sqlite3

__all__ = ["index_changes"]


def index_changes(connection: sqlite3.Connection) -> None:
    """Index who changed what, and when."""
    for column in ("at", "user", "action"):
        connection.execute(f"CREATE INDEX changes_by_{column} ON changes ({column})")
