"""Cells 10 to 15: an object that is on its way when its sender, its connection or the node ends."""

from __future__ import annotations

import select
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from ground import Ground, on_ground, peer, reset
from node_under_fire import wait_for
from pydicom.dataset import Dataset
from raw_scu import encoded
from wire import ABORT, ASSOCIATE_RQ, ONE_CONTEXT, P_DATA, WirePeer, message, pdu, pdv, store_command

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]

CAP_BYTES = 200_000_000
TABLES = {"receiver": {"max_instance_bytes": CAP_BYTES, "message_memory_bytes": 65_536}}
SMALL, LARGE = 30_000, 400_000
"""Held in memory as it comes; goes to disk as it comes."""
STALLED_UID = "1.2.3.999.1"
Figure = Callable[[str], None]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with on_ground(tmp_path_factory.mktemp("receive"), tables=TABLES, analyses=False) as ground:
        ground.good_client_seconds()
        yield ground


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A whole node, workers included, that is ended and started again."""
    with on_ground(tmp_path_factory.mktemp("mortal"), tables=TABLES) as ground:
        ground.good_client_seconds()
        yield ground


@pytest.fixture(scope="module")
def stalled(ground: Ground) -> Iterator[Future[float]]:
    """A peer that is silent in the middle of a PDU, while the other cells are tried: when it was closed."""

    def stall() -> float:
        dataset = ground.new_object(size=LARGE)
        dataset.SOPInstanceUID = STALLED_UID
        with _half_sent(ground, dataset) as client:
            client.say(struct.pack(">BxLLBB", P_DATA, 10_000, 9_996, 1, 0) + bytes(500))
            began = time.monotonic()
            client.hear(30)  # the abort
            client.hear(30)
            return time.monotonic() - began

    with ThreadPoolExecutor() as pool:
        yield pool.submit(stall)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["in memory", "on disk"])
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda client: client.say(pdu(ABORT, bytes(4))), marks=pytest.mark.cell("10")),
        pytest.param(lambda client: reset(client.connection), marks=pytest.mark.cell("11")),
    ],
    ids=["abort", "reset"],
)
@pytest.mark.usefixtures("stalled")
def test_half_an_object_is_not_journalled_and_a_resend_is_stored(
    ground: Ground, end: Callable[[WirePeer], None], size: int, figure: Figure
) -> None:
    dataset = ground.new_object(size=size)
    files = ground.archive_files()
    with _half_sent(ground, dataset) as client:
        end(client)
    began = time.monotonic()
    assert wait_for(lambda: len(ground.in_the_making()) <= 1, seconds=5)  # one is that of the stalled peer
    figure(f"cleared away after {time.monotonic() - began:.2f} s")
    assert ground.archive_files() == files
    assert not ground.is_journalled(dataset)
    assert ground.send(dataset) == 0x0000
    assert ground.is_journalled(dataset)


@pytest.mark.cell("13")
def test_a_pdu_that_claims_four_gigabytes_is_cut_at_once(ground: Ground, figure: Figure) -> None:
    before = ground.resident_mib()
    for kind in (ASSOCIATE_RQ, P_DATA):
        with peer(ground.node.port) as client:
            if kind == P_DATA:
                client.associate()
            client.say(struct.pack(">BxL", kind, 0xFFFFFFFF))
            sent = _flood(client, bytes(1_000_000), most=600)
            assert client.hear().kind == ABORT
        assert sent < 100, "megabytes until it was said, read and thrown away"
    growth = ground.resident_mib() - before
    figure(f"FFFFFFFF: memory + {growth:.1f} MiB")
    assert growth < 100


@pytest.mark.cell("13")
def test_an_endless_object_is_cut_at_its_cap_in_little_memory(ground: Ground, figure: Figure) -> None:
    before = ground.resident_mib()
    highest = before
    fragments = pdu(P_DATA, pdv(1, 0, bytes(131_000))) * 8
    with peer(ground.node.port) as client:
        client.associate()
        client.say(message(1, store_command(b"1.2.3.777"), None))

        def sample() -> None:
            nonlocal highest
            highest = max(highest, ground.resident_mib())

        sent = _flood(client, fragments, most=400, each=sample) * len(fragments)
        assert client.hear().kind == ABORT
    figure(f"endless object cut at {CAP_BYTES / 1e6:.0f} MB; memory + {highest - before:.1f} MiB")
    assert CAP_BYTES <= sent < CAP_BYTES + 20_000_000
    assert highest - before < 100
    assert ground.node.rows("SELECT 1 FROM instances WHERE sop_instance_uid = '1.2.3.777'") == []


@pytest.mark.cell("12")
def test_a_peer_silent_in_the_middle_of_a_pdu_is_closed(
    ground: Ground, stalled: Future[float], figure: Figure
) -> None:
    closed_after = stalled.result(timeout=30)
    figure(f"closed after {closed_after:.1f} s")
    assert closed_after <= 15
    assert STALLED_UID not in {path.stem for path in ground.archive_files()}
    assert ground.node.rows(f"SELECT 1 FROM instances WHERE sop_instance_uid = '{STALLED_UID}'") == []  # noqa: S608
    dataset = ground.new_object(size=LARGE)
    dataset.SOPInstanceUID = STALLED_UID
    assert ground.send(dataset) == 0x0000
    ground.hold_all_laws()


@pytest.mark.slow
@pytest.mark.cell("15")
def test_asked_to_end_the_node_takes_what_is_on_its_way_and_ends(mortal: Ground, figure: Figure) -> None:
    taken, late = mortal.new_object(size=LARGE), mortal.new_object(size=LARGE)
    with _half_sent(mortal, taken) as finishes, _half_sent(mortal, late):
        began = time.monotonic()
        ending = threading.Thread(target=mortal.node.stop)
        ending.start()
        time.sleep(1)
        finishes.say(_second_half(taken))
        answer = finishes.hear(20)
        ending.join(timeout=60)
        seconds = time.monotonic() - began
    figure(f"ended after {seconds:.1f} s")
    assert answer.status == 0x0000
    mortal.scanner.acknowledged[taken.SOPInstanceUID] = encoded(taken)
    assert not mortal.node.is_running()
    assert seconds <= 30
    mortal.node.start()
    assert not mortal.is_journalled(late)
    assert mortal.send(late) == 0x0000
    mortal.hold_all_laws()


@pytest.mark.slow
@pytest.mark.cell("14")
def test_killed_in_the_middle_of_an_object_the_node_serves_again_at_once(
    mortal: Ground, figure: Figure
) -> None:
    dataset = mortal.new_object(size=LARGE)
    with _half_sent(mortal, dataset):
        assert wait_for(lambda: len(mortal.in_the_making()) == 1, seconds=5)
        mortal.node.kill()
        mortal.node.wait()
    seconds = mortal.node.start()
    figure(f"serving after {seconds:.1f} s, {mortal.processor_seconds():.1f} s of them processor time")
    assert not mortal.in_the_making()
    assert not mortal.is_journalled(dataset)
    assert mortal.send(dataset) == 0x0000
    mortal.hold_all_laws()
    assert seconds <= 5


@contextmanager
def _half_sent(ground: Ground, dataset: Dataset) -> Iterator[WirePeer]:
    """A peer that has sent a C-STORE's command and half its data set."""
    with peer(ground.node.port) as client:
        client.associate(ONE_CONTEXT)
        client.say(message(1, store_command(dataset.SOPInstanceUID.encode()), None))
        data_set = encoded(dataset)
        client.say(_fragments(data_set[: len(data_set) // 2], last=False))
        time.sleep(0.2)  # lets the node read it
        yield client


def _second_half(dataset: Dataset) -> bytes:
    data_set = encoded(dataset)
    return _fragments(data_set[len(data_set) // 2 :], last=True)


def _fragments(data_set: bytes, *, last: bool, size: int = 16_000) -> bytes:
    parts = [data_set[at : at + size] for at in range(0, len(data_set), size)]
    ends = [0] * (len(parts) - 1) + [2 if last else 0]
    return b"".join(pdu(P_DATA, pdv(1, end, part)) for part, end in zip(parts, ends, strict=True))


def _flood(client: WirePeer, megabyte: bytes, *, most: int, each: Callable[[], None] = lambda: None) -> int:
    """Send about a megabyte at a time until the node answers or closes; return how many it took."""
    client.connection.settimeout(15)
    for sent in range(most):
        try:
            if select.select([client.connection], [], [], 0)[0]:
                return sent
            client.connection.sendall(megabyte)
        except OSError:
            return sent
        each()
    return most
