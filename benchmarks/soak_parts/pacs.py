"""Where results go: a small PACS in a process of its own, or a real Orthanc.

Run by itself it is the small PACS: prints its port, and serves until its standard input ends.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Protocol

from receive_parts.receivers import Orthanc

__all__ = ["PACS", "EmbeddedServer", "OrthancServer", "Pacs"]


class Pacs(Protocol):
    """A context manager that takes results."""

    name: str
    ae_title: str

    def __enter__(self) -> Pacs: ...

    def __exit__(self, *error: object) -> None: ...

    @property
    def port(self) -> int:
        """Where it listens."""

    def held(self) -> Counter[str]:
        """Return how many objects it has under each SOP Instance UID."""


class EmbeddedServer:
    """The node's own receiver and storage, without anything that analyses."""

    name = "embedded PACS"

    def __init__(self, folder: Path, ae_title: str = "SOAKPACS") -> None:
        self.ae_title = ae_title
        self._folder = folder
        self.port = 0

    def __enter__(self) -> Pacs:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "soak_parts.pacs", str(self._folder), self.ae_title],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate(timeout=60)

    def held(self) -> Counter[str]:
        """Return how many versions of each object it has; own results of a node are a kind of their own."""
        journal = sqlite3.connect(f"file:{self._folder / 'journal.db'}?mode=ro", uri=True, timeout=30)
        try:
            return Counter(uid for (uid,) in journal.execute("SELECT sop_instance_uid FROM instances"))
        finally:
            journal.close()


class OrthancServer(Orthanc):
    """Debian's Orthanc."""

    name = "Orthanc"
    _page = 1000

    def held(self) -> Counter[str]:
        """Return the SOP Instance UIDs that it has."""
        found: Counter[str] = Counter()
        while True:
            url = f"http://127.0.0.1:{self._http_port}/instances?expand&limit={self._page}&since={found.total()}"
            with urllib.request.urlopen(url, timeout=60) as answer:
                page = json.load(answer)
            found.update(item["MainDicomTags"]["SOPInstanceUID"] for item in page)
            if not page:
                return found


PACS = {"embedded": EmbeddedServer, "orthanc": OrthancServer}


def _serve(folder: Path, ae_title: str) -> None:
    from dicom_node.embedded_pacs import EmbeddedPacs

    with EmbeddedPacs(folder, ae_title) as pacs:
        print(pacs.port, flush=True)
        sys.stdin.buffer.read()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2])
