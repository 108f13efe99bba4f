"""The node under soak: a process of its own, watched through /proc, its journal and its files."""

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
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from receive_parts.receivers import family

from soak_parts.pacs import Pacs

__all__ = ["Node", "ProcessFigures"]

_CONF = Path(__file__).resolve().parents[2] / "conf"
_START_SECONDS = 120.0
_FIRST_TURNS_SECONDS = 75.0
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """What /proc says of the node's own process and, apart from it, of its children."""

    rss_mib: float
    anonymous_mib: float
    """The part of the resident memory that belongs to no file: where leaks of memory lie."""
    open_files: tuple[str, ...]
    """What its descriptors point at; sockets and pipes without their numbers."""
    threads: int
    cpu_seconds: float
    children: int
    children_rss_mib: float
    children_descriptors: int

    @property
    def descriptors(self) -> int:
        """How many files, sockets and pipes the node's own process has open."""
        return len(self.open_files)


class Node:
    """``dicom-node serve`` over its own folder; a context manager that starts and stops it.

    Monitoring is on and scraped, audit messages are written to files: as at a site.
    """

    def __init__(self, folder: Path, pacs: Pacs, calling_ae_title: str) -> None:
        folder.mkdir(parents=True)
        self.data_dir = folder / "data"
        self._audit = folder / "audit"
        self._audit.mkdir()
        self.port, self._monitoring_port = _free_port(), _free_port()
        self._config = folder / "node.toml"
        self._log = folder / "node.log"
        tables: dict[str, dict[str, object]] = {
            "node": {"host": "127.0.0.1", "port": self.port, "data_dir": str(self.data_dir)},
            "receiver": {"min_free_bytes": 100_000_000, "calling_ae_titles": [calling_ae_title]},
            "completion": {"quiet_seconds": 2},
            "analysis": {
                "reference": str(_CONF / "reference" / "iscd-atlas-female.csv"),
                "guideline": str(_CONF / "guidelines" / "acp-2023.toml"),
            },
            "monitoring": {"port": self._monitoring_port},
            "audit": {"transport": "file", "directory": str(self._audit)},
            "[destination]": {
                "name": "pacs",
                "ae_title": pacs.ae_title,
                "host": "127.0.0.1",
                "port": pacs.port,
            },
        }
        self._config.write_text("".join(_toml(tables)))

    def __enter__(self) -> Node:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).parent / "dicom-node", "serve", "--config", self._config],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while "warm" not in self._log.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"the node did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.1)
        self._warm_since = time.monotonic()
        return self

    def wait_for_its_clock(self) -> None:
        """Wait until every periodic job has had its first turn: the rarest ones come every minute."""
        time.sleep(max(0.0, self._warm_since + _FIRST_TURNS_SECONDS - time.monotonic()))

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def keep_log(self, folder: Path) -> None:
        """Copy the node's log where the raw figures go."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self._log, folder / "node.log")

    def complaints(self) -> list[str]:
        """Return the lines of the log that say that something of the node itself went wrong."""
        return [
            line for line in self._log.read_text().splitlines() if "Traceback" in line or " ERROR " in line
        ]

    def figures(self) -> ProcessFigures:
        """Read /proc."""
        own, *children = family(self._process.pid)
        status = _status(own)
        states = [state for state in map(_status, children) if state]
        return ProcessFigures(
            rss_mib=status["VmRSS"] / 1024,
            anonymous_mib=status["RssAnon"] / 1024,
            open_files=_open_files(own),
            threads=status["Threads"],
            cpu_seconds=sum(map(_ticks, (own, *children))) / _CLOCK_TICKS,
            children=len(states),
            children_rss_mib=sum(state.get("VmRSS", 0) for state in states) / 1024,
            children_descriptors=sum(len(_open_files(pid)) for pid in children),
        )

    def scrape(self) -> None:
        """Fetch the metrics, as a monitoring server does."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self._monitoring_port}/metrics", timeout=30
        ) as answer:
            answer.read()

    def rows(self, sql: str) -> list[tuple[str | int, ...]]:
        """Ask the journal, beside the running node."""
        journal = sqlite3.connect(f"file:{self.data_dir / 'journal.db'}?mode=ro", uri=True, timeout=60)
        with closing(journal):
            return journal.execute(sql).fetchall()

    def number(self, sql: str) -> int:
        """Ask the journal for one number."""
        return int(self.rows(sql)[0][0])

    def count_files(self) -> int:
        """Return how many objects are in the archive."""
        folders = self.data_dir / "instances"
        return sum(len(os.listdir(folder)) for folder in folders.iterdir())  # noqa: PTH208

    def temporary_files(self) -> list[str]:
        """Return the names of files in the making."""
        return [path.name for path in (self.data_dir / "tmp").iterdir() if path.is_file()]


def _toml(tables: dict[str, dict[str, object]]) -> Iterator[str]:
    for name, table in tables.items():
        yield f"[{name}]\n"
        for key, value in table.items():
            yield f"{key} = {json.dumps(value)}\n"  # what is written here reads the same in TOML


def _status(pid: int) -> dict[str, int]:
    """Return the numbers of /proc/PID/status, memory in KiB; nothing of a process that has ended."""
    found: dict[str, int] = {}
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            key, _, value = line.partition(":")
            first = value.split()[0] if value.split() else ""
            if first.isdigit():
                found[key] = int(first)
    return found


def _open_files(pid: int) -> tuple[str, ...]:
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found.append(descriptor.readlink().name.partition(":")[0])
    return tuple(sorted(found))


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(fields[11]) + int(fields[12])  # utime, stime


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
