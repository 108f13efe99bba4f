"""Deliveries: one row per result and destination, claimed by lease, retried, buried, revived."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from node_support import sent_to

from dicom_node.storage.journal import Journal
from dicom_node.storage.records import AnalysisOutcome, Delivery


@pytest.fixture
def outbox(
    journal: Journal, queue: Callable[[str], None], outcome: Callable[..., AnalysisOutcome]
) -> Journal:
    """A journal with one study's two results waiting for two destinations."""
    queue("1.2.3")
    job = journal.claim_analysis("me", 60)
    assert job is not None
    journal.finish_analysis(job, sent_to(outcome(job), ["pacs", "archive"]))
    return journal


def claim(journal: Journal, destination: str = "pacs", owner: str = "me") -> list[Delivery]:
    return journal.claim_deliveries(destination, owner=owner, lease_seconds=60)


def test_a_claimed_delivery_is_not_claimed_twice(outbox: Journal) -> None:
    assert [delivery.attempts for delivery in claim(outbox)] == [1, 1]
    assert claim(outbox, owner="another") == []


def test_destinations_do_not_wait_for_each_other(outbox: Journal) -> None:
    for delivery in claim(outbox, "pacs"):
        outbox.bury_delivery(delivery, reason="AE title not recognised")
    assert len(claim(outbox, "archive")) == 2


def test_results_of_one_study_are_claimed_together_in_their_order(
    outbox: Journal, queue: Callable[[str], None], outcome: Callable[..., AnalysisOutcome]
) -> None:
    queue("1.2.4")
    job = outbox.claim_analysis("me", 60)
    assert job is not None
    outbox.finish_analysis(job, sent_to(outcome(job), ["pacs"]))
    assert [delivery.sop_instance_uid for delivery in claim(outbox)] == ["1.2.3.0.9", "1.2.3.1.9"]
    assert [delivery.sop_instance_uid for delivery in claim(outbox)] == ["1.2.4.0.9", "1.2.4.1.9"]


def test_a_study_is_reported_delivered_when_its_last_result_is(outbox: Journal) -> None:
    first, second = claim(outbox)
    outbox.mark_delivered(first, 0)
    assert "study_delivered" not in [event.code for event in outbox.events()]
    outbox.mark_delivered(second, 0)
    assert outbox.events()[-1].code == "study_delivered"
    assert claim(outbox) == []


def test_a_study_of_which_a_part_is_still_being_sent_waits_as_a_whole(
    outbox: Journal, clock: Callable[[], object]
) -> None:
    first, _being_sent = claim(outbox)
    outbox.retry_delivery_at(first, clock(), reason="busy")  # type: ignore[arg-type]
    assert claim(outbox, owner="another") == []


def test_a_postponed_delivery_waits_for_its_time(outbox: Journal, clock: Callable[[], object]) -> None:
    first, second = claim(outbox)
    outbox.mark_delivered(second, 0)
    moment = clock() + timedelta(seconds=30)  # type: ignore[operator]
    outbox.retry_delivery_at(first, moment, reason="connection refused")
    assert claim(outbox) == []
    clock.advance(30)  # type: ignore[attr-defined]
    (again,) = claim(outbox)
    assert (again.id, again.attempts) == (first.id, 2)


def test_an_expired_lease_is_taken_over_and_its_first_owner_cannot_bury(
    outbox: Journal, clock: Callable[[], object]
) -> None:
    slow = claim(outbox, owner="slow")
    clock.advance(61)  # type: ignore[attr-defined]
    second = claim(outbox, owner="second")
    assert [delivery.attempts for delivery in second] == [2, 2]
    outbox.bury_delivery(slow[0], reason="timeout")
    assert outbox.summary()["deliveries"]["sending"] == 2


def test_a_delivery_that_arrived_after_its_lease_expired_still_counts(
    outbox: Journal, clock: Callable[[], object]
) -> None:
    slow = claim(outbox, owner="slow")
    clock.advance(61)  # type: ignore[attr-defined]
    for delivery in slow:
        outbox.mark_delivered(delivery, 0)
    assert claim(outbox) == []


def test_a_dead_letter_can_be_revived(outbox: Journal) -> None:
    for delivery in claim(outbox):
        outbox.bury_delivery(delivery, reason="SOP class refused", status=0x0122)
    event = outbox.events()[-1]
    assert (event.severity, event.code) == ("error", "delivery_failed")
    assert "pacs" in event.message
    assert claim(outbox) == []
    assert outbox.revive_deliveries(destination="archive") == 0
    assert outbox.revive_deliveries(study_instance_uid="1.2.3", destination="pacs") == 2
    assert [delivery.attempts for delivery in claim(outbox)] == [1, 1]


def test_a_node_that_died_while_sending_is_recovered_at_once(outbox: Journal) -> None:
    claim(outbox, owner="dead node")
    assert outbox.recover("new node") == 2
    assert [delivery.attempts for delivery in claim(outbox, owner="new node")] == [1, 1]
