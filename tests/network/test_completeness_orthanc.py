"""A node that asks a real PACS waits for what it has; when more comes later, the reports are replaced."""

from __future__ import annotations

import io
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from asked_archives import asked_orthanc, upload
from pydicom import dcmread
from pydicom.dataset import Dataset
from real_peers import OrthancServer, find_program
from running_node import DICOM_NODE, running_node, write_node_config
from worker_functions import analyze_as_rejected

from dicom_node.config import NodeConfig
from dicom_node.service import Service
from reports.identity import MANUFACTURER_MODEL_NAME

pytestmark = [pytest.mark.orthanc, pytest.mark.dcmtk]

STRUCTURED_REPORT = "1.2.840.10008.5.1.4.1.1.88."
ANSWER_SECONDS = 60


def storescu(file: Path, port: int) -> None:
    program = find_program("storescu")
    assert program
    command = [program, "-aet", "LUNAR1", "-aec", "RADIUSDXA", "127.0.0.1", str(port), str(file)]
    subprocess.run(command, check=True, timeout=60, capture_output=True)


def study_at(config: Path) -> dict[str, object]:
    listing = subprocess.run(
        [DICOM_NODE, "studies", "--json", "--config", config], capture_output=True, check=True, timeout=60
    )
    studies: list[dict[str, object]] = json.loads(listing.stdout)
    return studies[0] if studies else {}


def state_of(node: Service, uid: str) -> str:
    study = node.journal.study(uid)
    return study.state if study else ""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.5)


def reports_at(pacs: OrthancServer) -> list[Dataset]:
    """Our reports that the PACS holds."""
    found = []
    for instance in pacs.get("/instances"):
        address = f"http://127.0.0.1:{pacs.http_port}/instances/{instance}/file"
        with urllib.request.urlopen(address, timeout=10) as answer:
            dataset = dcmread(io.BytesIO(answer.read()))
        ours = dataset.get("ManufacturerModelName") == MANUFACTURER_MODEL_NAME
        if ours and dataset.SOPClassUID.startswith(STRUCTURED_REPORT):
            found.append(dataset)
    return found


def archive_table(pacs: OrthancServer) -> str:
    return (
        f'[[archive]]\nname = "pacs"\nae_title = "{pacs.ae_title}"\nhost = "127.0.0.1"\n'
        f"port = {pacs.dicom_port}\n"
    )


def with_count(config: Path, patience_seconds: float) -> None:
    text = config.read_text()
    table = f'[completion]\ncount_at = "pacs"\npatience_seconds = {patience_seconds}'
    config.write_text(text.replace("[completion]", table))


@pytest.mark.slow
def test_a_study_waits_for_what_the_pacs_has_and_says_so(tmp_path: Path, sample_studies: Path) -> None:
    image, report = sorted((sample_studies / "05-lunar").glob("*.dcm"))
    uid = dcmread(image).StudyInstanceUID
    with asked_orthanc(tmp_path / "orthanc") as pacs:
        upload(pacs, [image, report])
        config, port = write_node_config(tmp_path / "node", destinations={}, extra=archive_table(pacs))
        with_count(config, 600)
        node = Service(
            NodeConfig.load(config), work=analyze_as_rejected, make_executor=lambda: ThreadPoolExecutor(1)
        )
        node.start()
        try:
            storescu(image, port)
            wait_until(lambda: node.journal.expected_count(uid) is not None)
            time.sleep(2)  # twice the quiet time
            assert state_of(node, uid) == "receiving", "the PACS has one more"
            storescu(report, port)
            wait_until(lambda: state_of(node, uid) == "rejected")
            study = node.journal.study(uid)
            assert study is not None and study.completed_reason.endswith("; 2 received, pacs has 2")
        finally:
            node.stop()


@pytest.mark.slow
def test_a_late_object_leads_to_a_report_that_names_the_one_it_replaces(
    tmp_path: Path, sample_studies: Path
) -> None:
    image, report = sorted((sample_studies / "05-lunar").glob("*.dcm"))
    reports_only = '[destination.reports]\nresults = ["measurements"]\n'
    with asked_orthanc(tmp_path / "orthanc") as pacs:
        config, port = write_node_config(
            tmp_path / "node",
            destinations={"pacs": (pacs.ae_title, pacs.dicom_port)},
            extra=reports_only + archive_table(pacs),
        )
        with_count(config, 600)
        with running_node(config):
            storescu(image, port)
            wait_until(lambda: len(reports_at(pacs)) == 1)
            (first,) = reports_at(pacs)
            storescu(report, port)  # the PACS now holds a result of ours, which is no object to wait for
            wait_until(lambda: len(reports_at(pacs)) == 2)
            reason = str(study_at(config)["completed_reason"])
        (second,) = [item for item in reports_at(pacs) if item.SOPInstanceUID != first.SOPInstanceUID]
    assert reason.endswith("; 2 received, pacs has 0")
    (study,) = second.PredecessorDocumentsSequence
    (document,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert document.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert "PredecessorDocumentsSequence" not in first
