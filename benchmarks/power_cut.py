"""Power cuts under full load: what the disk holds at that moment is mounted, and a node started over it.

    .venv/bin/python benchmarks/power_cut.py --cuts 50 --seed 1        # as root; writes docs/power-cuts.md

The node writes to a file system of its own in a file (loop device): ext4 with its journal, XFS, Btrfs. At a
random moment all its processes are stopped, and as soon as nothing is on its way to the device, the device is
copied. The copy lacks whatever the kernel held in memory, as a disk does after a power cut. Mounting it
replays the file system's journal; a node started over it then takes the machine for one that has failed, as
the mark in `data_dir` names another boot.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

REPOSITORY = Path(__file__).parent.parent
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "benchmarks")]

from node_under_fire import NodeUnderFire, wait_for  # noqa: E402
from receive_parts.sender import SIZES, Connected, connect_at_once, encoded_instance  # noqa: E402

_MAKE = {
    "ext4": ("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"),
    "xfs": ("mkfs.xfs", "-q"),
    "btrfs": ("mkfs.btrfs", "-q"),
}
"""Debian's packages e2fsprogs, xfsprogs, btrfs-progs."""
_IMAGE_BYTES = 3_000_000_000
_ASSOCIATIONS = 4
_SIZE = "200 KB"
_UNMOUNT_SECONDS = 30
_TABLES = {"completion": {"quiet_seconds": 86_400}}  # nothing is analysed meanwhile


@dataclass
class Cut:
    """What one power cut came to."""

    acknowledged: int
    rows_lost: int
    """Acknowledged objects of which the disk's journal knew nothing."""
    missing: list[str]
    """Acknowledged objects that the next node does not have, or not as they came."""
    integrity: list[str]
    start_seconds: float


@dataclass
class Senders:
    """Send new objects until they are told to stop; know what was acknowledged."""

    port: int
    acknowledged: dict[str, str] = field(default_factory=dict)
    """SOP Instance UID -> Study Instance UID."""
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        associations, _ = connect_at_once(self.port, "RADIUSDXA", _ASSOCIATIONS)
        for number, association in enumerate(associations):
            study = f"1.2.826.0.1.3680043.10.999.{number}"
            association.prepare(_SIZE, study)
            self._threads.append(threading.Thread(target=self._send, args=(association, study)))
            self._threads[-1].start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _send(self, association: Connected, study: str) -> None:
        with suppress(OSError):  # the node is killed
            while association.store() == 0:
                uid = re.match(rb"[\d.]+", association.template[association.places[0] :])
                assert uid is not None
                self.acknowledged[uid[0].decode()] = study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cuts", type=int, default=50, help="of each file system")
    parser.add_argument("--file-system", choices=_MAKE, action="append", help="default: all of them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "power-cuts.md")
    options = parser.parse_args()
    random = Random(options.seed)  # noqa: S311 - repeatable on purpose
    cuts: dict[str, list[Cut]] = {kind: [] for kind in options.file_system or _MAKE}
    for number in range(options.cuts):
        for kind, found in cuts.items():
            with tempfile.TemporaryDirectory() as folder:
                found.append(cut(Path(folder), kind, random.uniform(0.3, 3.0)))
            print(number + 1, kind, found[-1], flush=True)
    text = _page(cuts, " ".join(["benchmarks/power_cut.py", *sys.argv[1:]]))
    options.out.write_text(text, encoding="utf-8")
    print(text)
    sys.exit(any(cut.missing or cut.integrity for found in cuts.values() for cut in found))


def cut(folder: Path, kind: str, seconds: float) -> Cut:
    """Receive for some seconds, cut the power, start again over what the disk had."""
    image, left = folder / "disk.img", folder / "left.img"
    _make_file_system(image, kind)
    with _mounted(image, folder / "before") as device:
        node = NodeUnderFire(folder / "before", ("NOBODY", 9), tables=_TABLES)
        node.start()
        senders = Senders(node.port)
        senders.start()
        time.sleep(seconds)
        os.killpg(node.pid, signal.SIGSTOP)
        _copy_at_rest(device, image, left)
        acknowledged = dict(senders.acknowledged)
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()
        senders.join()
    with _mounted(left, folder / "after"):
        data = folder / "after" / "data"
        rows_lost = len(acknowledged.keys() - _journalled(data, folder / "journal"))
        (data / "running").write_text(str(uuid.uuid4()))  # this machine has not been started anew
        node = NodeUnderFire(folder / "after", ("NOBODY", 9), tables=_TABLES)
        start_seconds = node.start()
        try:
            missing = _missing(node, acknowledged)
            integrity = [row[0] for row in node.rows("PRAGMA integrity_check") if row[0] != "ok"]
        finally:
            node.stop()
            with suppress(ProcessLookupError):  # as a service manager does with what is left of a unit
                os.killpg(node.pid, signal.SIGKILL)
    return Cut(len(acknowledged), rows_lost, missing, integrity, start_seconds)


def _make_file_system(image: Path, kind: str) -> None:
    with image.open("wb") as file:
        file.truncate(_IMAGE_BYTES)
    subprocess.run([*_MAKE[kind], image], check=True, capture_output=True)


@contextmanager
def _mounted(image: Path, folder: Path) -> Iterator[str]:
    """Mount an image; gives the name of its loop device."""
    folder.mkdir()
    found = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True)
    device = found.stdout.strip()
    try:
        subprocess.run(["mount", device, folder], check=True)
        try:
            yield Path(device).name
        finally:
            assert wait_for(lambda: _unmounted(folder), _UNMOUNT_SECONDS), f"{folder} is still in use"
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def _unmounted(folder: Path) -> bool:
    """Try to unmount; a node's children end a moment after it."""
    return subprocess.run(["umount", folder], check=False, capture_output=True).returncode == 0


def _copy_at_rest(device: str, image: Path, copy: Path) -> None:
    """Copy the image at a moment when nothing is being written to it."""
    while True:
        before = _writes(device)
        if before is not None:
            subprocess.run(["cp", "--sparse=always", image, copy], check=True)
            if _writes(device) == before:
                return
        time.sleep(0.005)


def _writes(device: str) -> str | None:
    """What has been written so far; None while something is on its way."""
    at = Path("/sys/block") / device
    if any(int(number) for number in (at / "inflight").read_text().split()):
        return None
    return " ".join((at / "stat").read_text().split()[4:7])


def _journalled(data: Path, scratch: Path) -> set[str]:
    """SOP Instance UIDs in the journal as the disk has it, which is left untouched."""
    scratch.mkdir()
    for file in data.glob("journal.db*"):
        if not file.name.endswith("-shm"):
            shutil.copy2(file, scratch)
    with closing(sqlite3.connect(scratch / "journal.db")) as journal:
        return {uid for (uid,) in journal.execute("SELECT sop_instance_uid FROM instances")}


def _missing(node: NodeUnderFire, acknowledged: dict[str, str]) -> list[str]:
    """Which objects are not there, under one row each, byte for byte as they were sent."""
    files: dict[str, list[tuple[Path, str]]] = {}
    for uid, path, sha256 in node.rows("SELECT sop_instance_uid, path, sha256 FROM instances"):
        files.setdefault(uid, []).append((node.data_dir / path, sha256))
    return [uid for uid, study in acknowledged.items() if not _is_as_sent(files.get(uid, []), uid, study)]


def _is_as_sent(files: list[tuple[Path, str]], uid: str, study: str) -> bool:
    sent = encoded_instance(uid, study, *SIZES[_SIZE])
    return (
        [sha256 for _, sha256 in files] == [hashlib.sha256(sent).hexdigest()]
        and files[0][0].is_file()
        and files[0][0].read_bytes().endswith(sent)
    )


def _page(cuts: dict[str, list[Cut]], command: str) -> str:
    rows = {
        "power cuts": [str(len(found)) for found in cuts.values()],
        "acknowledged objects; of these lost or changed": [
            f"{sum(cut.acknowledged for cut in found)}; {sum(len(cut.missing) for cut in found)}"
            for found in cuts.values()
        ],
        "without a row in the journal on the disk, given back at the start; most in one cut": [
            f"{sum(cut.rows_lost for cut in found)}; {max(cut.rows_lost for cut in found)}"
            for found in cuts.values()
        ],
        "SQLite integrity_check": [
            "FAILS" if any(cut.integrity for cut in found) else "ok" for found in cuts.values()
        ],
        "start to serving, median; longest, s": [
            f"{statistics.median(starts):.1f}; {max(starts):.1f}"
            for starts in ([cut.start_seconds for cut in found] for found in cuts.values())
        ],
    }
    return "\n".join(
        (
            "# Power cuts",
            f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Linux {platform.release()}. "
            "Four associations send objects of 200 KB; what had reached the disk at a random moment is "
            "mounted, and a node started over it. What is compared are the bytes that were sent.",
            "",
            f"| what | {' | '.join(cuts)} |",
            f"|---|{'---|' * len(cuts)}",
            *(f"| {what} | {' | '.join(values)} |" for what, values in rows.items()),
            "",
        )
    )


if __name__ == "__main__":
    main()
