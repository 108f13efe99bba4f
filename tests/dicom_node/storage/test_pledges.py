"""What peers asked to be kept is journalled with its answer, until they were told or their time is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from node_support import FakeClock, receive

from dicom_node.storage.journal import Journal
from dicom_node.storage.pledges import PledgeState
from dicom_node.storage.retention import ReleasedKind

SC = "1.2.840.10008.5.1.4.1.1.7"
REFERENCES = [(SC, "1.2.3.1"), (SC, "1.2.3.2")]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def journal(tmp_path: Path, clock: FakeClock) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db", clock=clock)
    yield opened
    opened.close()


def ask(journal: Journal, references: list[tuple[str, str]] = REFERENCES, *, transaction: str = "1.9") -> int:
    pledge_id = journal.record_commitment_request(
        transaction,
        references,
        calling_ae="SCANNER",
        called_ae="NODE",
        peer_address="192.0.2.1",
        due_in_seconds=5,
        expires_in_seconds=3600,
    )
    assert pledge_id is not None
    return pledge_id


def test_a_request_is_due_after_its_wait_and_until_the_peer_was_told(
    journal: Journal, clock: FakeClock
) -> None:
    pledge_id = ask(journal)
    assert journal.due_pledge() is None
    clock.advance(5)
    due = journal.due_pledge()
    assert due is not None
    assert [item.sop_instance_uid for item in due.instances] == ["1.2.3.1", "1.2.3.2"]
    journal.settle_pledge(pledge_id, [0, 0x0112])
    checked = journal.due_pledge()
    assert checked is not None
    assert checked.state is PledgeState.CHECKED
    assert [item.failure_reason for item in checked.instances] == [0, 0x0112]
    journal.pledge_reported(pledge_id)
    assert journal.due_pledge() is None


def kept(journal: Journal, uid: str) -> bool:
    """Whether retention leaves an object alone that came in long ago and was analysed since."""
    receive(journal, f"9.{uid}", uid=uid, path=f"instances/{uid}.dcm")
    days = journal._clock() + timedelta(days=9)
    released = journal.releasable(ReleasedKind.ORIGINAL, before=days, ended_states=["receiving"], limit=100)
    return uid not in {item.sop_instance_uid for item in released}


def test_retention_leaves_alone_what_was_promised_or_is_still_to_be_looked_for(journal: Journal) -> None:
    journal.settle_pledge(ask(journal), [0, 0x0112])
    ask(journal, [(SC, "1.2.3.4")], transaction="1.8")
    assert kept(journal, "1.2.3.1")
    assert not kept(journal, "1.2.3.2")  # it was not found then, so nothing was promised
    assert not kept(journal, "1.2.3.3")
    assert kept(journal, "1.2.3.4")


def test_the_same_request_again_is_answered_again(journal: Journal, clock: FakeClock) -> None:
    journal.pledge_reported(ask(journal))
    ask(journal)
    clock.advance(5)
    assert journal.due_pledge() is not None


def test_one_transaction_cannot_name_other_objects_while_it_is_under_way(journal: Journal) -> None:
    ask(journal)
    assert (
        journal.record_commitment_request(
            "1.9",
            [(SC, "1.2.3.9")],
            calling_ae="SCANNER",
            called_ae="NODE",
            peer_address="192.0.2.1",
            due_in_seconds=5,
            expires_in_seconds=3600,
        )
        is None
    )


def test_two_peers_may_use_the_same_transaction_uid(journal: Journal, clock: FakeClock) -> None:
    first = ask(journal)
    second = journal.record_commitment_request(
        "1.9",
        [(SC, "1.2.3.9")],
        calling_ae="OTHER",
        called_ae="NODE",
        peer_address="192.0.2.2",
        due_in_seconds=5,
        expires_in_seconds=3600,
    )
    assert second not in (None, first)


def test_a_peer_that_cannot_be_told_is_an_event_once_and_given_up_when_its_time_is_over(
    journal: Journal, clock: FakeClock
) -> None:
    ask(journal)
    for _ in range(3):
        clock.advance(60)
        pledge = journal.due_pledge()
        assert pledge is not None
        journal.report_pledge_at(pledge, clock() + timedelta(seconds=30), reason="refused")
    codes = [event.code for event in journal.events()]
    assert codes == ["commitment_report_postponed"]
    clock.advance(60)
    pledge = journal.due_pledge()
    assert pledge is not None
    journal.report_pledge_at(pledge, clock() + timedelta(seconds=7200), reason="refused")
    assert journal.due_pledge() is None
    assert journal.events()[-1].code == "commitment_unreported"


def test_an_object_is_found_by_its_uid_in_every_version(journal: Journal) -> None:
    receive(journal, "1.2.3", uid="1.2.3.1", content=b"first")
    receive(journal, "1.2.3", uid="1.2.3.1", content=b"second")
    held = journal.held_objects("1.2.3.1")
    assert len({item.sha256 for item in held}) == 2
    assert journal.held_objects("1.2.3.2") == []


def test_a_promise_ends_when_it_is_forgotten_but_not_before_the_peer_was_told(
    journal: Journal, clock: FakeClock
) -> None:
    told, waiting = ask(journal, transaction="1.1"), ask(journal, [(SC, "1.2.3.8")], transaction="1.2")
    for pledge_id in (told, waiting):
        journal.settle_pledge(pledge_id, [0])
    journal.pledge_reported(told)
    assert journal.forget_pledges(before=clock()) == 0
    clock.advance(60)
    assert journal.forget_pledges(before=clock()) == 1
    assert journal.pledge(told) is None
    assert journal.pledge(waiting) is not None
    assert not kept(journal, "1.2.3.1")
    assert kept(journal, "1.2.3.8")
