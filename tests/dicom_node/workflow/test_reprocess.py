"""Received studies are analysed again on request; the same work sends nothing new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from node_support import FakeClock, outcome, receive, receive_complete, sent_to

from dicom_node.config import Route
from dicom_node.errors import ConfigurationError
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import ResultRecord, StudyState
from dicom_node.storage.retention import ReleasedKind
from dicom_node.storage.routings import Routing
from dicom_node.workflow.reprocess import reprocess
from dicom_node.workflow.routing import Router

RESULT = ResultRecord("1.2.9", "1.2.840.10008.5.1.4.1.1.7", "summary", "results/x.dcm", "ab")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def journal(tmp_path: Path, clock: FakeClock) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db", clock=clock)
    yield opened
    opened.close()


def todays_routes(journal: Journal, *routes: Route) -> Router:
    return Router(routes, Archive(journal.path.parent), journal)


def analyze(journal: Journal, *destinations: str) -> str:
    """Carry out the waiting analysis with one result; return its trigger."""
    job = journal.claim_analysis("test", 60)
    assert job is not None
    assert journal.finish_analysis(job, sent_to(outcome(results=(RESULT,)), destinations))
    return job.trigger


def test_the_same_result_is_not_sent_again(journal: Journal) -> None:
    receive_complete(journal, "1.2")
    analyze(journal, "pacs")
    (study,) = reprocess(journal, todays_routes(journal), ["1.2"])
    assert study.queued
    assert analyze(journal, "pacs") == "reprocess"
    assert journal.summary()["deliveries"] == {"pending": 1}
    assert len(journal.claim_deliveries("pacs", owner="test", lease_seconds=60)) == 1


def test_a_destination_added_since_gets_the_results(journal: Journal) -> None:
    receive_complete(journal, "1.2")
    analyze(journal, "pacs")
    reprocess(journal, todays_routes(journal), ["1.2"])
    analyze(journal, "pacs", "archive")
    assert len(journal.claim_deliveries("archive", owner="test", lease_seconds=60)) == 1


def test_a_dry_run_changes_nothing(journal: Journal) -> None:
    receive_complete(journal, "1.2")
    analyze(journal)
    (study,) = reprocess(journal, todays_routes(journal), ["1.2"], dry_run=True)
    assert (study.queued, study.reason) == (True, "would be queued")
    assert journal.summary()["analyses"] == {"done": 1}


def test_a_study_still_arriving_is_left_to_its_completion(journal: Journal) -> None:
    receive(journal, "1.2")
    (study,) = reprocess(journal, todays_routes(journal), ["1.2"])
    assert not study.queued and "still arriving" in study.reason


def test_a_study_waiting_for_analysis_is_not_queued_twice(journal: Journal) -> None:
    receive_complete(journal, "1.2")
    (study,) = reprocess(journal, todays_routes(journal), ["1.2"])
    assert not study.queued and "queued already" in study.reason


def test_an_unknown_study_is_named_and_nothing_is_queued(journal: Journal) -> None:
    receive_complete(journal, "1.2")
    analyze(journal)
    with pytest.raises(ConfigurationError, match=r"'9\.9' was never received"):
        reprocess(journal, todays_routes(journal), ["1.2", "9.9"])
    assert journal.summary()["analyses"] == {"done": 1}


def test_the_routes_of_today_decide_where_the_new_results_go(journal: Journal) -> None:
    receive_complete(journal, "1.2")
    analyze(journal, "pacs")
    todays = todays_routes(journal, Route("clinic", destinations=("clinic",), priority=9))
    assert reprocess(journal, todays, ["1.2"])[0].queued
    routing = journal.routing("1.2")
    assert (routing.route, routing.destinations, routing.priority) == ("clinic", ("clinic",), 9)


def test_a_study_whose_route_no_longer_analyses_is_left_alone(journal: Journal) -> None:
    receive_complete(journal, "1.2")
    analyze(journal, "pacs")
    for action in ("store", "discard"):
        todays = todays_routes(journal, Route("kept", action=(action,)))
        (study,) = reprocess(journal, todays, ["1.2"])
        assert not study.queued and f"route 'kept': {action}" in study.reason
    assert journal.count_inputs("1.2") == 1, "reprocessing never discards"


def test_a_study_whose_originals_were_released_goes_the_way_it_went(
    journal: Journal, clock: FakeClock
) -> None:
    receive(journal, "1.2", path="instances/gone.dcm")
    study = journal.study("1.2")
    assert study is not None
    journal.complete_study(study, "test", Routing(route="research", destinations=("research",)))
    analyze(journal, "research")
    for delivery in journal.claim_deliveries("research", owner="test", lease_seconds=60):
        journal.mark_delivered(delivery, 0)
    clock.advance(86_400)
    released = journal.release(
        ReleasedKind.ORIGINAL, before=clock(), ended_states=(StudyState.ANALYZED,), limit=10
    )
    assert released == 1
    reprocess(journal, todays_routes(journal), ["1.2"])  # by its header it would have met a route
    assert journal.routing("1.2").destinations == ("research",)
