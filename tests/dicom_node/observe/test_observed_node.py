"""A running node as administrator and auditor see it: nothing about a patient but to auditors."""

from __future__ import annotations

import contextlib
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from node_support import wait_until
from prometheus_client.parser import text_string_to_metric_families
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation as DigitalXRay
from pydicom.uid import generate_uid
from raw_scu import encoded, raw_scu
from running_node import running_node, write_node_config
from scripted_scp import scripted_scp
from test_audit_messages import parse

NAME, NUMBER, BIRTH_DATE, ACCESSION = "QUETZALCOATL", "PID-8472635", "19031207", "ACC-5527189"
"""Of a patient that occurs nowhere else."""

INSTANCE = generate_uid()


def forearm(sample_studies: Path) -> Dataset:
    """A sample study of that patient."""
    data_set = dcmread(next((sample_studies / "01-calibrated-low-risk").rglob("*.dcm")))
    data_set.PatientName, data_set.PatientID = f"{NAME}^XOCHIPILLI", NUMBER
    data_set.PatientBirthDate, data_set.AccessionNumber = BIRTH_DATE, ACCESSION
    data_set.StudyInstanceUID, data_set.SOPInstanceUID = generate_uid(), INSTANCE
    return data_set


def defective(sample_studies: Path) -> list[bytes]:
    """The same patient in objects that fail: in the receiver, in parsers, in the analysis."""
    sound = encoded(forearm(sample_studies))
    name = f"{NAME}^XOCHIPILLI".encode()
    strange = forearm(sample_studies)
    strange["PatientAge"]._value = f"{NAME} is no age"  # its VR would be warned of with the value
    strange.Rows, strange.PixelData = 3, b"\0\0"
    no_uids = forearm(sample_studies)
    del no_uids.StudyInstanceUID
    return [
        sound.replace(name, name[:-1] + b"\xff"),
        encoded(strange),
        encoded(no_uids),
        sound[: len(sound) // 2],
        name * 100,
    ]


def fetch(port: int, page: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except urllib.error.URLError:
        return 0, ""


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """(name, label values) -> value."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def dead_letters(monitoring: int) -> float:
    found = samples(fetch(monitoring, "/metrics")[1])
    return found.get(("radius_dxa_deliveries_waiting", ("pacs", "dead")), 0)


@pytest.mark.slow
@pytest.mark.parametrize("verbose", [False, True])
def test_everything_is_told_and_nothing_about_the_patient_but_to_auditors(
    tmp_path: Path, sample_studies: Path, free_port: Callable[[], int], verbose: bool
) -> None:
    monitoring = free_port()
    with scripted_scp() as pacs:  # takes pages, and refuses every other class: dead letters
        config, port = write_node_config(
            tmp_path,
            destinations={"pacs": (pacs.peer.ae_title, pacs.peer.port)},
            monitoring_port=monitoring,
            extra=f'[logging]\nformat = "{"json" if verbose else "console"}"\nlevel = "debug"\n'
            '[audit]\ntransport = "file"\ndirectory = "audit"\n',
        )
        with running_node(config, verbose=verbose):
            wait_until(lambda: fetch(monitoring, "/ready")[0] == 200, seconds=60)
            with raw_scu(port, sop_classes=(DigitalXRay,)) as scu:
                good = forearm(sample_studies)
                assert scu.store_dataset(good, context_class=DigitalXRay).status == 0
            for data in defective(sample_studies):
                with raw_scu(port, sop_classes=(DigitalXRay,)) as scu:
                    scu.store(data, instance=INSTANCE, sop_class=DigitalXRay, context_class=DigitalXRay)
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as rubbish:
                rubbish.sendall(f"GET /{NAME} HTTP/1.0\r\n\r\n".encode())
            wait_until(lambda: dead_letters(monitoring) >= 1, seconds=60)
            pages = {page: fetch(monitoring, page) for page in ("/metrics", "/health", "/ready")}
    log = config.with_suffix(".log").read_text()
    told_to_administrators = log + "".join(text for _, text in pages.values())
    for secret in (NAME, NUMBER, BIRTH_DATE, ACCESSION):
        assert secret not in told_to_administrators, secret
    assert good.StudyInstanceUID in log
    if verbose:
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        assert any(line.get("study") == good.StudyInstanceUID and "analysis" in line for line in lines)
    metrics = samples(pages["/metrics"][1])
    assert metrics["radius_dxa_instances_received_total", ("stored",)] >= 1
    assert metrics["radius_dxa_analyses_total", ("analyzed",)] >= 1
    assert metrics["radius_dxa_deliveries_waiting", ("pacs", "dead")] >= 1
    assert json.loads(pages["/health"][1])["jobs"]["completion"]["error"] == ""
    audit = "".join(path.read_text() for path in (tmp_path / "audit").iterdir())
    assert NAME in audit and NUMBER in audit
    for line in audit.splitlines():
        parse(line.partition("\ufeff")[2])
