"""A study is complete when it is quiet and nobody who fed it is still connected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_support import FakeClock, outcome, receive

from dicom_node.config import CompletionProfile, CompletionSettings, Condition, Expectation
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState
from dicom_node.workflow.completion import Completion
from dicom_node.workflow.routing import Router

STUDY = "1.2.3"


class Ground:
    """Journal and clock, with the number of open associations in the test's hand."""

    def __init__(self, journal: Journal, clock: FakeClock) -> None:
        self.journal, self.clock, self.open, self.told = journal, clock, 0, 0
        self.use(CompletionSettings(quiet_seconds=10))

    def use(self, settings: CompletionSettings) -> None:
        self.completion = Completion(
            self.journal,
            Router((), Archive(self.journal.path.parent), self.journal),
            settings,
            open_associations=lambda _uid: self.open,
            on_complete=self._count,
            clock=self.clock,
        )

    def _count(self) -> None:
        self.told += 1

    @property
    def state(self) -> str:
        study = self.journal.study(STUDY)
        assert study is not None
        return study.state


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    clock = FakeClock()
    journal = Journal(tmp_path / "journal.db", clock=clock)
    yield Ground(journal, clock)
    journal.close()


def test_a_study_waits_for_the_quiet_time(ground: Ground) -> None:
    receive(ground.journal, STUDY)
    ground.clock.advance(9.9)
    assert ground.completion.check() == 0
    ground.clock.advance(0.1)
    assert ground.completion.check() == 1
    assert ground.state == StudyState.COMPLETE


def test_what_comes_next_is_told_at_once_and_only_when_a_study_is_complete(ground: Ground) -> None:
    for study in ("1.2.3", "1.2.4"):
        receive(ground.journal, study)
    ground.completion.check()
    assert ground.told == 0
    ground.clock.advance(10)
    assert ground.completion.check() == 2
    assert ground.told == 1
    ground.completion.check()
    assert ground.told == 1


def test_every_new_object_starts_the_quiet_time_again(ground: Ground) -> None:
    for _ in range(5):
        receive(ground.journal, STUDY)
        ground.clock.advance(9)
        assert ground.completion.check() == 0
    ground.clock.advance(1)
    assert ground.completion.check() == 1


def test_a_restart_gives_the_sender_the_quiet_time_to_go_on(tmp_path: Path) -> None:
    clock = FakeClock()
    journal = Journal(tmp_path / "journal.db", clock=clock)
    receive(journal, STUDY)
    clock.advance(3600)  # the node was down, in the middle of the study
    restarted = Ground(journal, clock)
    assert restarted.completion.check() == 0
    clock.advance(10)
    assert restarted.completion.check() == 1
    journal.close()


def test_an_open_association_holds_the_study_however_quiet_it_is(ground: Ground) -> None:
    receive(ground.journal, STUDY)
    ground.open = 1
    ground.clock.advance(3600)
    assert ground.completion.check() == 0
    ground.open = 0
    assert ground.completion.check() == 1


def test_the_reason_is_recorded(ground: Ground) -> None:
    receive(ground.journal, STUDY)
    ground.clock.advance(10)
    ground.completion.check()
    study = ground.journal.study(STUDY)
    assert study is not None
    assert study.completed_reason == "nothing new for 10 s and no open association feeds it"


def test_one_analysis_is_queued_however_often_completion_looks(ground: Ground) -> None:
    receive(ground.journal, STUDY)
    ground.clock.advance(10)
    assert [ground.completion.check() for _ in range(3)] == [1, 0, 0]
    assert ground.journal.summary()["analyses"] == {"queued": 1}


def test_a_late_object_opens_the_study_again_and_is_analysed(ground: Ground) -> None:
    receive(ground.journal, STUDY)
    ground.clock.advance(10)
    ground.completion.check()
    first = ground.journal.claim_analysis("test", 60)
    assert first is not None and first.trigger == "received"
    receive(ground.journal, STUDY, content=b"late")
    assert ground.state == StudyState.RECEIVING
    ground.clock.advance(10)
    assert ground.completion.check() == 1
    assert ground.journal.claim_analysis("test", 60) is None, "not side by side with the first"
    assert ground.journal.finish_analysis(first, outcome())
    second = ground.journal.claim_analysis("test", 60)
    assert second is not None and second.trigger == "late_instance"
    assert len(second.instances) == 2


def test_a_clock_set_back_does_not_hold_studies_for_ever(ground: Ground) -> None:
    receive(ground.journal, STUDY)
    ground.clock.advance(-400 * 86_400)
    assert ground.completion.check() == 1
    study = ground.journal.study(STUDY)
    assert study is not None and "clock was set back" in study.completed_reason


@settings(max_examples=25, deadline=None)  # each opens a journal of its own
@given(gaps=st.lists(st.floats(0, 9.99), max_size=6), last=st.floats(10, 1e6))
def test_no_study_is_ever_cut_off_within_the_quiet_time(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[float], last: float
) -> None:
    clock = FakeClock()
    journal = Journal(tmp_path_factory.mktemp("journal") / "journal.db", clock=clock)
    try:
        ground = Ground(journal, clock)
        for gap in gaps:
            receive(journal, STUDY)
            clock.advance(gap)
            assert ground.completion.check() == 0
        receive(journal, STUDY)
        clock.advance(last)
        assert ground.completion.check() == 1
    finally:
        journal.close()


IMAGE, REPORT = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.88.33"


def expect(kind: str, at_least: int = 1) -> Expectation:
    return Expectation((Condition("kind", (kind,)),), at_least)


LUNAR = CompletionProfile(
    "lunar", (Condition("calling_ae", ("LUNAR*",)),), (expect("image"), expect("report"))
)


def told(ground: Ground, code: str) -> list[str]:
    return [event.message for event in ground.journal.events() if event.code == code]


class TestExpectedContent:
    @pytest.fixture
    def ground(self, ground: Ground) -> Ground:
        ground.use(CompletionSettings(quiet_seconds=10, patience_seconds=60, profiles=(LUNAR,)))
        return ground

    def test_a_study_is_complete_as_soon_as_everything_expected_is_there(self, ground: Ground) -> None:
        receive(ground.journal, STUDY, sop_class=IMAGE, calling_ae="LUNAR1")
        receive(ground.journal, STUDY, sop_class=REPORT, calling_ae="LUNAR1")
        ground.clock.advance(1.9)
        assert ground.completion.check() == 0, "not settled yet"
        ground.clock.advance(0.1)
        assert ground.completion.check() == 1
        (reason,) = told(ground, "study_complete")
        assert reason == (
            "everything is there that profile 'lunar' expects (1 with kind = 'image' and 1 with kind = "
            "'report'), nothing new for 2 s and no open association feeds it"
        )

    def test_an_open_association_still_holds_it(self, ground: Ground) -> None:
        receive(ground.journal, STUDY, sop_class=IMAGE, calling_ae="LUNAR1")
        receive(ground.journal, STUDY, sop_class=REPORT, calling_ae="LUNAR1")
        ground.open = 1
        ground.clock.advance(1000)
        assert ground.completion.check() == 0

    def test_what_is_missing_is_waited_for_and_then_told(self, ground: Ground) -> None:
        receive(ground.journal, STUDY, sop_class=IMAGE, calling_ae="LUNAR1")
        ground.clock.advance(59.9)
        assert ground.completion.check() == 0, "longer than the quiet time: the site has patience"
        ground.clock.advance(0.1)
        assert ground.completion.check() == 1
        missing = "profile 'lunar' expects 1 with kind = 'report', 0 came"
        assert told(ground, "study_complete") == [f"nothing new for 60 s; {missing}"]
        assert told(ground, "expected_content_missing") == [missing]
        assert ground.journal.shortfall(STUDY) == missing, "for the reports"

    def test_what_was_missing_opens_the_study_again_when_it_comes(self, ground: Ground) -> None:
        receive(ground.journal, STUDY, sop_class=IMAGE, calling_ae="LUNAR1")
        ground.clock.advance(60)
        assert ground.completion.check() == 1
        receive(ground.journal, STUDY, sop_class=REPORT, calling_ae="LUNAR1")
        ground.clock.advance(2)
        assert ground.completion.check() == 1
        assert told(ground, "study_complete")[1].startswith("everything is there")
        assert ground.journal.shortfall(STUDY) == ""

    def test_other_scanners_studies_go_by_the_quiet_time(self, ground: Ground) -> None:
        receive(ground.journal, STUDY, sop_class=IMAGE, calling_ae="HOLOGIC")
        ground.clock.advance(10)
        assert ground.completion.check() == 1
        assert told(ground, "study_complete") == ["nothing new for 10 s and no open association feeds it"]


class TestCountAtAnArchive:
    @pytest.fixture
    def ground(self, ground: Ground) -> Ground:
        ground.use(CompletionSettings(quiet_seconds=10, patience_seconds=60, count_at="pacs"))
        return ground

    def test_a_study_waits_until_as_much_came_as_the_archive_has(self, ground: Ground) -> None:
        receive(ground.journal, STUDY)
        ground.journal.record_count(STUDY, "pacs", 2)
        ground.clock.advance(10)
        assert ground.completion.check() == 0
        receive(ground.journal, STUDY)
        ground.clock.advance(10)
        assert ground.completion.check() == 0, "the archive may have got more since"
        ground.journal.record_count(STUDY, "pacs", 2)
        assert ground.completion.check() == 1
        assert told(ground, "study_complete") == [
            "nothing new for 10 s and no open association feeds it; 2 received, pacs has 2"
        ]

    @pytest.mark.parametrize(
        ("count", "problem", "missing"),
        [
            (3, "", "1 of the 3 objects that pacs has were received"),
            (None, "no answer", "pacs does not say how many objects there are: no answer"),
        ],
    )
    def test_patience_ends_and_the_reason_says_what_is_missing(
        self, ground: Ground, count: int | None, problem: str, missing: str
    ) -> None:
        receive(ground.journal, STUDY)
        ground.journal.record_count(STUDY, "pacs", count, problem=problem)
        ground.clock.advance(60)
        assert ground.completion.check() == 1
        assert told(ground, "expected_content_missing") == [missing]
        assert bool(ground.journal.shortfall(STUDY)) is (count == 3), "silence of the archive proves nothing"

    def test_an_archive_that_was_never_asked_does_not_hold_a_study_for_ever(self, ground: Ground) -> None:
        receive(ground.journal, STUDY)
        ground.clock.advance(60)
        assert ground.completion.check() == 1
        assert told(ground, "expected_content_missing") == [
            "pacs has not been asked yet how many objects there are"
        ]


def test_a_held_study_is_not_completed_however_long_it_is_quiet(ground: Ground) -> None:
    receive(ground.journal, STUDY)
    ground.journal.hold_study(STUDY, by="ann", reason="wrong patient?")
    ground.clock.advance(3600)
    assert ground.completion.check() == 0
    ground.journal.release_study(STUDY, by="ann", reason="right patient")
    assert ground.completion.check() == 1


def test_an_administrator_completes_a_study_at_once_and_is_named(ground: Ground) -> None:
    receive(ground.journal, STUDY)
    ground.open = 1
    ground.journal.request_completion(STUDY, by="ann", reason="scanner is off")
    assert ground.completion.check() == 1
    assert told(ground, "study_complete") == ["completed by ann: scanner is off"]
    assert ground.journal.completion_requests() == []


def test_a_request_for_a_study_that_is_complete_by_now_is_dropped(ground: Ground) -> None:
    receive(ground.journal, STUDY)
    ground.journal.request_completion(STUDY, by="ann", reason="now")
    study = ground.journal.study(STUDY)
    assert study is not None and ground.journal.complete_study(study, "quiet")
    receive(ground.journal, STUDY, content=b"late")
    assert ground.completion.check() == 0, "the wish was about what was there when it was made"
