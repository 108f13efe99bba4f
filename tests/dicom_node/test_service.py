"""The node as a whole: what is pushed in over DICOM comes back as results, across restarts too."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from node_support import load_config, outcome, sent_to, store_results, wait_until
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    generate_uid,
)
from returned_documents import file_bytes, key_objects
from scripted_scp import StoredObjects, scripted_scp, write_object
from worker_functions import analyze_as_rejected

from dicom_node.config import NodeConfig
from dicom_node.errors import ConfigurationError
from dicom_node.network.sender import Peer, Timeouts, read_sendable, store
from dicom_node.service import Service
from dicom_node.storage.archive import Archive
from dicom_node.storage.records import AnalysisOutcome, StudyState
from dicom_node.storage.reprocessing import ItemState, PlanPace, PlanState
from dicom_node.storage.selection import StudySelection
from dicom_node.workflow.execution import Work
from dicom_node.workflow.reprocess_plans import make_plan
from dicom_node.workflow.worker import WorkOrder
from reports.options import EVERY_RESULT

RESULT_CLASSES = (
    SecondaryCaptureImageStorage,
    ComprehensiveSRStorage,
    BasicTextSRStorage,
    SegmentationStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    EncapsulatedPDFStorage,
    KeyObjectSelectionDocumentStorage,
)
SCANNER = "SCANNER"


@contextmanager
def running(config: NodeConfig, work: Work) -> Iterator[Service]:
    """A node in this process whose analyses run in a thread."""
    service = Service(config, work=work, make_executor=lambda: ThreadPoolExecutor(1))
    service.start()
    try:
        yield service
    finally:
        service.stop()


def push(service: Service, files: Sequence[Path]) -> list[int | None]:
    peer = Peer("RADIUSDXA", "127.0.0.1", service.port)
    sendable = [read_sendable(file) for file in files]
    outcomes = store(sendable, peer, calling_ae_title=SCANNER, timeouts=Timeouts())
    return [outcome.status for outcome in outcomes]


def state_of(service: Service, study: str) -> str:
    found = service.journal.study(study)
    return found.state if found else ""


def one_result(config: NodeConfig, folder: Path) -> Work:
    """Work that answers every study with one secondary capture of the same study, always the same."""
    uids: dict[str, str] = {}

    def work(order: WorkOrder) -> AnalysisOutcome:
        uid = uids.setdefault(order.input_digest, str(generate_uid()))
        file = write_object(folder / f"{uid}.dcm", uid=uid, study=order.study_instance_uid)
        results = store_results(Archive(config.node.data_dir), [file], order.input_digest)
        return sent_to(outcome(identity=order.input_digest, results=results), order.reports)

    return work


def test_a_second_node_on_the_same_data_directory_is_refused(tmp_path: Path) -> None:
    config = load_config(tmp_path)
    with (
        running(config, analyze_as_rejected),
        pytest.raises(ConfigurationError, match="another node is running on this directory"),
    ):
        Service(config).start()


def test_a_tampered_model_keeps_the_node_from_starting(tmp_path: Path) -> None:
    config = load_config(tmp_path)
    broken = tmp_path / "models"
    broken.mkdir()
    for file in config.analysis.models.iterdir():
        (broken / file.name).write_bytes(file.read_bytes() + b" " * (file.name != "registry.json"))
    path = tmp_path / "conf/node.toml"
    path.write_text(path.read_text().replace("[analysis]", f'[analysis]\nmodels = "{broken}"'))
    with pytest.raises(ConfigurationError, match=r"full-.*\.json"):
        Service(NodeConfig.load(path)).start()


def test_the_outcome_of_an_analysis_reaches_the_journal_with_its_reason(tmp_path: Path) -> None:
    file = write_object(tmp_path / "in.dcm", study="1.2.3")
    with running(load_config(tmp_path), analyze_as_rejected) as service:
        assert push(service, [file]) == [0]
        wait_until(lambda: state_of(service, "1.2.3") == StudyState.REJECTED)
        study = service.journal.study("1.2.3")
        assert study is not None and study.reason == "1 objects seen"
        assert service.journal.summary()["deliveries"] == {}


def test_own_results_that_a_pacs_sends_back_are_stored_once_and_not_analysed(tmp_path: Path) -> None:
    with scripted_scp(sop_classes=RESULT_CLASSES) as pacs:
        config = load_config(tmp_path, destinations=[("pacs", pacs.peer)])
        with running(config, one_result(config, tmp_path)) as service:
            push(service, [write_object(tmp_path / "in.dcm", study="1.2.3")])
            wait_until(lambda: service.journal.summary()["deliveries"] == {"delivered": 1})
            result = next((config.node.data_dir / "results").rglob("*.dcm"))
            assert push(service, [result, result]) == [0, 0]
            assert state_of(service, "1.2.3") == StudyState.ANALYZED, "not opened again"
            kept = [event for event in service.journal.events() if event.code == "own_result"]
            assert len(kept) == 1
            assert service.journal.summary()["analyses"] == {"done": 1}


def test_a_rejection_that_a_reader_sends_back_is_an_opinion_and_starts_no_analysis(tmp_path: Path) -> None:
    with scripted_scp(sop_classes=RESULT_CLASSES) as pacs:
        config = load_config(tmp_path, destinations=[("pacs", pacs.peer)])
        with running(config, one_result(config, tmp_path)) as service:
            push(service, [write_object(tmp_path / "in.dcm", study="1.2.3")])
            wait_until(lambda: service.journal.summary()["deliveries"] == {"delivered": 1})
            (result,) = service.journal.results("1.2.3")
            rejection = tmp_path / "rejection.dcm"
            rejection.write_bytes(file_bytes(key_objects("1.2.3", [result.sop_instance_uid], "113001")))
            assert push(service, [rejection]) == [0]
            wait_until(lambda: len(service.journal.opinions("1.2.3")) == 1)
            assert state_of(service, "1.2.3") == StudyState.ANALYZED
            assert len(service.journal.instances("1.2.3")) == 1
            assert service.journal.summary()["analyses"] == {"done": 1}


def test_a_late_object_leads_to_a_second_analysis_of_the_whole_study(tmp_path: Path) -> None:
    files = [write_object(tmp_path / f"{number}.dcm", study="1.2.3") for number in range(2)]
    with running(load_config(tmp_path), analyze_as_rejected) as service:
        push(service, files[:1])
        wait_until(lambda: state_of(service, "1.2.3") == StudyState.REJECTED)
        push(service, files[1:])
        wait_until(lambda: service.journal.summary()["analyses"] == {"done": 2})
        study = service.journal.study("1.2.3")
        assert study is not None and study.reason == "2 objects seen"


def test_stopping_lets_a_running_analysis_end_and_the_next_start_delivers_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    started = threading.Event()

    def slow(order: WorkOrder) -> AnalysisOutcome:
        started.set()
        time.sleep(0.5)
        return quick(order)

    with scripted_scp() as pacs:
        config = load_config(tmp_path, destinations=[("pacs", pacs.peer)])
        quick = one_result(config, tmp_path)
        with running(config, slow) as service:
            push(service, [write_object(tmp_path / "in.dcm", study="1.2.3")])
            assert started.wait(timeout=20)
        with running(config, quick) as service:
            assert state_of(service, "1.2.3") == StudyState.ANALYZED
            wait_until(lambda: service.journal.summary()["deliveries"] == {"delivered": 1})
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_restart_resumes_a_study_that_was_still_arriving(tmp_path: Path) -> None:
    config = load_config(tmp_path)
    with running(config, analyze_as_rejected) as service:
        push(service, [write_object(tmp_path / "in.dcm", study="1.2.3")])
        assert state_of(service, "1.2.3") == StudyState.RECEIVING
    with running(config, analyze_as_rejected) as service:
        wait_until(lambda: state_of(service, "1.2.3") == StudyState.REJECTED)


def test_a_restart_delivers_what_a_pacs_that_was_down_did_not_take(tmp_path: Path) -> None:
    with scripted_scp() as gone:
        peer = gone.peer
    config = load_config(tmp_path, destinations=[("pacs", peer)])
    work = one_result(config, tmp_path)
    with running(config, work) as service:
        push(service, [write_object(tmp_path / "in.dcm", study="1.2.3")])
        wait_until(lambda: any(e.code == "delivery_postponed" for e in service.journal.events()))
    with scripted_scp(port=peer.port) as pacs, running(config, work) as service:
        wait_until(lambda: service.journal.summary()["deliveries"] == {"delivered": 1})
    assert len(pacs.sop_instance_uids) == 1


@pytest.fixture(scope="module")
def answered_study(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, StoredObjects, Service]]:
    """A sample study pushed through a node with real workers, and what a PACS got."""
    folder = tmp_path_factory.mktemp("node")
    study = next(Path(__file__).parents[2].glob("sample_studies/02-calibrated-high-risk/*.dcm"))
    with scripted_scp(sop_classes=RESULT_CLASSES) as pacs:
        service = Service(load_config(folder, destinations=[("pacs", pacs.peer)]))
        service.start()
        try:
            push(service, [study])
            wait_until(lambda: len(pacs.sop_instance_uids) == len(EVERY_RESULT), seconds=60)
            wait_until(lambda: service.journal.summary()["deliveries"] == {"delivered": len(EVERY_RESULT)})
            yield study, pacs, service
        finally:
            service.stop()


def test_a_forearm_study_is_answered_with_every_result_the_summary_page_first(
    answered_study: tuple[Path, StoredObjects, Service],
) -> None:
    _, pacs, _ = answered_study
    assert [dataset.SOPClassUID for dataset in pacs.datasets] == [
        SecondaryCaptureImageStorage,
        ComprehensiveSRStorage,
        SecondaryCaptureImageStorage,
        SecondaryCaptureImageStorage,
        ComprehensiveSRStorage,
        SegmentationStorage,
        GrayscaleSoftcopyPresentationStateStorage,
        EncapsulatedPDFStorage,
        KeyObjectSelectionDocumentStorage,
    ]


def test_every_result_belongs_to_the_patient_and_study_it_was_made_from(
    answered_study: tuple[Path, StoredObjects, Service],
) -> None:
    file, pacs, _ = answered_study
    source = dcmread(file)

    def belonging(dataset: Dataset) -> tuple[object, ...]:
        keywords = ("StudyInstanceUID", "PatientID", "PatientName", "StudyDate", "StudyID", "AccessionNumber")
        return tuple(dataset.get(keyword) for keyword in keywords)

    assert {belonging(result) for result in pacs.datasets} == {belonging(source)}
    assert source.SeriesInstanceUID not in {result.SeriesInstanceUID for result in pacs.datasets}


def test_reprocessing_the_same_input_sends_nothing_new(
    answered_study: tuple[Path, StoredObjects, Service],
) -> None:
    file, pacs, service = answered_study
    assert service.journal.requeue_study(dcmread(file).StudyInstanceUID)
    wait_until(lambda: service.journal.summary()["analyses"] == {"done": 2}, seconds=30)
    assert service.journal.summary()["deliveries"] == {"delivered": len(EVERY_RESULT)}
    assert len(set(pacs.sop_instance_uids)) == len(pacs.sop_instance_uids) == len(EVERY_RESULT)


def test_a_plan_over_a_study_that_says_the_same_sends_nothing_and_says_so(
    answered_study: tuple[Path, StoredObjects, Service], tmp_path: Path
) -> None:
    file, pacs, service = answered_study
    uid = dcmread(file).StudyInstanceUID
    plan = make_plan(
        service.journal,
        load_config(tmp_path),
        StudySelection(everything=True),
        PlanPace(),
        by="eve",
        reason="to see whether anything changes",
    )
    wait_until(lambda: service.journal.plan(plan).state is PlanState.DONE, seconds=60)
    assert service.journal.plan(plan).items == {ItemState.UNCHANGED: 1}
    assert service.journal.summary()["deliveries"] == {"delivered": len(EVERY_RESULT)}
    assert len(pacs.sop_instance_uids) == len(EVERY_RESULT)
    told = service.journal.events(study_instance_uid=uid)
    assert "result_unchanged" in [event.code for event in told]


def test_reports_of_a_study_that_a_late_object_completes_name_the_reports_they_replace(
    tmp_path: Path,
) -> None:
    folder = Path(__file__).parents[2] / "sample_studies" / "05-lunar"
    with scripted_scp(sop_classes=RESULT_CLASSES) as pacs:
        reports = '[reports]\nresults = ["measurements", "report"]\n'
        service = Service(load_config(tmp_path, destinations=[("pacs", pacs.peer)], extra=reports))
        service.start()
        try:
            push(service, [folder / "IMG00000.dcm"])
            wait_until(lambda: service.journal.summary()["deliveries"] == {"delivered": 2}, seconds=60)
            push(service, [folder / "STR00000.dcm"])  # the densitometer's numbers come after its picture
            wait_until(lambda: service.journal.summary()["deliveries"] == {"delivered": 4}, seconds=60)
        finally:
            service.stop()
    first, second = pacs.datasets[:2], pacs.datasets[2:]
    for earlier, later in zip(first, second, strict=True):
        (study,) = later.PredecessorDocumentsSequence
        (series,) = study.ReferencedSeriesSequence
        (document,) = series.ReferencedSOPSequence
        assert document.ReferencedSOPInstanceUID == earlier.SOPInstanceUID != later.SOPInstanceUID
        assert "PredecessorDocumentsSequence" not in earlier
