"""A study is complete when it is quiet and nobody who fed it is still connected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_support import FakeClock, outcome, receive

from dicom_node.config import CompletionSettings
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState
from dicom_node.workflow.completion import Completion
from dicom_node.workflow.routing import Router

STUDY = "1.2.3"


class Ground:
    """Journal and clock, with the number of open associations in the test's hand."""

    def __init__(self, journal: Journal, clock: FakeClock) -> None:
        self.journal, self.clock, self.open = journal, clock, 0
        self.completion = Completion(
            journal,
            Router((), Archive(journal.path.parent), journal),
            CompletionSettings(quiet_seconds=10),
            open_associations=lambda _uid: self.open,
            clock=clock,
        )

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


@settings(max_examples=25)  # each opens a journal of its own
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
