"""A patient's earlier studies come from the PACS before a new one is analysed, or it goes ahead without."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from asked_archives import asked_orthanc, upload, write_study
from node_support import load_config, outcome, sent_to, store_results, wait_until
from pydicom.uid import generate_uid
from real_peers import OrthancServer, pick_free_port
from scripted_scp import StoredObjects, mute_server, scripted_scp, write_object

from dicom_node.config import NodeConfig
from dicom_node.network.sender import Peer, Timeouts, read_sendable, store
from dicom_node.service import Service
from dicom_node.storage.archive import Archive
from dicom_node.storage.records import AnalysisOutcome, StudyState
from dicom_node.workflow.worker import WorkOrder

NEW = "1.2.826.0.1.3680043.8.498.100"
OLD = "1.2.826.0.1.3680043.8.498.101"


@dataclass
class Analyses:
    """Work that answers each study with one result, and remembers in which order they came."""

    config: NodeConfig
    folder: Path
    studies: list[str] = field(default_factory=list)
    hold: Callable[[WorkOrder], None] = lambda _order: None

    def __call__(self, order: WorkOrder) -> AnalysisOutcome:
        self.hold(order)
        self.studies.append(order.study_instance_uid)
        uid = str(generate_uid())
        file = write_object(self.folder / f"{uid}.dcm", uid=uid, study=order.study_instance_uid)
        results = store_results(Archive(self.config.node.data_dir), [file], order.input_digest)
        done = outcome("not_applicable", identity=order.input_digest, results=results)
        return sent_to(done, order.reports)


@contextmanager
def node(folder: Path, extra: str, pacs: StoredObjects) -> Iterator[tuple[Service, Analyses]]:
    config = load_config(folder, destinations=[("pacs", pacs.peer)], extra=extra)
    work = Analyses(config, folder)
    service = Service(config, work=work, make_executor=lambda: ThreadPoolExecutor(1))
    service.start()
    try:
        yield service, work
    finally:
        service.stop()


def push(service: Service, files: Sequence[Path]) -> None:
    peer = Peer("RADIUSDXA", "127.0.0.1", service.port)
    outcomes = store(
        [read_sendable(file) for file in files], peer, calling_ae_title="SCANNER", timeouts=Timeouts()
    )
    assert [sent.status for sent in outcomes] == [0] * len(files)


def over_dimse(port: int, ae_title: str = "TESTPACS") -> str:
    return f'type = "dicom"\nae_title = "{ae_title}"\nhost = "127.0.0.1"\nport = {port}\n'


def asking(archive: str, **priors: object) -> str:
    lines = "".join(f"{key} = {value}\n" for key, value in priors.items())
    return (
        f'[[archive]]\nname = "archive"\n{archive}[priors]\narchive = "archive"\n{lines}'
        "[retrieval]\nconnect_timeout_seconds = 2\nresponse_timeout_seconds = 2\nfirst_retry_seconds = 1\n"
    )


def told(service: Service, study: str = NEW) -> list[str]:
    events = service.journal.events(study_instance_uid=study)
    return [event.message for event in events if event.code == "priors"]


def new_study(folder: Path) -> list[Path]:
    return write_study(folder / "new", study=NEW, StudyDate="20260105")


def is_analysed(service: Service, study: str = NEW) -> bool:
    found = service.journal.study(study)
    return found is not None and found.state is StudyState.NOT_APPLICABLE


@pytest.fixture
def results() -> Iterator[StoredObjects]:
    with scripted_scp() as pacs:
        yield pacs


@pytest.fixture(scope="module")
def full_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    """One fitting prior, and what must not be taken for one."""
    folder = tmp_path_factory.mktemp("priors")
    files = [
        *write_study(folder / "f", study=OLD, count=2, StudyDate="20230105"),
        *write_study(folder / "f", study=f"{OLD}.1", PatientBirthDate="19611111", StudyDate="20240105"),
        *write_study(folder / "f", study=f"{OLD}.2", PatientID="P10", StudyDate="20240105"),
        *write_study(folder / "f", study=f"{OLD}.3", StudyDate="19990105"),
        *write_study(folder / "f", study=f"{OLD}.4", Modality="MR", StudyDate="20240105"),
        *write_study(folder / "f", study=f"{OLD}.5", StudyDate="20260106"),
    ]
    with asked_orthanc(folder / "orthanc") as server:
        upload(server, files)
        yield server


@pytest.mark.orthanc
@pytest.mark.parametrize("way", ["DIMSE", "DICOMweb"])
def test_the_prior_is_fetched_and_analysed_first_and_its_results_are_kept(
    tmp_path: Path, full_orthanc: OrthancServer, results: StoredObjects, way: str
) -> None:
    archive = over_dimse(full_orthanc.dicom_port)
    if way == "DICOMweb":
        archive = f'type = "dicomweb"\nurl = "{full_orthanc.dicomweb_url}"\n'
    with node(tmp_path, asking(archive), results) as (service, work):
        push(service, new_study(tmp_path))
        wait_until(lambda: is_analysed(service) and bool(results.sop_instance_uids), seconds=30)
        assert work.studies == [OLD, NEW], "the history first, and nobody else's"
        assert told(service) == ["priors: 1 of 1 came from archive"]
        prior, new = service.journal.study(OLD), service.journal.study(NEW)
        assert prior is not None
        assert new is not None
        assert prior.patient_key == new.patient_key
        assert len(service.journal.results(OLD)) == 1
    assert {str(item.StudyInstanceUID) for item in results.datasets} == {NEW}, "no new report of an old study"


@pytest.mark.slow
@pytest.mark.orthanc
def test_results_of_priors_are_sent_where_the_site_wants_them(
    tmp_path: Path, full_orthanc: OrthancServer, results: StoredObjects
) -> None:
    extra = asking(over_dimse(full_orthanc.dicom_port), deliver="true")
    with node(tmp_path, extra, results) as (service, _work):
        push(service, new_study(tmp_path))
        wait_until(lambda: len(results.sop_instance_uids) == 2, seconds=30)
    assert {str(item.StudyInstanceUID) for item in results.datasets} == {OLD, NEW}


@pytest.mark.slow
@pytest.mark.orthanc
def test_priors_by_body_part_and_description(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, results: StoredObjects
) -> None:
    wanted, hip = generate_uid(), generate_uid()
    files = [
        *write_study(
            tmp_path / "f", study=wanted, BodyPartExamined="FOREARM", StudyDescription="DXA Forearm"
        ),
        *write_study(tmp_path / "f", study=hip, BodyPartExamined="HIP", StudyDescription="DXA Forearm"),
        *write_study(tmp_path / "f", study=generate_uid(), StudyDescription="DXA hip"),
    ]
    extra_keys = {"body_parts": '["FOREARM", "ARM"]', "descriptions": '["*forearm*"]'}
    with asked_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        upload(server, files)
        extra = asking(over_dimse(server.dicom_port), **extra_keys)
        with node(tmp_path, extra, results) as (service, work):
            push(service, new_study(tmp_path))
            wait_until(lambda: is_analysed(service), seconds=30)
    assert work.studies == [wanted, NEW]


@pytest.mark.orthanc
def test_a_caller_that_the_pacs_does_not_know_is_told_and_the_analysis_goes_ahead(
    tmp_path: Path, full_orthanc: OrthancServer, results: StoredObjects
) -> None:
    extra = asking(over_dimse(full_orthanc.dicom_port, "WRONG"), wait_seconds=30)
    with node(tmp_path, extra, results) as (service, _work):
        push(service, new_study(tmp_path))
        wait_until(lambda: is_analysed(service), seconds=15)
        assert "check both AE titles" in told(service)[0]


@pytest.mark.alone
def test_a_pacs_that_is_down_costs_the_wait_and_no_more(tmp_path: Path, results: StoredObjects) -> None:
    extra = asking(over_dimse(pick_free_port()), wait_seconds=3)
    with node(tmp_path, extra, results) as (service, _work):
        started = time.monotonic()
        push(service, new_study(tmp_path))
        wait_until(lambda: is_analysed(service), seconds=15)
        assert 3 < time.monotonic() - started < 12
        assert told(service) == [
            "analysed without all priors: after [priors] wait_seconds = 3, "
            "the archive has not said which priors there are"
        ]


def test_a_silent_pacs_holds_up_nobody_beyond_the_wait(tmp_path: Path, results: StoredObjects) -> None:
    second = f"{NEW}.2"
    with mute_server() as mute:
        extra = asking(over_dimse(mute.port), wait_seconds=2)
        with node(tmp_path, extra, results) as (service, work):
            push(service, [*new_study(tmp_path), *write_study(tmp_path / "second", study=second)])
            wait_until(lambda: is_analysed(service) and is_analysed(service, second), seconds=15)
            assert sorted(work.studies) == [NEW, second]


def test_a_patient_who_cannot_be_recognised_is_not_asked_for(tmp_path: Path, results: StoredObjects) -> None:
    files = write_study(tmp_path / "new", study=NEW, PatientBirthDate="")
    extra = asking(over_dimse(pick_free_port()), wait_seconds=60)
    with node(tmp_path, extra, results) as (service, _work):
        push(service, files)
        wait_until(lambda: is_analysed(service), seconds=15)
        assert "birth date" in told(service)[0]
