"""A journal lost, damaged or old: nothing acknowledged is lost by it, and nothing is sent twice."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from node_support import load_config, outcome, sent_to, store_results, wait_until
from scripted_scp import StoredObjects, scripted_scp, write_object
from worker_functions import analyze_as_rejected

from dicom_node.config import NodeConfig
from dicom_node.errors import ConfigurationError
from dicom_node.network.sender import Peer, Timeouts, read_sendable, store
from dicom_node.service import Service
from dicom_node.storage.archive import Archive
from dicom_node.storage.backup import back_up
from dicom_node.storage.journal import Journal
from dicom_node.storage.rebuild import UNKNOWN_DELIVERY
from dicom_node.storage.records import AnalysisOutcome, StudyState
from dicom_node.workflow.adoption import OrphanSweep
from dicom_node.workflow.execution import Work
from dicom_node.workflow.recovery import rebuild_journal, restore_journal
from dicom_node.workflow.worker import WorkOrder


@contextmanager
def running(config: NodeConfig, work: Work) -> Iterator[Service]:
    service = Service(config, work=work, make_executor=lambda: ThreadPoolExecutor(1))
    service.start()
    try:
        yield service
    finally:
        service.stop()


def answering(config: NodeConfig, folder: Path) -> Work:
    """Work that answers every study with one picture, the same for the same input."""

    def work(order: WorkOrder) -> AnalysisOutcome:
        uid = f"2.25.{int(order.input_digest[:30], 16)}"
        file = write_object(folder / f"{uid}.dcm", uid=uid, study=order.study_instance_uid)
        results = store_results(Archive(config.node.data_dir), [file], order.input_digest)
        return sent_to(outcome(identity=order.input_digest, results=results), order.reports)

    return work


def push(service: Service, *files: Path) -> None:
    peer = Peer("RADIUSDXA", "127.0.0.1", service.port)
    sendable = [read_sendable(file) for file in files]
    statuses = [item.status for item in store(sendable, peer, calling_ae_title="CT", timeouts=Timeouts())]
    assert statuses == [0] * len(files)


def state_of(journal: Journal, study: str) -> str:
    found = journal.study(study)
    return found.state if found else ""


def lose_journal(config: NodeConfig) -> None:
    for file in config.node.data_dir.glob("journal.db*"):
        file.unlink()


@contextmanager
def opened(config: NodeConfig) -> Iterator[Journal]:
    journal = Journal(config.node.data_dir / "journal.db")
    try:
        yield journal
    finally:
        journal.close()


@pytest.fixture
def pacs() -> Iterator[StoredObjects]:
    with scripted_scp() as made:
        yield made


@pytest.fixture
def config(tmp_path: Path, pacs: StoredObjects) -> NodeConfig:
    return load_config(tmp_path, destinations=[("pacs", pacs.peer)])


def run_until_delivered(config: NodeConfig, folder: Path, studies: Sequence[str], delivered: int) -> None:
    with running(config, answering(config, folder)) as service:
        for study in studies:
            push(service, write_object(folder / f"{study}.dcm", study=study, uid=f"{study}.1"))
        wait_until(lambda: service.journal.summary()["deliveries"].get("delivered") == delivered)


def test_the_restore_drill(tmp_path: Path, config: NodeConfig, pacs: StoredObjects) -> None:
    run_until_delivered(config, tmp_path, ["1.1"], 1)
    archive = Archive(config.node.data_dir)
    copy = back_up(archive, tmp_path / "backup", keep=3)
    run_until_delivered(config, tmp_path, ["1.2"], 2)  # answered after the backup
    with running(config, answering(config, tmp_path)) as service:  # acknowledged, not yet analysed
        push(service, write_object(tmp_path / "1.3.dcm", study="1.3", uid="1.3.1"))
    lose_journal(config)

    with pytest.raises(ConfigurationError, match=r"the journal is missing.*journal restore.*journal rebuild"):
        Service(config).start()
    found = restore_journal(archive, copy, config)
    assert (len(found.adopted), found.answered, found.missing, found.damaged) == (2, 1, [], [])

    with running(config, answering(config, tmp_path)) as service:
        wait_until(lambda: service.journal.summary()["deliveries"] == {"delivered": 2, "dead": 1})
        assert [state_of(service.journal, study) for study in ("1.1", "1.2", "1.3")] == ["analyzed"] * 3
        assert [letter["reason"] for letter in service.journal.dead_letters()] == [UNKNOWN_DELIVERY]
    assert len(pacs.sop_instance_uids) == 3
    assert set(Counter(pacs.sop_instance_uids).values()) == {1}, "nothing is sent twice"


def test_a_journal_is_rebuilt_from_the_archive_alone(
    tmp_path: Path, config: NodeConfig, pacs: StoredObjects
) -> None:
    run_until_delivered(config, tmp_path, ["1.1"], 1)
    with running(config, answering(config, tmp_path)) as service:
        push(service, write_object(tmp_path / "1.3.dcm", study="1.3", uid="1.3.1"))
    archive = Archive(config.node.data_dir)
    with opened(config) as journal:
        before = {row["path"]: row for row in journal._rows("SELECT * FROM instances")}
    lose_journal(config)

    found = rebuild_journal(archive, config)
    assert len(found.adopted) == 2
    with opened(config) as journal:
        after = {row["path"]: row for row in journal._rows("SELECT * FROM instances")}
        patients = journal._rows("SELECT DISTINCT patient_key, study_date FROM studies")
    known = (
        "sop_instance_uid",
        "sop_class_uid",
        "study_instance_uid",
        "series_instance_uid",
        "sha256",
        "size",
    )
    assert {path: [row[key] for key in known] for path, row in after.items()} == {
        path: [row[key] for key in known] for path, row in before.items()
    }
    assert {row["calling_ae"] for row in after.values()} == {"CT"}
    assert {row["peer_address"] for row in after.values()} == {""}, "what no file tells is not invented"
    assert [(len(row["patient_key"]), row["study_date"]) for row in patients] == [(64, "20260101")]

    with running(config, answering(config, tmp_path)) as service:
        wait_until(lambda: service.journal.summary()["deliveries"] == {"delivered": 1, "dead": 1})
    assert set(Counter(pacs.sop_instance_uids).values()) == {1}


@pytest.mark.slow
def test_a_study_that_got_a_late_object_after_its_answer_is_analysed_again(
    tmp_path: Path, config: NodeConfig, pacs: StoredObjects
) -> None:
    run_until_delivered(config, tmp_path, ["1.1"], 1)
    with running(config, answering(config, tmp_path)) as service:
        push(service, write_object(tmp_path / "late.dcm", study="1.1", uid="1.1.2"))
    lose_journal(config)
    rebuild_journal(Archive(config.node.data_dir), config)
    with running(config, answering(config, tmp_path)) as service:
        wait_until(lambda: service.journal.summary()["deliveries"] == {"delivered": 1, "dead": 1})
    assert len(set(pacs.sop_instance_uids)) == 2


def test_files_lost_with_the_disk_are_named_and_no_longer_counted_as_kept(
    tmp_path: Path, config: NodeConfig
) -> None:
    run_until_delivered(config, tmp_path, ["1.1"], 1)
    archive = Archive(config.node.data_dir)
    copy = back_up(archive, tmp_path / "backup", keep=1)
    lost = next((config.node.data_dir / "instances").rglob("*.dcm"))
    lost.unlink()
    found = restore_journal(archive, copy, config)
    assert found.missing == [str(lost.relative_to(config.node.data_dir))]
    with opened(config) as journal:
        assert len(journal.released_instances("1.1")) == 1


def test_a_file_whose_bytes_have_changed_is_not_adopted(tmp_path: Path, config: NodeConfig) -> None:
    run_until_delivered(config, tmp_path, ["1.1", "1.2"], 2)
    spoiled = next((config.node.data_dir / "instances").rglob("*.dcm"))
    spoiled.write_bytes(spoiled.read_bytes()[:-2] + b"\xff\xff")
    lose_journal(config)
    found = rebuild_journal(Archive(config.node.data_dir), config)
    assert found.damaged == [str(spoiled.relative_to(config.node.data_dir))]
    assert spoiled.is_file()


def test_a_corrupt_page_keeps_the_node_from_serving(tmp_path: Path) -> None:
    config = load_config(tmp_path)
    with running(config, analyze_as_rejected) as service:
        for number in range(30):
            push(service, write_object(tmp_path / f"{number}.dcm", study=f"1.{number}"))
    journal = config.node.data_dir / "journal.db"
    with journal.open("r+b") as file:
        for page in range(3, journal.stat().st_size // 4096, 2):
            file.seek(4096 * page)
            file.write(os.urandom(512))
    with pytest.raises(ConfigurationError, match=r"the journal is damaged.*dicom-node journal restore"):
        Service(config).start()


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 1000])
def test_an_emptied_or_overwritten_journal_keeps_the_node_from_serving(
    tmp_path: Path, content: bytes
) -> None:
    config = load_config(tmp_path)
    with running(config, analyze_as_rejected) as service:
        push(service, write_object(tmp_path / "in.dcm"))
    (config.node.data_dir / "journal.db").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"the journal is (missing|damaged)"):
        Service(config).start()


def test_rows_lost_with_a_truncated_write_ahead_log_come_back_from_the_files(tmp_path: Path) -> None:
    config = load_config(tmp_path)
    archive = Archive(config.node.data_dir)
    with running(config, analyze_as_rejected) as service:
        pass
    with running(config, analyze_as_rejected) as service:
        push(service, write_object(tmp_path / "first.dcm", study="1.1"))
        without_log = archive.journal_path.read_bytes()
    archive.journal_path.write_bytes(without_log)
    with opened(config) as journal:
        assert journal.study("1.1") is None
        sweep = OrphanSweep(archive, journal)
        assert sum(len(sweep.run().adopted) for _ in range(16)) == 0, "it may be about to be journalled"
        old = time.time() - 3600
        for file in (config.node.data_dir / "instances").rglob("*.dcm"):
            os.utime(file, (old, old))
        sweep = OrphanSweep(archive, journal)
        assert sum(len(sweep.run().adopted) for _ in range(16)) == 1
        assert state_of(journal, "1.1") == StudyState.RECEIVING


def test_the_sweep_removes_unused_results_and_reports_missing_files(tmp_path: Path) -> None:
    config = load_config(tmp_path)
    archive = Archive(config.node.data_dir)
    with running(config, analyze_as_rejected) as service:
        push(service, write_object(tmp_path / "first.dcm", study="1.1"))
    path, _ = archive.store_result("c" * 64, b"made by an analysis that died")
    fresh, _ = archive.store_result("d" * 64, b"made by one that runs")
    old = time.time() - 2 * 86_400
    os.utime(archive.resolve(path), (old, old))
    next((config.node.data_dir / "instances").rglob("*.dcm")).unlink()
    with opened(config) as journal:
        sweep = OrphanSweep(archive, journal)
        for _ in range(16):
            sweep.run()
        assert [event.code for event in journal.events()].count("file_missing") == 1
    assert (archive.resolve(path).exists(), archive.resolve(fresh).exists()) == (False, True)


def test_a_damaged_copy_is_not_put_in_place(tmp_path: Path, config: NodeConfig) -> None:
    run_until_delivered(config, tmp_path, ["1.1"], 1)
    archive = Archive(config.node.data_dir)
    copy = back_up(archive, tmp_path / "backup", keep=1)
    copy.write_bytes(copy.read_bytes()[:20_000] + os.urandom(copy.stat().st_size - 20_000))
    with pytest.raises(ConfigurationError, match="the copy is damaged"):
        restore_journal(archive, copy, config)
    with sqlite3.connect(archive.journal_path) as journal:
        assert journal.execute("SELECT count(*) FROM studies").fetchone() == (1,)
    journal.close()
