"""Peers that stall, flood or lie about lengths lose their connection; everybody else is served meanwhile."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pynetdicom import AE
from raw_scu import raw_scu, secondary_capture
from running_receiver import RunningReceiver

from dicom_node.network import guard


@contextmanager
def connections(port: int, count: int, first_bytes: bytes) -> Iterator[list[socket.socket]]:
    opened = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(count)]
    try:
        for connection in opened:
            connection.sendall(first_bytes)
        yield opened
    finally:
        for connection in opened:
            connection.close()


def seconds_until_closed(connection: socket.socket, limit: float) -> float:
    started = time.monotonic()
    connection.settimeout(limit)
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - started


def echo_succeeds(port: int) -> bool:
    ae = AE(ae_title="SCANNER")
    ae.add_requested_context("1.2.840.10008.1.1")
    association = ae.associate("127.0.0.1", port, ae_title="RADIUSDXA")
    if not association.is_established:
        return False
    status = association.send_c_echo().Status
    association.release()
    return bool(status == 0x0000)


HALF_HEADER = b"\x01\x00\x00"
HALF_REQUEST = struct.pack(">BBL", 0x01, 0, 200) + bytes(50)


@pytest.mark.parametrize("stuck", [HALF_HEADER, HALF_REQUEST], ids=["half a header", "half a request"])
def test_half_a_pdu_is_dropped_at_its_deadline_and_its_slot_is_free(
    start_receiver: Callable[..., RunningReceiver], monkeypatch: pytest.MonkeyPatch, stuck: bytes
) -> None:
    monkeypatch.setattr(guard, "PDU_DEADLINE_SECONDS", 1.0)
    receiver = start_receiver(maximum_associations=4)
    with connections(receiver.port, 6, stuck) as opened:
        for connection in opened:
            assert seconds_until_closed(connection, limit=5) < 4
        assert echo_succeeds(receiver.port)


def test_a_drip_of_bytes_does_not_extend_the_deadline(
    receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "PDU_DEADLINE_SECONDS", 1.0)
    with connections(receiver.port, 1, HALF_REQUEST) as (connection,):
        started = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while time.monotonic() - started < 8:
                connection.sendall(b"\0")
                time.sleep(0.2)
        assert time.monotonic() - started < 5


def test_a_pdu_that_claims_four_gigabytes_is_dropped_at_once(receiver: RunningReceiver) -> None:
    with connections(receiver.port, 1, struct.pack(">BBL", 0x01, 0, 0xFFFFFFFF) + bytes(1000)) as (
        connection,
    ):
        assert seconds_until_closed(connection, limit=5) < 2
    assert echo_succeeds(receiver.port)


def test_port_scanners_do_not_take_the_slots_of_scanners(
    start_receiver: Callable[..., RunningReceiver],
) -> None:
    receiver = start_receiver(maximum_associations=4)
    with connections(receiver.port, 10, b"GET / HTTP/1.1\r\n\r\n") as probes:
        for probe in probes:
            seconds_until_closed(probe, limit=5)
        deadline = time.monotonic() + 3
        while not echo_succeeds(receiver.port):
            assert time.monotonic() < deadline, "the slots of closed connections must come free at once"


def test_a_hundred_connections_at_once_are_all_answered(receiver: RunningReceiver) -> None:
    with connections(receiver.port, 100, b"GET / HTTP/1.1\r\n\r\n") as probes:
        for probe in probes:
            assert seconds_until_closed(probe, limit=10) < 10


def test_an_object_whose_sender_vanishes_is_not_journalled(receiver: RunningReceiver) -> None:
    with raw_scu(receiver.port) as scu:
        scu.store_dataset(secondary_capture("1.2.3.1"))
        connection = scu.association.dul.socket.socket
        half = struct.pack(">BBLLBB", 0x04, 0, 10_000, 9_996, 1, 0) + bytes(500)
        connection.sendall(half)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        scu.association.abort()
    assert echo_succeeds(receiver.port)
    assert len(receiver.journal.instances("1.2.3")) == 1
    assert len(receiver.files) == 1
