"""A worker turns a study's files into durable results, the same ones every time."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEG2000Lossless, RLELossless
from scripted_scp import write_object

from dicom_node.config import load_analysis_config
from dicom_node.storage.records import AnalysisOutcome, ResultRecord
from dicom_node.workflow.worker import WorkOrder, analyze_study, new_worker
from reports import ReportOptions
from reports.identity import SERIES, ResultKind

EVERYTHING = {"pacs": ReportOptions()}


def analyze(
    folder: Path,
    *files: Path,
    priors: tuple[tuple[Path, ...], ...] = (),
    known: tuple[ResultRecord, ...] = (),
    standing: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    reports: Mapping[str, ReportOptions] = MappingProxyType(EVERYTHING),
    study: str = "1.2.3",
    failure: str = "",
) -> AnalysisOutcome:
    return analyze_study(
        replace(
            order_of(folder, *files),
            study_instance_uid=study,
            priors=priors,
            known=known,
            standing=dict(standing),
            reports=dict(reports),
            failure=failure,
        )
    )


def order_of(folder: Path, *files: Path) -> WorkOrder:
    return WorkOrder(
        study_instance_uid="1.2.3",
        input_digest="d" * 64,
        paths={f"1.2.3.{number}": file for number, file in enumerate(files)},
        data_dir=folder / "data",
        history=(),
        priors=(),
        known=(),
        standing={},
        config=load_analysis_config(),
        reports=EVERYTHING,
        time_limit_seconds=120,
        memory_limit_bytes=4_000_000_000,
    )


@pytest.fixture(scope="module")
def outcome(sample_studies: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[AnalysisOutcome, Path]:
    folder = tmp_path_factory.mktemp("worker")
    return analyze(folder, *sample_studies.glob("01-calibrated-low-risk/*.dcm")), folder / "data"


def test_every_result_is_a_durable_file_that_its_record_describes(
    outcome: tuple[AnalysisOutcome, Path],
) -> None:
    done, data_dir = outcome
    assert done.status == "analyzed"
    assert done.sets == {"pacs": tuple(record.sop_instance_uid for record in done.results)}
    for record in done.results:
        dataset = dcmread(data_dir / record.path)
        assert (
            dataset.SOPInstanceUID == record.sop_instance_uid == dataset.file_meta.MediaStorageSOPInstanceUID
        )
        assert dataset.SOPClassUID == record.sop_class_uid


def test_the_journalled_document_names_the_results(outcome: tuple[AnalysisOutcome, Path]) -> None:
    done, _ = outcome
    document = json.loads(done.result_json)
    assert document["identity"] == done.identity
    assert [entry["path"] for entry in document["results"]] == [record.path for record in done.results]


def test_the_same_work_gives_the_same_objects_byte_for_byte(
    outcome: tuple[AnalysisOutcome, Path], sample_studies: Path, tmp_path: Path
) -> None:
    again = analyze(tmp_path, *sample_studies.glob("01-calibrated-low-risk/*.dcm"))
    assert again == outcome[0]


def test_a_study_that_is_not_ours_has_no_results(sample_studies: Path, tmp_path: Path) -> None:
    done = analyze(tmp_path, *sample_studies.glob("06-spine-to-decline/*.dcm"))
    assert done.status == "not_applicable"
    assert "spine" in done.reason
    assert done.results == ()


def test_a_study_of_private_objects_alone_is_declined_as_what_it_is(tmp_path: Path) -> None:
    done = analyze(tmp_path)
    assert done.status == "not_applicable"
    assert "private or unknown classes" in done.reason


def test_an_object_that_cannot_be_parsed_is_named_with_the_cure(tmp_path: Path) -> None:
    file = write_object(tmp_path / "damaged.dcm")
    file.write_bytes(bytes(len(file.read_bytes())))  # as after a disk fault
    done = analyze(tmp_path, file)
    assert done.status == "rejected"
    assert "object 1.2.3.0 cannot be parsed" in done.reason
    assert "send the study again from its source" in done.reason


def forearm_bomb(sample_studies: Path, path: Path, syntax: str, frame: bytes, **elements: int) -> Path:
    """A real forearm whose compressed pixels are not what its header says."""
    dataset = dcmread(sample_studies / "01-calibrated-low-risk" / "image.dcm")
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.save_as(path)
    return path


SIZ_OF_A_GIGAPIXEL = struct.pack(">4sHH8LHB", b"\xff\x4f\xff\x51", 41, 0, *[32000, 32000, 0, 0] * 2, 1, 15)


@pytest.mark.alone
@pytest.mark.parametrize(
    ("syntax", "frame", "elements", "says"),
    [
        (JPEG2000Lossless, SIZ_OF_A_GIGAPIXEL + b"\xff\xd9", {}, "are 32000 × 32000"),
        (JPEG2000Lossless, SIZ_OF_A_GIGAPIXEL, {"Rows": 32000, "Columns": 32000}, "at most 100000000"),
        (RLELossless, bytes(6_000_000), {"Rows": 20000, "Columns": 20000}, "at most 100000000"),
        (RLELossless, bytes(1000), {"Rows": 9000, "Columns": 9000}, "needs at least"),
        (JPEG2000Lossless, SIZ_OF_A_GIGAPIXEL, {"NumberOfFrames": 1000}, "has 1000 frames"),
    ],
    ids=["codestream", "header", "RLE", "RLE of nothing", "frames"],
)
def test_a_pixel_bomb_is_rejected_before_it_is_decoded(
    sample_studies: Path, tmp_path: Path, *, syntax: str, frame: bytes, elements: dict[str, int], says: str
) -> None:
    bomb = forearm_bomb(sample_studies, tmp_path / "bomb.dcm", syntax, frame, **elements)
    analyze(tmp_path, bomb)  # imports and caches
    started = time.monotonic()
    done = analyze(tmp_path, bomb)
    assert time.monotonic() - started < 1
    assert done.status == "rejected"
    assert says in done.reason


def test_a_study_that_needs_more_memory_than_the_site_gives_is_rejected(
    sample_studies: Path, tmp_path: Path
) -> None:
    order = order_of(tmp_path, *sample_studies.glob("01-calibrated-low-risk/*.dcm"))
    with new_worker() as worker:  # not here: libraries of other tests may not survive it
        worker.submit(analyze_study, order).result(timeout=120)  # imports and caches
        done = worker.submit(analyze_study, replace(order, memory_limit_bytes=1)).result(timeout=120)
    assert done.status == "rejected"
    assert "memory_limit_bytes" in done.reason


def test_a_study_on_which_the_analysis_keeps_failing_is_answered_with_the_reason(
    sample_studies: Path, tmp_path: Path
) -> None:
    files = [*sample_studies.glob("01-calibrated-low-risk/*.dcm"), write_object(tmp_path / "damaged.dcm")]
    files[-1].write_bytes(b"no DICOM at all")
    done = analyze(
        tmp_path,
        *files,
        study=dcmread(files[0]).StudyInstanceUID,
        failure="the worker process died after 3 s",
        reports={"pacs": ReportOptions(refusals="rejected")},
    )
    assert done.status == "failed"
    assert "given up: the worker process died after 3 s" in done.reason
    report = dcmread(tmp_path / "data" / done.results[1].path)
    assert report.StudyInstanceUID == dcmread(files[0]).StudyInstanceUID
    assert "the worker process died after 3 s" in report.to_json()


def test_an_earlier_study_is_compared_on_its_image_and_a_lost_one_costs_nothing(
    sample_studies: Path, tmp_path: Path
) -> None:
    first, follow_up = (
        tuple(sample_studies.glob(f"{name}/*.dcm"))
        for name in ("01-calibrated-low-risk", "03-calibrated-follow-up")
    )
    compared = json.loads(analyze(tmp_path, *follow_up, priors=(first,)).result_json)
    assert compared["changes"]
    assert "change_same_region" in {finding["code"] for finding in compared["quality"]}
    lost = json.loads(analyze(tmp_path, *follow_up, priors=((tmp_path / "gone.dcm",),)).result_json)
    assert lost["status"] == "analyzed"
    assert lost["changes"] == []


SHORT = ReportOptions(results=("summary", "report"))
CHINESE = ReportOptions(results=("report",), language="zh")


def only_report(done: AnalysisOutcome, destination: str, data_dir: Path) -> Dataset:
    records = {record.sop_instance_uid: record for record in done.results}
    (uid,) = (
        uid for uid in done.sets[destination] if records[uid].kind == SERIES[ResultKind.REPORT].description
    )
    return dcmread(data_dir / records[uid].path)


def replaced_by(document: Dataset) -> list[str]:
    return [
        instance.ReferencedSOPInstanceUID
        for study in document.get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]


def test_destinations_of_one_wish_share_their_objects_and_others_get_their_own(
    sample_studies: Path, tmp_path: Path
) -> None:
    files = tuple(sample_studies.glob("01-calibrated-low-risk/*.dcm"))
    wishes = {"pacs": SHORT, "clinic": CHINESE, "archive": SHORT}
    done = analyze(tmp_path, *files, reports=wishes)
    assert done.sets["pacs"] == done.sets["archive"]
    assert [len(done.sets[name]) for name in wishes] == [2, 1, 2]
    assert len(done.results) == 3
    assert not set(done.sets["pacs"]) & set(done.sets["clinic"])


def test_a_report_replaces_what_stands_at_its_own_destination_only(
    sample_studies: Path, tmp_path: Path
) -> None:
    files = tuple(sample_studies.glob("01-calibrated-low-risk/*.dcm"))
    wishes = {"pacs": SHORT, "clinic": CHINESE}
    first = analyze(tmp_path, *files, reports=wishes)
    other = tuple(sample_studies.glob("02-calibrated-high-risk/*.dcm"))  # stands for changed input
    again = analyze(tmp_path, *other, reports=wishes, known=first.results, standing=first.sets)
    for name in wishes:
        before, after = (only_report(done, name, tmp_path / "data") for done in (first, again))
        assert replaced_by(before) == []
        assert replaced_by(after) == [before.SOPInstanceUID]


def test_a_report_made_again_is_the_one_that_stands(sample_studies: Path, tmp_path: Path) -> None:
    files = tuple(sample_studies.glob("01-calibrated-low-risk/*.dcm"))
    first = analyze(tmp_path, *files, reports={"pacs": SHORT})
    again = analyze(tmp_path, *files, reports={"pacs": SHORT}, known=first.results, standing=first.sets)
    assert again == first


def test_a_destination_that_changes_its_language_is_told_what_it_held_before(
    sample_studies: Path, tmp_path: Path
) -> None:
    files = tuple(sample_studies.glob("01-calibrated-low-risk/*.dcm"))
    first = analyze(tmp_path, *files, reports={"pacs": SHORT})
    changed = analyze(tmp_path, *files, reports={"pacs": CHINESE}, known=first.results, standing=first.sets)
    before = only_report(first, "pacs", tmp_path / "data")
    assert replaced_by(only_report(changed, "pacs", tmp_path / "data")) == [before.SOPInstanceUID]
