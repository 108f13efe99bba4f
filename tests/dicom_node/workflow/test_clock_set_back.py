"""A clock that is set back, by whoever mends it, keeps nothing waiting for the time it was wrong by."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from node_support import FakeClock, outcome, receive_complete

from dicom_node.config import DeliverySettings
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import ResultRecord
from dicom_node.storage.retrievals import RetrievalPurpose
from dicom_node.workflow.breaker import Breaker
from dicom_node.workflow.pacing import rests
from dicom_node.workflow.watch import Watch

LONG = 400 * 86_400.0


class Ground:
    """An archive, its journal, and the job that looks after its clock."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        archive = Archive(folder)
        self.journal = Journal(archive.journal_path, clock=self.clock)
        self.watch = Watch(archive, self.journal, stuck_after=timedelta(hours=1), clock=self.clock)

    def set_back(self) -> None:
        self.clock.advance(-LONG)
        self.watch.look()


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    yield made
    made.journal.close()


def test_an_analysis_that_was_queued_goes_on(ground: Ground) -> None:
    receive_complete(ground.journal, "1.2")
    ground.set_back()
    assert ground.journal.claim_analysis("owner", 60, priors_seconds=0) is not None
    assert [event.code for event in ground.journal.events()].count("clock_set_back") == 1


def test_a_delivery_that_waited_goes_on_and_a_right_clock_changes_nothing(ground: Ground) -> None:
    receive_complete(ground.journal, "1.2")
    job = ground.journal.claim_analysis("owner", 60)
    assert job is not None
    result = ResultRecord("1.9", "1.2.3", "report", "results/a/b", "c")
    done = outcome(results=(result,), sets={"pacs": ("1.9",)})
    ground.journal.finish_analysis(job, done)
    (delivery,) = ground.journal.claim_deliveries("pacs", owner="owner", lease_seconds=60)
    ground.journal.retry_delivery_at(delivery, ground.clock() + timedelta(hours=1), reason="refused")
    ground.clock.advance(60)
    ground.watch.look()
    assert not ground.journal.claim_deliveries("pacs", owner="owner", lease_seconds=60)
    ground.set_back()
    assert ground.journal.claim_deliveries("pacs", owner="owner", lease_seconds=60)


def test_a_retrieval_that_was_asked_for_goes_on(ground: Ground) -> None:
    ground.journal.request_retrieval("1.2", "pacs", RetrievalPurpose.ASKED)
    ground.set_back()
    assert ground.journal.claim_retrieval("pacs", owner="owner", lease_seconds=60, first=True)


def test_a_destination_that_rests_is_tried_again(ground: Ground) -> None:
    settings = DeliverySettings(max_retry_seconds=600)
    jitter = random.Random(1)  # noqa: S311 - spreads retries, protects nothing
    breaker = Breaker("pacs", settings, ground.journal, random_source=jitter, clock=ground.clock)
    breaker.failed("refused")
    assert not breaker.allows()
    ground.set_back()
    assert breaker.allows()


def test_a_rest_lasts_as_long_as_it_was_meant() -> None:
    until = datetime(2026, 1, 1, tzinfo=UTC)
    assert rests(until, until - timedelta(seconds=9), at_most=10)
    assert not rests(until, until, at_most=10)
    assert not rests(until, until - timedelta(days=1), at_most=10)
