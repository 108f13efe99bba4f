"""What a destination accepted is confirmed, searched for or sent again, whatever it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from delivery_support import Ground, at, delivery_ground
from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from dicom_node.config import DeliverySettings
from dicom_node.network.commitment import PUSH_MODEL
from dicom_node.network.peers import Peer
from dicom_node.storage.commitments import MAX_REFUSALS

QUICK = DeliverySettings(connect_timeout_seconds=2, response_timeout_seconds=2)


@dataclass
class Keeper:
    """A PACS that keeps, loses, commits itself and finds as a test says."""

    commits: bool = True
    finds: bool = True
    action_status: int = 0x0000
    held: dict[str, str] = field(default_factory=dict)
    """SOP Instance UID -> SOP class."""
    asked: list[Dataset] = field(default_factory=list)
    peer: Peer = field(default_factory=lambda: Peer("KEEPER", "127.0.0.1", 1))

    @contextmanager
    def running(self) -> Iterator[Keeper]:
        ae = AE(ae_title="KEEPER")
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(str(context.abstract_syntax))
        if self.commits:
            ae.add_supported_context(PUSH_MODEL)
        if self.finds:
            ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_N_ACTION, self._commit),
            (evt.EVT_C_FIND, self._find),
        ]
        server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.peer = Peer("KEEPER", "127.0.0.1", server.server_address[1])
        try:
            yield self
        finally:
            server.shutdown()

    def _store(self, event: evt.Event) -> int:
        self.held[event.request.AffectedSOPInstanceUID] = event.request.AffectedSOPClassUID
        return 0x0000

    def _commit(self, event: evt.Event) -> tuple[int, None]:
        self.asked.append(event.action_information)
        return self.action_status, None

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        answer = Dataset()
        answer.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
        answer.StudyInstanceUID = "1.2.3"
        answer.SeriesInstanceUID = "1.2.3.0"
        if event.identifier.QueryRetrieveLevel == "SERIES":
            yield 0xFF00, answer
            return
        for uid, sop_class in self.held.items():
            answer.SOPInstanceUID, answer.SOPClassUID = uid, sop_class
            yield 0xFF00, answer


@pytest.fixture(autouse=True)
def no_report_on_the_same_association(monkeypatch: pytest.MonkeyPatch) -> None:
    """This PACS never reports there; a second of waiting for it each time would be for nothing."""
    monkeypatch.setattr("dicom_node.network.commitment.SAME_ASSOCIATION_SECONDS", 0.01)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with delivery_ground(tmp_path) as made:
        yield made


def deliver(ground: Ground, keeper: Keeper, **fields: Any) -> Callable[[], None]:
    """Send what waits; return what the schedule does about confirmation."""
    destination = at(keeper.peer, **fields)
    queue = ground.queue_to(destination, QUICK)
    queue.pump()
    queue.close()
    return ground.confirmation(destination, QUICK).pump


def report(ground: Ground, asked: Dataset, lost: str = "") -> None:
    """What the receiver does when the PACS reports."""
    uids = [item.ReferencedSOPInstanceUID for item in asked.ReferencedSOPSequence]
    ground.journal.commitment_reported(
        asked.TransactionUID,
        [uid for uid in uids if uid != lost],
        {lost: "0x0112 (no such object instance)"} if lost else {},
    )


def test_a_study_is_asked_about_as_a_whole_and_once(ground: Ground) -> None:
    uids = ground.results("pacs")
    with Keeper().running() as keeper:
        confirm = deliver(ground, keeper, confirm="commitment")
        confirm()
        confirm()
        (asked,) = keeper.asked
    references = {
        str(item.ReferencedSOPInstanceUID): item.ReferencedSOPClassUID for item in asked.ReferencedSOPSequence
    }
    assert references == {uid: keeper.held[uid] for uid in uids}
    report(ground, asked)
    assert ground.deliveries == {"delivered": 3}


def test_a_node_that_died_between_journal_and_request_asks_again(ground: Ground) -> None:
    ground.results("pacs")
    with Keeper().running() as keeper:
        confirm = deliver(ground, keeper, confirm="commitment")
        ground.journal.begin_commitment(ground.journal.due_confirmations("pacs"), "2.25.1")
        confirm()
        (asked,) = keeper.asked
    assert asked.TransactionUID != "2.25.1"
    report(ground, asked)
    assert ground.deliveries == {"delivered": 3}


def test_a_report_that_comes_after_a_restart_counts(ground: Ground) -> None:
    ground.results("pacs")
    with Keeper().running() as keeper:
        deliver(ground, keeper, confirm="commitment")()
    ground.journal.recover("a new process")
    report(ground, keeper.asked[0])
    assert ground.deliveries == {"delivered": 3}


def test_a_destination_that_knows_no_commitment_is_searched(ground: Ground) -> None:
    ground.results("pacs")
    with Keeper(commits=False).running() as keeper:
        deliver(ground, keeper, confirm="commitment")()
    assert ground.deliveries == {"delivered": 3}
    assert "commitment_missing" in ground.codes()


def test_a_report_that_does_not_come_in_time_is_replaced_by_a_search(
    ground: Ground,
) -> None:
    uids = ground.results("pacs")
    with Keeper().running() as keeper:
        confirm = deliver(ground, keeper, confirm="commitment", commitment_hours=2)
        confirm()
        ground.clock.advance(2 * 3600 - 1)
        confirm()
        assert ground.deliveries == {"stored": 3}
        del keeper.held[uids[2]]
        ground.clock.advance(1)
        confirm()
    assert ground.deliveries == {"delivered": 2, "pending": 1}


def test_a_destination_that_can_be_asked_in_no_way_makes_dead_letters_that_say_so(ground: Ground) -> None:
    ground.results("pacs")
    with Keeper(commits=False, finds=False).running() as keeper:
        deliver(ground, keeper, confirm="commitment")()
    assert ground.deliveries == {"dead": 3}
    assert 'set confirm = "store"' in ground.journal.dead_letters()[0]["reason"]


def test_a_destination_that_is_busy_is_asked_later(ground: Ground) -> None:
    ground.results("pacs")
    with Keeper(action_status=0x0213).running() as keeper:
        confirm = deliver(ground, keeper, confirm="commitment")
        confirm()
        confirm()
        assert len(keeper.asked) == 1
        keeper.action_status = 0x0000
        ground.clock.advance(20)
        confirm()
        assert len(keeper.asked) == 2
    report(ground, keeper.asked[1])
    assert ground.deliveries == {"delivered": 3}


def test_a_destination_that_is_down_keeps_everything_waiting(
    ground: Ground, free_port: Callable[[], int]
) -> None:
    ground.results("pacs")
    with Keeper().running() as keeper:
        deliver(ground, keeper, confirm="find")
    away = ground.confirmation(at(Peer("KEEPER", "127.0.0.1", free_port()), confirm="find"), QUICK)
    for _ in range(20):
        ground.clock.advance(600)
        away.pump()
    assert ground.deliveries == {"stored": 3}


def test_what_is_committed_and_lost_for_ever_ends_as_a_dead_letter(ground: Ground) -> None:
    uids = ground.results("pacs")
    with Keeper().running() as keeper:
        for _ in range(MAX_REFUSALS):
            deliver(ground, keeper, confirm="commitment")()
            report(ground, keeper.asked[-1], lost=uids[0])
            ground.clock.advance(3600)
    assert ground.deliveries == {"delivered": 2, "dead": 1}
    (letter,) = ground.journal.dead_letters()
    assert "0x0112" in letter["reason"]
