"""Analyses: claimed by lease, taken over when the lease expires, finished in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from node_support import sent_to

from dicom_node.storage.journal import Journal
from dicom_node.storage.records import (
    HELD,
    AnalysisJob,
    AnalysisOutcome,
    ReceivedInstance,
    ResultRecord,
    StudyState,
)

Queue = Callable[[str], None]
Outcome = Callable[..., AnalysisOutcome]


def claim(journal: Journal, owner: str = "me", lease: float = 60) -> AnalysisJob:
    job = journal.claim_analysis(owner, lease)
    assert job is not None
    return job


def state(journal: Journal, study: str) -> StudyState:
    row = journal.study(study)
    assert row is not None
    return row.state


def test_one_analysis_is_claimed_by_one_worker_only(journal: Journal, queue: Queue) -> None:
    queue("1.2.3")
    assert claim(journal).attempts == 1
    assert journal.claim_analysis("another", 60) is None
    assert state(journal, "1.2.3") is StudyState.ANALYZING


def test_an_expired_lease_is_taken_over_and_its_first_owner_cannot_finish(
    journal: Journal, queue: Queue, outcome: Outcome, clock: Callable[[], object]
) -> None:
    queue("1.2.3")
    slow = claim(journal, "slow", 60)
    clock.advance(61)  # type: ignore[attr-defined]
    second = claim(journal, "second", 60)
    assert (second.id, second.attempts) == (slow.id, 2)
    assert not journal.finish_analysis(slow, sent_to(outcome(slow), ["pacs"]))
    assert not journal.fail_analysis(slow, "too slow", retry_at=None)
    assert journal.finish_analysis(second, sent_to(outcome(second), ["pacs"]))
    assert journal.summary()["deliveries"] == {"pending": 2}


def test_finishing_writes_outcome_results_and_outbox_together(
    journal: Journal, queue: Queue, outcome: Outcome
) -> None:
    queue("1.2.3")
    job = claim(journal)
    assert journal.finish_analysis(job, sent_to(outcome(job), ["pacs", "archive"]))
    assert state(journal, "1.2.3") is StudyState.ANALYZED
    assert journal.summary()["deliveries"] == {"pending": 4}
    assert journal.is_own_result("1.2.3.0.9")


def test_finishing_is_all_or_nothing(journal: Journal, queue: Queue, outcome: Outcome) -> None:
    queue("1.2.3")
    job = claim(journal)
    good = outcome(job)
    broken = replace(good, results=(*good.results, ResultRecord("1.2", "1.2", None, "p", "s")))  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        journal.finish_analysis(job, sent_to(broken, ["pacs"]))
    assert journal.summary()["analyses"] == {"running": 1}
    assert journal.summary()["deliveries"] == {}
    assert not journal.is_own_result("1.2.3.0.9")
    assert journal.finish_analysis(job, sent_to(good, ["pacs"]))


def test_the_same_work_again_adds_no_results_and_sends_nothing(
    journal: Journal, queue: Queue, outcome: Outcome
) -> None:
    queue("1.2.3")
    first = claim(journal)
    journal.finish_analysis(first, sent_to(outcome(first), ["pacs"]))
    for delivery in journal.claim_deliveries("pacs", owner="me", lease_seconds=60):
        journal.mark_delivered(delivery, 0)
    assert journal.requeue_study("1.2.3")
    again = claim(journal)
    assert again.trigger == "reprocess"
    assert journal.finish_analysis(again, sent_to(outcome(again), ["pacs"]))
    assert journal.summary()["deliveries"] == {"delivered": 2}


def test_a_study_waits_in_the_queue_once(journal: Journal, queue: Queue) -> None:
    queue("1.2.3")
    assert not journal.requeue_study("1.2.3")
    assert not journal.requeue_study("1.2.3.unknown")
    claim(journal)
    assert journal.requeue_study("1.2.3")
    assert journal.claim_analysis("me", 60) is None, "two analyses of one study must not run side by side"


def test_a_failed_analysis_is_tried_again_when_its_time_has_come(
    journal: Journal, queue: Queue, clock: Callable[[], object]
) -> None:
    queue("1.2.3")
    retry_at = clock() + timedelta(seconds=30)  # type: ignore[operator]
    assert journal.fail_analysis(claim(journal), "worker died", retry_at=retry_at)
    assert journal.claim_analysis("me", 60) is None
    clock.advance(30)  # type: ignore[attr-defined]
    assert claim(journal).attempts == 2


def test_giving_up_is_an_error_an_administrator_reads(journal: Journal, queue: Queue) -> None:
    queue("1.2.3")
    assert journal.fail_analysis(claim(journal), "worker died 3 times", retry_at=None)
    assert state(journal, "1.2.3") is StudyState.FAILED
    event = journal.events(study_instance_uid="1.2.3")[-1]
    assert (event.severity, event.code, event.message) == ("error", "study_failed", "worker died 3 times")
    assert journal.requeue_study("1.2.3")


def test_an_object_that_arrives_during_the_analysis_keeps_the_study_open(
    journal: Journal, queue: Queue, outcome: Outcome, received: Callable[..., ReceivedInstance]
) -> None:
    queue("1.2.3")
    job = claim(journal)
    journal.record_instance(received("1.2.3.2"))
    assert journal.finish_analysis(job, sent_to(outcome(job), []))
    assert state(journal, "1.2.3") is StudyState.RECEIVING


def test_a_node_that_died_is_recovered_without_charging_the_attempt(journal: Journal, queue: Queue) -> None:
    queue("1.2.3")
    queue("1.2.4")
    interrupted = claim(journal, "dead node")
    assert journal.recover("new node") == 1
    assert state(journal, "1.2.3") is StudyState.COMPLETE
    first, second = claim(journal, "new node"), claim(journal, "new node")
    assert first.study_instance_uid == "1.2.4", "what was never interrupted goes first"
    assert (second.id, second.attempts) == (interrupted.id, 1)
    assert journal.recover("new node") == 0, "a running node's own work is left alone"


def test_recovery_leaves_one_analysis_where_a_newer_one_waits(journal: Journal, queue: Queue) -> None:
    queue("1.2.3")
    claim(journal, "dead node")
    journal.requeue_study("1.2.3")
    journal.recover("new node")
    assert claim(journal, "new node").trigger == "reprocess"
    assert journal.claim_analysis("new node", 60) is None


def test_a_declined_study_ends_with_its_reason(journal: Journal, queue: Queue, outcome: Outcome) -> None:
    queue("1.2.3")
    job = claim(journal)
    journal.finish_analysis(job, outcome(job, status="not_applicable", reason="a spine study"))
    study = journal.study("1.2.3")
    assert study is not None
    assert (study.state, study.reason) == (StudyState.NOT_APPLICABLE, "a spine study")
    assert journal.summary()["deliveries"] == {}


def test_priors_are_earlier_analysed_studies_of_the_same_patient(
    journal: Journal, outcome: Outcome, received: Callable[..., ReceivedInstance]
) -> None:
    for study, patient, date in [
        ("1.1", "anna", "20240101"),
        ("1.2", "anna", "20250101"),
        ("1.3", "anna", "20270101"),
        ("1.4", "bert", "20240101"),
        ("1.5", "", "20240101"),
    ]:
        journal.record_instance(received(f"{study}.1", study=study, patient_key=patient, study_date=date))
        row = journal.study(study)
        assert row is not None
        journal.complete_study(row, "quiet")
        job = claim(journal)
        journal.finish_analysis(job, sent_to(outcome(job, result_json=study), []))
    first, second = ("20240101", "1.1"), ("20250101", "1.2")
    assert journal.priors("anna", before="20260101", excluding="1.9") == [first, second]
    assert journal.priors("anna", before="20260101", excluding="1.2") == [first]
    assert journal.priors("", before="20260101", excluding="1.9") == []


def test_a_follow_up_waits_for_the_earlier_study_of_the_same_patient(
    journal: Journal, outcome: Outcome, received: Callable[..., ReceivedInstance]
) -> None:
    for study, patient, date in [
        ("1.2", "anna", "20260101"),  # the follow-up arrives first
        ("1.1", "anna", "20240101"),
        ("1.3", "bert", "20260101"),
    ]:
        journal.record_instance(received(f"{study}.1", study=study, patient_key=patient, study_date=date))
        row = journal.study(study)
        assert row is not None
        journal.complete_study(row, "quiet")
    earlier, other = claim(journal), claim(journal)
    assert [earlier.study_instance_uid, other.study_instance_uid] == ["1.1", "1.3"]
    assert journal.claim_analysis("me", 60) is None
    journal.finish_analysis(earlier, sent_to(outcome(earlier), []))
    assert claim(journal).study_instance_uid == "1.2"


def test_each_destination_gets_its_own_set_in_its_own_order(
    journal: Journal, queue: Queue, outcome: Outcome
) -> None:
    queue("1.2.3")
    job = claim(journal)
    first, second = (result.sop_instance_uid for result in outcome(job).results)
    sets = {"pacs": (second, first), "archive": (first,)}
    assert journal.finish_analysis(job, replace(outcome(job), sets=sets))
    for name, uids in sets.items():
        claimed = journal.claim_deliveries(name, owner="me", lease_seconds=60)
        assert tuple(delivery.sop_instance_uid for delivery in claimed) == uids
    assert journal.standing_results("1.2.3") == sets


def test_held_results_stand_and_are_sent_to_nobody(journal: Journal, queue: Queue, outcome: Outcome) -> None:
    queue("1.2.3")
    job = claim(journal)
    assert journal.finish_analysis(job, sent_to(outcome(job), [HELD]))
    assert journal.summary()["deliveries"] == {}
    assert len(journal.standing_results("1.2.3")[HELD]) == 2
    assert len(journal.results("1.2.3")) == 2


def test_what_stands_is_the_newest_set_of_each_destination(
    journal: Journal, queue: Queue, outcome: Outcome
) -> None:
    queue("1.2.3")
    job = claim(journal)
    done = outcome(job)
    first, second = (result.sop_instance_uid for result in done.results)
    journal.finish_analysis(job, replace(done, sets={"pacs": (first,), "archive": (first,)}))
    journal.requeue_study("1.2.3")
    again = claim(journal)
    journal.finish_analysis(again, replace(done, sets={"pacs": (second,)}))
    assert journal.standing_results("1.2.3") == {"pacs": (second,), "archive": (first,)}


def test_a_refusal_stands_beside_the_measurements_of_an_earlier_analysis(
    journal: Journal, queue: Queue, outcome: Outcome
) -> None:
    queue("1.2.3")
    job = claim(journal)
    done = outcome(job)
    first, second = (result.sop_instance_uid for result in done.results)
    journal.finish_analysis(job, replace(done, sets={"pacs": (first,)}))
    journal.requeue_study("1.2.3")
    again = claim(journal)
    journal.finish_analysis(again, replace(done, status="rejected", reason="x", sets={"pacs": (second,)}))
    assert journal.standing_results("1.2.3") == {"pacs": (first, second)}


def test_a_node_starts_although_two_analyses_of_a_study_had_run(
    journal: Journal,
    queue: Callable[[str], None],
    received: Callable[..., ReceivedInstance],
    clock: Callable[[], object],
) -> None:
    queue("1.2.3")
    assert journal.claim_analysis("one", 60)
    journal.recover("two")  # killed once, so it comes last from now on
    assert journal.claim_analysis("two", 60)
    journal.record_instance(received("1.2.3.9", content="late"))
    late = journal.study("1.2.3")
    assert late is not None
    assert journal.complete_study(late, "quiet")
    # set forward: the lease counts as expired, though the work goes on
    clock.advance(86_400)  # type: ignore[attr-defined]
    assert journal.claim_analysis("two", 60)
    assert journal.recover("three") == 1
    job = journal.claim_analysis("three", 60)
    assert job is not None
    assert len(job.instances) == 2, "the newer one is done"
    assert journal.claim_analysis("three", 60) is None
