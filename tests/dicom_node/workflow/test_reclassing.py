"""A PACS that takes no Comprehensive SR gets Enhanced SRs, and everything that refers to them agrees."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from delivery_support import PATIENT, Ground, delivery_ground
from node_support import finish_with_results, outcome, sent_to
from pydicom import Dataset, dcmread
from pydicom.uid import ComprehensiveSRStorage, EnhancedSRStorage
from report_support import STUDY_UID, make_analysis, make_source
from scripted_scp import scripted_scp

from dicom_node.workflow.reclassing import may_be_enhanced
from reports import ReportOptions, compose
from reports.options import SrClass


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with delivery_ground(tmp_path) as made:
        yield made


def written(ground: Ground, sr_class: SrClass = "comprehensive") -> list[Dataset]:
    """Carry a composed study to waiting deliveries."""
    results = compose(make_analysis(), [make_source()], options=ReportOptions(sr_class=sr_class))
    files = []
    for number, result in enumerate(results):
        files.append(ground.folder / f"{number}.dcm")
        result.save_as(files[-1], enforce_file_format=True)
    finish_with_results(ground.archive, ground.journal, STUDY_UID, files, ["pacs"])
    return results


def classes_but_comprehensive(results: Sequence[Dataset]) -> tuple[str, ...]:
    known = {str(result.SOPClassUID) for result in results if ".88." not in result.SOPClassUID}
    return (*known, "1.2.840.10008.5.1.4.1.1.88.59", EnhancedSRStorage)


def referenced(dataset: Dataset) -> set[tuple[str, str]]:
    """(SOP class, SOP instance) of everything a dataset refers to."""
    return {
        (str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID))
        for element in dataset.iterall()
        if element.VR == "SQ"
        for item in element.value
        if "ReferencedSOPInstanceUID" in item
    }


@pytest.mark.dciodvfy
@pytest.mark.parametrize("sr_class", ["comprehensive", "comprehensive_3d"])
def test_reports_are_rewritten_with_all_that_refers_to_them(
    ground: Ground, tmp_path: Path, sr_class: SrClass
) -> None:
    results = written(ground, sr_class)
    with scripted_scp(sop_classes=classes_but_comprehensive(results)) as pacs:
        queue = ground.queue("pacs", pacs.peer, PATIENT)
        queue.pump()
        queue.close()
    assert ground.deliveries == {"delivered": len(results), "discarded": 3}
    arrived = {str(dataset.SOPInstanceUID): dataset for dataset in pacs.datasets}
    assert len(arrived) == len(pacs.datasets) == len(results)
    classes = {uid: str(dataset.SOPClassUID) for uid, dataset in arrived.items()}
    assert list(classes.values()).count(EnhancedSRStorage) == 2
    old = {str(result.SOPInstanceUID) for result in results} - set(arrived)
    for dataset in arrived.values():
        for sop_class, uid in referenced(dataset):
            assert uid not in old, "nothing refers to what is not there"
            assert classes.get(uid, sop_class) == sop_class
    for uid in set(arrived) - {str(result.SOPInstanceUID) for result in results}:
        assert ground.journal.is_own_result(uid)
    assert set(ground.journal.standing_results(STUDY_UID)["pacs"]) == set(arrived)
    assert dciodvfy_errors(ground, arrived) == []


def dciodvfy_errors(ground: Ground, arrived: dict[str, Dataset]) -> list[str]:
    errors = []
    for path in (ground.folder / "data/results").rglob("*.dcm"):
        if str(dcmread(path).SOPInstanceUID) in arrived:
            run = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
            errors += [line for line in run.stderr.splitlines() if line.startswith("Error")]
    return errors


def test_the_same_work_done_again_sends_nothing_more(ground: Ground) -> None:
    results = written(ground)
    with scripted_scp(sop_classes=classes_but_comprehensive(results)) as pacs:
        queue = ground.queue("pacs", pacs.peer, PATIENT)
        queue.pump()
        sent = len(pacs.sop_instance_uids)
        standing = ground.journal.standing_results(STUDY_UID)
        assert ground.journal.requeue_study(STUDY_UID)
        job = ground.journal.claim_analysis("test", 60)
        assert job is not None
        again = outcome(results=ground.journal.results(STUDY_UID)[: len(results)])
        assert ground.journal.finish_analysis(job, sent_to(again, ["pacs"]))
        queue.pump()
        queue.close()
    assert len(pacs.sop_instance_uids) == sent
    assert ground.journal.standing_results(STUDY_UID) == standing


def test_two_destinations_each_get_the_class_they_take(ground: Ground) -> None:
    results = compose(make_analysis(), [make_source()])
    files = []
    for number, result in enumerate(results):
        files.append(ground.folder / f"{number}.dcm")
        result.save_as(files[-1], enforce_file_format=True)
    finish_with_results(ground.archive, ground.journal, STUDY_UID, files, ["pacs", "archive"])
    everything = tuple({str(result.SOPClassUID) for result in results})
    with (
        scripted_scp(sop_classes=classes_but_comprehensive(results)) as choosy,
        scripted_scp(sop_classes=everything) as archive,
    ):
        for name, peer in (("pacs", choosy.peer), ("archive", archive.peer)):
            queue = ground.queue(name, peer, PATIENT)
            queue.pump()
            queue.close()
    assert sorted(archive.sop_instance_uids) == sorted(str(result.SOPInstanceUID) for result in results)
    assert {dataset.SOPClassUID for dataset in choosy.datasets if dataset.Modality == "SR"} == {
        EnhancedSRStorage
    }


def test_content_that_enhanced_sr_does_not_know_keeps_its_class(ground: Ground) -> None:
    by_reference, spatial, plain = Dataset(), Dataset(), Dataset()
    by_reference.ReferencedContentItemIdentifier = [1, 2]
    spatial.ValueType = "SCOORD3D"
    plain.ValueType = "SCOORD"
    for item, legal in ((by_reference, False), (spatial, False), (plain, True)):
        report, container = Dataset(), Dataset()
        report.SOPClassUID = ComprehensiveSRStorage
        container.ValueType = "CONTAINER"
        container.ContentSequence = [item]
        report.ContentSequence = [container]
        assert may_be_enhanced(report) is legal
