"""The ground of a fault: a real node process, a good client, a PACS that counts, and what must hold.

Faults come from outside, while the node runs: a small file system, resource limits, system calls that strace
lets fail, signals, and peers that misbehave.
"""

from __future__ import annotations

import itertools
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from node_under_fire import CountingPacs, NodeUnderFire, Scanner, archived_bytes, encoded, lost, wait_for
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from raw_scu import secondary_capture
from wire import (
    ASSOCIATE_AC,
    RELEASE_RQ,
    Context,
    WirePeer,
    associate_request,
    message,
    pdu,
    store_command,
)

__all__ = [
    "Ground",
    "connected",
    "context_of",
    "failing",
    "limited",
    "on_ground",
    "peer",
    "reset",
    "small_disk",
    "store_message",
]

SETTLE_SECONDS = 5.0
"""How long what was cut short may take to be cleared away."""

_TRACER_SECONDS = 30.0


@dataclass
class Ground:
    """A node under fault with everybody around it."""

    node: NodeUnderFire
    pacs: CountingPacs
    scanner: Scanner
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_object(self, *, size: int = 192) -> Dataset:
        """Return a small Secondary Capture of a study of its own, with `size` bytes of pixels."""
        study = f"1.2.3.{next(self._numbers)}"
        dataset = secondary_capture(f"{study}.1", study=study, PatientID=study)
        dataset.PixelData = bytes(size)
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        return dataset

    def send(self, dataset: Dataset, *, patience: float = 60.0, address: str = "127.0.0.1") -> int | None:
        """Send one object on an association of its own; return its status, None if there was no answer."""
        with peer(self.node.port, address=address) as client:
            client.say(associate_request(context_of(dataset)))
            if client.hear(patience).kind != ASSOCIATE_AC:
                return None
            sent = encoded(dataset)
            client.say(store_message(dataset))
            answer = client.hear(patience)
            if answer.kind <= 0 or answer.kind == 7:
                return None
            if answer.status == 0x0000:
                self.scanner.acknowledged[dataset.SOPInstanceUID] = sent
            client.say(pdu(RELEASE_RQ, bytes(4)))
            client.hear(1)
            return answer.status

    def good_client_seconds(self, *, address: str = "127.0.0.1") -> float:
        """Have one good object stored, with an association of its own; return how long that took."""
        dataset = self.new_object()
        began = time.monotonic()
        status = self.send(dataset, address=address)
        assert status == 0x0000, f"a good object got {status}:\n{self.node.log_tail()}"
        return time.monotonic() - began

    def archive_files(self) -> set[Path]:
        """Return every visible object of the archive."""
        return {path for path in (self.node.data_dir / "instances").rglob("*") if path.is_file()}

    def is_journalled(self, dataset: Dataset) -> bool:
        """Tell whether the journal has a row of this object."""
        return dataset.SOPInstanceUID in archived_bytes(self.node)

    def hold_all_laws(self, *, repeats_allowed: bool = False) -> None:
        """Assert what must hold after every fault.

        Parameters
        ----------
        repeats_allowed : bool
            The node was killed, or a connection cut, between the PACS's keeping a result and its answer: the
            same bytes may have come to it again.
        """
        self.good_client_seconds()
        missing = list(lost(self.scanner, self.node))
        assert not missing, f"acknowledged and lost: {missing}"
        assert self.node.rows("PRAGMA quick_check") == [("ok",)]
        assert wait_for(lambda: not self.in_the_making(), SETTLE_SECONDS), self.in_the_making()
        for uid, receipts in self.pacs.receipts.items():
            assert len(set(receipts)) == 1, f"{uid} was sent with different bytes"
            assert len(receipts) == 1 or repeats_allowed, f"{uid} was sent {len(receipts)} times"

    def in_the_making(self) -> list[Path]:
        """Return the files that nobody has finished."""
        return [path for path in (self.node.data_dir / "tmp").iterdir() if path.is_file()]

    def resident_mib(self) -> float:
        """Return the memory that the node's own process holds."""
        status = Path(f"/proc/{self.node.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) / 1024

    def processor_seconds(self) -> float:
        """Return the processor time that the node's own process has used."""
        fields = Path(f"/proc/{self.node.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_descriptors(self) -> int:
        """Return how many descriptors the node's own process has open."""
        return len(list(Path(f"/proc/{self.node.pid}/fd").iterdir()))


@contextmanager
def on_ground(
    folder: Path,
    *,
    tables: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
    environment: Mapping[str, str] | None = MappingProxyType({}),
    extra: str = "",
    analyses: bool = True,
) -> Iterator[Ground]:
    """A running node over ``folder / "data"``, stopped at the end.

    Parameters
    ----------
    tables, extra
        See `NodeUnderFire`.
    environment : mapping or None
        For the first start; None leaves starting to the test.
    analyses : bool
        False spares the workers' warm-up where nothing needs to be analysed; the node is killed at the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with CountingPacs().running() as pacs:
        node = NodeUnderFire(folder, (pacs.ae_title, pacs.port), tables=tables, extra=extra)
        ground = Ground(node, pacs, Scanner(node.port))
        try:
            if environment is not None:
                node.start(environment)
            if not analyses:
                node.hold_workers()
            yield ground
        finally:
            if analyses:
                node.stop()
            else:
                node.kill()
                node.wait()


def context_of(dataset: Dataset) -> tuple[Context]:
    """Return the presentation context that an object needs."""
    return ((1, dataset.SOPClassUID, [dataset.file_meta.TransferSyntaxUID]),)


def store_message(dataset: Dataset) -> bytes:
    """Return the PDUs of a whole C-STORE request in that context."""
    command = store_command(dataset.SOPInstanceUID.encode(), sop_class=dataset.SOPClassUID.encode())
    return message(1, command, encoded(dataset))


@contextmanager
def peer(port: int, *, address: str = "127.0.0.1") -> Iterator[WirePeer]:
    """A new connection from a loopback address, closed at the end."""
    with connected(port, address=address) as connection:
        yield WirePeer(connection)


def connected(port: int, *, address: str = "127.0.0.1") -> socket.socket:
    """Connect from a loopback address: 127.0.0.2 is another one to the node."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(address, 0))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def reset(connection: socket.socket) -> None:
    """Close with a TCP reset, as a crashed peer's system does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


@contextmanager
def small_disk(folder: Path, *, size: str) -> Iterator[Path]:
    """A file system of its own in `folder`, of `size` as mount says it ("8m"); needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def limited(pid: int, limit: int, soft: int) -> Iterator[None]:
    """Lower a running process's limit, e.g. ``resource.RLIMIT_FSIZE``; give it back at the end."""
    before = resource.prlimit(pid, limit)
    resource.prlimit(pid, limit, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, limit, before)


@contextmanager
def failing(
    pid: int, calls: str, how: str, log: Path, *, paths: Sequence[Path] = ()
) -> Iterator[Callable[[], list[str]]]:
    """Let system calls of a running process fail; needs strace, and root where ptrace is restricted.

    Parameters
    ----------
    calls : str
        Comma-separated names, e.g. "fsync,fdatasync".
    how : str
        As strace says it: "error=EIO:when=1".
    log : Path
        Where the calls are written to.
    paths : sequence of Path
        Only calls that concern one of these.

    Yields
    ------
    callable
        Returns the calls so far, a line each.
    """
    command = ["strace", "-f", "-y", "-q", "-o", log, "-e", f"trace={calls}", "-e", f"inject={calls}:{how}"]
    for path in paths:
        command += ["-P", path]
    tracer = subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.PIPE)
    try:
        assert wait_for(lambda: _is_traced_by(pid, tracer.pid) or tracer.poll() is not None, _TRACER_SECONDS)
        assert tracer.poll() is None, tracer.stderr and tracer.stderr.read()
        yield lambda: log.read_text(errors="replace").splitlines()
    finally:
        tracer.send_signal(signal.SIGINT)  # lets go of the process, which runs on
        tracer.communicate(timeout=_TRACER_SECONDS)


def _is_traced_by(pid: int, tracer: int) -> bool:
    """Tell whether every thread of a process is traced."""
    threads = list(Path(f"/proc/{pid}/task").iterdir())
    return all(f"TracerPid:\t{tracer}\n" in (thread / "status").read_text() for thread in threads)
