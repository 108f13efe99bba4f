"""What a route decides is journalled with the study's completion, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from node_support import FakeClock, outcome, receive, receive_complete

from dicom_node.storage.journal import Journal
from dicom_node.storage.records import ResultRecord, StudyState
from dicom_node.storage.routings import DEFAULT_ROUTING, Routing

RESULT = ResultRecord("1.2.9", "1.2.840.10008.5.1.4.1.1.7", "summary", "results/x.dcm", "ab")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def journal(tmp_path: Path, clock: FakeClock) -> Journal:
    return Journal(tmp_path / "journal.db", clock=clock)


def complete(journal: Journal, study: str, routing: Routing, *, objects: int = 1) -> None:
    for number in range(objects):
        receive(
            journal,
            study,
            uid=f"{study}.{number}",
            content=f"{study} {number}".encode(),
            path=f"instances/{study}-{number}.dcm",
        )
    known = journal.study(study)
    assert known is not None
    assert journal.complete_study(known, "quiet", routing)


def state(journal: Journal, study: str) -> tuple[str, str]:
    known = journal.study(study)
    assert known is not None
    return known.state, known.reason


def claimed(journal: Journal) -> list[str]:
    jobs = iter(lambda: journal.claim_analysis("test", 60), None)
    return [job.study_instance_uid for job in jobs]


def codes(journal: Journal, study: str) -> list[str]:
    return [event.code for event in journal.events(study_instance_uid=study)]


def test_the_urgent_study_is_analysed_first_then_the_one_that_waited_longest(journal: Journal) -> None:
    for study, priority in [("1.1", 5), ("1.2", 0), ("1.3", 9), ("1.4", 5)]:
        complete(journal, study, Routing(priority=priority))
    assert claimed(journal) == ["1.3", "1.1", "1.4", "1.2"]


def test_the_urgent_study_is_delivered_first(journal: Journal) -> None:
    for study, priority in [("1.1", 5), ("1.2", 0), ("1.3", 9)]:
        routing = Routing(actions=("forward",), forward_to=("pacs",), priority=priority)
        complete(journal, study, routing)
    batches = [journal.claim_deliveries("pacs", owner="test", lease_seconds=60) for _ in range(3)]
    assert [batch[0].study_instance_uid for batch in batches] == ["1.3", "1.1", "1.2"]


def test_results_are_delivered_with_their_study_s_priority(journal: Journal) -> None:
    complete(journal, "1.1", Routing(actions=("forward",), forward_to=("pacs",)))
    complete(journal, "1.2", Routing(priority=9))
    job = journal.claim_analysis("test", 60)
    assert job is not None
    done = outcome(results=(RESULT,), sets={"pacs": (RESULT.sop_instance_uid,)})
    assert journal.finish_analysis(job, done)
    (first,) = journal.claim_deliveries("pacs", owner="test", lease_seconds=60)
    assert first.study_instance_uid == "1.2"


def test_a_stored_study_is_kept_and_neither_analysed_nor_sent(journal: Journal) -> None:
    complete(journal, "1.2", Routing(route="kept", actions=("store",)))
    assert state(journal, "1.2") == (StudyState.NOT_APPLICABLE, "route 'kept': store (kept, nothing else)")
    assert journal.count_inputs("1.2") == 1
    assert claimed(journal) == []
    assert journal.summary()["deliveries"] == {}


def test_a_forwarded_study_s_originals_are_queued_for_each_destination(journal: Journal) -> None:
    complete(journal, "1.2", Routing(actions=("analyse", "forward"), forward_to=("a", "b")), objects=3)
    assert claimed(journal) == ["1.2"]
    for destination in ("a", "b"):
        sent = journal.claim_deliveries(destination, owner="test", lease_seconds=60)
        assert [str(item.path) for item in sent] == [f"instances/1.2-{number}.dcm" for number in range(3)]


DISCARD = Routing(route="junk", actions=("discard",), reasons=("modality fits 'PR'",))


def test_a_discarded_study_leaves_a_row_and_an_event_and_its_files_go(journal: Journal) -> None:
    complete(journal, "1.2", DISCARD, objects=2)
    assert state(journal, "1.2") == (StudyState.NOT_APPLICABLE, "route 'junk': discard (not kept)")
    assert journal.count_inputs("1.2") == 0
    rows = journal._rows("SELECT sha256, route FROM discarded_instances")
    assert len(rows) == 2 and {row["route"] for row in rows} == {"junk"}
    (event,) = [event for event in journal.events() if event.code == "study_discarded"]
    assert event.severity == "warning" and "2 objects were discarded by route 'junk'" in event.message
    unlinked: list[str] = []
    journal.settle_releases(unlinked.append, limit=10)
    assert sorted(unlinked) == ["instances/1.2-0.dcm", "instances/1.2-1.dcm"]


def test_an_object_that_comes_again_after_it_was_discarded_is_new_and_routed_again(journal: Journal) -> None:
    complete(journal, "1.2", DISCARD)
    complete(journal, "1.2", DEFAULT_ROUTING)
    unlinked: list[str] = []
    journal.settle_releases(unlinked.append, limit=10)
    assert unlinked == [], "the bytes of the second time are kept"
    assert claimed(journal) == ["1.2"]


def test_a_study_that_was_analysed_is_never_discarded(journal: Journal) -> None:
    complete(journal, "1.2", DEFAULT_ROUTING)
    assert claimed(journal) == ["1.2"]
    receive(journal, "1.2", content=b"late")
    known = journal.study("1.2")
    assert known is not None and journal.complete_study(known, "quiet", DISCARD)
    assert journal.count_inputs("1.2") == 2
    assert journal.routing("1.2").actions == ("store",)
    assert "study_not_discarded" in codes(journal, "1.2")


def test_a_study_that_another_route_takes_when_it_is_reopened_is_not_analysed_after_all(
    journal: Journal,
) -> None:
    complete(journal, "1.2", DEFAULT_ROUTING)
    complete(journal, "1.2", Routing(route="kept", actions=("store",)), objects=2)
    assert claimed(journal) == []


def test_a_held_study_is_neither_analysed_nor_delivered_until_it_is_released(journal: Journal) -> None:
    complete(journal, "1.2", Routing(actions=("analyse", "forward"), forward_to=("pacs",)))
    assert journal.hold_study("1.2", by="ann", reason="wrong patient?")
    assert not journal.hold_study("1.2", by="bob", reason="again")
    complete(journal, "1.3", DEFAULT_ROUTING)
    assert claimed(journal) == ["1.3"]
    assert journal.claim_deliveries("pacs", owner="test", lease_seconds=60) == []
    assert journal.release_study("1.2", by="bob", reason="right patient")
    assert not journal.release_study("1.2", by="bob", reason="again")
    assert claimed(journal) == ["1.2"]
    assert len(journal.claim_deliveries("pacs", owner="test", lease_seconds=60)) == 1
    told = [event.message for event in journal.events(study_instance_uid="1.2") if "by" in event.message]
    assert told == ["held by ann: wrong patient?", "released by bob: right patient"]


def test_a_held_study_does_not_hold_up_the_same_patient_s_next(journal: Journal) -> None:
    receive_complete(journal, "1.2", study_date="20250101")
    receive_complete(journal, "1.3", study_date="20260101")
    journal.hold_study("1.2", by="ann", reason="wrong patient?")
    assert claimed(journal) == ["1.3"]


def test_what_is_missing_is_a_warning(journal: Journal) -> None:
    receive(journal, "1.2")
    known = journal.study("1.2")
    assert known is not None
    journal.complete_study(known, "nothing new for 300 s", warning="1 with kind = 'report', 0 came")
    (event,) = [event for event in journal.events() if event.code == "expected_content_missing"]
    assert (event.severity, event.message) == ("warning", "1 with kind = 'report', 0 came")


def test_a_study_completed_before_there_were_routes_counts_as_default(journal: Journal) -> None:
    receive_complete(journal, "1.2")
    journal._database.execute("DELETE FROM routings")
    assert journal.routing("1.2") == DEFAULT_ROUTING
    assert claimed(journal) == ["1.2"]


def test_auditors_are_told_of_what_comes_after_a_discarded_study(journal: Journal) -> None:
    journal.record_audits(True)
    complete(journal, "1.2", DISCARD, objects=2)
    receive(journal, "1.3")
    journal.spool_audits(["told"], journal.untold([], limit=10))
    known = journal.study("1.3")
    assert known is not None and journal.complete_study(known, "quiet", DISCARD)
    receive(journal, "1.4")
    assert [arrival.study_instance_uid for arrival in journal.untold([], limit=10).arrivals] == ["1.4"]
