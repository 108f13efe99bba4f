"""Spoiled input against real processes: what died, what hung, what it cost, whether the good come through."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from random import Random

from fuzz_mutations import CONTEXTS, spoiled_conversation, spoiled_object
from pydicom.filereader import data_element_generator, read_file_meta_info
from raw_scu import encoded, secondary_capture
from wire import P_DATA, WirePeer, wire_peer

HUNG_SECONDS = 5.0
"""No run may take longer."""
OBJECT_STATUSES = {0x0000, 0xA900, 0xC000}
"""All that an object can deserve: 0x0110 would be a defect of ours, 0xA700 a full disk."""
ROUND = 20_000
"""Runs that share one receiver and its folder; then both are new, so that the disk does not fill."""


@dataclass
class Found:
    """What some runs came to."""

    level: str
    runs: int = 0
    seconds: float = 0.0
    deaths: int = 0
    longest: float = 0.0
    hung: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    peak_mib: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def sound(self) -> bool:
        """Whether nothing died, hung or answered wrongly."""
        return not (self.deaths or self.hung or self.wrong)

    def took(self, run: str, seconds: float) -> None:
        """Count one run."""
        self.runs += 1
        self.longest = max(self.longest, seconds)
        if seconds > HUNG_SECONDS:
            self.hung.append(run)


@dataclass
class Target:
    """The receiver's process."""

    process: subprocess.Popen[str]
    port: int
    folder: Path

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    @property
    def peak_mib(self) -> float:
        """Most memory that it ever held."""
        return _peak_mib(self.process.pid)


def _peak_mib(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


@contextmanager
def running_target(folder: Path) -> Iterator[Target]:
    """Start a receiver over `folder`; ended by closing its input."""
    folder.mkdir(parents=True)
    command = [sys.executable, str(Path(__file__).with_name("fuzz_target.py")), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Target(process, int(process.stdout.readline()), folder)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def fuzz_receiver(level: str, folder: Path, *, runs: int, seed: int) -> Found:
    """Send `runs` spoiled objects or conversations (`level`), each named by seed and number.

    After every round a good object must be stored, every stored file must be readable under the UIDs that it
    was acknowledged with, and nothing may lie outside the receiver's folder.
    """
    found = Found(level)
    send = {"objects": _send_objects, "conversations": _send_conversations}[level]
    started = time.monotonic()
    for first in range(0, runs, ROUND):
        root = folder / f"{level}-{first}"
        with running_target(root / "outer") as target:
            try:
                send(found, target, range(first, min(first + ROUND, runs)), seed)
                _send_good_one(target.port)
            except (OSError, AssertionError) as error:
                found.wrong.append(f"{level} after {found.runs} runs: {error!r}")
            found.deaths += not target.is_alive
            found.peak_mib = max(found.peak_mib, target.peak_mib if target.is_alive else 0.0)
        found.wrong += _wrong_files(root)
        shutil.rmtree(root, ignore_errors=True)
    found.seconds = time.monotonic() - started
    return found


def named(seed: int, number: int) -> Random:
    """The randomness of one run."""
    return Random(f"{seed}/{number}")  # noqa: S311 - repeatable on purpose


def _send_objects(found: Found, target: Target, numbers: range, seed: int) -> None:
    """All over one association: whatever is refused, it must live on."""
    with wire_peer(target.port) as peer:
        peer.associate(CONTEXTS)
        for number in numbers:
            sent = spoiled_object(named(seed, number), number)
            started = time.monotonic()
            answer = peer.store(
                sent.data, sent.instance, context_id=sent.context_id, sop_class=sent.sop_class.encode()
            )
            found.took(f"objects {seed}/{number}", time.monotonic() - started)
            status = answer.status if answer.kind == P_DATA else -1
            found.outcomes[f"0x{status:04X}" if status >= 0 else "closed"] += 1
            if status not in OBJECT_STATUSES:
                found.wrong.append(f"objects {seed}/{number}: answered {answer.kind}, status {status:#x}")
                return


def _send_conversations(found: Found, target: Target, numbers: range, seed: int) -> None:
    for number in numbers:
        parts = spoiled_conversation(named(seed, number), number)
        started = time.monotonic()
        with wire_peer(target.port) as peer:
            peer.say(*parts)
            heard = _until_closed(peer)
        found.took(f"conversations {seed}/{number}", time.monotonic() - started)
        found.outcomes[heard] += 1
        if not target.is_alive:
            found.wrong.append(f"conversations {seed}/{number}: the receiver died")
            return


_KINDS = {2: "AC", 3: "RJ", 4: "DATA", 6: "RP", 7: "ABORT"}


def _until_closed(peer: WirePeer) -> str:
    """Say no more, and hear all; returns the kinds of what was heard, repeats left out."""
    try:
        peer.connection.shutdown(1)
    except OSError:
        return "reset"
    kinds: list[str] = []
    deadline = time.monotonic() + 4 * HUNG_SECONDS
    while time.monotonic() < deadline:
        kind = peer.hear(seconds=2 * HUNG_SECONDS).kind
        if kind <= 0:
            break
        name = _KINDS.get(kind, "?")
        if name not in kinds:
            kinds.append(name)
    return " ".join(kinds) or "closed"


def _send_good_one(port: int) -> None:
    with wire_peer(port) as peer:
        peer.associate()
        answer = peer.store(encoded(secondary_capture("1.2.9.1", study="1.2.9")), b"1.2.9.1")
        assert answer.status == 0x0000, "the next good object was not stored"


def _wrong_files(root: Path) -> list[str]:
    """Files where or as none may be."""
    data = root / "outer" / "data"
    wrong = []
    for path in root.rglob("*"):
        if not path.is_file():
            continue
        if not path.is_relative_to(data):
            wrong.append(f"{path} lies outside the data directory")
        elif path.is_relative_to(data / "instances"):
            wrong += _disagreement(path)
    return wrong


def _disagreement(path: Path) -> list[str]:
    """What is acknowledged must be framed for pydicom too, and hold the UID that it was acknowledged with.

    Values are not compared: a character set that does not exist is the analysis' business.
    """
    meta = read_file_meta_info(path)
    syntax, data = meta.TransferSyntaxUID, path.read_bytes()[144 + meta.FileMetaInformationGroupLength :]
    if syntax.is_deflated:
        data = zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(data)
    try:
        elements = data_element_generator(BytesIO(data), syntax.is_implicit_VR, syntax.is_little_endian)
        (uid,) = [element.value for element in elements if element.tag == 0x00080018]
    except Exception as error:  # whatever a parser raises
        if "null character" in str(error):  # in the name of a character set: a value, which is not compared
            return []
        return [f"{path.name}: acknowledged, but pydicom cannot read it: {error!r}"]
    if uid.strip(b"\0 ").decode() == meta.MediaStorageSOPInstanceUID:
        return []
    return [f"{path.name}: acknowledged under another UID than pydicom reads"]


# ---- workers --------------------------------------------------------------------------------------------


def fuzz_worker(level: str, *, runs: int, seed: int) -> Found:
    """Let a worker's process take `runs` spoiled frames ("pixels") or studies; a dead one is replaced."""
    found = Found(level)
    started = time.monotonic()
    numbers = iter(range(runs))
    while found.runs < runs:
        command = [sys.executable, str(Path(__file__).with_name("fuzz_worker.py")), level, str(seed)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as worker:
            _work(found, worker, numbers, seed)
    found.seconds = time.monotonic() - started
    return found


def _work(found: Found, worker: subprocess.Popen[str], numbers: Iterator[int], seed: int) -> None:
    """Ask for one run after the other until there are no more or the worker has died."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    for number in numbers:
        run = f"{found.level} {seed}/{number}"
        started = time.monotonic()
        worker.stdin.write(f"{number}\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
        if not line:
            found.took(run, time.monotonic() - started)
            found.deaths += 1
            found.outcomes["died"] += 1
            found.wrong.append(f"{run}: the worker died ({worker.wait()})")
            return
        answer = json.loads(line)
        found.took(run, answer["seconds"])
        found.outcomes[answer["outcome"]] += 1
        if answer["wrong"]:
            found.wrong.append(f"{run}: {answer['wrong']}")
    found.peak_mib = max(found.peak_mib, _peak_mib(worker.pid))
    worker.stdin.close()
