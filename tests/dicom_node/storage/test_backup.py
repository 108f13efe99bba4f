"""A copy of the journal counts only when it is whole and sound; the older ones stay until then."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from node_support import FakeClock, receive

from dicom_node.config import BackupSettings
from dicom_node.faults import ENVIRONMENT_VARIABLE
from dicom_node.storage import backup
from dicom_node.storage.archive import Archive
from dicom_node.storage.backup import back_up, backups, newest_backup
from dicom_node.storage.journal import Journal
from dicom_node.storage.soundness import damages
from dicom_node.workflow.housekeeping import NightlyBackup

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "data")


def studies_in(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM studies").fetchone()[0])
    finally:
        connection.close()


def test_a_copy_made_beside_a_writer_is_one_sound_private_file(tmp_path: Path, archive: Archive) -> None:
    journal = Journal(archive.journal_path)
    receive(journal, "1.2")
    copy = back_up(archive, tmp_path / "backup", keep=1)
    receive(journal, "1.3")
    journal.close()
    assert [path.name for path in (tmp_path / "backup").iterdir()] == [copy.name]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert damages(copy, thorough=True) == ()
    assert studies_in(copy) == 1


def test_only_so_many_copies_stay(tmp_path: Path, archive: Archive) -> None:
    Journal(archive.journal_path).close()
    clock = FakeClock()
    made = []
    for _ in range(4):
        made.append(back_up(archive, tmp_path / "backup", keep=2, clock=clock))
        clock.advance(60)
    assert [copy.path for copy in backups(tmp_path / "backup")] == made[-2:]


def test_files_are_copied_once(tmp_path: Path, archive: Archive) -> None:
    Journal(archive.journal_path).close()
    path = archive.store_instance(
        b"bytes",
        "ab" * 32,
        sop_class_uid=SECONDARY_CAPTURE,
        sop_instance_uid="1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    back_up(archive, tmp_path / "backup", keep=1, with_files=True)
    copy = tmp_path / "backup" / "files" / path
    assert copy.read_bytes() == archive.resolve(path).read_bytes()
    before = copy.stat().st_mtime_ns
    assert backup.copy_files(archive, tmp_path / "backup" / "files") == 0
    assert copy.stat().st_mtime_ns == before


def test_a_damaged_journal_does_not_replace_a_sound_copy(tmp_path: Path, archive: Archive) -> None:
    journal = Journal(archive.journal_path)
    for number in range(200):
        receive(journal, f"1.{number}")
    journal.close()
    clock = FakeClock()
    sound = back_up(archive, tmp_path / "backup", keep=1, clock=clock)
    with archive.journal_path.open("r+b") as file:
        for page in range(2, archive.journal_path.stat().st_size // 4096):
            file.seek(4096 * page)
            file.write(os.urandom(256))
    clock.advance(60)
    with pytest.raises(sqlite3.DatabaseError):
        back_up(archive, tmp_path / "backup", keep=1, clock=clock)
    assert [path.name for path in (tmp_path / "backup").iterdir()] == [sound.name]


def test_a_kill_in_the_middle_of_a_backup_leaves_the_older_one(tmp_path: Path, archive: Archive) -> None:
    journal = Journal(archive.journal_path)
    receive(journal, "1.2")
    journal.close()
    older = back_up(archive, tmp_path / "backup", keep=1)
    config = tmp_path / "node.toml"
    conf = Path(__file__).parents[3] / "conf"
    config.write_text(
        f'[node]\ndata_dir = "data"\n[analysis]\nreference = "{conf / "reference/iscd-atlas-female.csv"}"\n'
        f'guideline = "{conf / "guidelines/acp-2023.toml"}"\n'
    )
    command = [sys.executable, "-m", "dicom_node", "backup", "--config", config, "--out", tmp_path / "backup"]
    killed = subprocess.run(
        command, env={**os.environ, ENVIRONMENT_VARIABLE: "backup.in_the_middle"}, check=False
    )
    assert killed.returncode == -9
    assert [copy.path for copy in backups(tmp_path / "backup")] == [older]
    assert damages(older, thorough=True) == ()
    assert len(list((tmp_path / "backup").glob(".journal-*.part*"))) >= 1, "it was killed in the middle"
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "checked, sound" in done.stdout
    assert not list((tmp_path / "backup").glob(".*"))


def test_a_night_that_was_slept_through_is_made_up_for(tmp_path: Path, archive: Archive) -> None:
    clock = FakeClock()  # 03:04 in the night
    journal = Journal(archive.journal_path, clock=clock)
    nightly = NightlyBackup(
        BackupSettings(directory=tmp_path / "backup", hour=2, keep=10), archive, journal, clock=clock
    )
    assert nightly.run() is not None
    clock.advance(22 * 3600)
    assert nightly.run() is None, "not 02:00 yet"
    clock.advance(3600)
    assert nightly.run() is not None
    clock.advance(10 * 86_400)
    assert nightly.run() is not None
    assert nightly.run() is None
    assert len(backups(tmp_path / "backup")) == 3
    newest = newest_backup(tmp_path / "backup")
    assert newest is not None
    assert clock() - newest.made_at < timedelta(seconds=1)
    journal.close()


def test_a_backup_that_cannot_be_made_is_an_event_and_the_node_goes_on(
    tmp_path: Path, archive: Archive
) -> None:
    journal = Journal(archive.journal_path)
    (tmp_path / "file").touch()
    settings = BackupSettings(directory=tmp_path / "file" / "backup")
    assert NightlyBackup(settings, archive, journal).run() is None
    assert [event.code for event in journal.events()] == ["backup_failed"]
    journal.close()
