"""The whole way from real archives into a real node: C-MOVE to its port, over TLS, DCMTK, after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from asked_archives import NODE_AE, asked_orthanc, over_dimse, upload, write_study
from node_support import wait_until, write_config
from own_ca import OwnAuthority
from pydicom import dcmread
from pydicom.uid import generate_uid
from real_peers import find_program, pick_free_port
from running_node import DICOM_NODE, running_node, write_node_config
from worker_functions import analyze_as_rejected

from dicom_node.config import ClientTls, NodeConfig
from dicom_node.errors import TransientArchiveError
from dicom_node.faults import ENVIRONMENT_VARIABLE
from dicom_node.network.admission import StoreRequest
from dicom_node.network.peers import Peer, Timeouts
from dicom_node.network.query import DicomArchive, StudyFilter, count_instances, find_instances, find_studies
from dicom_node.network.retrieve import retrieve
from dicom_node.service import Service
from dicom_node.storage.journal import Journal
from dicom_node.storage.retrievals import RetrievalPurpose


@pytest.mark.orthanc
def test_c_move_arrives_at_the_nodes_own_receiver(tmp_path: Path) -> None:
    study, port = str(generate_uid()), pick_free_port()
    files = write_study(tmp_path / "f", study=study, count=3)
    with asked_orthanc(tmp_path / "orthanc", node_port=port, SynchronousCMove=False) as server:
        upload(server, files)
        extra = (
            '[[archive]]\nname = "pacs"\nae_title = "TESTPACS"\nhost = "127.0.0.1"\n'
            f'port = {server.dicom_port}\nretrieve = "c-move"\n'
        )
        path = write_config(tmp_path, extra=extra)
        path.write_text(path.read_text().replace("port = 0", f"port = {port}", 1))
        service = Service(
            NodeConfig.load(path), work=analyze_as_rejected, make_executor=lambda: ThreadPoolExecutor(1)
        )
        service.start()
        try:
            service.journal.request_retrieval(study, "pacs", RetrievalPurpose.ASKED)
            wait_until(lambda: [row.state for row in service.journal.retrievals()] == ["done"], seconds=30)
            (row,) = service.journal.retrievals()
            assert (row.expected, row.received) == (3, 3)
            wait_until(lambda: service.journal.summary()["studies"] == {"rejected": 1}, seconds=30)
        finally:
            service.stop()


@pytest.mark.orthanc
def test_orthanc_over_tls_answers_the_node_and_nobody_without_a_certificate(tmp_path: Path) -> None:
    study = str(generate_uid())
    ca = OwnAuthority(tmp_path / "ca")
    server_leaf, node_leaf = ca.issue("orthanc"), ca.issue("node")
    tls = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(server_leaf.certificate),
        "DicomTlsPrivateKey": str(server_leaf.private_key),
        "DicomTlsTrustedCertificates": str(ca.certificate),
        "DicomTlsRemoteCertificateRequired": True,
    }
    with asked_orthanc(tmp_path / "orthanc", **tls) as server:
        upload(server, write_study(tmp_path / "f", study=study, count=2))
        plain = over_dimse(server)
        mutual = ClientTls(
            trusted=ca.certificate, certificate=node_leaf.certificate, private_key=node_leaf.private_key
        )
        archive = replace(plain, peer=replace(plain.peer, tls=mutual))
        found = find_instances(archive, study)
        wanted = frozenset(item.sop_instance_uid for item in found)
        kept: list[StoreRequest] = []
        report = retrieve(
            archive, study, found, wanted=wanted, keep=lambda request: kept.append(request) or 0
        )
        assert report.completed == len(kept) == 2
        anonymous = replace(plain, peer=replace(plain.peer, tls=ClientTls(trusted=ca.certificate)))
        for refused in (plain, anonymous):
            with pytest.raises(TransientArchiveError):
                find_studies(refused, StudyFilter(study_instance_uid=study))


@contextmanager
def dcmqrscp(folder: Path, files: list[Path]) -> Iterator[DicomArchive]:
    """DCMTK's archive, that holds `files`."""
    port, store = pick_free_port(), folder / "store"
    store.mkdir(parents=True)
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nDCMQR {store} RW (100, 1024mb) ANY\nAETable END\n"
    )
    program, index = find_program("dcmqrscp"), find_program("dcmqridx")
    assert program
    assert index
    for file in files:
        kept = store / file.name
        kept.write_bytes(file.read_bytes())
        subprocess.run([index, store, kept], check=True, capture_output=True, timeout=30)
    process = subprocess.Popen(
        [program, "--config", folder / "dcmqrscp.cfg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    archive = DicomArchive(Peer("DCMQR", "127.0.0.1", port), NODE_AE, Timeouts(2, 10))
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                find_studies(archive, StudyFilter(study_instance_uid="1.2.3"))
                break
            except TransientArchiveError:
                assert time.monotonic() < deadline, "dcmqrscp does not answer"
                time.sleep(0.1)
        yield archive
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.dcmtk
def test_dcmtk_is_asked_counted_and_fetched_from(tmp_path: Path) -> None:
    study = str(generate_uid())
    files = write_study(tmp_path / "f", study=study, count=3)
    files += write_study(tmp_path / "f", study=str(generate_uid()), PatientID="P10")
    with dcmqrscp(tmp_path / "dcmqrscp", files) as archive:
        found = find_studies(archive, StudyFilter(patient_id="P1"))
        assert [item.study_instance_uid for item in found] == [study]
        assert count_instances(archive, study) == 3
        instances = find_instances(archive, study)
        kept: list[str] = []

        def keep(request: StoreRequest) -> int:
            kept.append(request.sop_instance_uid)
            return 0

        wanted = frozenset(item.sop_instance_uid for item in instances[:2])
        report = retrieve(archive, study, instances, wanted=wanted, keep=keep)
    assert (report.completed, report.failed) == (2, 0)
    assert set(kept) == wanted


@pytest.mark.slow
@pytest.mark.orthanc
@pytest.mark.parametrize(
    "point", ["retrieval.after_claim", "receiver.after_commit:2", "retrieval.before_finish"]
)
def test_a_node_killed_while_it_fetches_goes_on_at_its_next_start(tmp_path: Path, point: str) -> None:
    study = str(generate_uid())
    files = write_study(tmp_path / "f", study=study, count=4)
    with asked_orthanc(tmp_path / "orthanc") as server:
        upload(server, files)
        extra = (
            '[[archive]]\nname = "pacs"\nae_title = "TESTPACS"\nhost = "127.0.0.1"\n'
            f"port = {server.dicom_port}\n"
        )
        config, _port = write_node_config(tmp_path / "node", destinations={}, extra=extra)
        journal = Journal(tmp_path / "node/node_data/journal.db")
        journal.request_retrieval(study, "pacs", RetrievalPurpose.ASKED)
        struck = subprocess.run(
            [DICOM_NODE, "serve", "--config", config],
            env={**os.environ, ENVIRONMENT_VARIABLE: point},
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert struck.returncode == -signal.SIGKILL
        with running_node(config):
            wait_until(lambda: [row.state for row in journal.retrievals()] == ["done"], seconds=60)
        uids = {str(dcmread(file).SOPInstanceUID) for file in files}
        assert {instance.sop_instance_uid for instance in journal.instances(study)} == uids
        assert [row.attempts for row in journal.retrievals()] == [1], "the kill is not the study's fault"
        journal.close()
