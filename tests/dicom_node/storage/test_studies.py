"""Received objects: duplicates are harmless, other bytes are kept, late ones reopen their study."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.storage.journal import Journal
from dicom_node.storage.records import InstanceKind, ReceivedInstance, Recorded, StudyState

Make = Callable[..., ReceivedInstance]


def codes(journal: Journal) -> list[str]:
    return [event.code for event in journal.events()]


def test_the_same_bytes_again_add_no_row_but_an_event(journal: Journal, received: Make) -> None:
    assert journal.record_instance(received()) is Recorded.NEW
    assert journal.record_instance(received()) is Recorded.DUPLICATE
    assert len(journal.instances("1.2.3")) == 1
    assert codes(journal) == ["duplicate_instance"]


def test_other_bytes_under_one_uid_are_both_kept_and_the_newest_is_analysed(
    journal: Journal, received: Make
) -> None:
    journal.record_instance(received(content="first"))
    assert journal.record_instance(received(content="second")) is Recorded.NEW_VERSION
    (newest,) = journal.instances("1.2.3")
    assert (newest.sha256, newest.version) == ("second", 2)
    assert journal.path_of("1.2.3.1", "first", InstanceKind.INPUT) == "instances/first"
    event = journal.events()[-1]
    assert (event.severity, event.code) == ("warning", "other_bytes")


def test_a_site_may_have_the_first_analysed_instead(journal: Journal, received: Make) -> None:
    journal.analysed_version = "first"
    journal.record_instance(received(content="first"))
    assert journal.record_instance(received(content="second")) is Recorded.NEW_VERSION
    (analysed,) = journal.instances("1.2.3")
    assert (analysed.sha256, analysed.version) == ("first", 1)
    assert "the first is analysed" in journal.events()[-1].message


def test_a_further_object_of_an_open_study_tells_when_it_came_and_all_that_it_says_otherwise(
    journal: Journal, received: Make, clock: Callable[[], object]
) -> None:
    journal.record_instance(received())
    first = journal.study("1.2.3")
    clock.advance(1)  # type: ignore[attr-defined]
    journal.record_instance(received("1.2.3.2"))
    second = journal.study("1.2.3")
    assert first is not None
    assert second is not None
    assert second == replace(first, last_received_at=second.last_received_at)
    assert second.last_received_at > first.last_received_at
    for changed in ({"study_date": "20250102"}, {"patient_key": "another"}, {"calling_ae": "OTHER"}):
        journal.record_instance(received(f"1.2.3.{next(iter(changed))}", **changed))
        study = journal.study("1.2.3")
        assert study is not None
        assert {name: getattr(study, name) for name in changed} == changed
        assert study.first_received_at == first.first_received_at


def test_a_quarantined_object_opens_no_study_and_says_why(journal: Journal, received: Make) -> None:
    refused = received(
        kind=InstanceKind.QUARANTINED, reason_code="missing_uid", reason="no Study Instance UID"
    )
    journal.record_instance(refused)
    assert journal.study("1.2.3") is None
    assert journal.instances("1.2.3") == ()
    assert journal.quarantined_bytes() == 100
    event = journal.events()[-1]
    assert (event.code, event.message) == ("missing_uid", "no Study Instance UID")


def test_an_object_refused_again_says_why_again(journal: Journal, received: Make) -> None:
    refused = received(
        kind=InstanceKind.QUARANTINED, reason_code="missing_uid", reason="no Study Instance UID"
    )
    assert [journal.record_instance(refused) for _ in range(2)] == [Recorded.NEW, Recorded.DUPLICATE]
    assert codes(journal) == ["missing_uid", "missing_uid"]


def test_a_refused_object_can_be_accepted_later_with_the_same_bytes(journal: Journal, received: Make) -> None:
    journal.record_instance(received(kind=InstanceKind.QUARANTINED, reason_code="class_mismatch", reason="r"))
    assert journal.record_instance(received()) is Recorded.NEW
    assert len(journal.instances("1.2.3")) == 1


def test_our_own_result_coming_back_leaves_its_study_alone(journal: Journal, received: Make) -> None:
    journal.record_instance(received(kind=InstanceKind.OWN_RESULT))
    assert journal.study("1.2.3") is None
    assert codes(journal) == ["own_result"]


def test_a_study_completes_once_with_its_reason(journal: Journal, received: Make) -> None:
    journal.record_instance(received())
    (study,) = journal.studies_in_state(StudyState.RECEIVING)
    assert journal.complete_study(study, "quiet for 10 s, no open association")
    assert not journal.complete_study(study, "again")
    completed = journal.study("1.2.3")
    assert completed is not None
    assert (completed.state, completed.completed_reason) == (
        StudyState.COMPLETE,
        "quiet for 10 s, no open association",
    )


def test_a_study_that_received_something_meanwhile_is_not_completed(
    journal: Journal, received: Make, clock: Callable[[], object]
) -> None:
    journal.record_instance(received())
    (seen,) = journal.studies_in_state(StudyState.RECEIVING)
    clock.advance(1)  # type: ignore[attr-defined]
    journal.record_instance(received("1.2.3.2"))
    assert not journal.complete_study(seen, "quiet")
    assert journal.claim_analysis("me", 60) is None


def test_a_late_instance_reopens_the_study_and_says_so(
    journal: Journal, received: Make, queue: Callable[[str], None]
) -> None:
    queue("1.2.3")
    job = journal.claim_analysis("me", 60)
    assert job is not None
    assert job.trigger == "received"
    journal.fail_analysis(job, "broken", retry_at=None)

    journal.record_instance(received("1.2.3.2"))
    study = journal.study("1.2.3")
    assert study is not None
    assert study.state is StudyState.RECEIVING
    journal.complete_study(study, "quiet")
    late = journal.claim_analysis("me", 60)
    assert late is not None
    assert late.trigger == "late_instance"
    assert [instance.sop_instance_uid for instance in late.instances] == ["1.2.3.1", "1.2.3.2"]
    assert late.input_digest != job.input_digest


def test_what_is_committed_is_there_for_another_process(tmp_path: Path, received: Make) -> None:
    path = tmp_path / "journal.db"
    node, command_line = Journal(path), Journal(path)
    node.record_instance(received())
    assert command_line.study("1.2.3") is not None
    node.close()
    command_line.close()


def test_after_a_failed_sync_the_journal_is_opened_afresh(journal: Journal, received: Make) -> None:
    """The kernel may have dropped the pages and call the next fsync a success: never trust the old handle."""
    before = journal._database
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    with pytest.raises(sqlite3.OperationalError), journal._transaction():
        raise error
    assert journal._database is not before
    assert journal.record_instance(received()) is Recorded.NEW


def test_a_transaction_that_fails_leaves_nothing(journal: Journal, received: Make) -> None:
    broken = replace(received(kind=InstanceKind.QUARANTINED), reason_code=None)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="NOT NULL"):  # the event cannot be written
        journal.record_instance(broken)
    assert journal.path_of("1.2.3.1", "a", InstanceKind.QUARANTINED) is None
    assert journal.record_instance(received()) is Recorded.NEW
