"""Every queued analysis ends in the journal: done, tried again, or given up with a reason."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
from node_support import (
    FakeClock,
    load_config,
    outcome,
    receive_complete,
    sent_to,
    store_results,
    wait_until,
)
from scripted_scp import write_object
from worker_functions import die_or_reject, hang, stop_for_ever

from dicom_node.errors import ExecutorUnavailableError
from dicom_node.network.sender import Peer
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import AnalysisOutcome, StudyState
from dicom_node.workflow.execution import Execution, Work
from dicom_node.workflow.worker import WorkOrder, new_worker

LIMITS = "[execution]\nmax_attempts = 2\nretry_seconds = 5\n"


class Ground:
    """Archive, journal, clock and executions that are stopped at the end."""

    def __init__(self, folder: Path) -> None:
        self.config = load_config(folder, extra=LIMITS)
        self.clock = FakeClock()
        self.archive = Archive(self.config.node.data_dir)
        self.journal = Journal(self.archive.journal_path, clock=self.clock)
        self.running: list[Execution] = []

    def execution(
        self,
        work: Work,
        make_executor: Callable[[], Executor] = lambda: ThreadPoolExecutor(1),
        **settings: object,
    ) -> Execution:
        made = Execution(
            self.config,
            self.archive,
            self.journal,
            owner="test",
            work=work,
            make_executor=make_executor,
            clock=self.clock,
            **settings,  # type: ignore[arg-type]
        )
        self.running.append(made)
        return made

    def pump_until(self, execution: Execution, study: str, *states: StudyState) -> str:
        """Pump until the study is in one of `states`; return the journalled reason."""

        def arrived() -> bool:
            execution.pump()
            self.clock.advance(1)
            found = self.journal.study(study)
            return found is not None and found.state in states

        wait_until(arrived, seconds=60)
        found = self.journal.study(study)
        assert found is not None
        return found.reason

    def close(self) -> None:
        for execution in self.running:
            execution.stop(grace_seconds=1)
        self.journal.close()


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    yield made
    made.close()


def fail(_order: WorkOrder) -> AnalysisOutcome:
    raise ValueError("Doe^Jane was born in the future")


@pytest.mark.parametrize("status", ["analyzed", "not_applicable", "rejected"])
def test_what_the_engine_says_becomes_the_state_of_the_study(ground: Ground, status: str) -> None:
    receive_complete(ground.journal, "1.2")
    execution = ground.execution(lambda _order: outcome(status))
    reason = ground.pump_until(execution, "1.2", StudyState(status))
    assert reason == ("" if status == "analyzed" else "a reason")
    assert ground.journal.summary()["analyses"] == {"done": 1}


def test_results_and_outbox_rows_appear_together_and_deliveries_are_woken(
    ground: Ground, tmp_path: Path
) -> None:
    receive_complete(ground.journal, "1.2")
    files = [write_object(tmp_path / f"{number}.dcm") for number in range(2)]
    woken = threading.Event()

    def work(order: WorkOrder) -> AnalysisOutcome:
        done = outcome(results=store_results(ground.archive, files, order.input_digest))
        return sent_to(done, order.reports)

    ground.config = load_config(
        tmp_path, extra=LIMITS, destinations=[("pacs", Peer("PACS", "127.0.0.1", 104))]
    )
    ground.pump_until(ground.execution(work, on_results=woken.set), "1.2", StudyState.ANALYZED)
    assert ground.journal.summary()["deliveries"] == {"pending": 2}
    assert woken.wait(timeout=5)


def test_a_failure_is_tried_again_after_its_wait_and_given_up_at_the_limit(ground: Ground) -> None:
    receive_complete(ground.journal, "1.2")
    execution = ground.execution(fail)
    execution.pump()
    wait_until(lambda: ground.journal.summary()["analyses"] == {"queued": 1})
    execution.pump()
    assert ground.journal.summary()["analyses"] == {"queued": 1}, "not before retry_seconds"
    reason = ground.pump_until(execution, "1.2", StudyState.FAILED)
    assert ground.journal.summary()["analyses"] == {"failed": 1}
    assert reason.startswith("ValueError at test_execution.py:")


def test_a_study_that_is_given_up_is_declined_with_its_results_and_holds_up_nobody(
    ground: Ground, tmp_path: Path
) -> None:
    receive_complete(ground.journal, "1.2")
    receive_complete(ground.journal, "1.3", patient_key="another")
    files = [write_object(tmp_path / "refusal.dcm")]
    orders: list[WorkOrder] = []

    def work(order: WorkOrder) -> AnalysisOutcome:
        orders.append(order)
        if order.study_instance_uid == "1.3":
            return outcome()
        if not order.failure:
            raise MemoryError
        return outcome("failed", results=store_results(ground.archive, files, order.input_digest))

    execution = ground.execution(work)
    ground.pump_until(execution, "1.3", StudyState.ANALYZED)
    ground.pump_until(execution, "1.2", StudyState.FAILED)
    tries = [order.failure for order in orders if order.study_instance_uid == "1.2"]
    assert len(tries) == 3, "two attempts, then the write-up"
    assert "MemoryError" in tries[-1]
    assert len(ground.journal.results("1.2")) == 1


def test_analyses_wait_for_a_cluster_that_is_down_and_lose_no_attempt(ground: Ground) -> None:
    receive_complete(ground.journal, "1.2")
    answers: list[Exception | None] = [
        ExecutorUnavailableError("down"),
        ExecutorUnavailableError("down"),
        None,
    ]

    def make_executor() -> Executor:
        answer = answers.pop(0)
        if answer:
            raise answer
        return ThreadPoolExecutor(1)

    execution = ground.execution(lambda _order: outcome(), make_executor)
    ground.pump_until(execution, "1.2", StudyState.ANALYZED)
    assert not answers


def test_an_analysis_that_the_cluster_lost_is_done_again_however_often(ground: Ground) -> None:
    receive_complete(ground.journal, "1.2")
    lost = iter([True] * 5)

    def work(_order: WorkOrder) -> AnalysisOutcome:
        if next(lost, False):
            raise ExecutorUnavailableError("the scheduler is gone")
        return outcome()

    ground.pump_until(ground.execution(work), "1.2", StudyState.ANALYZED)
    assert [event.code for event in ground.journal.events()].count("executor_unavailable") == 5


def test_a_full_disk_is_waited_out_and_never_charged_to_the_study(ground: Ground) -> None:
    attempts = 0

    def work(_order: WorkOrder) -> AnalysisOutcome:
        nonlocal attempts
        attempts += 1
        if attempts <= 4:  # twice the attempts a failing study is given
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return outcome("analyzed")

    receive_complete(ground.journal, "1.2")
    execution = ground.execution(work)
    ground.pump_until(execution, "1.2", StudyState.ANALYZED)
    told = [event.message for event in ground.journal.events() if "is full; free some space" in event.message]
    assert attempts == 5
    assert told


def test_the_reason_of_a_failure_never_quotes_the_data_set(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    receive_complete(ground.journal, "1.2")
    ground.pump_until(ground.execution(fail), "1.2", StudyState.FAILED)
    journalled = json.dumps([event.message for event in ground.journal.events()])
    assert "Doe" not in journalled + caplog.text


def test_studies_wait_for_an_idle_worker_and_all_get_their_turn(ground: Ground) -> None:
    at_once: list[int] = []
    gate = threading.Semaphore(0)

    def work(order: WorkOrder) -> AnalysisOutcome:
        at_once.append(ground.journal.summary()["analyses"].get("running", 0))
        gate.acquire()
        return outcome(identity=order.input_digest)

    for number in range(4):
        receive_complete(ground.journal, f"1.{number}")
    ground.execution(work).pump()
    for _ in range(4):
        gate.release()
    wait_until(lambda: ground.journal.summary()["analyses"] == {"done": 4})
    assert at_once == [1, 1, 1, 1]


def test_earlier_studies_of_the_patient_are_passed_as_history(ground: Ground) -> None:
    prior = {
        "study_instance_uid": "1.1",
        "laterality": "L",
        "device": "X",
        "regions": {"total": {"bmd_g_cm2": 0.6}},
    }
    seen: list[WorkOrder] = []

    def work(order: WorkOrder) -> AnalysisOutcome:
        seen.append(order)
        return outcome(result_json=json.dumps(prior), identity=order.study_instance_uid)

    execution = ground.execution(work)
    for study, date in (("1.1", "20240101"), ("1.2", "20260101")):
        receive_complete(ground.journal, study, study_date=date)
        ground.pump_until(execution, study, StudyState.ANALYZED)
    assert seen[0].history == ()
    (history,) = seen[1].history
    assert (history.study_instance_uid, history.study_date.year) == ("1.1", 2024)
    assert history.bmd_g_cm2 == {"total": 0.6}


def test_a_prior_that_keeps_killing_the_node_does_not_hold_its_follow_up(ground: Ground) -> None:
    receive_complete(ground.journal, "1.1", study_date="20220101")
    assert ground.journal.claim_analysis("killed process", 60)
    assert ground.journal.recover("test") == 1
    receive_complete(ground.journal, "1.2", study_date="20240101")
    job = ground.journal.claim_analysis("test", 60)
    assert job is not None and job.study_instance_uid == "1.2"


def test_a_lease_of_a_dead_process_is_picked_up(ground: Ground) -> None:
    receive_complete(ground.journal, "1.2")
    assert ground.journal.claim_analysis("dead process", 30)
    execution = ground.execution(lambda _order: outcome())
    execution.pump()
    assert ground.journal.summary()["analyses"] == {"running": 1}
    ground.clock.advance(31)
    ground.pump_until(execution, "1.2", StudyState.ANALYZED)


def test_a_worker_that_dies_is_replaced_and_other_studies_are_analysed(ground: Ground) -> None:
    receive_complete(ground.journal, "1.2")
    receive_complete(ground.journal, "1.3")
    execution = ground.execution(die_or_reject, new_worker)
    assert "the worker process died" in ground.pump_until(execution, "1.2", StudyState.FAILED)
    assert ground.pump_until(execution, "1.3", StudyState.REJECTED) == "1 objects seen"


def test_an_analysis_that_hangs_is_stopped_at_its_time_limit(ground: Ground, tmp_path: Path) -> None:
    ground.config = load_config(tmp_path, extra="[execution]\nmax_attempts = 1\ntimeout_seconds = 1\n")
    receive_complete(ground.journal, "1.2")
    reason = ground.pump_until(ground.execution(hang, new_worker), "1.2", StudyState.FAILED)
    assert "took longer than [execution] timeout_seconds = 1" in reason


def test_a_worker_that_cannot_even_end_itself_is_ended(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_node.workflow.execution.STUCK_SECONDS", 0.5)
    ground.config = load_config(tmp_path, extra="[execution]\nmax_attempts = 1\ntimeout_seconds = 1\n")
    receive_complete(ground.journal, "1.2")
    reason = ground.pump_until(ground.execution(stop_for_ever, new_worker), "1.2", StudyState.FAILED)
    assert "took longer than [execution] timeout_seconds = 1" in reason


def test_a_dead_worker_is_replaced_by_one_worker_though_others_pump_meanwhile(
    ground: Ground, tmp_path: Path
) -> None:
    ground.config = load_config(tmp_path, extra="[execution]\nmax_attempts = 1\n")
    made: list[Executor] = []

    def slow_to_start() -> Executor:
        time.sleep(0.2)
        made.append(ThreadPoolExecutor(1))
        return made[-1]

    def die_unless_declining(order: WorkOrder) -> AnalysisOutcome:
        if not order.failure:
            time.sleep(0.2)
            raise BrokenExecutor
        return outcome(status="rejected")

    receive_complete(ground.journal, "1.2")
    ground.pump_until(ground.execution(die_unless_declining, slow_to_start), "1.2", StudyState.REJECTED)
    assert len(made) == 2


def test_stopping_leaves_unfinished_work_for_the_next_start(ground: Ground) -> None:
    release = threading.Event()

    def work(_order: WorkOrder) -> AnalysisOutcome:
        release.wait(timeout=10)
        return outcome()

    receive_complete(ground.journal, "1.2")
    execution = ground.execution(work)
    execution.pump()
    execution.stop(grace_seconds=0.1)
    assert ground.journal.recover("next process") == 1
    release.set()
    study = ground.journal.study("1.2")
    assert study is not None and study.state is StudyState.COMPLETE
    assert ground.journal.summary()["analyses"] == {"queued": 1}


def test_stopping_ends_a_worker_that_does_not_come_to_an_end_by_itself(ground: Ground) -> None:
    receive_complete(ground.journal, "1.2")
    execution = ground.execution(hang, new_worker)
    execution.pump()
    assert len(multiprocessing.active_children()) == 1
    started = time.monotonic()
    execution.stop(grace_seconds=0.2)
    wait_until(lambda: multiprocessing.active_children() == [], seconds=5)
    assert time.monotonic() - started < 5, "the time limit of the analysis is 120 s"
    assert ground.journal.summary()["analyses"] == {"running": 1}, "left to recovery, no attempt lost"


def test_analyses_start_although_the_clock_was_set_back(ground: Ground) -> None:
    execution = ground.execution(lambda _order: outcome("analyzed"))
    ground.clock.advance(-86_400)
    receive_complete(ground.journal, "1.2")
    ground.pump_until(execution, "1.2", StudyState.ANALYZED)
