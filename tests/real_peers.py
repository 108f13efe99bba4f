"""Real peers started for a test on free loopback ports and stopped by their own process id."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset

DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
START_SECONDS = 30


def pick_free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_program(name: str) -> str | None:
    """Path of a program, also in /usr/sbin, where Debian puts Orthanc but an ordinary PATH does not look."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


@dataclass(frozen=True)
class OrthancServer:
    """A running Orthanc with the DICOMweb plug-in."""

    ae_title: str
    dicom_port: int
    http_port: int

    @property
    def dicomweb_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def get(self, path: str) -> Any:
        """JSON answer of Orthanc's own REST API."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as answer:
            return json.load(answer)

    def sop_instance_uids(self) -> list[str]:
        """Every stored instance's SOP Instance UID."""
        return list(self.instances())

    def instances(self) -> dict[str, str]:
        """SOP Instance UID -> Orthanc's own id, of every stored instance."""
        instances = self.get("/instances?expand")
        return {instance["MainDicomTags"]["SOPInstanceUID"]: instance["ID"] for instance in instances}

    def dataset(self, orthanc_id: str) -> Dataset:
        """The stored object."""
        url = f"http://127.0.0.1:{self.http_port}/instances/{orthanc_id}/file"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return dcmread(BytesIO(answer.read()))


def known_to_orthanc(ae_title: str, port: int) -> dict[str, Any]:
    """Settings by which Orthanc knows a node at a loopback port: it commits, finds and moves for it."""
    allowed = ("Echo", "Find", "FindWorklist", "Get", "Move", "Store", "StorageCommitment")
    return {
        "DicomModalities": {
            "node": {
                "AET": ae_title,
                "Host": "127.0.0.1",
                "Port": port,
                **{f"Allow{service}": True for service in allowed},
            }
        }
    }


@contextmanager
def running_orthanc(
    folder: Path, *, http_port: int = 0, dicom_port: int = 0, settings: Mapping[str, Any] | None = None
) -> Iterator[OrthancServer]:
    """Start Orthanc with its storage below `folder`, wait until it answers, stop it at the end.

    The essentials of the configuration are those of a site: calling AE titles may store and echo, the called
    AE title is checked, unknown SOP classes are accepted, a stored instance is never overwritten. `settings`
    are added to those.
    """
    server = OrthancServer("TESTPACS", dicom_port or pick_free_port(), http_port or pick_free_port())
    configuration = {
        "Name": f"TestPACS-{server.http_port}",
        "DefaultEncoding": "Utf8",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "HttpPort": server.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": server.ae_title,
        "DicomPort": server.dicom_port,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "UnknownSopClassAccepted": True,
        "OverwriteInstances": False,
        "Plugins": [str(DICOMWEB_PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        **(settings or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    program = find_program("Orthanc")
    assert program, "Orthanc is not installed; mark the test with @pytest.mark.orthanc"
    # Nagle and delayed acknowledgement stall DCMTK-based receivers 40 ms per instance without TCP_NODELAY
    environment = {**os.environ, "TCP_NODELAY": "1"}
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(
            [program, str(folder / "orthanc.json")], stdout=log, stderr=log, env=environment
        )
    try:
        _wait_until_ready(server, process, configuration["Name"], folder / "orthanc.log")
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_ready(
    server: OrthancServer, process: subprocess.Popen[bytes], name: object, log: Path
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"Orthanc ended at once: {log.read_text()[-2000:]}"
        try:
            # another server may already hold the port and answer instead of ours
            assert server.get("/system")["Name"] == name
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"Orthanc did not answer in {START_SECONDS} s: {log.read_text()[-2000:]}")
