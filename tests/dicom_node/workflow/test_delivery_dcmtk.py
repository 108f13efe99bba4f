"""Delivery to DCMTK's storescp: what it takes, and what it does wrong when told to."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from delivery_support import PATIENT, Ground, delivery_ground
from pydicom import dcmread
from real_peers import find_program, pick_free_port

from dicom_node.errors import DeliveryError
from dicom_node.network.peers import Peer, Timeouts
from dicom_node.network.sender import echo

pytestmark = pytest.mark.dcmtk


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with delivery_ground(tmp_path) as made:
        yield made


@contextmanager
def storescp(folder: Path, options: Sequence[str] = ()) -> Iterator[Peer]:
    """DCMTK's storescp writing to `folder`."""
    folder.mkdir()
    port = pick_free_port()
    program = find_program("storescp")
    assert program
    process = subprocess.Popen(
        [program, *options, "-aet", "STORESCP", "-od", str(folder), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peer = Peer("STORESCP", "127.0.0.1", port)
    try:
        _wait_until_listening(peer)
        yield peer
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_until_listening(peer: Peer) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            return echo(peer, calling_ae_title="TEST", timeouts=Timeouts(1, 5))
        except DeliveryError as error:
            if "rejected" in str(error):
                return
            assert time.monotonic() < deadline, "storescp does not listen"
            time.sleep(0.05)


def deliver(ground: Ground, peer: Peer) -> None:
    queue = ground.queue("pacs", peer, PATIENT)
    queue.pump()
    queue.close()


@pytest.mark.parametrize("options", [(), ("+xi",), ("+xe",)])
def test_results_arrive_in_the_transfer_syntax_that_it_takes(
    ground: Ground, tmp_path: Path, options: Sequence[str]
) -> None:
    uids = ground.results("pacs")
    with storescp(tmp_path / "received", options) as peer:
        deliver(ground, peer)
    assert ground.deliveries == {"delivered": 3}
    received = [dcmread(path) for path in (tmp_path / "received").iterdir()]
    assert sorted(str(dataset.SOPInstanceUID) for dataset in received) == sorted(uids)
    if options == ("+xi",):
        assert all(dataset.file_meta.TransferSyntaxUID.is_implicit_VR for dataset in received)


def test_a_refused_association_is_a_dead_letter_with_its_cure(ground: Ground, tmp_path: Path) -> None:
    ground.results("pacs")
    with storescp(tmp_path / "received", ("--refuse",)) as peer:
        deliver(ground, peer)
    assert ground.deliveries == {"dead": 3}
    assert "check both AE titles" in ground.journal.dead_letters()[0]["reason"]


@pytest.mark.parametrize("fault", ["--abort-during", "--abort-after"])
def test_an_abort_in_the_middle_or_after_an_object_loses_nothing_and_is_made_up_for(
    ground: Ground, tmp_path: Path, fault: str
) -> None:
    uids = ground.results("pacs")
    with storescp(tmp_path / "faulty", (fault,)) as peer:
        deliver(ground, peer)
    assert "pending" in ground.deliveries and "dead" not in ground.deliveries
    ground.clock.advance(60)
    with storescp(tmp_path / "received") as peer:
        deliver(ground, peer)
    assert ground.deliveries == {"delivered": 3}
    held = {
        str(dcmread(path).SOPInstanceUID)
        for folder in ("faulty", "received")
        for path in (tmp_path / folder).iterdir()
    }
    assert held == set(uids)
