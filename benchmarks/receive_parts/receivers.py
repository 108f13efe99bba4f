"""The receivers side by side: each a process of its own on a free loopback port, with its own folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

__all__ = ["RECEIVERS", "Receiver", "family"]

_REPOSITORY = Path(__file__).resolve().parents[2]
_START_SECONDS = 90.0
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Receiver(ABC):
    """One receiver; a context manager that starts and stops it.

    Attributes
    ----------
    name, durable : str
        For the table.
    """

    name: str
    durable: str
    ae_title = "PEER"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()

    @classmethod
    def missing(cls) -> str:
        """Return what must be installed first; empty if nothing."""
        return ""

    @abstractmethod
    def command(self) -> list[str]:
        """Prepare the folder; return the command line."""

    def is_ready(self, log: str) -> bool:
        """Tell whether it can receive."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @abstractmethod
    def files(self) -> int:
        """Return how many instances are on disk."""

    def rows(self) -> int | None:
        """Return how many instances its index holds; None without one."""
        return None

    def __enter__(self) -> Receiver:
        self.folder.mkdir(parents=True)
        log = self.folder.with_suffix(".log")
        environment = {**os.environ, "TCP_NODELAY": "1"}  # for DCMTK's: see facts in docs/receiving.md
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                self.command(), stdout=output, stderr=output, env=environment, cwd=self.folder
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_ready(log.read_text()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"{self.name} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def cpu_seconds(self) -> float:
        """Return what it and its children have used so far, ended children included."""
        return sum(_ticks(pid) for pid in family(self._process.pid)) / _CLOCK_TICKS

    def memory_mib(self) -> float:
        """Return the resident memory of its main process."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


class Node(Receiver):
    name = "this node"
    durable = "file and directory entry, which bring back the row"
    ae_title = "RADIUSDXA"

    def command(self) -> list[str]:
        conf = _REPOSITORY / "conf"
        config = self.folder / "node.toml"
        config.write_text(
            f'[node]\nhost = "127.0.0.1"\nport = {self.port}\ndata_dir = "data"\n'
            "[receiver]\nmin_free_bytes = 1000000\nmaximum_associations_per_ae = 100\n"
            "[completion]\nquiet_seconds = 86400\n"  # nothing is analysed meanwhile
            f'[analysis]\nreference = "{conf / "reference" / "iscd-atlas-female.csv"}"\n'
            f'guideline = "{conf / "guidelines" / "acp-2023.toml"}"\n'
        )
        return [str(Path(sys.executable).parent / "dicom-node"), "serve", "--config", str(config)]

    def is_ready(self, log: str) -> bool:
        return "warm" in log

    def files(self) -> int:
        return sum(1 for path in (self.folder / "data" / "instances").rglob("*.dcm"))

    def rows(self) -> int | None:
        return _count_rows(self.folder / "data" / "journal.db")


class Orthanc(Receiver):
    name = "Orthanc, TCP_NODELAY"
    durable = "file yes, index no"
    ae_title = "ORTHANC"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._http_port = _free_port()

    @classmethod
    def missing(cls) -> str:
        return "" if _program("Orthanc") else "apt-get install orthanc"

    def command(self) -> list[str]:
        (self.folder / "orthanc.json").write_text(
            json.dumps(
                {
                    "Name": "benchmark",
                    "StorageDirectory": str(self.folder / "db"),
                    "IndexDirectory": str(self.folder / "db"),
                    "HttpPort": self._http_port,
                    "AuthenticationEnabled": False,
                    "DicomAet": self.ae_title,
                    "DicomPort": self.port,
                    "DicomAlwaysAllowStore": True,
                    "Plugins": [],
                }
            )
        )
        return [str(_program("Orthanc")), str(self.folder / "orthanc.json")]

    def files(self) -> int:
        # one attachment holds the object; further ones are summaries of it in JSON
        return sum(1 for path in (self.folder / "db").rglob("*-*") if _is_part_10(path))

    def rows(self) -> int | None:
        url = f"http://127.0.0.1:{self._http_port}/statistics"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(json.load(answer)["CountInstances"])


class _Pynetdicom(Receiver):
    ae_title = "PYNETDICOM"
    kind: str

    def command(self) -> list[str]:
        script = Path(__file__).with_name("pynetdicom_scp.py")
        return [sys.executable, str(script), self.kind, str(self.port), str(self.folder)]

    def is_ready(self, log: str) -> bool:
        return "ready" in log

    def files(self) -> int:
        return sum(1 for _ in self.folder.glob("*.dcm"))


class NaivePynetdicom(_Pynetdicom):
    name = "pynetdicom, naive"
    durable = "no"
    kind = "naive"


class DurablePynetdicom(_Pynetdicom):
    name = "pynetdicom, durable"
    durable = "file, directory entry and row"
    kind = "durable"

    def rows(self) -> int | None:
        return _count_rows(self.folder / "index.db")


class Storescp(Receiver):
    name = "storescp --fork, TCP_NODELAY"
    durable = "no"
    ae_title = "STORESCP"

    @classmethod
    def missing(cls) -> str:
        return "" if _program("storescp") else "apt-get install dcmtk"

    def command(self) -> list[str]:
        folder = str(self.folder)
        return [str(_program("storescp")), "--fork", "-pdu", "131072", "-od", folder, str(self.port)]

    def files(self) -> int:
        return sum(1 for path in self.folder.iterdir() if path.is_file())


RECEIVERS: tuple[type[Receiver], ...] = (Node, Orthanc, NaivePynetdicom, DurablePynetdicom, Storescp)


def _count_rows(database: Path) -> int:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        return int(connection.execute("SELECT count(*) FROM instances").fetchone()[0])
    finally:
        connection.close()


def _is_part_10(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def family(pid: int) -> list[int]:
    """Return a process and its living descendants."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children[int(fields[1])].append(int(entry.name))
    found = [pid]
    for parent in found:  # grows while it is walked
        found += children[parent]
    return found


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
