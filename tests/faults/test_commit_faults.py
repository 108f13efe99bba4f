"""Cells 23 to 27: the journal's COMMIT fails, waits or is cut off; the moment before its answer."""

from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from ground import Ground, context_of, failing, on_ground, peer, small_disk, store_message
from node_under_fire import DICOM_NODE, wait_for
from pydicom.dataset import Dataset

from analysis.simulation.study import simulate_study
from dicom_node.faults import ENVIRONMENT_VARIABLE
from dicom_node.storage.connection import BUSY_TIMEOUT_SECONDS
from dicom_node.storage.reserve import Reserve

pytestmark = pytest.mark.timeout(600)

OUT_OF_RESOURCES = 0xA700
RESERVE_BYTES = 1_048_576
RESULTS_PER_STUDY = 9
DISK_CALLS = ("openat", "mkdir", "write", "pwrite64", "pread64", "ftruncate", "fsync", "fdatasync", "rename")
MOST_TURNS = 50
Figure = Callable[[str], None]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("commit")
    tables = {"retention": {"reserve_bytes": RESERVE_BYTES}}
    with (
        small_disk(folder / "data", size="24m"),
        on_ground(folder, tables=tables, analyses=False) as ground,
    ):
        ground.good_client_seconds()
        assert Reserve(ground.node.data_dir, RESERVE_BYTES).hold()  # as the node does in its first minute
        yield ground


@pytest.mark.cell("23")
@pytest.mark.root
@pytest.mark.strace
def test_a_commit_that_finds_the_disk_full_refuses_the_object(
    ground: Ground, tmp_path: Path, figure: Figure
) -> None:
    dataset = ground.new_object()
    with failing(ground.node.pid, "pwrite64", "error=ENOSPC", tmp_path / "strace") as calls:
        status = ground.send(dataset)
        assert any("journal.db-wal" in call for call in calls())
    _say(figure, status)
    assert status == OUT_OF_RESOURCES
    assert not ground.is_journalled(dataset)
    _stored_once(ground, dataset)


@pytest.mark.cell("23")
@pytest.mark.root
def test_on_a_full_disk_the_reserve_lets_the_journal_be_mended(ground: Ground, figure: Figure) -> None:
    with _full_disk(ground):
        dataset = ground.new_object()
        assert ground.send(dataset) == OUT_OF_RESOURCES
        mended = subprocess.run(
            [DICOM_NODE, "journal", "mend", "--config", ground.node.config],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "reserve given up" in mended.stdout
        assert not _reserve(ground).exists()
        assert ground.send(dataset) == 0x0000, "what the reserve held is free now"
        figure("after `journal mend` stored in the reserve's space, the disk still full")
    _stored_once(ground, dataset)


@pytest.mark.root
def test_on_a_full_disk_a_node_does_not_start_and_says_what_to_do(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", size="4m"), on_ground(tmp_path, environment=None) as ground:
        with _full_disk(ground):
            command = [DICOM_NODE, "serve", "--config", ground.node.config]
            refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert refused.returncode == 2
        assert "free space on its disk" in refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.mark.cell("24")
@pytest.mark.root
def test_an_object_waits_for_a_journal_that_is_locked_for_a_moment(ground: Ground, figure: Figure) -> None:
    status, seconds, _ = _send_while_locked(ground, lock_seconds=2)
    figure(f"locked for 2 s: 0x{status:04X} after {seconds:.1f} s")
    assert status == 0x0000


@pytest.mark.cell("24")
@pytest.mark.root
@pytest.mark.slow
def test_a_journal_locked_for_longer_than_a_writer_waits_refuses_and_serves_afterwards(
    ground: Ground, figure: Figure
) -> None:
    lock_seconds = BUSY_TIMEOUT_SECONDS + 3
    status, seconds, afterwards = _send_while_locked(ground, lock_seconds=lock_seconds)
    figure(
        f"locked for {lock_seconds:.0f} s: 0x{status:04X} after {seconds:.1f} s, "
        f"the next object {afterwards:.2f} s after the lock"
    )
    assert status in (0x0000, OUT_OF_RESOURCES)
    assert afterwards <= 1


@pytest.mark.cell("25")
@pytest.mark.root
@pytest.mark.strace
@pytest.mark.parametrize(
    ("calls", "expected"),
    # the row of an object that is in the archive waits for no sync: after a power cut its file brings it back
    [("pwrite64", OUT_OF_RESOURCES), ("fdatasync,fsync", 0x0000)],
)
def test_a_commit_that_cannot_be_written_acknowledges_nothing_and_one_that_is_not_synced_loses_nothing(
    ground: Ground, tmp_path: Path, figure: Figure, calls: str, expected: int
) -> None:
    datasets = [ground.new_object() for _ in range(8)]  # some share one COMMIT
    with (
        failing(ground.node.pid, calls, "error=EIO", tmp_path / "strace", paths=[_log(ground)]),
        ThreadPoolExecutor(8) as pool,
    ):
        statuses = set(pool.map(ground.send, datasets))
    figure(f"EIO of {calls}: {', '.join(f'0x{status:04X}' for status in statuses if status is not None)}")
    assert statuses == {expected}
    for dataset in datasets:
        _stored_once(ground, dataset)


@pytest.mark.cell("18", "25")
@pytest.mark.slow
@pytest.mark.root
@pytest.mark.strace
def test_whichever_system_call_fails_an_object_is_safe_or_not_acknowledged(
    ground: Ground, tmp_path: Path, figure: Figure
) -> None:
    """Each call by which a store touches the disk fails once: the first of its kind, then the second, ..."""
    statuses: Counter[int | None] = Counter()
    for calls in (*DISK_CALLS, ",".join(DISK_CALLS)):
        for turn in itertools.count(1):
            dataset = ground.new_object()
            # strace counts for each thread, and every association has one of its own
            log = tmp_path / f"{calls}-{turn}"
            with failing(ground.node.pid, calls, f"error=EIO:when={turn}", log) as seen:
                status = ground.send(dataset)
                struck = any("INJECTED" in call for call in seen())
            if not struck:
                break
            statuses[status] += 1
            assert turn < MOST_TURNS
            assert status in (0x0000, OUT_OF_RESOURCES), f"turn {turn} of {calls}"
            _stored_once(ground, dataset)
    figure(
        f"{statuses.total()} disk errors in turn, at each call of a store alone and at several: "
        f"{statuses[OUT_OF_RESOURCES]} refused, {statuses[0x0000]} stored all the same, none lost"
    )


@dataclass
class Cut:
    """What three senders that got no answer have sent, and the ground they did it on."""

    ground: Ground
    before_commit: Dataset
    after_commit: Dataset
    gone: Dataset


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cut]:
    """Killed before a COMMIT, killed after one, left by a client; then all that is to be analysed is."""
    with on_ground(tmp_path_factory.mktemp("cut"), environment=None) as ground:
        before_commit, after_commit, gone = (
            next(iter(simulate_study("calibrated", seed).objects.values())) for seed in (9301, 9302, 9303)
        )
        for point, dataset in (("before_commit", before_commit), ("after_commit", after_commit)):
            ground.node.start({ENVIRONMENT_VARIABLE: f"receiver.{point}"})
            assert ground.send(dataset) is None
            ground.node.wait()
            assert ground.is_journalled(dataset) is (point == "after_commit")
        ground.node.start()
        with peer(ground.node.port) as client:
            client.associate(context_of(gone))
            client.say(store_message(gone))  # and closes without waiting for the answer
        assert wait_for(lambda: ground.is_journalled(gone), seconds=10)
        for dataset in (before_commit, after_commit):
            assert ground.send(dataset) == 0x0000
        assert wait_for(lambda: len(_ended_studies(ground)) == 3, seconds=120), ground.node.log_tail()
        assert wait_for(lambda: len(ground.pacs.receipts) == 3 * RESULTS_PER_STUDY, seconds=120)
        time.sleep(2)  # in which something might be sent again
        yield Cut(ground, before_commit, after_commit, gone)


@pytest.mark.slow
@pytest.mark.cell("25")
def test_killed_before_the_commit_a_resend_gives_one_row(cut: Cut, figure: Figure) -> None:
    _analysed_and_delivered_once(cut.ground, cut.before_commit)
    figure("SIGKILL: a resend gave one row and one analysis")


@pytest.mark.slow
@pytest.mark.cell("26")
def test_killed_between_commit_and_answer_a_resend_is_recognised(cut: Cut, figure: Figure) -> None:
    _analysed_and_delivered_once(cut.ground, cut.after_commit)
    figure("a resend gave 0x0000, one row, one analysis")


@pytest.mark.slow
@pytest.mark.cell("27")
def test_an_object_whose_sender_has_gone_is_analysed_once(cut: Cut, figure: Figure) -> None:
    _analysed_and_delivered_once(cut.ground, cut.gone)
    figure("one row, one analysis, each result sent once")


def _analysed_and_delivered_once(ground: Ground, dataset: Dataset) -> None:
    study = dataset.StudyInstanceUID
    for table, expected in (("instances", 1), ("analyses", 1), ("results", RESULTS_PER_STUDY)):
        sql = f"SELECT count(*) FROM {table} WHERE study_instance_uid = '{study}'"  # noqa: S608 - our own
        assert ground.node.rows(sql) == [(expected,)], table
    results = f"SELECT sop_instance_uid FROM results WHERE study_instance_uid = '{study}'"  # noqa: S608
    assert {len(ground.pacs.receipts[uid]) for (uid,) in ground.node.rows(results)} == {1}
    ground.hold_all_laws()


def _stored_once(ground: Ground, dataset: Dataset) -> None:
    assert ground.send(dataset) == 0x0000
    assert ground.is_journalled(dataset)  # and asserts that no object has two rows
    ground.hold_all_laws()


def _send_while_locked(ground: Ground, *, lock_seconds: float) -> tuple[int, float, float]:
    """Another process holds the write lock; return status, its seconds, and those of the next object."""
    dataset = ground.new_object()
    with (
        closing(sqlite3.connect(ground.node.data_dir / "journal.db", isolation_level=None)) as other,
        ThreadPoolExecutor() as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        sending = pool.submit(ground.send, dataset, patience=3 * lock_seconds)
        time.sleep(lock_seconds)
        other.execute("ROLLBACK")
        afterwards = ground.good_client_seconds()
        status = sending.result()
        seconds = time.monotonic() - began
    assert status is not None
    _stored_once(ground, dataset)
    return status, seconds, afterwards


def _ended_studies(ground: Ground) -> list[tuple[str, ...]]:
    return ground.node.rows("SELECT 1 FROM studies WHERE state = 'analyzed'")


def _reserve(ground: Ground) -> Path:
    return ground.node.data_dir / "reserve"


def _log(ground: Ground) -> Path:
    return ground.node.data_dir / "journal.db-wal"


@contextmanager
def _full_disk(ground: Ground) -> Iterator[None]:
    """Another program fills the disk to the last byte."""
    filler = ground.node.data_dir / "somebody-else"
    with filler.open("wb") as file:
        file_system = os.statvfs(filler)
        os.posix_fallocate(file.fileno(), 0, file_system.f_bavail * file_system.f_frsize)
    try:
        yield
    finally:
        filler.unlink()


def _say(figure: Figure, status: int | None) -> None:
    figure("no answer" if status is None else f"0x{status:04X}")
