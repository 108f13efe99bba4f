"""What is fetched from an archive: only what is missing, counted against what came, given up in the end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asked_archives import scripted_archive, write_study
from node_support import load_config, outcome
from pydicom import dcmread
from pydicom.dataset import Dataset
from retrieval_ground import Ground, Pacs, new_ground

from dicom_node.config import RetentionSettings
from dicom_node.storage.records import StudyState
from dicom_node.storage.reprocessing import ItemState, PlanPace
from dicom_node.storage.retention import ReleasedKind
from dicom_node.storage.retrievals import RetrievalPurpose
from dicom_node.storage.selection import StudySelection
from dicom_node.workflow.housekeeping import Retention
from dicom_node.workflow.reprocess_plans import make_plan, preview
from dicom_node.workflow.reprocess_runner import ReprocessRunner
from dicom_node.workflow.routing import Router

STUDY = "1.2.826.0.1.3680043.8.498.1"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with new_ground(tmp_path / "data") as parts:
        yield parts


@pytest.fixture
def objects(tmp_path: Path) -> list[Dataset]:
    return [dcmread(file) for file in write_study(tmp_path / "study", study=STUDY, count=3)]


@pytest.fixture
def pacs(objects: list[Dataset]) -> Pacs:
    return Pacs(objects)


def test_a_study_that_was_asked_for_is_fetched_and_complete_by_that(ground: Ground, pacs: Pacs) -> None:
    ground.journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.ASKED)
    with scripted_archive(find=pacs.find, get=pacs.get) as peer:
        ground.queue(peer).pump()
    row = ground.retrieval()
    assert (row.state, row.expected, row.received) == ("done", 3, 3)
    ground.complete()
    study = ground.journal.study(STUDY)
    assert study is not None
    assert study.state is StudyState.COMPLETE
    assert "3 of 3 missing objects came from pacs" in study.completed_reason
    assert study.calling_ae == "SCRIPTED", "the archive's title, as if it had sent them"


def test_only_what_is_missing_is_fetched(ground: Ground, pacs: Pacs) -> None:
    with scripted_archive(find=pacs.find, get=pacs.get) as peer:
        whole, pacs.objects = pacs.objects, pacs.objects[:1]
        ground.journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.ASKED)
        ground.queue(peer).pump()
        pacs.objects = whole
        ground.journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.ASKED)
        ground.queue(peer).pump()
    assert pacs.fetched[1] == [item.SOPInstanceUID for item in whole[1:]]


def test_objects_that_the_archive_holds_back_are_asked_for_again_then_given_up(
    ground: Ground, pacs: Pacs
) -> None:
    pacs.withheld = {pacs.objects[2].SOPInstanceUID}
    ground.journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.ASKED)
    with scripted_archive(find=pacs.find, get=pacs.get) as peer:
        queue = ground.queue(peer)
        queue.pump()
        row = ground.retrieval()
        assert (row.state, row.expected, row.received) == ("waiting", 3, 2)
        assert "1 of 3 objects did not come" in row.reason
        assert pacs.objects[2].SOPInstanceUID in row.reason
        queue.pump()
        assert len(pacs.fetched) == 1, "not before its time"
        ground.clock.advance(60)
        queue.pump()
    row = ground.retrieval()
    assert pacs.fetched[1] == [pacs.objects[2].SOPInstanceUID], "what came before is not fetched twice"
    assert (row.state, row.received) == ("failed", 2)
    assert "retrieval_failed" in ground.codes(STUDY)


def test_what_came_before_the_archive_broke_off_is_kept(ground: Ground, pacs: Pacs) -> None:
    pacs.broken = True
    ground.journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.ASKED)
    with scripted_archive(find=pacs.find, get=pacs.get) as peer:
        queue = ground.queue(peer)
        queue.pump()
        assert (ground.retrieval().state, ground.retrieval().received) == ("waiting", 1)
        pacs.broken = False
        ground.clock.advance(60)
        queue.pump()
    assert (ground.retrieval().state, ground.retrieval().received) == ("done", 3)


def test_a_study_that_the_archive_does_not_have_is_given_up_at_once(ground: Ground, pacs: Pacs) -> None:
    pacs.objects = []
    ground.journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.ASKED)
    with scripted_archive(find=pacs.find, get=pacs.get) as peer:
        ground.queue(peer).pump()
    assert ground.retrieval().state == "failed"
    assert "does not have this study" in ground.retrieval().reason


def test_our_own_results_are_not_fetched(ground: Ground, pacs: Pacs, tmp_path: Path) -> None:
    own = pacs.objects[2]
    own.ManufacturerModelName = "radius DXA"
    with scripted_archive(find=pacs.find, get=pacs.get) as peer:
        ground.journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.ASKED)
        ground.queue(peer).pump()
        ground.complete()
        ground.journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.ASKED)
        ground.queue(peer).pump()
    assert len(pacs.fetched) == 1, "nothing is missing the second time"


def test_a_restart_takes_back_what_a_dead_node_was_fetching(ground: Ground, pacs: Pacs) -> None:
    ground.journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.ASKED)
    job = ground.journal.claim_retrieval("pacs", owner="dead", lease_seconds=3600, first=True)
    assert job is not None
    assert ground.journal.recover("test") == 1
    with scripted_archive(find=pacs.find, get=pacs.get) as peer:
        ground.queue(peer).pump()
    assert ground.retrieval().state == "done"
    assert ground.retrieval().attempts == 1, "the node's death is not the study's fault"


def test_what_nobody_serves_is_given_up_with_the_cure(ground: Ground) -> None:
    ground.journal.request_retrieval(STUDY, "old-pacs", RetrievalPurpose.ASKED)
    assert ground.journal.give_up_unserved(["pacs"]) == 1
    assert "no [[archive]] is called 'old-pacs'" in ground.retrieval().reason


def test_what_an_analysis_waits_for_goes_before_a_backfill(ground: Ground) -> None:
    journal = ground.journal
    journal.request_retrieval("1.1", "pacs", RetrievalPurpose.ASKED)
    journal.request_retrieval("1.2", "pacs", RetrievalPurpose.PRIOR)
    job = journal.claim_retrieval("pacs", owner="test", lease_seconds=60, first=True)
    assert job is not None
    assert job.study_instance_uid == "1.2"


class TestReleasedOriginals:
    """Files that retention has removed are fetched again before a study is analysed again."""

    @pytest.fixture
    def released(self, ground: Ground, pacs: Pacs) -> Ground:
        journal = ground.journal
        journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.ASKED)
        with scripted_archive(find=pacs.find, get=pacs.get) as peer:
            ground.queue(peer).pump()
        ground.complete()
        job = journal.claim_analysis("test", 60)
        assert job is not None
        assert journal.finish_analysis(job, outcome())
        ground.clock.advance(86_400)
        before = ground.clock() + timedelta(days=1)
        ended = [StudyState.ANALYZED]
        assert journal.release(ReleasedKind.ORIGINAL, before=before, ended_states=ended, limit=100) == 3
        journal.settle_releases(lambda path: ground.archive.resolve(path).unlink(), limit=100)
        assert len(journal.released_instances(STUDY)) == 3
        return ground

    def test_they_are_fetched_and_then_analysed(self, released: Ground, pacs: Pacs) -> None:
        journal = released.journal
        assert journal.requeue_study(STUDY)
        assert journal.claim_analysis("test", 60) is None, "not without its files"
        with scripted_archive(find=pacs.find, get=pacs.get) as peer:
            released.queue(peer).pump()
        job = journal.claim_analysis("test", 60)
        assert job is not None
        assert all(released.archive.resolve(instance.path).is_file() for instance in job.instances)
        assert {instance.version for instance in job.instances} == {1}, "the very bytes that were here"

    def test_a_plan_fetches_them_and_retention_releases_them_again(
        self, released: Ground, pacs: Pacs, tmp_path: Path
    ) -> None:
        journal, config = released.journal, load_config(tmp_path / "site")
        everything = StudySelection(everything=True)
        assert preview(journal, config, everything, PlanPace()).to_fetch == 1
        plan = make_plan(journal, config, everything, PlanPace(), by="eve", reason="a new model")
        router = Router((), released.archive, journal)
        runner = ReprocessRunner(config, journal, router, open_associations=lambda: 0, clock=released.clock)
        assert runner.pump() == 1
        assert journal.claim_analysis("test", 60) is None, "not without its files"
        with scripted_archive(find=pacs.find, get=pacs.get) as peer:
            released.queue(peer).pump()
        job = journal.claim_analysis("test", 60)
        assert job is not None
        assert journal.finish_analysis(job, outcome(identity="b" * 64))
        runner.pump()
        (item,) = journal.plan_items(plan)
        assert (item.state, item.fetched) == (ItemState.CHANGED, True)
        files = [released.archive.resolve(instance.path) for instance in job.instances]
        assert all(file.is_file() for file in files)
        kept = RetentionSettings(keep_originals_days=0.5, reserve_bytes=0)
        Retention(kept, released.archive, journal, clock=released.clock).run()
        assert not any(file.exists() for file in files)

    def test_other_bytes_are_a_new_version_and_warned_of(self, released: Ground, pacs: Pacs) -> None:
        for item in pacs.objects:
            item.PatientName = "Changed^Since"
        assert released.journal.requeue_study(STUDY)
        with scripted_archive(find=pacs.find, get=pacs.get) as peer:
            released.queue(peer).pump()
        assert released.journal.released_instances(STUDY) == frozenset()
        assert {instance.version for instance in released.journal.instances(STUDY)} == {2}
        assert "other_bytes" in released.codes(STUDY)

    def test_without_them_the_analysis_is_given_up_and_says_why(self, released: Ground, pacs: Pacs) -> None:
        pacs.objects = pacs.objects[:1]
        assert released.journal.requeue_study(STUDY)
        with scripted_archive(find=pacs.find, get=pacs.get) as peer:
            released.queue(peer).pump()
        study = released.journal.study(STUDY)
        assert study is not None
        assert study.state is StudyState.FAILED
        assert "2 of the originals are no longer there" in study.reason

    def test_nothing_is_asked_for_when_they_are_here_again(self, released: Ground, pacs: Pacs) -> None:
        assert released.journal.requeue_study(STUDY)
        with scripted_archive(find=pacs.find, get=pacs.get) as peer:
            released.queue(peer).pump()
            asked = len(pacs.fetched)
            job = released.journal.claim_analysis("test", 60)
            assert job is not None
            released.journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.ORIGINAL)
            released.queue(peer).pump()
        assert len(pacs.fetched) == asked
        assert released.retrieval().state == "done"

    def test_without_an_archive_the_cure_is_named(self, released: Ground) -> None:
        assert released.journal.requeue_study(STUDY)
        released.journal.give_up_unserved([])
        study = released.journal.study(STUDY)
        assert study is not None
        assert "no [[archive]] is configured" in study.reason


def test_a_request_for_the_future_waits(ground: Ground) -> None:
    later = datetime(2030, 1, 1, tzinfo=UTC)
    assert ground.journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.ASKED, not_before=later)
    assert ground.journal.claim_retrieval("pacs", owner="test", lease_seconds=60, first=True) is None
    assert not ground.journal.request_retrieval(STUDY, "pacs", RetrievalPurpose.PRIOR), "asked already"
    assert ground.journal.claim_retrieval("pacs", owner="test", lease_seconds=60, first=True) is not None
