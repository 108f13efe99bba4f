"""Whose priors are taken, and what an analysis that waits for them does: the search, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asked_archives import NODE_AE, scripted_archive, write_study
from node_support import outcome, receive, receive_complete
from pydicom import dcmread
from retrieval_ground import Ground, Pacs, new_ground

from dicom_node.config import PriorsSettings, RemoteArchive, RetrievalSettings
from dicom_node.network.query import DicomArchive
from dicom_node.storage.records import AnalysisJob
from dicom_node.storage.retrievals import RetrievalPurpose
from dicom_node.workflow.priors import PatientIdentity, Priors, same_patient

NEW = "1.2.826.0.1.3680043.8.498.300"
OLD = "1.2.826.0.1.3680043.8.498.301"
WAIT = 60.0


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A node that has received a study whose analysis is queued."""
    with new_ground(tmp_path / "data") as parts:
        parts.push(write_study(tmp_path / "new", study=NEW, StudyDate="20260105"))
        parts.clock.advance(3600)
        parts.complete()
        yield parts


def archive_with(folder: Path, **attributes: Any) -> Pacs:
    files = write_study(folder, study=OLD, **({"StudyDate": "20230105"} | attributes))
    return Pacs([dcmread(file) for file in files])


def priors(ground: Ground, peer: DicomArchive, **settings: Any) -> Priors:
    address = peer.peer
    return Priors(
        PriorsSettings(archive="pacs", wait_seconds=WAIT, **settings),
        RemoteArchive("pacs", "dicom", address.ae_title, address.host, address.port),
        RetrievalSettings(connect_timeout_seconds=2, response_timeout_seconds=3),
        ground.archive,
        ground.journal,
        calling_ae_title=NODE_AE,
        clock=ground.clock,
    )


def claim(ground: Ground) -> AnalysisJob | None:
    return ground.journal.claim_analysis("test", 60, priors_seconds=WAIT)


def claimed(ground: Ground) -> str:
    job = claim(ground)
    assert job is not None
    return job.study_instance_uid


def finish(ground: Ground) -> str:
    job = claim(ground)
    assert job is not None
    assert ground.journal.finish_analysis(job, outcome())
    return job.study_instance_uid


def patient_keys(ground: Ground) -> tuple[str, str]:
    old, new = ground.journal.study(OLD), ground.journal.study(NEW)
    assert old is not None
    assert new is not None
    return old.patient_key, new.patient_key


def told(ground: Ground) -> list[str]:
    events = ground.journal.events(study_instance_uid=NEW)
    return [event.message for event in events if event.code == "priors"]


def test_the_analysis_waits_for_the_prior_and_then_for_its_analysis(ground: Ground, tmp_path: Path) -> None:
    pacs = archive_with(tmp_path / "old")
    with scripted_archive(find=pacs.find, get=pacs.get) as peer:
        search = priors(ground, peer)
        assert claim(ground) is None, "nobody has asked yet"
        search.check()
        assert claim(ground) is None, "it is on its way"
        ground.queue(peer).pump()
        search.check()
        assert claim(ground) is None, "it is here, but not complete"
        ground.complete()
        search.check()
    assert told(ground) == ["priors: 1 of 1 came from pacs"]
    assert finish(ground) == OLD
    assert claimed(ground) == NEW


def test_nothing_to_fetch_lets_the_analysis_go_at_once(ground: Ground) -> None:
    with scripted_archive(find=Pacs([]).find) as peer:
        priors(ground, peer).check()
    assert claimed(ground) == NEW
    assert told(ground) == ["priors: none to be fetched: pacs has 0 earlier studies, 0 of them here"]


def test_a_search_survives_the_node(ground: Ground, tmp_path: Path) -> None:
    pacs = archive_with(tmp_path / "old")
    with scripted_archive(find=pacs.find, get=pacs.get) as peer:
        priors(ground, peer).check()
        ground.journal.recover("next")
        ground.queue(peer).pump()
        ground.complete()
        priors(ground, peer).check()
    assert told(ground) == ["priors: 1 of 1 came from pacs"]


def test_an_id_that_was_used_again_brings_no_prior(ground: Ground, tmp_path: Path) -> None:
    pacs = archive_with(tmp_path / "old", PatientBirthDate="19770707")
    with scripted_archive(find=pacs.find, get=pacs.get) as peer:
        priors(ground, peer).check()
    assert pacs.fetched == []
    assert claimed(ground) == NEW
    assert "not surely of this patient" in told(ground)[0]


def test_a_header_that_contradicts_the_answer_is_not_used_as_history(ground: Ground, tmp_path: Path) -> None:
    pacs = archive_with(tmp_path / "old", PatientBirthDate="19770707")
    honest = pacs.find

    def mistaken(event: Any) -> Iterator[Any]:
        for status, answer in honest(event):
            if answer is not None and "PatientBirthDate" in answer:
                answer.PatientBirthDate = "19500203"
            yield status, answer

    with scripted_archive(find=mistaken, get=pacs.get) as peer:
        search = priors(ground, peer)
        search.check()
        ground.queue(peer).pump()
        ground.complete()
        search.check()
    assert pacs.fetched
    assert patient_keys(ground)[0] == "", "the same Patient ID, and yet nobody's history"
    assert "prior_of_another_patient" in ground.codes(OLD)
    assert told(ground) == ["priors: 0 of 1 came from pacs"]


def test_a_prior_whose_issuer_is_told_is_linked_to_the_patient(ground: Ground, tmp_path: Path) -> None:
    pacs = archive_with(tmp_path / "old", IssuerOfPatientID="HOSPITAL")
    with scripted_archive(find=pacs.find, get=pacs.get) as peer:
        search = priors(ground, peer)
        search.check()
        ground.queue(peer).pump()
        ground.complete()
        search.check()
    old, new = patient_keys(ground)
    assert old == new != ""


class TestLatePriors:
    """What comes after the analysis has gone ahead."""

    def let_it_go_ahead(self, ground: Ground, peer: DicomArchive) -> Priors:
        search = priors(ground, peer)
        search.check()
        ground.clock.advance(WAIT)
        assert finish(ground) == NEW
        assert "priors are still on their way" in told(ground)[0]
        return search

    def test_it_counts_for_the_next_study(self, ground: Ground, tmp_path: Path) -> None:
        pacs = archive_with(tmp_path / "old")
        with scripted_archive(find=pacs.find, get=pacs.get) as peer:
            search = self.let_it_go_ahead(ground, peer)
            ground.queue(peer).pump()
            ground.complete()
            search.check()
        assert finish(ground) == OLD
        assert claim(ground) is None, "no second analysis of the new study"
        assert told(ground)[-1] == "priors: 1 of 1 came from pacs, after the analysis had gone ahead"

    def test_the_study_is_analysed_again_where_the_site_wants_it(
        self, ground: Ground, tmp_path: Path
    ) -> None:
        pacs = archive_with(tmp_path / "old")
        with scripted_archive(find=pacs.find, get=pacs.get) as peer:
            self.let_it_go_ahead(ground, peer)
            again = priors(ground, peer, reprocess_when_late=True)
            ground.queue(peer).pump()
            ground.complete()
            again.check()
            assert finish(ground) == OLD
            again.check()
            job = claim(ground)
        assert job is not None
        assert (job.study_instance_uid, job.trigger) == (NEW, "priors")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("P1", "", "19500203"), ("P1", "", "19500203"), True),
        (("P1", "A", "19500203"), ("P1", "", "19500203"), True),
        (("P1", "A", "19500203"), ("P1", "B", "19500203"), False),
        (("P1", "", "19500203"), ("P1", "", ""), False),
        (("P1", "", ""), ("P1", "", ""), False),
        (("", "", "19500203"), ("", "", "19500203"), False),
        (("P1", "", "19500203"), ("p1", "", "19500203"), False),
    ],
)
def test_an_id_alone_does_not_make_the_same_patient(
    one: tuple[str, str, str], other: tuple[str, str, str], same: bool
) -> None:
    assert same_patient(PatientIdentity(*one), PatientIdentity(*other)) is same


def test_a_prior_that_was_asked_for_or_sent_meanwhile_is_not_history_only(ground: Ground) -> None:
    ground.journal.request_retrieval("1.2.1", "pacs", RetrievalPurpose.ASKED)
    receive(ground.journal, "1.2.2")  # by its own scanner, after the archive was asked
    (awaited,) = ground.journal.analyses_awaiting_priors()
    ground.journal.begin_prior_search(awaited, "pacs", ["1.2.1", "1.2.2", "1.2.3"], deliver=False)
    assert [ground.journal.is_history(uid) for uid in ("1.2.1", "1.2.2", "1.2.3")] == [False, False, True]


def test_an_analysis_does_not_wait_for_a_prior_whose_own_originals_are_awaited(ground: Ground) -> None:
    study = ground.journal.study(NEW)
    assert study is not None
    receive_complete(ground.journal, OLD, study_date="20230105", patient_key=study.patient_key)
    ground.journal.request_retrieval(OLD, "pacs", RetrievalPurpose.ORIGINAL)  # of an archive that is down
    job = ground.journal.claim_analysis("test", 60)
    assert job is not None
    assert job.study_instance_uid == NEW
