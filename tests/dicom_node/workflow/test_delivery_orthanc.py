"""Delivered means committed, at a real PACS: storage commitment, C-FIND, STOW-RS and QIDO-RS with Orthanc."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from delivery_support import NODE_TITLE, PATIENT, Ground, at
from node_support import FakeClock, undelivered_paths, wait_until
from real_peers import OrthancServer, known_to_orthanc, running_orthanc
from running_receiver import receiving

from dicom_node.config import CommitmentSettings, Destination, PeerSettings
from dicom_node.network.peers import Peer, Timeouts
from dicom_node.storage.archive import Archive
from dicom_node.storage.connection import utc_now
from dicom_node.storage.journal import Journal
from dicom_node.workflow.commitment import CommitmentService

pytestmark = pytest.mark.orthanc


class ShiftedClock(FakeClock):
    """The present, moved by as much as a test says."""

    def __init__(self) -> None:
        self.now = utc_now()
        self._begin = self.now

    def __call__(self) -> Any:
        return utc_now() + (self.now - self._begin)


@contextmanager
def listening(folder: Path) -> Iterator[tuple[Ground, int]]:
    """A node's journal with its receiver, which takes reports of storage commitment."""

    def handlers(archive: Archive, journal: Journal) -> dict[str, Any]:
        service = CommitmentService(
            CommitmentSettings(),
            [PeerSettings("pacs", "TESTPACS")],
            archive,
            journal,
            timeouts=Timeouts(2, 5),
        )
        return {"handlers": service.handlers}

    clock = ShiftedClock()
    with receiving(folder, more=handlers) as running:
        running.journal._clock = clock
        yield Ground(folder, running.archive, running.journal, clock), running.port


@contextmanager
def node_and_orthanc(folder: Path) -> Iterator[tuple[Ground, OrthancServer, Peer]]:
    with listening(folder) as (ground, port):
        settings = known_to_orthanc(NODE_TITLE, port)
        with running_orthanc(folder / "orthanc", settings=settings) as orthanc:
            yield ground, orthanc, Peer(orthanc.ae_title, "127.0.0.1", orthanc.dicom_port)


def delete(orthanc: OrthancServer, uid: str) -> None:
    """Lose an instance that was accepted."""
    url = f"http://127.0.0.1:{orthanc.http_port}/instances/{orthanc.instances()[uid]}"
    urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=10).close()


def send(ground: Ground, destination: Destination) -> None:
    queue = ground.queue_to(destination, PATIENT)
    queue.pump()
    queue.close()


def test_orthanc_commits_itself_and_what_it_lost_is_sent_again_under_the_same_uid(tmp_path: Path) -> None:
    with node_and_orthanc(tmp_path) as (ground, orthanc, peer):
        destination = at(peer, confirm="commitment")
        uids = ground.results("pacs")
        send(ground, destination)
        assert ground.deliveries == {"stored": 3}
        delete(orthanc, uids[1])
        confirmation = ground.confirmation(destination)
        confirmation.pump()
        wait_until(lambda: ground.deliveries == {"delivered": 2, "pending": 1}, seconds=15)
        assert undelivered_paths(ground.journal, "1.2.3"), "its file is still needed"
        ground.clock.advance(60)
        send(ground, destination)
        confirmation.pump()
        wait_until(lambda: ground.deliveries == {"delivered": 3}, seconds=15)
        assert sorted(orthanc.sop_instance_uids()) == sorted(uids), "each is there once"
        codes = ground.codes()
        assert codes.count("commitment_failed") == 1
        assert codes.count("study_delivered") == 1


def test_a_report_that_never_comes_is_replaced_by_a_search(tmp_path: Path) -> None:
    with node_and_orthanc(tmp_path) as (ground, _orthanc, peer):
        destination = at(peer, confirm="commitment", commitment_hours=1)
        ground.results("pacs")
        send(ground, destination)
        rows = ground.journal.due_confirmations("pacs")
        ground.journal.begin_commitment(rows, "2.25.1")  # its report got lost on the way
        ground.journal.commitment_requested("2.25.1", overdue_at=ground.clock())
        ground.confirmation(destination).pump()
        assert ground.deliveries == {"delivered": 3}
        assert "commitment_missing" in ground.codes()


def test_a_search_by_c_find_confirms_what_is_there_and_sends_the_rest_again(tmp_path: Path) -> None:
    with node_and_orthanc(tmp_path) as (ground, orthanc, peer):
        destination = at(peer, confirm="find", commitment_hours=1)
        uids = ground.results("pacs")
        send(ground, destination)
        delete(orthanc, uids[0])
        confirmation = ground.confirmation(destination)
        confirmation.pump()
        assert ground.deliveries == {"stored": 3}, "it is given time to index"
        ground.clock.advance(11)
        confirmation.pump()
        assert ground.deliveries == {"delivered": 2, "stored": 1}
        ground.clock.advance(3600)
        confirmation.pump()
        assert ground.deliveries == {"delivered": 2, "pending": 1}
        ground.clock.advance(60)
        send(ground, destination)
        ground.clock.advance(11)
        confirmation.pump()
        assert ground.deliveries == {"delivered": 3}
        assert sorted(orthanc.sop_instance_uids()) == sorted(uids)


def test_stow_with_a_password_delivers_and_qido_confirms(tmp_path: Path) -> None:
    settings = {"AuthenticationEnabled": True, "RegisteredUsers": {"node": "secret"}}
    with (
        listening(tmp_path) as (ground, _port),
        orthanc_behind_password(tmp_path, settings) as url,
    ):
        password = tmp_path / "password"
        password.write_text("secret\n")
        uids = ground.results("web", "wrong")
        good = Destination(
            "web", type="stow", url=url, username="node", password_file=password, confirm="find"
        )
        send(ground, good)
        assert ground.deliveries == {"stored": 3, "pending": 3}
        ground.clock.advance(11)
        ground.confirmation(good).pump()
        assert ground.deliveries == {"delivered": 3, "pending": 3}
        send(ground, Destination("wrong", type="stow", url=url))
        assert ground.deliveries == {"delivered": 3, "dead": 3}
        assert "check username and password_file" in ground.journal.dead_letters()[0]["reason"]
    assert len(uids) == 3


@contextmanager
def orthanc_behind_password(folder: Path, settings: dict[str, Any]) -> Iterator[str]:
    """Orthanc's DICOMweb address; its own REST API answers the starter with a user, too."""
    opener = urllib.request.build_opener(_basic_auth("node", "secret"))
    before: Callable[..., Any] = urllib.request.urlopen
    urllib.request.urlopen = opener.open  # type: ignore[assignment]
    try:
        with running_orthanc(folder / "orthanc", settings=settings) as orthanc:
            yield orthanc.dicomweb_url
    finally:
        urllib.request.urlopen = before


def _basic_auth(username: str, password: str) -> urllib.request.HTTPBasicAuthHandler:
    class AnyRealm(urllib.request.HTTPPasswordMgrWithDefaultRealm):
        def find_user_password(self, _realm: Any, _uri: Any) -> tuple[str, str]:
            return username, password

    return urllib.request.HTTPBasicAuthHandler(AnyRealm())
