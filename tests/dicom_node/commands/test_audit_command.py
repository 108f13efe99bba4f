"""``dicom-node audit``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from running_node import write_node_config

from dicom_node.cli import main
from dicom_node.config import NodeConfig
from dicom_node.observe.audit import AuditTrail
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A node that ran, and refused somebody."""
    path, _ = write_node_config(
        tmp_path, destinations={}, extra='[audit]\ntransport = "file"\ndirectory = "audit"\n'
    )
    site = NodeConfig.load(path)
    archive = Archive(site.node.data_dir)
    with closing(Journal(archive.journal_path)) as journal:
        audit = AuditTrail(site, archive, journal)
        audit.begin()
        journal.note_event(Severity.WARNING, "association_rejected", "AE 'EVIL' at 192.0.2.66: not known")
        audit.run()
        audit.end()
    return path


def test_it_shows_the_last_messages_and_tells_that_they_were_read(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--last", "2", "--config", str(config)]) == 0
    alert, stop = capsys.readouterr().out.splitlines()
    assert "Security Alert Node Authentication | failed (4)" in alert and "192.0.2.66" in alert
    assert "Application Activity Application Stop | ok" in stop
    site = NodeConfig.load(config)
    with closing(Journal(Archive(site.node.data_dir).journal_path)) as journal:
        assert "Audit Log Used" in journal.spooled_audits()[-1].message


def test_it_exports_them_whole_into_a_new_file_of_the_owners(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "export.log"
    arguments = ["audit", "--since", "2026-01-01", "--export", str(target), "--config", str(config)]
    assert main(arguments) == 0
    assert len(target.read_text().splitlines()) == 3
    assert target.stat().st_mode & 0o777 == 0o600
    assert main(arguments) == 2
    assert "name a new file" in capsys.readouterr().err


def test_where_no_files_are_kept_it_says_what_waits(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text().replace('transport = "file"', 'transport = "none"'))
    assert main(["audit", "--config", str(config)]) == 0
    assert "no files are kept; 0 messages wait" in capsys.readouterr().out
