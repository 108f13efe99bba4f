"""A journal that is damaged, gone, or caught in an upgrade or a copy: refused or mended, never guessed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from ground import Ground, on_ground
from node_under_fire import DICOM_NODE, NodeUnderFire, archived_bytes, lost
from old_journal import make_journal_of_version_0_4

from dicom_node.faults import ENVIRONMENT_VARIABLE

Figure = Callable[[str], None]

OBJECTS = 30
PAGE_BYTES = 4096


def run_command(
    node: NodeUnderFire, *arguments: str, environment: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """Run ``dicom-node`` on a node's configuration."""
    return subprocess.run(
        [DICOM_NODE, *arguments, "--config", node.config],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def kill(node: NodeUnderFire) -> None:
    """End a node without waiting for its workers, which are still starting."""
    node.kill()
    node.wait()


def store_many(ground: Ground, count: int = OBJECTS) -> None:
    for _ in range(count):
        ground.good_client_seconds()


def assert_mended(ground: Ground, count: int) -> None:
    """Assert that a node serves again, and has a row and the bytes of everything it ever acknowledged."""
    ground.node.start()
    ground.node.hold_workers()
    assert not lost(ground.scanner, ground.node)
    assert len(archived_bytes(ground.node)) == count
    ground.hold_all_laws()


def corrupt(journal: Path) -> None:
    with journal.open("r+b") as file:
        for page in range(3, journal.stat().st_size // PAGE_BYTES, 2):
            file.seek(PAGE_BYTES * page)
            file.write(os.urandom(512))


def remove(journal: Path) -> None:
    for path in journal.parent.glob("journal.db*"):
        path.unlink()


@pytest.mark.slow
@pytest.mark.cell("39")
@pytest.mark.parametrize("damage", [corrupt, remove])
def test_a_damaged_or_lost_journal_is_not_served_and_rebuilt_from_the_archive(
    tmp_path: Path, damage: Callable[[Path], None], figure: Figure
) -> None:
    with on_ground(tmp_path, analyses=False) as ground:
        store_many(ground)
        kill(ground.node)
        damage(ground.node.data_dir / "journal.db")
        refused = run_command(ground.node, "serve")
        assert refused.returncode == 2
        assert "nothing is served" in refused.stderr
        assert "dicom-node journal restore --from" in refused.stderr
        assert "dicom-node journal rebuild" in refused.stderr
        began = time.monotonic()
        rebuilt = run_command(ground.node, "journal", "rebuild")
        seconds = time.monotonic() - began
        assert rebuilt.returncode == 0, rebuilt.stderr
        assert_mended(ground, OBJECTS)
    fault = {"corrupt": "corrupt pages", "remove": "no file"}[damage.__name__]
    figure(f"{fault}: refused; rebuilt from {OBJECTS} archived objects in {seconds:.1f} s, none missing")


@pytest.mark.slow
@pytest.mark.cell("39")
def test_what_a_truncated_write_ahead_log_lost_comes_back_from_the_files(
    tmp_path: Path, figure: Figure
) -> None:
    """SQLite takes a shorter log for an earlier state; the files tell what is missing, and are kept."""
    with on_ground(tmp_path, analyses=False) as ground:
        store_many(ground)
        kill(ground.node)
        log = ground.node.data_dir / "journal.db-wal"
        assert log.stat().st_size > 0
        os.truncate(log, log.stat().st_size // 2)
        ground.node.start()
        ground.node.hold_workers()
        known = len(archived_bytes(ground.node))
        assert known < OBJECTS, "the cut must have cost rows"
        assert len(ground.archive_files()) == OBJECTS, "a file without a row is no rubbish"
        kill(ground.node)
        rebuilt = run_command(ground.node, "journal", "rebuild")
        assert rebuilt.returncode == 0, rebuilt.stderr
        assert_mended(ground, OBJECTS)
    figure(
        f"half the WAL gone, which SQLite takes for an earlier state: {OBJECTS - known} rows lost, no file, "
        "all rows rebuilt from the files"
    )


@pytest.mark.cell("41")
def test_a_kill_in_the_middle_of_a_migration_leaves_the_old_schema(tmp_path: Path, figure: Figure) -> None:
    with on_ground(tmp_path, environment=None) as ground:
        ground.node.data_dir.mkdir(mode=0o700)
        journal = ground.node.data_dir / "journal.db"
        before = make_journal_of_version_0_4(journal)
        killed = run_command(
            ground.node, "serve", environment={ENVIRONMENT_VARIABLE: "migration.in_the_middle"}
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        with sqlite3.connect(journal) as old:
            assert list(old.iterdump()) == before
        old.close()
        seconds = ground.node.start()
        ground.node.hold_workers()
        assert ground.node.rows("SELECT study_instance_uid, state FROM studies") == [("1.2", "analyzed")]
        assert ground.node.rows("SELECT state FROM deliveries") == [("delivered",)]
        ground.hold_all_laws()
        kill(ground.node)
    figure(f"the schema of 0.4.0 row for row after the kill; upgraded and serving in {seconds:.1f} s")


@pytest.mark.slow
@pytest.mark.cell("42")
def test_a_killed_backup_leaves_the_older_one_whose_restoring_lists_what_came_since(
    tmp_path: Path, figure: Figure
) -> None:
    copies = tmp_path / "copies"
    with on_ground(tmp_path, analyses=False) as ground:
        store_many(ground)
        made = run_command(ground.node, "backup", "--out", str(copies))
        assert made.returncode == 0, made.stderr
        (copy,) = copies.glob("journal-*.db")
        content = copy.read_bytes()
        store_many(ground, 5)
        killed = run_command(
            ground.node,
            "backup",
            "--out",
            str(copies),
            environment={ENVIRONMENT_VARIABLE: "backup.in_the_middle"},
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert list(copies.glob("journal-*.db")) == [copy]
        assert copy.read_bytes() == content
        ground.hold_all_laws()  # the node never noticed; one object more
        kill(ground.node)
        restored = run_command(ground.node, "journal", "restore", "--from", str(copy))
        assert restored.returncode == 0, restored.stderr
        assert "objects adopted: no row knew them: 6" in restored.stdout
        assert_mended(ground, OBJECTS + 6)
    figure("the older copy is byte for byte as it was; restored: 6 newer objects listed and adopted")
