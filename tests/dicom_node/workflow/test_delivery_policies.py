"""Circuit breaker, hours, rate, term: what a site may ask of a destination is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from delivery_support import PATIENT, SETTINGS, Ground, at, delivery_ground
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import BasicTextSRStorage
from scripted_scp import scripted_scp

from dicom_node.config import ClientTls, Destination
from dicom_node.network.sender import Peer
from dicom_node.observe.metrics import REGISTRY
from dicom_node.workflow.pacing import Pace, within_hours

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with delivery_ground(tmp_path) as made:
        yield made


def down_metric(name: str) -> float | None:
    return REGISTRY.get_sample_value("radius_dxa_destination_down", {"destination": name})


def test_a_destination_that_stays_down_opens_the_breaker_once_and_its_answer_closes_it(
    ground: Ground, free_port: Callable[[], int]
) -> None:
    uids = ground.results("pacs")
    port = free_port()
    settings = replace(SETTINGS, breaker_failures=3)
    queue = ground.queue("pacs", Peer("SCRIPTED", "127.0.0.1", port), settings)
    for number in range(1, 5):
        queue.pump()
        health = ground.journal.destination_health("pacs")
        assert (health.failures, health.breaker) == (number, "open" if number >= 3 else "closed")
        queue.pump()
        assert ground.journal.destination_health("pacs").failures == number, "it rests"
        ground.clock.advance(60)
    assert ground.codes().count("breaker_open") == 1
    assert down_metric("pacs") == 1
    with scripted_scp(port=port) as pacs:
        queue.pump()
    assert pacs.sop_instance_uids == uids
    assert ground.journal.destination_health("pacs").breaker == "closed"
    assert ground.codes().count("breaker_closed") == 1
    assert down_metric("pacs") == 0


def test_a_restart_does_not_forget_that_a_destination_is_down(
    ground: Ground, free_port: Callable[[], int]
) -> None:
    ground.results("pacs")
    peer = Peer("GONE", "127.0.0.1", free_port())
    settings = replace(SETTINGS, breaker_failures=1)
    ground.queue("pacs", peer, settings).pump()
    restarted = ground.queue("pacs", peer, settings)
    restarted.pump()
    assert ground.journal.destination_health("pacs").failures == 1, "it still rests"
    assert down_metric("pacs") == 1


def test_outside_its_hours_nothing_is_sent(ground: Ground) -> None:
    uids = ground.results("pacs")
    local = ground.clock().astimezone()
    begin, end = (f"{(local.hour + shift) % 24:02}:{local.minute:02}" for shift in (2, 4))
    with scripted_scp() as pacs:
        queue = ground.queue_to(at(pacs.peer, hours=f"{begin}-{end}"))
        queue.pump()
        assert pacs.sop_instance_uids == []
        ground.clock.advance(2 * 3600)
        queue.pump()
    assert pacs.sop_instance_uids == uids


@pytest.mark.parametrize(
    ("hours", "local", "inside"),
    [
        ("19:00-07:00", "2026-06-01 18:59:59", False),
        ("19:00-07:00", "2026-06-01 19:00:00", True),
        ("19:00-07:00", "2026-06-02 06:59:59", True),
        ("19:00-07:00", "2026-06-02 07:00:00", False),
        ("08:00-17:30", "2026-06-01 17:29:00", True),
        ("08:00-17:30", "2026-06-01 17:30:00", False),
        (None, "2026-06-01 12:00:00", True),
    ],
)
def test_hours_may_cross_midnight(hours: str | None, local: str, inside: bool) -> None:
    moment = datetime.fromisoformat(local).replace(tzinfo=BERLIN)
    assert within_hours(hours, moment, zone=BERLIN) is inside


@pytest.mark.parametrize(
    ("utc", "inside"),
    [
        ("2026-03-29T00:59:00+00:00", False),  # 01:59 winter time
        ("2026-03-29T01:00:00+00:00", True),  # 03:00 summer time, an hour later on the wall
        ("2026-10-25T00:30:00+00:00", True),  # 02:30 summer time
        ("2026-10-25T01:30:00+00:00", True),  # 02:30 once more, winter time
        ("2026-10-25T03:00:00+00:00", False),  # 04:00
    ],
)
def test_hours_follow_the_clock_on_the_wall_when_summer_time_changes(utc: str, inside: bool) -> None:
    assert within_hours("02:00-04:00", datetime.fromisoformat(utc), zone=BERLIN) is inside


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_every_minute_lies_in_the_hours_or_in_their_complement(begin: int, end: int, minute: int) -> None:
    if begin == end:
        return
    clock = [f"{value // 60:02}:{value % 60:02}" for value in (begin, end)]
    moment = datetime(2026, 6, 1, minute // 60, minute % 60, tzinfo=BERLIN)
    inside = within_hours("-".join(clock), moment, zone=BERLIN)
    assert inside is not within_hours("-".join(reversed(clock)), moment, zone=BERLIN)


def test_a_failure_that_may_pass_is_given_up_only_after_the_term(
    ground: Ground, free_port: Callable[[], int]
) -> None:
    ground.results("pacs")
    queue = ground.queue_to(at(Peer("GONE", "127.0.0.1", free_port()), give_up_days=2))
    queue.pump()
    ground.clock.advance(47 * 3600)
    queue.pump()
    assert ground.deliveries == {"pending": 3}
    ground.clock.advance(2 * 3600)
    queue.pump()
    assert ground.deliveries == {"dead": 3}
    assert "given up after 2 days" in ground.journal.dead_letters()[0]["reason"]
    assert ground.journal.revive_deliveries() == 3
    ground.clock.advance(60)
    queue.pump()
    assert ground.deliveries == {"pending": 3}, "whoever sends it again gives it a new term"


def test_without_a_term_nothing_is_ever_given_up(ground: Ground, free_port: Callable[[], int]) -> None:
    ground.results("pacs")
    queue = ground.queue("pacs", Peer("GONE", "127.0.0.1", free_port()))
    for _ in range(5):
        queue.pump()
        ground.clock.advance(365 * 86_400)
    assert ground.deliveries == {"pending": 3}


def test_a_rate_limit_is_kept_and_the_association_stays_open(ground: Ground) -> None:
    ground.results("pacs")
    with scripted_scp() as pacs:
        queue = ground.queue_to(at(pacs.peer, max_instances_per_second=10), PATIENT)
        started = time.monotonic()
        queue.pump()
        seconds = time.monotonic() - started
        queue.close()
    assert len(pacs.sop_instance_uids) == 3
    assert seconds >= 0.2, "the first goes at once, the second and third wait"


@given(
    st.floats(0, 50),
    st.floats(0, 1e6),
    st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 2)), max_size=20),
)
def test_no_second_of_any_length_carries_more_than_its_rate(
    instances: float, size_rate: float, sent: list[tuple[int, float]]
) -> None:
    now = 0.0
    destination = Destination(
        "pacs", "PACS", "h", 1, max_instances_per_second=instances, max_bytes_per_second=size_rate
    )
    pace = Pace(destination, monotonic=lambda: now)
    total = 0
    for number, (size, idle) in enumerate(sent):
        now += pace.wait_seconds() + idle
        if instances:
            assert now >= (number / instances) * (1 - 1e-9)
        if size_rate:
            assert now >= (total / size_rate) * (1 - 1e-9)
        pace.spend(size)
        total += size


def test_with_a_rate_limit_a_refused_sop_class_spares_the_others(ground: Ground) -> None:
    ground.results("pacs")
    with scripted_scp(sop_classes=(BasicTextSRStorage,)) as pacs:
        queue = ground.queue_to(at(pacs.peer, max_instances_per_second=100), PATIENT)
        queue.pump()
        queue.close()
    assert ground.deliveries == {"delivered": 1, "dead": 2}


def test_what_was_claimed_is_handed_back_when_the_node_stops_while_it_paces(ground: Ground) -> None:
    ground.results("pacs")

    def stop_after_first(_event: object, _count: int) -> int:
        queue.stop()
        return 0

    with scripted_scp(status=stop_after_first) as pacs:
        queue = ground.queue_to(at(pacs.peer, max_instances_per_second=0.001), PATIENT)
        queue.pump()
        queue.close()
    assert ground.deliveries == {"delivered": 1, "pending": 2}


def test_a_warning_of_the_destination_is_delivered_and_noted(ground: Ground) -> None:
    ground.results("pacs")
    with scripted_scp(status=lambda _event, count: 0xB000 if count == 0 else 0) as pacs:
        ground.queue("pacs", pacs.peer).pump()
    assert ground.deliveries == {"delivered": 3}
    (warning,) = [event for event in ground.journal.events() if event.code == "delivered_with_warning"]
    assert "0xB000 (Coercion of data elements)" in warning.message


def test_a_certificate_file_that_is_damaged_makes_the_destination_wait_and_nothing_else(
    ground: Ground, tmp_path: Path
) -> None:
    ground.results("pacs", "archive")
    damaged = tmp_path / "ca.pem"
    damaged.write_text("no certificate")
    with scripted_scp() as pacs:
        secure = Peer("SCRIPTED", "127.0.0.1", pacs.peer.port, ClientTls(trusted=damaged))
        ground.queue("pacs", secure).pump()
        ground.queue("archive", pacs.peer).pump()
    assert ground.deliveries == {"pending": 3, "delivered": 3}
