"""What retention has released, and what no destination takes any more, is not queued for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from node_support import sent_to

from dicom_node.storage.journal import Journal
from dicom_node.storage.records import AnalysisOutcome, ReceivedInstance, Severity
from dicom_node.storage.retention import ReleasedKind

ENDED = ("analyzed", "not_applicable", "rejected", "failed")


@pytest.fixture
def delivered(
    journal: Journal, queue: Callable[[str], None], outcome: Callable[..., AnalysisOutcome]
) -> Journal:
    """A journal with one study of which results and originals were delivered to a PACS."""
    queue("1.2.3")
    job = journal.claim_analysis("me", 60)
    assert job is not None
    journal.finish_analysis(job, sent_to(outcome(job), ["pacs"]))
    journal.queue_originals("1.2.3", "pacs")
    for delivery in journal.claim_deliveries("pacs", owner="me", lease_seconds=60):
        journal.mark_delivered(delivery, 0)
    return journal


def release(journal: Journal, kind: ReleasedKind) -> int:
    before = journal._clock() + timedelta(days=1)
    return journal.release(kind, before=before, ended_states=ENDED, limit=10)


def test_originals_that_were_released_are_not_forwarded(delivered: Journal) -> None:
    assert release(delivered, ReleasedKind.ORIGINAL) == 1
    assert delivered.queue_originals("1.2.3", "archive") == 0
    assert delivered.claim_deliveries("archive", owner="me", lease_seconds=60) == []


def test_what_was_released_is_not_sent_once_more(delivered: Journal) -> None:
    assert delivered.resend_study("1.2.3", dry_run=True) == 3
    assert release(delivered, ReleasedKind.ORIGINAL) == 1
    assert delivered.resend_study("1.2.3", dry_run=True) == 2
    assert release(delivered, ReleasedKind.RESULT) == 2
    assert delivered.resend_study("1.2.3") == 0


def test_what_waits_for_a_destination_that_is_gone_becomes_a_dead_letter(delivered: Journal) -> None:
    delivered.queue_originals("1.2.3", "renamed")
    assert delivered.bury_unserved(["pacs", "renamed"]) == 0
    assert delivered.bury_unserved(["pacs"]) == 1
    (letter,) = delivered.dead_letters()
    assert letter["reason"] == "no [[destination]] is called 'renamed'"
    assert delivered.events()[-1].code == "delivery_failed"
    assert delivered.bury_unserved(["pacs"]) == 0
    assert delivered.revive_deliveries(destination="renamed") == 1, "configured again, it is sent"


def test_originals_of_which_nobody_knows_whether_they_were_forwarded_are_dead_letters(
    journal: Journal, received: Callable[..., ReceivedInstance]
) -> None:
    journal.record_instance(received("1.2.5.1", study="1.2.5", association_id=""))  # found in the archive
    journal.record_instance(received("1.2.5.2", study="1.2.5", content="b"))  # has just come
    assert journal.queue_originals("1.2.5", "pacs") == 2
    (delivery,) = journal.claim_deliveries("pacs", owner="me", lease_seconds=60)
    assert delivery.sop_instance_uid == "1.2.5.2"
    (letter,) = journal.dead_letters()
    assert letter["sop_instance_uid"] == "1.2.5.1"
    assert "whether this arrived is not known" in letter["reason"]
    assert journal.events()[-1].code == "delivery_failed"


def test_whoever_reads_events_misses_none_when_all_of_them_are_old(journal: Journal) -> None:
    journal.collect_notices([], [], lambda _event: "")
    for _ in range(3):
        journal.note_event(Severity.INFO, "study_complete", "long ago")
    assert journal.collect_notices(["mail"], [], lambda _event: "") == 3
    journal.forget_events(before=journal._clock() + timedelta(days=1), limit=10)
    journal.note_event(Severity.ERROR, "disk_low", "now")
    assert journal.collect_notices(["mail"], ["disk_low"], lambda event: event.code) == 1
    assert [notice.code for notice in journal.due_notices("mail")] == ["disk_low"]
