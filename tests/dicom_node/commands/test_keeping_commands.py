"""backup, retention, journal and doctor, as an administrator types them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from node_support import receive, write_config

from dicom_node.cli import main
from dicom_node.config import NodeConfig
from dicom_node.diagnosis import Level
from dicom_node.keeping_diagnosis import check_keeping
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.reserve import Reserve


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(
        tmp_path, extra='[backup]\ndirectory = "../backup"\n[retention]\nreserve_bytes = 4096\n'
    )


@pytest.fixture
def archive(config: Path) -> Archive:
    archive = Archive(NodeConfig.load(config).node.data_dir)
    journal = Journal(archive.journal_path)
    path = archive.store_quarantined(b"noise", "ab" * 32)
    receive(journal, "1.2", path=str(path))
    journal.close()
    return archive


def findings(config: Path) -> dict[str, tuple[Level, str]]:
    found = check_keeping(NodeConfig.load(config))
    return {finding.subject: (finding.level, finding.message) for finding in found}


def test_backup_and_restore_by_hand(
    config: Path, archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup", "--config", str(config), "--with-files"]) == 0
    assert "checked, sound" in capsys.readouterr().out
    (copy,) = (tmp_path / "backup").glob("journal-*.db")
    assert list((tmp_path / "backup" / "files").rglob("*.dataset"))
    archive.journal_path.write_bytes(b"spoiled")
    assert main(["journal", "check", "--config", str(config)]) == 1
    assert "file is not a database" in capsys.readouterr().out
    assert main(["journal", "restore", "--from", str(copy), "--config", str(config)]) == 0
    assert "objects adopted" in capsys.readouterr().out
    assert main(["journal", "check", "--config", str(config)]) == 0
    assert list(archive.data_dir.glob("journal-replaced-*.db")), "what was there is kept"


def test_a_running_node_is_not_restored_under_its_feet(
    config: Path, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    with archive.lock():
        assert main(["journal", "rebuild", "--config", str(config)]) == 2
    assert "another node is running" in capsys.readouterr().err


def test_rebuild_says_what_no_file_tells(
    config: Path, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.journal_path.unlink()
    assert main(["journal", "check", "--config", str(config)]) == 2
    assert main(["journal", "rebuild", "--config", str(config)]) == 0
    assert "no file tells: calling AE titles" in capsys.readouterr().out


def test_retention_says_its_plan(config: Path, archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retention", "--dry-run", "--config", str(config)]) == 0
    assert "nothing is released for its age" in capsys.readouterr().out
    config.write_text(config.read_text().replace("[retention]", "[retention]\nkeep_originals_days = 1"))
    assert main(["retention", "--config", str(config)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "original: 0 files, 0.0 MB may go",
        "0 files released",
    ]


def test_mend_holds_the_reserve_again(
    config: Path, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    Reserve(archive.data_dir, 4096).hold()
    assert main(["journal", "mend", "--config", str(config)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "reserve given up",
        "0 files released",
        "reserve held again",
    ]


def test_doctor_tells_the_age_of_the_newest_copy(config: Path, archive: Archive, tmp_path: Path) -> None:
    assert findings(config)["backup"][0] is Level.WARN
    main(["backup", "--config", str(config)])
    level, message = findings(config)["backup"]
    assert (level, "is 0 h old" in message) == (Level.OK, True)
    (copy,) = (tmp_path / "backup").glob("journal-*.db")
    old = datetime.now(UTC) - timedelta(hours=50)
    copy.rename(copy.with_name(f"journal-{old:%Y%m%dT%H%M%SZ}.db"))
    level, message = findings(config)["backup"]
    assert (level, "50 h old" in message) == (Level.WARN, True)


def test_doctor_looks_at_journal_reserve_and_retention(config: Path, archive: Archive) -> None:
    found = findings(config)
    assert found["journal"][0] is Level.OK
    assert "quick_check finds it sound" in found["journal"][1]
    assert found["reserve"][0] is Level.OK
    assert found["retention"] == (Level.OK, "kept: everything, for good")
    with archive.lock():
        assert findings(config)["reserve"][0] is Level.WARN, "a running node should hold it"
    archive.journal_path.write_bytes(os.urandom(10_000))
    assert findings(config)["journal"][0] is Level.FAIL


def test_doctor_warns_of_a_space_limit_that_never_bites(config: Path) -> None:
    text = config.read_text().replace("[retention]", "[retention]\nkeep_free_bytes = 1_000_000")
    config.write_text(text)
    level, message = findings(config)["retention"]
    assert level is Level.WARN
    assert "must be above [receiver] min_free_bytes" in message
