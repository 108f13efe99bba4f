"""Limits protect the others: what is refused is counted by reason; a good sender is served meanwhile."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from raw_association import (
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    pdata,
    raw_association,
    raw_connection,
    request_pdu,
    store_command,
)
from raw_scu import encoded, raw_scu, secondary_capture
from running_receiver import RunningReceiver

from dicom_node.network import guard
from dicom_node.network.guard import PeerCut, send_within
from dicom_node.observe.metrics import REGISTRY


@contextmanager
def counted(name: str, **labels: str) -> Iterator[Callable[[], float]]:
    """A function that tells by how much a metric has grown."""
    before = REGISTRY.get_sample_value(name, labels) or 0.0
    yield lambda: (REGISTRY.get_sample_value(name, labels) or 0.0) - before


def refused(reason: str) -> object:
    return counted("radius_dxa_associations_refused_total", reason=reason)


def rejection(port: int, *, calling: str = "SCANNER") -> tuple[int, ...]:
    with raw_connection(port) as connection:
        connection.send(request_pdu(calling=calling))
        kind, body = connection.receive()
        return tuple(body[1:]) if kind == ASSOCIATE_RJ else ()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def test_one_association_too_many_is_rejected_as_passing(
    start_receiver: Callable[..., RunningReceiver],
) -> None:
    receiver = start_receiver(maximum_associations=2)
    with refused("maximum_associations") as grown:  # type: ignore[attr-defined]
        with raw_association(receiver.port), raw_association(receiver.port):
            assert rejection(receiver.port) == (2, 3, 2)  # transient; local limit exceeded
        assert grown() == 1
    wait_until(lambda: rejection(receiver.port) == ())
    events = [event for event in receiver.journal.events() if event.code == "association_rejected"]
    assert "maximum_associations" in events[0].message


def test_one_sender_cannot_take_every_association(start_receiver: Callable[..., RunningReceiver]) -> None:
    receiver = start_receiver(maximum_associations_per_ae=2)
    with raw_association(receiver.port), raw_association(receiver.port):
        assert rejection(receiver.port) == (2, 3, 2)
        assert rejection(receiver.port, calling="ANOTHER") == ()
    wait_until(lambda: rejection(receiver.port) == ())


def test_an_address_with_many_silent_connections_loses_the_oldest_and_is_still_served(
    start_receiver: Callable[..., RunningReceiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "GRACE_SECONDS", 0.2)
    receiver = start_receiver(maximum_waiting_connections_per_address=5)
    with refused("too_many_connections") as grown, ExitStack() as silent:  # type: ignore[attr-defined]
        connections = [silent.enter_context(raw_connection(receiver.port)) for _ in range(5)]
        time.sleep(0.3)
        with raw_association(receiver.port) as good:
            good.release()
        assert connections[0].receive() == (0, b"")
        assert grown() == 1
        connections[4].send(request_pdu())
        assert connections[4].receive()[0] == ASSOCIATE_AC


def test_a_burst_of_senders_from_one_address_is_served_whole(
    start_receiver: Callable[..., RunningReceiver],
) -> None:
    receiver = start_receiver(maximum_associations=150, maximum_associations_per_ae=150)
    answers: list[int] = []

    def associate() -> None:
        with raw_connection(receiver.port) as connection:
            connection.send(request_pdu())
            answers.append(connection.receive()[0])

    threads = [threading.Thread(target=associate) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert answers == [ASSOCIATE_AC] * 100


def test_three_hundred_silent_connections_do_not_delay_a_good_sender(receiver: RunningReceiver) -> None:
    with ExitStack() as silent:
        for _ in range(300):
            silent.enter_context(raw_connection(receiver.port))
        started = time.monotonic()
        with raw_association(receiver.port) as good:
            assert good.store("1.2.3.1", encoded(secondary_capture("1.2.3.1"))) == 0x0000
        assert time.monotonic() - started < 2


def test_without_descriptors_the_node_waits_and_recovers(
    receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    (listener,) = receiver.receiver._listeners
    port = listener.port
    calls = 0

    class OutOfDescriptors:
        def accept(self) -> object:
            nonlocal calls
            calls += 1
            raise OSError(errno.EMFILE, "Too many open files")

    with refused("accept_failed") as grown:  # type: ignore[attr-defined]
        with monkeypatch.context() as broken:
            broken.setattr(listener, "_socket", OutOfDescriptors())
            with raw_connection(port):
                wait_until(lambda: calls >= 3)
                time.sleep(0.5)
        assert calls < 20, "no busy loop"
        assert grown() == calls
    with raw_association(receiver.port) as good:
        good.release()


def test_without_threads_a_connection_is_closed_and_the_next_one_is_served(
    receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = threading.Thread.start

    def no_thread(thread: threading.Thread) -> None:
        if thread.name == "association":
            raise RuntimeError("can't start new thread")
        real(thread)

    with refused("no_thread") as grown:  # type: ignore[attr-defined]
        with monkeypatch.context() as broken:
            broken.setattr(threading.Thread, "start", no_thread)
            with raw_connection(receiver.port) as connection:
                assert connection.receive() == (0, b"")
        assert grown() == 1
    with raw_association(receiver.port) as good:
        good.release()


def test_a_peer_that_never_reads_its_answers_is_given_up() -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(0.1)
    started = time.monotonic()
    with ours, theirs, pytest.raises(PeerCut, match="send_timeout"):
        send_within(ours, bytes(50_000_000), 0.5)
    assert time.monotonic() - started < 5


def test_instances_and_bytes_are_counted_by_outcome(receiver: RunningReceiver) -> None:
    good = encoded(secondary_capture("1.2.3.1"))
    with (
        counted("radius_dxa_instances_received_total", outcome="stored") as stored,
        counted("radius_dxa_instances_received_total", outcome="duplicate") as duplicates,
        counted("radius_dxa_instances_received_total", outcome="malformed_data_set") as malformed,
        counted("radius_dxa_received_bytes_total") as received_bytes,
        counted("radius_dxa_store_seconds_count") as timed,
        counted("radius_dxa_associations_total") as associations,
        counted("radius_dxa_associations_open") as open_now,
    ):
        with raw_scu(receiver.port) as scu:
            scu.store(good, instance="1.2.3.1")
            scu.store(good, instance="1.2.3.1")
            scu.store(good[:-3], instance="1.2.3.1")
            assert open_now() == 1
        assert (stored(), duplicates(), malformed()) == (1, 1, 1)
        assert received_bytes() == 3 * len(good) - 3
        assert timed() == 3
        assert associations() == 1
        wait_until(lambda: open_now() == 0)


@pytest.mark.parametrize("point", ["os.replace", "os.fsync", "os.write"])
def test_a_step_that_fails_leaves_no_file_in_the_making(
    receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    with raw_association(receiver.port) as association:
        with monkeypatch.context() as broken:
            broken.setattr(point, lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
            association.send(pdata([(1, 3, store_command("1.2.3.1"))]))
            association.send(pdata([(1, 2, encoded(secondary_capture("1.2.3.1")))]))
            assert association.status() == 0xA700
        assert receiver.files == set()
        assert receiver.journal.instances("1.2.3") == ()
        assert association.store("1.2.3.1", encoded(secondary_capture("1.2.3.1"))) == 0x0000
