"""A node that is killed, a scanner that does not give up, and a PACS that counts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.dsutils import encode
from real_peers import pick_free_port

SHIPPED = Path(__file__).parents[1] / "conf"
DICOM_NODE = Path(sys.executable).with_name("dicom-node")
READY_SECONDS = 60


_TABLES: Mapping[str, Mapping[str, object]] = {
    "node": {"host": "127.0.0.1", "data_dir": "data"},
    "receiver": {"min_free_bytes": 0},
    "completion": {"quiet_seconds": 1},
    "analysis": {
        "reference": str(SHIPPED / "reference/iscd-atlas-female.csv"),
        "guideline": str(SHIPPED / "guidelines/acp-2023.toml"),
    },
    "delivery": {"first_retry_seconds": 0.2, "max_retry_seconds": 1},
    "monitoring": {"enabled": False},
    "console": {"enabled": False},
}


class NodeUnderFire:
    """``dicom-node serve`` in a process of its own, killed and started again over one data directory."""

    def __init__(
        self,
        folder: Path,
        destination: tuple[str, int],
        *,
        port: int = 0,
        confirm: str = "store",
        tables: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
        extra: str = "",
    ) -> None:
        """Write the configuration.

        Parameters
        ----------
        tables : mapping of table -> mapping of key -> value
            Added to what is configured here.
        extra : str
            TOML that follows the last destination.
        """
        self.port = port or pick_free_port()
        self.data_dir = folder / "data"
        self.config = folder / "node.toml"
        self._log = folder / "node.log"
        self._process: subprocess.Popen[bytes] | None = None
        settings = {name: {**_TABLES.get(name, {}), **tables.get(name, {})} for name in {**_TABLES, **tables}}
        settings["node"] |= {"port": self.port}
        ae_title, destination_port = destination
        pacs = {"name": "pacs", "ae_title": ae_title, "host": "127.0.0.1", "port": destination_port}
        lines = [line for name, table in settings.items() for line in (f"[{name}]", *_assignments(table))]
        lines += ["[[destination]]", *_assignments({**pacs, "confirm": confirm}), extra]
        self.config.write_text("\n".join(lines) + "\n")

    def start(
        self, environment: Mapping[str, str] = MappingProxyType({}), *, wrapper: Sequence[str] = ()
    ) -> float:
        """Start the node and wait until it listens; return the seconds that took.

        Parameters
        ----------
        wrapper : sequence of str
            A command that runs the node in its place, e.g. ``("faketime", "+1d")``.
        """
        began = time.monotonic()
        with self._log.open("ab") as log:
            start = log.tell()
            self._process = subprocess.Popen(
                [*wrapper, DICOM_NODE, "serve", "--config", self.config],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_SECONDS
        while b"ready: " not in self._log.read_bytes()[start:]:
            assert self._process.poll() is None, f"the node ended at once:\n{self.log_tail()}"
            assert time.monotonic() < deadline, f"the node is not ready:\n{self.log_tail()}"
            time.sleep(0.02)
        return time.monotonic() - began

    @property
    def pid(self) -> int:
        """Process id of the running node."""
        assert self._process is not None
        return self._process.pid

    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def worker_pids(self) -> list[int]:
        """Return the process ids of the workers that analyse: grandchildren, made by the fork server."""
        assert self._process is not None
        return [pid for child in _children(self._process.pid) for pid in _children(child)]

    def hold_workers(self) -> None:
        """Stop the workers and what makes them: nothing is analysed from here on."""
        assert wait_for(self._has_fork_server, READY_SECONDS), self.log_tail()
        self._signal_workers(signal.SIGSTOP)

    def release_workers(self) -> None:
        """Let the workers that were held go on."""
        self._signal_workers(signal.SIGCONT)

    def _has_fork_server(self) -> bool:
        commands = [Path(f"/proc/{pid}/cmdline") for pid in _children(self.pid)]
        return any(b"forkserver" in command.read_bytes() for command in commands)

    def _signal_workers(self, number: signal.Signals) -> None:
        for pid in [*_children(self.pid), *self.worker_pids()]:
            os.kill(pid, number)

    def kill(self) -> None:
        """End the node as a power cut would: no handler runs, nothing is flushed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)

    def wait(self) -> None:
        """Wait until a killed node is gone."""
        assert self._process is not None
        assert self._process.wait(timeout=30) == -signal.SIGKILL, f"not by our kill:\n{self.log_tail()}"
        with contextlib.suppress(ProcessLookupError):  # as a service manager does with what is left of a unit
            os.killpg(self._process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the node properly, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=60)

    def rows(self, sql: str) -> list[tuple[str, ...]]:
        """Ask the journal, as a command line beside the node does."""
        uri = f"file:{self.data_dir / 'journal.db'}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=30)) as journal:
            return journal.execute(sql).fetchall()

    def log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


@dataclass
class Scanner:
    """Pushes objects until each is acknowledged, and remembers which were."""

    port: int
    waiting: list[Dataset] = field(default_factory=list)
    acknowledged: dict[str, bytes] = field(default_factory=dict)
    """SOP Instance UID -> data set as sent."""

    def push(self) -> None:
        """Push what waits, one association per study; return when all is sent or the node is gone."""
        for study in dict.fromkeys(dataset.StudyInstanceUID for dataset in self.waiting):
            objects = [dataset for dataset in self.waiting if dataset.StudyInstanceUID == study]
            if not self._push_study(objects):
                return

    def _push_study(self, objects: Sequence[Dataset]) -> bool:
        ae = AE(ae_title="SCANNER")
        for sop_class, syntax in {(item.SOPClassUID, item.file_meta.TransferSyntaxUID) for item in objects}:
            ae.add_requested_context(sop_class, [syntax])
        association = ae.associate("127.0.0.1", self.port, ae_title="RADIUSDXA")
        if not association.is_established:
            return False
        for dataset in objects:
            try:
                status = association.send_c_store(dataset)
            except (RuntimeError, ValueError):  # the association was lost before the request went out
                return False
            if status.get("Status") != 0x0000:
                return False
            self.acknowledged[dataset.SOPInstanceUID] = encoded(dataset)
            self.waiting = [other for other in self.waiting if other is not dataset]
        association.release()
        return True


@dataclass
class CountingPacs:
    """A C-STORE SCP that keeps every receipt of every SOP Instance UID."""

    port: int = 0
    ae_title: str = "COUNTER"
    receipts: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    on_receipt: Callable[[], None] | None = None
    """Called once, in the middle of the next C-STORE: after the bytes are kept, before the answer."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator[CountingPacs]:
        ae = AE(ae_title=self.ae_title)
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(str(context.abstract_syntax))
        server = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._on_store)]
        )
        self.port = server.server_address[1]
        try:
            yield self
        finally:
            server.shutdown()

    def _on_store(self, event: evt.Event) -> int:
        with self._lock:
            self.receipts[event.request.AffectedSOPInstanceUID].append(event.request.DataSet.getvalue())
            strike, self.on_receipt = self.on_receipt, None
        if strike:
            strike()
        return 0x0000


def _assignments(table: Mapping[str, object]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{key} = {json.dumps(value)}"  # what is written here reads the same in TOML


def _children(pid: int) -> list[int]:
    """Return a process's children; each thread has a list of its own (proc(5))."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(text) for thread in threads for text in (thread / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until `condition` holds; tell whether it did in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def archived_bytes(node: NodeUnderFire) -> dict[str, bytes]:
    """Return the content of every journalled input, by SOP Instance UID."""
    rows = node.rows("SELECT sop_instance_uid, path FROM instances WHERE kind = 'input'")
    assert len(rows) == len({uid for uid, _ in rows}), "an object is journalled twice"
    return {uid: (node.data_dir / path).read_bytes() for uid, path in rows}


def lost(scanner: Scanner, node: NodeUnderFire) -> Iterable[str]:
    """Name the acknowledged objects that are not archived byte for byte."""
    archived = archived_bytes(node)
    return [uid for uid, sent in scanner.acknowledged.items() if not archived.get(uid, b"").endswith(sent)]


def encoded(dataset: Dataset) -> bytes:
    syntax = dataset.file_meta.TransferSyntaxUID
    data = encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian)
    assert data is not None
    return data
