"""The outbox as an administrator sees it: why each object is there, and what a retry or a discard does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from delivery_support import SETTINGS, Ground, delivery_ground
from node_support import load_config

from dicom_node.config import NodeConfig
from dicom_node.errors import OperationRefusedError
from dicom_node.network.peers import Peer
from dicom_node.storage.records import Delivery
from dicom_node.workflow.breaker import Breaker
from dicom_node.workflow.queue_view import PAGE_SIZE, QueueItem, Why, queue_page, require_open

PEER = Peer("PACS", "127.0.0.1", 11112)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with delivery_ground(tmp_path) as opened:
        yield opened


@pytest.fixture
def config(tmp_path: Path) -> NodeConfig:
    return load_config(tmp_path / "site", destinations=[("pacs", PEER), ("archive", PEER)])


def items(ground: Ground, config: NodeConfig) -> list[QueueItem]:
    return list(queue_page(ground.journal, config, now=ground.clock()).items)


def reasons(ground: Ground, config: NodeConfig) -> list[Why]:
    return [item.why for item in items(ground, config)]


def claim(ground: Ground, destination: str = "pacs") -> list[Delivery]:
    return ground.journal.claim_deliveries(destination, owner="me", lease_seconds=60)


def breaker(ground: Ground) -> Breaker:
    jitter = Random(1)  # noqa: S311 - spreads retries, protects nothing
    return Breaker("pacs", SETTINGS, ground.journal, random_source=jitter, clock=ground.clock)


def test_the_first_of_a_study_is_next_and_the_others_wait_behind_it(
    ground: Ground, config: NodeConfig
) -> None:
    ground.results("pacs")
    assert reasons(ground, config) == [Why.NEXT, Why.BEHIND, Why.BEHIND]


def test_what_is_being_sent_says_so(ground: Ground, config: NodeConfig) -> None:
    ground.results("pacs")
    claim(ground)
    assert reasons(ground, config) == [Why.SENDING] * 3


def test_a_dead_letter_comes_first_with_its_reason_and_its_last_status(
    ground: Ground, config: NodeConfig
) -> None:
    ground.results("archive")
    ground.results("pacs", study="1.2.4")
    ground.journal.bury_delivery(claim(ground)[1], reason="No such SOP class", status=0x0118)
    first = items(ground, config)[0]
    assert (first.why, first.delivery.reason, first.status_text) == (
        Why.GIVEN_UP,
        "No such SOP class",
        "0118H",
    )


def test_a_failed_object_says_when_it_is_tried_again(ground: Ground, config: NodeConfig) -> None:
    ground.results("pacs")
    later = ground.clock() + timedelta(minutes=5)
    for delivery in claim(ground):
        ground.journal.retry_delivery_at(delivery, later, reason="busy", status=0xA700)
    first = items(ground, config)[0]
    assert (first.why, first.next_attempt_at[:16]) == (Why.RETRY_LATER, later.isoformat()[:16])


def test_a_destination_that_is_down_is_the_reason_of_all_that_waits_for_it(
    ground: Ground, config: NodeConfig
) -> None:
    ground.results("pacs", "archive")
    down = breaker(ground)
    for _ in range(SETTINGS.breaker_failures):
        down.failed("connection refused")
    found = {(item.delivery.destination, item.why) for item in items(ground, config)}
    assert found == {
        ("pacs", Why.DESTINATION_DOWN),
        ("archive", Why.NEXT),
        ("archive", Why.BEHIND),
    }


def test_hours_a_hold_and_a_removed_destination_are_reasons(ground: Ground, config: NodeConfig) -> None:
    ground.results("pacs", "archive", "gone")
    ground.journal.hold_study("1.2.3", by="anna", reason="wrong patient")
    local = ground.clock().astimezone()
    closed = f"{local + timedelta(hours=1):%H:%M}-{local + timedelta(hours=2):%H:%M}"
    pacs, archive = config.destinations
    with_hours = replace(config, destinations=(pacs, replace(archive, hours=closed)))
    found = {item.delivery.destination: item.why for item in items(ground, with_hours)}
    assert found == {"pacs": Why.HELD, "archive": Why.HELD, "gone": Why.NOT_CONFIGURED}
    ground.journal.release_study("1.2.3", by="anna", reason="is right")
    assert items(ground, with_hours)[3].why is Why.OUTSIDE_HOURS


def test_what_the_destination_accepted_waits_for_its_confirmation(ground: Ground, config: NodeConfig) -> None:
    ground.results("pacs")
    for delivery in claim(ground):
        ground.journal.mark_stored(delivery, 0, verify_at=ground.clock())
    pacs, archive = config.destinations
    committing = replace(config, destinations=(replace(pacs, confirm="commitment"), archive))
    assert reasons(ground, committing) == [Why.COMMITMENT_AWAITED] * 3


def test_retrying_one_sends_it_at_once_though_the_destination_rests(
    ground: Ground, config: NodeConfig
) -> None:
    ground.results("pacs")
    rested = breaker(ground)
    for delivery in claim(ground):
        ground.journal.retry_delivery_at(delivery, ground.clock() + timedelta(hours=1), reason="busy")
    rested.failed("busy")
    assert not rested.allows()
    last = items(ground, config)[-1].delivery
    assert ground.journal.retry_delivery_now(last.id) == 3, "those before it go first"
    assert rested.allows()
    assert len(claim(ground)) == 3


def test_retrying_one_dead_letter_leaves_the_others_dead(ground: Ground, config: NodeConfig) -> None:
    ground.results("pacs")
    for delivery in claim(ground):
        ground.journal.bury_delivery(delivery, reason="refused")
    assert ground.journal.retry_delivery_now(items(ground, config)[1].delivery.id) == 1
    assert ground.deliveries == {"dead": 2, "pending": 1}


def test_retrying_a_destination_leaves_the_others_alone(ground: Ground, config: NodeConfig) -> None:
    ground.results("pacs", "archive")
    for name in ("pacs", "archive"):
        for delivery in claim(ground, name):
            ground.journal.bury_delivery(delivery, reason="refused")
    assert ground.journal.retry_destination_now("pacs") == 3
    page = queue_page(ground.journal, config, now=ground.clock())
    assert {item.name: (item.dead, item.waiting) for item in page.destinations} == {
        "pacs": (0, 3),
        "archive": (3, 0),
    }


def test_a_discarded_dead_letter_is_gone_and_the_events_say_why(ground: Ground, config: NodeConfig) -> None:
    ground.results("pacs")
    for delivery in claim(ground):
        ground.journal.bury_delivery(delivery, reason="refused")
    chosen = items(ground, config)[0].delivery.id
    ground.journal.discard_deliveries(delivery_id=chosen, because="anna: sent by hand")
    assert ground.deliveries == {"dead": 2, "discarded": 1}
    assert "anna: sent by hand" in ground.journal.events()[-1].message
    with pytest.raises(OperationRefusedError, match="does not wait any more"):
        require_open(ground.journal, chosen)


def test_pages_hold_so_many_and_filters_choose(ground: Ground, config: NodeConfig) -> None:
    for number in range(20):
        ground.results("pacs", study=f"1.2.{number}")
    ground.results("archive", study="1.3")
    last = queue_page(ground.journal, config, page=99, now=ground.clock())
    assert (last.page, last.pages, last.total, len(last.items)) == (2, 2, 63, 63 - PAGE_SIZE)
    of_one = queue_page(ground.journal, config, destination="archive", now=ground.clock())
    assert {item.delivery.destination for item in of_one.items} == {"archive"}
    assert queue_page(ground.journal, config, states=["dead"], now=ground.clock()).items == ()
