"""A full disk can be mended: the reserve file gives SQLite the room that even a deletion needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dicom_node.storage.reserve import Reserve

SIZE = 1_048_576


def small_disk_available() -> bool:
    """Tell whether this user may mount a file system of his own."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


needs_small_disk = pytest.mark.skipif(
    not small_disk_available(), reason="needs the right to mount a small disk (unshare --mount); run as root"
)


def on_small_disk(folder: Path, script: str) -> str:
    """Run a Python script whose working directory is a disk of 8 MiB; return what it prints."""
    folder.mkdir()
    file = folder.parent / "script.py"
    file.write_text(textwrap.dedent(script))
    inside = (
        f'mount -t tmpfs -o size=8m tmpfs "{folder}" && cd "{folder}" && exec "{sys.executable}" "{file}"'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", inside],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_reserve_takes_real_space_and_gives_it_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, SIZE)
    assert not reserve.is_held
    assert reserve.hold()
    assert reserve.path.stat().st_blocks * 512 >= SIZE
    assert reserve.hold(), "nothing to do"
    assert reserve.give_up()
    assert not reserve.give_up()


def test_no_reserve_is_no_file(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, SIZE)
    reserve.hold()
    assert Reserve(tmp_path, 0).hold()
    assert not reserve.path.exists()


def test_the_reserve_is_not_taken_from_a_disk_that_is_short_of_space(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert not Reserve(tmp_path, SIZE).hold(spare_bytes=2 * free)
    assert not (tmp_path / "reserve").exists()


@needs_small_disk
def test_on_a_full_disk_retention_gives_the_reserve_up_and_goes_on(tmp_path: Path) -> None:
    printed = on_small_disk(
        tmp_path / "disk",
        f"""
        import contextlib
        import sqlite3
        from pathlib import Path
        from node_support import FakeClock
        from dicom_node.config import RetentionSettings
        from dicom_node.storage.archive import Archive
        from dicom_node.storage.journal import Journal
        from dicom_node.storage.records import Severity
        from dicom_node.workflow.housekeeping import Retention

        clock = FakeClock()
        archive = Archive(Path("data").absolute())
        journal = Journal(archive.journal_path, clock=clock)
        retention = Retention(
            RetentionSettings(keep_events_days=1, reserve_bytes={SIZE}), archive, journal, clock=clock
        )
        retention.run()
        reserve = Path("data/reserve")
        assert reserve.stat().st_size == {SIZE}

        for _ in range(100):
            journal.note_event(Severity.INFO, "noise", "x" * 2000)
        journal.shorten_log()
        filler = open("filler", "wb", buffering=0)
        with contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        clock.advance(10 * 86400)
        try:
            journal.forget_events(before=clock(), limit=1000)
        except sqlite3.OperationalError as error:
            print("deleting needs room too:", error)
        retention.run()
        print("left:", len(journal.events()), "reserve:", reserve.exists())
        filler.close()
        Path("filler").unlink()
        retention.run()
        print("reserve again:", reserve.stat().st_size)
        """,
    )
    assert printed.splitlines() == [
        "deleting needs room too: database or disk is full",
        "left: 1 reserve: False",
        f"reserve again: {SIZE}",
    ]


@needs_small_disk
def test_journal_mend_frees_a_full_disk(tmp_path: Path) -> None:
    conf = Path(__file__).parents[3] / "conf"
    printed = on_small_disk(
        tmp_path / "disk",
        f"""
        import contextlib
        from pathlib import Path
        from dicom_node.cli import main
        from dicom_node.storage.archive import Archive
        from dicom_node.storage.journal import Journal
        from dicom_node.storage.reserve import Reserve

        archive = Archive(Path("data").absolute())
        Journal(archive.journal_path).close()
        Path("node.toml").write_text('''
        [node]
        data_dir = "data"
        [retention]
        reserve_bytes = {SIZE}
        [analysis]
        reference = "{conf / "reference/iscd-atlas-female.csv"}"
        guideline = "{conf / "guidelines/acp-2023.toml"}"
        ''')
        assert Reserve(archive.data_dir, {SIZE}).hold()
        filler = open("filler", "wb", buffering=0)
        with contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        raise SystemExit(main(["journal", "mend", "--config", "node.toml"]))
        """,
    )
    assert printed.splitlines() == [
        "reserve given up",
        "0 files released",
        "no room yet for the reserve: the node takes it when there is",
    ]
