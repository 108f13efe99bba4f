"""What many threads write at once is written by few COMMITs; the error of one is nobody else's."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils import Database

from dicom_node.storage import connection as connection_module
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import InstanceKind, ReceivedInstance, Recorded, Severity

Make = Callable[..., ReceivedInstance]
NORMAL, FULL = 1, 2  # sqlite.org/pragma.html#pragma_synchronous


def statements(journal: Journal) -> list[str]:
    """Every statement that the writing connection executes from now on."""
    seen: list[str] = []
    journal._database.conn.set_trace_callback(seen.append)
    return seen


def record_together(journal: Journal, instances: list[ReceivedInstance]) -> list[Recorded | BaseException]:
    """Record from as many threads, all of which wait while another one writes."""

    def record(instance: ReceivedInstance) -> Recorded | BaseException:
        try:
            return journal.record_instance(instance)
        except sqlite3.Error as error:
            return error

    with ThreadPoolExecutor(len(instances)) as pool:
        with journal._transaction():  # as long as this lasts, all of them queue up
            running = [pool.submit(record, instance) for instance in instances]
            deadline = time.monotonic() + 10
            while len(journal._queue) < len(instances) and time.monotonic() < deadline:
                time.sleep(0.005)
        return [job.result(timeout=20) for job in running]


def test_threads_that_wait_share_one_commit(journal: Journal, received: Make) -> None:
    seen = statements(journal)
    outcomes = record_together(journal, [received(f"1.2.3.{number}") for number in range(12)])
    assert outcomes == [Recorded.NEW] * 12
    # one for the transaction they waited for, one for all of them
    assert seen.count("COMMIT") == 2
    assert len(journal.instances("1.2.3")) == 12


@pytest.mark.parametrize(
    ("kinds", "level"),
    [
        ([InstanceKind.INPUT, InstanceKind.OWN_RESULT], NORMAL),
        ([InstanceKind.INPUT, InstanceKind.QUARANTINED], FULL),
    ],
)
def test_the_disk_is_flushed_for_rows_alone_that_no_file_brings_back(
    journal: Journal, received: Make, kinds: list[InstanceKind], level: int
) -> None:
    record_together(journal, [received(f"1.2.3.{number}", kind=kind) for number, kind in enumerate(kinds)])
    assert journal._database.conn.execute("PRAGMA synchronous").fetchone() == (level,)
    journal.note_event(Severity.INFO, "test", "anything else")
    assert journal._database.conn.execute("PRAGMA synchronous").fetchone() == (FULL,)


def test_the_error_of_one_is_undone_and_raised_for_that_one_alone(journal: Journal, received: Make) -> None:
    broken = replace(received("1.2.3.99", kind=InstanceKind.QUARANTINED), reason_code=None)  # type: ignore[arg-type]
    instances = [received("1.2.3.1"), broken, received("1.2.3.2")]
    first, failure, last = record_together(journal, instances)
    assert (first, last) == (Recorded.NEW, Recorded.NEW)
    assert isinstance(failure, sqlite3.IntegrityError)
    assert [instance.sop_instance_uid for instance in journal.instances("1.2.3")] == ["1.2.3.1", "1.2.3.2"]
    assert journal.path_of("1.2.3.99", broken.sha256, InstanceKind.QUARANTINED) is None


def test_the_same_object_from_two_threads_is_new_once(journal: Journal, received: Make) -> None:
    outcomes = record_together(journal, [received("1.2.3.1")] * 5)
    assert sorted(map(str, outcomes)) == sorted(map(str, [Recorded.NEW] + [Recorded.DUPLICATE] * 4))


@pytest.mark.parametrize("opens_again", [True, False], ids=["disk is well again", "disk stays ill"])
def test_a_commit_that_fails_fails_for_all_and_nothing_is_recorded(
    journal: Journal, received: Make, monkeypatch: pytest.MonkeyPatch, *, opens_again: bool
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    attempt = journal._attempt

    def fail(*arguments: object, **named: object) -> None:
        attempt(*arguments, **named)  # type: ignore[arg-type]
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(journal, "_attempt", fail)
        if not opens_again:
            broken.setattr(connection_module, "_open", lambda _path: (_ for _ in ()).throw(error))
        outcomes = record_together(journal, [received("1.2.3.1"), received("1.2.3.2")])
        assert outcomes == [error, error]
        if not opens_again:
            with pytest.raises(sqlite3.OperationalError):
                journal.record_instance(received("1.2.3.3"))
    assert journal.record_instance(received("1.2.3.4")) is Recorded.NEW
    assert [instance.sop_instance_uid for instance in journal.instances("1.2.3")] == ["1.2.3.4"]


def test_a_journal_that_could_only_be_opened_for_reading_is_opened_again(
    journal: Journal, received: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SQLite does without a word where opening for writing failed."""
    open_for_writing = connection_module._open

    def open_for_reading(path: Path) -> Database:
        open_for_writing(path).close()
        uri = f"file:{path}?mode=ro"
        return Database(sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False))

    with monkeypatch.context() as ill:
        ill.setattr(connection_module, "_open", open_for_reading)
        journal._in_doubt = True
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            journal.record_instance(received("1.2.3.1"))
    assert journal.record_instance(received("1.2.3.1")) is Recorded.NEW


def test_a_journal_that_another_process_holds_is_waited_for_and_then_given_up(
    tmp_path: Path, received: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "BUSY_TIMEOUT_SECONDS", 0.3)
    journal = Journal(tmp_path / "journal.db")
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        journal.record_instance(received("1.2.3.1"))
    assert 0.2 < time.monotonic() - started < 5
    other.execute("ROLLBACK")
    other.close()
    assert journal.record_instance(received("1.2.3.1")) is Recorded.NEW
    journal.close()


def test_reading_does_not_wait_for_a_writer_and_sees_what_is_committed(
    journal: Journal, received: Make
) -> None:
    journal.record_instance(received("1.2.3.1"))
    with ThreadPoolExecutor(1) as pool, journal._transaction():
        journal.record_instance(received("1.2.3.2"))  # joins this transaction
        assert len(journal.instances("1.2.3")) == 2, "a transaction sees its own rows"
        assert len(pool.submit(journal.instances, "1.2.3").result(timeout=5)) == 1
    assert len(journal.instances("1.2.3")) == 2


def test_writers_of_every_kind_get_their_turn(journal: Journal, received: Make) -> None:
    """Groups, single transactions and nested ones at once: nobody waits for ever, nothing is lost."""
    failures: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for turn in range(15):
                journal.record_instance(received(f"1.2.3.{thread}.{turn}"))
                journal.note_event(Severity.INFO, "turn", f"{thread} {turn}")
                with journal._transaction():
                    journal.note_event(Severity.INFO, "outer", "")
                    journal.record_instance(received(f"1.2.4.{thread}.{turn}"))
        except BaseException as error:  # the assertion shows it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert failures == []
    assert len(journal.instances("1.2.3")) == 2 * 8 * 15
    assert not journal._queue
    assert not journal._has_leader


def test_an_interrupted_leader_tells_all_that_waited_with_it_and_others_go_on(
    journal: Journal, received: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt  # Ctrl-C reaches whichever work the main thread is doing

    def record(instance: ReceivedInstance) -> BaseException | Recorded:
        try:
            return journal.record_instance(instance)
        except BaseException as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        with monkeypatch.context() as patched:
            patched.setattr(journal, "_attempt", interrupt)
            with journal._transaction():
                running = [pool.submit(record, received(f"1.2.3.{number}")) for number in range(2)]
                deadline = time.monotonic() + 10
                while len(journal._queue) < 2 and time.monotonic() < deadline:
                    time.sleep(0.005)
            outcomes = [job.result(timeout=20) for job in running]
        assert all(isinstance(outcome, BaseException) for outcome in outcomes)
        assert sum(isinstance(outcome, sqlite3.OperationalError) for outcome in outcomes) == 1
        assert journal.instances("1.2.3") == ()
        assert pool.submit(record, received("1.2.3.1")).result(timeout=20) is Recorded.NEW
