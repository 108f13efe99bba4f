"""Cells 1 to 9: peers that connect and then stall, swarm, probe or exhaust; others are served meanwhile."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from resource import RLIMIT_NOFILE

import pytest
from ground import Ground, connected, failing, limited, on_ground, peer
from node_under_fire import wait_for
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from wire import ABORT, ASSOCIATE_RJ, P_DATA, associate_request, pdv, store_command

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]

HOSTILE = "127.0.0.2"
CLOSED_SECONDS = 15.0
SERVED_SECONDS = 1.0
HALF_HEADER = b"\x01\x00\x00"
HALF_REQUEST = associate_request()[:100]
FIVE_HUNDRED_CONTEXTS = [
    (number * 2 % 256 + 1, SecondaryCaptureImageStorage, [ExplicitVRLittleEndian]) for number in range(500)
]
Figure = Callable[[str], None]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with on_ground(tmp_path_factory.mktemp("accept"), analyses=False) as ground:
        ground.good_client_seconds()
        yield ground


@pytest.fixture(scope="module")
def stuck(ground: Ground) -> Mapping[str, tuple[float, float]]:
    """All four at once: after how long each was closed, and the good client's longest wait meanwhile."""
    over = threading.Event()
    with ThreadPoolExecutor() as pool:
        good = pool.submit(_slowest_good_client, ground, over)
        ends = {
            "silent": pool.submit(_seconds_until_closed, ground, b""),
            "half header": pool.submit(_seconds_until_closed, ground, HALF_HEADER),
            "half request": pool.submit(_seconds_until_closed, ground, HALF_REQUEST),
            "drip": pool.submit(_seconds_until_closed, ground, b"\x01", drip=True),
        }
        closed = {name: end.result() for name, end in ends.items()}
        over.set()
        return {name: (seconds, good.result()) for name, seconds in closed.items()}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("silent", marks=pytest.mark.cell("1")),
        pytest.param("half header", marks=pytest.mark.cell("2")),
        pytest.param("half request", marks=pytest.mark.cell("3")),
        pytest.param("drip", marks=pytest.mark.cell("4")),
    ],
)
def test_a_stuck_peer_is_closed_and_others_are_served(
    ground: Ground, stuck: Mapping[str, tuple[float, float]], kind: str, figure: Figure
) -> None:
    closed_after, good_client = stuck[kind]
    figure(f"closed after {closed_after:.1f} s; good client {good_client:.3f} s")
    assert closed_after <= CLOSED_SECONDS
    assert good_client <= SERVED_SECONDS
    ground.hold_all_laws()


@pytest.mark.cell("5")
def test_two_hundred_connections_at_once_are_all_answered(ground: Ground, figure: Figure) -> None:
    seconds = _answer_seconds(ground, count=200)
    figure(f"{len(seconds)} of 200 answered or closed, the last after {max(seconds):.2f} s")
    assert len(seconds) == 200
    assert max(seconds) <= 5
    assert wait_for(lambda: _is_served(ground), seconds=CLOSED_SECONDS)
    ground.hold_all_laws()


@pytest.mark.cell("6")
def test_three_hundred_silent_connections_do_not_delay_a_client_from_elsewhere(
    ground: Ground, figure: Figure
) -> None:
    before = ground.resident_mib()
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(contextlib.closing(connected(ground.node.port, address=HOSTILE)))
        slowest = max(ground.good_client_seconds() for _ in range(20))
        growth = ground.resident_mib() - before
    figure(f"good client at most {slowest:.3f} s beside 300; memory + {growth:.1f} MiB")
    assert slowest <= SERVED_SECONDS
    assert growth <= 300 * 2
    ground.hold_all_laws()


@pytest.mark.cell("6")
def test_peers_that_hold_all_the_memory_they_can_get_hold_little(ground: Ground, figure: Figure) -> None:
    """A hundred associations, each with an object and a PDU that never end."""
    before = ground.resident_mib()
    held = 0
    with ExitStack() as stack:
        for number in range(100):
            client = stack.enter_context(peer(ground.node.port, address=HOSTILE))
            client.say(associate_request(calling=f"HOSTILE{number // 10}".encode()))
            held += client.hear().kind == 2
            client.say(*_object_and_pdu_without_end())
        time.sleep(1)  # lets the node read what is on its way
        resident = ground.resident_mib()
        refused = ground.send(ground.new_object())
    each = (resident - before) / held
    figure(f"{held} associations that stall in the middle of all they may send: {each:.2f} MiB each")
    assert held == 100
    assert refused is None, "maximum_associations is 100"
    assert each <= 2
    assert resident <= 1024
    assert wait_for(lambda: _is_served(ground), seconds=CLOSED_SECONDS)
    ground.hold_all_laws()


BAD_GREETINGS: Mapping[str, tuple[bytes, set[int]]] = {
    "HTTP": (b"GET / HTTP/1.1\r\nHost: node\r\n\r\n", {ABORT}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), {ABORT}),
    "protocol version 2": (associate_request(version=2), {ASSOCIATE_RJ}),
    "another called AE title": (associate_request(called=b"SOMEBODYELSE"), {ASSOCIATE_RJ}),
    "control characters in the AE title": (associate_request(called=b"\0\x1b[2J\xff"), {ASSOCIATE_RJ, ABORT}),
    "500 contexts": (associate_request(FIVE_HUNDRED_CONTEXTS), {ASSOCIATE_RJ, ABORT}),
}


@pytest.mark.cell("9")
@pytest.mark.parametrize("name", BAD_GREETINGS)
def test_a_bad_greeting_is_rejected_and_its_slot_is_free_at_once(
    ground: Ground, name: str, figure: Figure
) -> None:
    greeting, answers = BAD_GREETINGS[name]
    with ExitStack() as stack:
        peers = [stack.enter_context(peer(ground.node.port)) for _ in range(25)]  # 20 slots has an address
        for greeter in peers:
            greeter.say(greeting)
        assert {greeter.hear().kind for greeter in peers} <= answers
        seconds = ground.good_client_seconds()
    figure(f"{name}: slot back after {seconds:.3f} s")
    assert seconds <= SERVED_SECONDS
    ground.hold_all_laws()


@pytest.mark.cell("7")
def test_without_descriptors_the_node_refuses_quietly_and_recovers(ground: Ground, figure: Figure) -> None:
    with limited(ground.node.pid, RLIMIT_NOFILE, ground.open_descriptors() + 8), _silent(ground, 60):
        time.sleep(1)
        began, used = time.monotonic(), ground.processor_seconds()
        time.sleep(3)
        load = (ground.processor_seconds() - used) / (time.monotonic() - began)
        reported = "cannot accept a connection" in ground.node.log_tail()
    began = time.monotonic()
    assert wait_for(lambda: _is_served(ground), seconds=CLOSED_SECONDS)
    figure(f"{load:.0%} of a core meanwhile; serving {time.monotonic() - began:.2f} s afterwards")
    assert reported
    assert load < 0.25
    ground.hold_all_laws()


@pytest.mark.cell("8")
@pytest.mark.strace
@pytest.mark.root
def test_without_threads_the_node_refuses_and_recovers(
    ground: Ground, tmp_path: Path, figure: Figure
) -> None:
    with failing(ground.node.pid, "clone,clone3", "error=EAGAIN", tmp_path / "strace") as calls:
        refused = [ground.send(ground.new_object(), patience=5) for _ in range(5)]
        used = ground.processor_seconds()
        time.sleep(2)
        load = (ground.processor_seconds() - used) / 2
        assert calls(), "no thread was asked for"
    assert refused == [None] * 5
    began = time.monotonic()
    assert wait_for(lambda: _is_served(ground), seconds=CLOSED_SECONDS)
    figure(f"{load:.0%} of a core meanwhile; serving {time.monotonic() - began:.2f} s afterwards")
    assert load < 0.25
    ground.hold_all_laws()


def _slowest_good_client(ground: Ground, over: threading.Event) -> float:
    slowest = 0.0
    while not over.wait(0.25):
        slowest = max(slowest, ground.good_client_seconds())
    return slowest


def _seconds_until_closed(ground: Ground, first_bytes: bytes, *, drip: bool = False) -> float:
    """Connect, say `first_bytes` and no more, or one byte every two seconds."""
    began = time.monotonic()
    with connected(ground.node.port, address=HOSTILE) as connection:
        connection.sendall(first_bytes)
        connection.settimeout(2 if drip else 2 * CLOSED_SECONDS)
        while time.monotonic() - began < 2 * CLOSED_SECONDS:
            try:
                if not connection.recv(4096):
                    break
            except TimeoutError:
                connection.sendall(b"\0")
            except OSError:
                break
    return time.monotonic() - began


def _answer_seconds(ground: Ground, *, count: int) -> list[float]:
    """Connect `count` times at once, ask for an association; return when each answer or end came."""
    request = associate_request()
    seconds: list[float] = []
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        began = time.monotonic()
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", ground.node.port))
            selector.register(connection, selectors.EVENT_WRITE)
        while selector.get_map() and time.monotonic() - began < 10:
            for key, events in selector.select(timeout=0.1):
                connection = key.fileobj  # type: ignore[assignment]
                try:
                    if events & selectors.EVENT_WRITE:
                        connection.send(request)
                        selector.modify(connection, selectors.EVENT_READ)
                        continue
                    connection.recv(1)
                except OSError:
                    pass  # closed: an answer as well
                seconds.append(time.monotonic() - began)
                selector.unregister(connection)
    return seconds


def _object_and_pdu_without_end() -> Iterator[bytes]:
    """A C-STORE of 3.9 MiB without its last fragment, then all but the end of a PDU of 1 MiB."""
    command = pdv(1, 3, store_command(b"1.2.3"))
    yield struct.pack(">BxL", P_DATA, len(command)) + command
    for _ in range(30):
        fragment = pdv(1, 0, bytes(131_000))
        yield struct.pack(">BxL", P_DATA, len(fragment)) + fragment
    yield struct.pack(">BxLLBB", P_DATA, 1_048_000, 1_047_996, 1, 0) + bytes(1_000_000)


@contextmanager
def _silent(ground: Ground, count: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(contextlib.closing(connected(ground.node.port, address=HOSTILE)))
        yield


def _is_served(ground: Ground) -> bool:
    try:
        return ground.send(ground.new_object(), patience=2) == 0x0000
    except OSError:
        return False
