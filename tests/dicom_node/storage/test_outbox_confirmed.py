"""Originals beside results, what a destination has yet to confirm, and what nobody may delete meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from node_support import sent_to, undelivered_paths

from dicom_node.storage.commitments import MAX_REFUSALS, Unconfirmed
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import AnalysisOutcome, Delivery, ReceivedInstance

TRANSACTION = "2.25.7"


@pytest.fixture
def outbox(
    journal: Journal, queue: Callable[[str], None], outcome: Callable[..., AnalysisOutcome]
) -> Journal:
    """A journal with one study's two results waiting for one destination."""
    queue("1.2.3")
    job = journal.claim_analysis("me", 60)
    assert job is not None
    journal.finish_analysis(job, sent_to(outcome(job), ["pacs"]))
    return journal


def claim(journal: Journal) -> list[Delivery]:
    return journal.claim_deliveries("pacs", owner="me", lease_seconds=60)


def store_all(journal: Journal, clock: Callable[[], object]) -> list[Unconfirmed]:
    """Have the destination accept everything; return what it has to confirm now."""
    for delivery in claim(journal):
        journal.mark_stored(delivery, 0, verify_at=clock())  # type: ignore[arg-type]
    return journal.due_confirmations("pacs")


def test_originals_are_queued_once_each_version_and_before_nothing_else(
    journal: Journal, received: Callable[..., ReceivedInstance]
) -> None:
    journal.record_instance(received("1.2.3.1", content="a"))
    journal.record_instance(received("1.2.3.1", content="b"))
    journal.record_instance(received("1.2.3.2", content="c"))
    assert journal.queue_originals("1.2.3", "pacs") == 3
    assert journal.queue_originals("1.2.3", "pacs") == 0
    claimed = claim(journal)
    assert [(item.sop_instance_uid, str(item.path), item.kind) for item in claimed] == [
        ("1.2.3.1", "instances/a", "original"),
        ("1.2.3.1", "instances/b", "original"),
        ("1.2.3.2", "instances/c", "original"),
    ]


def test_a_study_of_higher_priority_is_sent_first(
    journal: Journal, received: Callable[..., ReceivedInstance]
) -> None:
    for study in ("1.2.3", "1.2.4"):
        journal.record_instance(received(f"{study}.1", study=study, content=study))
    journal.queue_originals("1.2.3", "pacs")
    journal.queue_originals("1.2.4", "pacs", priority=5)
    assert [claim(journal)[0].study_instance_uid for _ in range(2)] == ["1.2.4", "1.2.3"]


def test_accepted_is_not_delivered_until_it_is_confirmed(
    outbox: Journal, clock: Callable[[], object]
) -> None:
    first, second = store_all(outbox, clock)
    assert "study_delivered" not in [event.code for event in outbox.events()]
    outbox.begin_commitment([first, second], TRANSACTION)
    outbox.commitment_requested(TRANSACTION, overdue_at=clock() + timedelta(hours=1))  # type: ignore[operator]
    assert outbox.due_confirmations("pacs") == []
    assert undelivered_paths(outbox, "1.2.3") == {first.path, second.path}
    outbox.commitment_reported(TRANSACTION, [first.sop_instance_uid, second.sop_instance_uid], {})
    assert outbox.summary()["deliveries"] == {"delivered": 2}
    assert undelivered_paths(outbox) == set()
    assert outbox.events()[-1].code == "study_delivered"


def test_a_report_that_outruns_the_answer_to_its_request_stands(
    outbox: Journal, clock: Callable[[], object]
) -> None:
    rows = store_all(outbox, clock)
    outbox.begin_commitment(rows, TRANSACTION)
    outbox.commitment_reported(TRANSACTION, [row.sop_instance_uid for row in rows], {})
    outbox.commitment_requested(TRANSACTION, overdue_at=clock())  # type: ignore[arg-type]
    assert outbox.summary()["deliveries"] == {"delivered": 2}


def test_a_failed_commitment_sends_the_same_object_again_and_a_second_report_changes_nothing(
    outbox: Journal, clock: Callable[[], object]
) -> None:
    kept, lost = store_all(outbox, clock)
    outbox.begin_commitment([kept, lost], TRANSACTION)
    for _ in range(2):
        outbox.commitment_reported(TRANSACTION, [kept.sop_instance_uid], {lost.sop_instance_uid: "no such"})
    assert outbox.summary()["deliveries"] == {"delivered": 1, "pending": 1}
    assert [event.code for event in outbox.events()].count("commitment_failed") == 1
    clock.advance(60)  # type: ignore[attr-defined]
    (again,) = claim(outbox)
    assert (again.sop_instance_uid, again.refusals) == (lost.sop_instance_uid, 1)


def test_what_a_destination_loses_again_and_again_is_a_dead_letter(
    outbox: Journal, clock: Callable[[], object]
) -> None:
    for _ in range(MAX_REFUSALS):
        for row in store_all(outbox, clock):
            outbox.refuse_confirmation(row, "the archive does not hold it")
        clock.advance(3600)  # type: ignore[attr-defined]
    assert outbox.summary()["deliveries"] == {"dead": 2}
    assert outbox.revive_deliveries() == 2
    assert [delivery.refusals for delivery in claim(outbox)] == [0, 0]


def test_a_report_of_a_transaction_that_is_not_ours_changes_nothing(
    outbox: Journal, clock: Callable[[], object]
) -> None:
    rows = store_all(outbox, clock)
    outbox.commitment_reported("2.25.99", [row.sop_instance_uid for row in rows], {})
    outbox.commitment_reported("", [row.sop_instance_uid for row in rows], {})
    assert outbox.summary()["deliveries"] == {"stored": 2}


def test_a_dead_letter_keeps_its_file_until_an_administrator_gives_it_up(outbox: Journal) -> None:
    for delivery in claim(outbox):
        outbox.bury_delivery(delivery, reason="SOP class refused")
    assert len(undelivered_paths(outbox)) == 2
    assert outbox.discard_deliveries(destination="archive") == 0
    assert outbox.discard_deliveries(destination="pacs") == 2
    assert undelivered_paths(outbox) == set()
    assert outbox.events()[-1].code == "dead_letters_discarded"


def test_a_study_that_a_destination_lost_later_is_sent_again(outbox: Journal) -> None:
    for delivery in claim(outbox):
        outbox.mark_delivered(delivery, 0)
    assert outbox.resend_study("1.2.3", destination="archive") == 0
    assert outbox.resend_study("1.2.3") == 2
    assert [delivery.attempts for delivery in claim(outbox)] == [1, 1]


def test_what_was_claimed_and_not_tried_is_handed_back_without_an_attempt(outbox: Journal) -> None:
    for delivery in claim(outbox):
        outbox.hand_back(delivery)
    assert [delivery.attempts for delivery in claim(outbox)] == [1, 1]


def test_a_warning_of_the_destination_is_noted(outbox: Journal) -> None:
    first, second = claim(outbox)
    outbox.mark_delivered(first, 0xB000, note="0xB000 (coercion of data elements)")
    outbox.mark_delivered(second, 0)
    warned = [event for event in outbox.events() if event.code == "delivered_with_warning"]
    assert [event.sop_instance_uid for event in warned] == [first.sop_instance_uid]
