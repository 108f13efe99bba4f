"""Killed while files are released or the schema is brought up to date: afterwards nothing is half done."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from old_journal import make_journal_of_version_0_4

from dicom_node.config import RetentionSettings
from dicom_node.faults import ENVIRONMENT_VARIABLE
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import InstanceKind, ReceivedInstance
from dicom_node.workflow.housekeeping import Retention

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def run_killed(script: str, at: str) -> None:
    """Run a script that the drill kills at a named point."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, ENVIRONMENT_VARIABLE: at, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr


RELEASE = """
    from datetime import timedelta
    from pathlib import Path
    from dicom_node.config import RetentionSettings
    from dicom_node.storage.archive import Archive
    from dicom_node.storage.connection import utc_now
    from dicom_node.storage.journal import Journal
    from dicom_node.workflow.housekeeping import Retention

    later = lambda: utc_now() + timedelta(days=10)
    archive = Archive(Path("{data_dir}"))
    journal = Journal(archive.journal_path, clock=later)
    settings = RetentionSettings(keep_quarantine_days=1, reserve_bytes=0)
    Retention(settings, archive, journal, clock=later).run()
"""


@pytest.mark.parametrize("point", ["retention.before_unlink:3", "retention.after_unlink:3"])
def test_files_that_were_being_released_are_settled_at_the_next_start(tmp_path: Path, point: str) -> None:
    archive = Archive(tmp_path)
    journal = Journal(archive.journal_path)
    for number in range(30):
        digest = f"{number:064x}"
        journal.record_instance(
            ReceivedInstance(
                sop_instance_uid=f"1.2.{number}",
                sop_class_uid=SECONDARY_CAPTURE,
                study_instance_uid="",
                series_instance_uid="",
                transfer_syntax_uid="",
                sha256=digest,
                path=str(archive.store_quarantined(b"noise", digest)),
                size=5,
                kind=InstanceKind.QUARANTINED,
            )
        )
    journal.close()
    run_killed(RELEASE.format(data_dir=tmp_path), point)
    files = len(list((tmp_path / "quarantine").rglob("*.dataset")))
    assert 0 < files < 30

    journal = Journal(archive.journal_path)
    assert Retention(RetentionSettings(reserve_bytes=0), archive, journal).finish_interrupted() > 0
    assert not list((tmp_path / "quarantine").rglob("*.dataset"))
    assert journal.quarantined_bytes() == 0
    assert journal.check_integrity() == ()
    journal.close()


def test_a_kill_in_the_middle_of_a_migration_leaves_the_old_schema_and_every_row(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    before = make_journal_of_version_0_4(path)
    run_killed(
        f"""
        from pathlib import Path
        from dicom_node.storage.journal import Journal
        Journal(Path({str(path)!r}))
        """,
        "migration.in_the_middle",
    )
    with sqlite3.connect(path) as killed:
        assert list(killed.iterdump()) == before
    killed.close()
    journal = Journal(path)
    assert journal.check_integrity() == ()
    assert [study["study_instance_uid"] for study in journal.list_studies()] == ["1.2"]
    assert journal.destination_queues()[0].delivered == 1
    journal.close()
