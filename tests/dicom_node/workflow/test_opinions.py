"""What radiologists send back about a report: recognised, kept, and never an input of an analysis."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from node_support import load_config, outcome, receive, receive_complete, sent_to
from pydicom import Dataset
from returned_documents import (
    READER,
    coded,
    file_bytes,
    key_objects,
    measurements,
    number,
    reading,
    text,
    verified,
)

from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import ResultRecord
from dicom_node.workflow.opinions import Opinions

STUDY = "1.2.3"
OUR_NUMBERS = [number("BMD", "0.512"), number("BMD", "0.401"), number("T", "-2.1")]


class Ground:
    """A study that was analysed, and what comes back about its report."""

    def __init__(self, folder: Path) -> None:
        config = load_config(folder)
        self.archive = Archive(config.node.data_dir)
        self.journal = Journal(config.node.data_dir / "journal.db")
        self.opinions = Opinions(self.archive, self.journal)
        receive_complete(self.journal, STUDY, uid="1.2.3.1")
        job = self.journal.claim_analysis("me", 60)
        assert job is not None
        self.digest = job.input_digest
        ours = measurements(STUDY, OUR_NUMBERS)
        path, digest = self.archive.store_result("a" * 64, file_bytes(ours))
        record = ResultRecord(str(ours.SOPInstanceUID), str(ours.SOPClassUID), "report", str(path), digest)
        assert self.journal.finish_analysis(job, sent_to(outcome(results=(record,)), ["pacs"]))
        self.analysis = job.id
        self.ours = record.sop_instance_uid
        assert self.opinions.look() == 0

    def send(self, dataset: Dataset, content: bytes | None = None) -> None:
        """Receive a document as the receiver does."""
        content = content if content is not None else file_bytes(dataset)
        path = self.archive.data_dir / "instances" / hashlib.sha256(content).hexdigest()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        receive(
            self.journal,
            str(dataset.StudyInstanceUID),
            uid=str(dataset.SOPInstanceUID),
            content=content,
            path=str(path.relative_to(self.archive.data_dir)),
            sop_class=str(dataset.SOPClassUID),
        )

    def said(self) -> list[tuple[str, str, str]]:
        return [
            (str(item.verdict), item.comment, item.told.recorded_by) for item in self.journal.opinions(STUDY)
        ]

    def state(self) -> str:
        study = self.journal.study(STUDY)
        assert study is not None
        return str(study.state)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    yield made
    made.journal.close()


def test_a_rejection_with_its_reason_is_a_disagreement(ground: Ground) -> None:
    modifier = coded("113011", "111209", "Positioning")
    ground.send(key_objects(STUDY, [ground.ours], "113001", [modifier, text("113012", "arm rotated")]))
    assert ground.opinions.look() == 1
    words = "Rejected for Quality Reasons; Positioning; arm rotated"
    assert ground.said() == [("disagree", words, "unknown reader")]
    (opinion,) = ground.journal.opinions(STUDY)
    assert (opinion.analysis_id, str(opinion.told.source)) == (ground.analysis, "dicom")


@pytest.mark.parametrize(("concept", "verdict"), [("122775", "agree"), ("122776", "disagree")])
def test_a_readers_report_agrees_or_disagrees_by_its_code(ground: Ground, concept: str, verdict: str) -> None:
    ground.send(reading(STUDY, [ground.ours], [coded("121071", concept), text("121106", "as I see it")]))
    assert ground.opinions.look() == 1
    assert ground.said() == [(verdict, "as I see it", READER)]


def test_a_verified_successor_agrees_and_one_with_other_numbers_amends(ground: Ground) -> None:
    ground.send(verified(STUDY, ground.ours, OUR_NUMBERS))
    ground.opinions.look()
    assert ground.said() == [("agree", "", READER)]
    ground.send(verified(STUDY, ground.ours, [OUR_NUMBERS[0], number("BMD", "0.420")]))
    ground.opinions.look()
    (opinion,) = ground.journal.opinions(STUDY)  # the reader's latest
    assert (str(opinion.verdict), dict(opinion.amendments)) == ("amend", {"BMD (2)": "0.420 g/cm2", "T": ""})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param([], id="no code"),
        pytest.param([coded("121071", "122775"), coded("121071", "122776")], id="both codes"),
    ],
)
def test_what_gives_no_opinion_is_kept_and_said_so(ground: Ground, content: Sequence[Dataset]) -> None:
    ground.send(reading(STUDY, [ground.ours], content))
    assert ground.opinions.look() == 1
    assert ground.said() == []
    assert ground.journal.events()[-1].code == "returned_document"
    manifest = key_objects(STUDY, [ground.ours], "113030")
    ground.send(manifest)
    assert ground.opinions.look() == 1
    assert ground.said() == []


def test_it_is_no_input_and_its_study_is_closed_as_it_was(ground: Ground) -> None:
    ground.send(key_objects(STUDY, [ground.ours], "113001"))
    assert ground.state() == "receiving"
    ground.opinions.look()
    assert ground.state() == "analyzed"
    assert [item.sop_instance_uid for item in ground.journal.instances(STUDY)] == ["1.2.3.1"]
    assert ground.journal.requeue_study(STUDY)
    job = ground.journal.claim_analysis("me", 60)
    assert job is not None
    assert job.input_digest == ground.digest


def test_a_new_image_beside_it_is_analysed_all_the_same(ground: Ground) -> None:
    ground.send(key_objects(STUDY, [ground.ours], "113001"))
    receive(ground.journal, STUDY, uid="1.2.3.2", content=b"another")
    ground.opinions.look()
    assert ground.state() == "receiving"
    assert len(ground.journal.instances(STUDY)) == 2


def test_a_scanners_own_report_stays_an_input(ground: Ground) -> None:
    ground.send(reading(STUDY, ["1.2.3.1"], [coded("121071", "122775")]))
    assert ground.opinions.look() == 0
    assert len(ground.journal.instances(STUDY)) == 2


def test_the_same_document_counts_once_and_what_cannot_be_read_holds_nothing_up(ground: Ground) -> None:
    document = key_objects(STUDY, [ground.ours], "113001")
    broken = key_objects(STUDY, [ground.ours], "113001")
    ground.send(broken, content=b"no DICOM at all")
    ground.send(document)
    assert ground.opinions.look() == 1
    ground.send(document)
    assert ground.opinions.look() == 0
    assert len(ground.journal.opinions(STUDY, history=True)) == 1
