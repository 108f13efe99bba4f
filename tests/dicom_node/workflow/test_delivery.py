"""Results reach every destination once, in order, and one bad destination never delays another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from delivery_support import Ground, delivery_ground
from hypothesis import given
from hypothesis import strategies as st
from scripted_scp import mute_server, scripted_scp

from dicom_node.config import DeliverySettings
from dicom_node.network.sender import Peer
from dicom_node.workflow.delivery import backoff_seconds


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with delivery_ground(tmp_path) as made:
        yield made


def test_results_arrive_once_and_in_order(ground: Ground) -> None:
    uids = ground.results("pacs")
    with scripted_scp() as pacs:
        queue = ground.queue("pacs", pacs.peer)
        queue.pump()
        queue.pump()
    assert pacs.sop_instance_uids == uids
    assert pacs.calling_ae_titles == ["RADIUSDXA"] * 3
    assert ground.deliveries == {"delivered": 3}


def test_a_destination_that_is_out_of_resources_gets_the_rest_later_and_in_order(ground: Ground) -> None:
    uids = ground.results("pacs")
    with scripted_scp(status=lambda _event, count: 0xA700 if count == 1 else 0) as pacs:
        queue = ground.queue("pacs", pacs.peer)
        queue.pump()
        assert ground.deliveries == {"delivered": 1, "pending": 2}
        queue.pump()
        assert len(pacs.sop_instance_uids) == 2, "nothing is tried before its time"
        ground.clock.advance(10)
        queue.pump()
    assert pacs.sop_instance_uids == [uids[0], uids[1], uids[1], uids[2]]
    assert ground.deliveries == {"delivered": 3}


def test_a_permanent_refusal_goes_to_the_dead_letters_at_once_and_spares_the_rest(ground: Ground) -> None:
    uids = ground.results("pacs")
    with scripted_scp(status=lambda _event, count: 0xC000 if count == 0 else 0) as pacs:
        ground.queue("pacs", pacs.peer).pump()
    assert ground.deliveries == {"delivered": 2, "dead": 1}
    (letter,) = ground.journal.dead_letters()
    assert (letter["sop_instance_uid"], letter["last_status"]) == (uids[0], 0xC000)
    assert "0xC000" in letter["reason"]


def test_an_ae_title_that_is_not_recognised_is_not_tried_again(ground: Ground) -> None:
    ground.results("pacs")
    with scripted_scp(only_calling=["SOMEONE"]) as pacs:
        ground.queue("pacs", pacs.peer).pump()
    assert ground.deliveries == {"dead": 3}
    assert "Calling AE title not recognised" in ground.journal.dead_letters()[0]["reason"]


def test_dead_letters_are_sent_after_the_cure(ground: Ground) -> None:
    uids = ground.results("pacs")
    with scripted_scp(only_calling=["SOMEONE"]) as refusing:
        ground.queue("pacs", refusing.peer).pump()
    assert ground.journal.revive_deliveries() == 3
    with scripted_scp() as pacs:
        ground.queue("pacs", pacs.peer).pump()
    assert pacs.sop_instance_uids == uids


def test_a_pacs_that_was_down_gets_everything_when_it_is_back(
    ground: Ground, free_port: Callable[[], int]
) -> None:
    uids = ground.results("pacs")
    port = free_port()
    queue = ground.queue("pacs", Peer("SCRIPTED", "127.0.0.1", port))
    for _ in range(3):
        queue.pump()
        assert ground.deliveries == {"pending": 3}
        ground.clock.advance(60)
    with scripted_scp(port=port) as pacs:
        queue.pump()
    assert pacs.sop_instance_uids == uids


def test_a_destination_that_is_down_is_probed_with_one_study_only(
    ground: Ground, free_port: Callable[[], int]
) -> None:
    for number in range(5):
        ground.results("pacs", study=f"1.2.{number}")
    ground.queue("pacs", Peer("GONE", "127.0.0.1", free_port())).pump()
    postponed = [event for event in ground.journal.events() if event.code == "delivery_postponed"]
    assert len(postponed) == 3, "one study of three results was tried, not five studies"


def test_an_abort_in_the_middle_sends_nothing_twice_that_was_acknowledged(ground: Ground) -> None:
    uids = ground.results("pacs")

    def abort_once(event: object, count: int) -> int:
        if count == 1:
            event.assoc.abort()  # type: ignore[attr-defined]
        return 0

    with scripted_scp(status=abort_once) as pacs:
        queue = ground.queue("pacs", pacs.peer)
        queue.pump()
        ground.clock.advance(60)
        queue.pump()
    assert pacs.sop_instance_uids.count(uids[0]) == 1
    assert pacs.sop_instance_uids[-2:] == uids[1:]
    assert ground.deliveries == {"delivered": 3}


def test_a_silent_destination_does_not_delay_another(ground: Ground) -> None:
    uids = ground.results("mute", "pacs")
    with mute_server() as mute, scripted_scp() as pacs:
        stuck = threading.Thread(target=ground.queue("mute", mute).pump)
        stuck.start()
        started = time.monotonic()
        ground.queue("pacs", pacs.peer).pump()
        seconds = time.monotonic() - started
        was_stuck = stuck.is_alive()
        stuck.join(timeout=10)
    assert was_stuck and seconds < 1
    assert pacs.sop_instance_uids == uids
    assert ground.deliveries == {"delivered": 3, "pending": 3}


def test_a_result_file_that_was_damaged_is_a_dead_letter_and_the_rest_is_sent(ground: Ground) -> None:
    uids = ground.results("pacs")
    damaged = next(path for path in (ground.folder / "data/results").rglob("*.dcm"))
    uid_of_damaged = next(uid for uid in uids if uid.encode() in damaged.read_bytes())
    damaged.write_bytes(b"damaged")
    with scripted_scp() as pacs:
        ground.queue("pacs", pacs.peer).pump()
    assert pacs.sop_instance_uids == [uid for uid in uids if uid != uid_of_damaged]
    assert ground.deliveries == {"delivered": 2, "dead": 1}


def test_a_lease_left_by_a_dead_process_is_picked_up_after_it_expires(ground: Ground) -> None:
    uids = ground.results("pacs")
    assert ground.journal.claim_deliveries("pacs", owner="dead process", lease_seconds=30)
    with scripted_scp() as pacs:
        queue = ground.queue("pacs", pacs.peer)
        queue.pump()
        assert pacs.sop_instance_uids == []
        ground.clock.advance(31)
        queue.pump()
    assert pacs.sop_instance_uids == uids


@given(st.integers(1, 10_000), st.floats(0.1, 100), st.floats(0.1, 1e5))
def test_the_wait_doubles_and_never_passes_the_cap(failures: int, first: float, cap: float) -> None:
    settings = DeliverySettings(first_retry_seconds=first, max_retry_seconds=cap)
    wait = backoff_seconds(settings, failures)
    assert wait == min(cap, first) or failures > 1
    assert wait <= cap
    assert backoff_seconds(settings, failures + 1) in (pytest.approx(2 * wait), cap)
