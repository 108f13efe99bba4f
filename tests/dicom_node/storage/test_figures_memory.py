"""A scrape of the metrics takes no more memory with more studies: it comes every few seconds, for years."""

from __future__ import annotations

import _sqlite3
import ctypes
import sqlite3
from contextlib import closing
from pathlib import Path

from dicom_node.storage.figures import read_figures
from dicom_node.storage.journal import Journal

KIB = 1024

# SQLite's own count, not the process's memory: what an allocator keeps depends on the moment
sqlite = ctypes.CDLL(_sqlite3.__file__)
sqlite.sqlite3_memory_used.restype = sqlite.sqlite3_memory_highwater.restype = ctypes.c_int64


def test_counting_ten_times_the_studies_takes_no_more_memory(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    Journal(path).close()
    receive(path, 10_000)
    few = taken_by_a_scrape(path)
    receive(path, 100_000)
    many = taken_by_a_scrape(path)
    assert few > 0, "this SQLite counts its memory"
    assert many < few + 16 * KIB


def receive(journal: Path, studies: int) -> None:
    """Bring the journal to so many studies."""
    with closing(sqlite3.connect(journal)) as connection, connection:
        connection.execute(
            """
            WITH RECURSIVE number (n) AS (
                SELECT count(*) + 1 FROM studies UNION ALL SELECT n + 1 FROM number WHERE n < ?
            )
            INSERT INTO studies SELECT '1.2.3.' || n, 'analyzed', '', '', 'A', '', '20260101',
                                       '2026-01-01', '2026-01-01' FROM number
            """,
            [studies],
        )


def taken_by_a_scrape(journal: Path) -> int:
    """Return the bytes that SQLite held at its busiest moment, above what it held before."""
    before = sqlite.sqlite3_memory_used()
    sqlite.sqlite3_memory_highwater(1)
    assert sum(read_figures(journal).studies.values()) > 0
    return int(sqlite.sqlite3_memory_highwater(0)) - int(before)
