"""The crash drill: a node is killed again and again, at every step boundary by name and at random moments.

What must hold is checked after every kill: each acknowledged instance is in the archive byte for byte and the
journal is sound. At the end the node may finish in peace, and a real Orthanc must hold every result once.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from node_under_fire import NodeUnderFire, Scanner, encoded, wait_for
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from raw_scu import secondary_capture
from real_peers import OrthancServer

from analysis.simulation.study import simulate_study
from dicom_node.faults import ENVIRONMENT_VARIABLE, POINTS, TOKEN_VARIABLE

__all__ = ["DrillReport", "Strike", "run_drill"]

DRILLED = tuple(
    point
    for point in POINTS
    if not point.startswith(
        ("retrieval.", "reprocessing.", "learning.", "retention.", "backup.", "migration.")
    )
)
"""What a study on its way passes; the others have drills of their own beside what they do."""

WEIGHTS = {"receiver": 11, "delivery": 3, "any": 4}
"""How often each part is struck once every point was: a worker needs seconds to warm up, what the earlier
strikes left in the outbox is sent at once."""

PATIENCE_SECONDS = {"receiver": 6.0, "delivery": 8.0, "any": 6.0}
"""A strike at a point that is not reached by then is a random one."""
FIRST_PATIENCE_SECONDS = 40.0
"""When a point is struck for the first time, which may need a whole analysis."""
MOST_TRIES = 3
FOREARM_EVERY = 3
BULK_OBJECTS = 12


@dataclass(frozen=True)
class Strike:
    """When to kill: at the `turn`-th passing of `point`, or without a point after `seconds`."""

    part: str
    point: str = ""
    turn: int = 1
    seconds: float = 0.0
    """How long to wait for it."""


@dataclass
class DrillReport:
    """What the drill came to."""

    kills: Counter[str] = field(default_factory=Counter)
    """Part or point -> how often it killed."""
    missed: Counter[str] = field(default_factory=Counter)
    """Point -> how often it was not reached in time, and a random kill took its place."""
    start_seconds: list[float] = field(default_factory=list)
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    studies: int = 0
    results: int = 0
    delivered_once: bool = False
    integrity: str = ""
    seconds: float = 0.0

    @property
    def total_kills(self) -> int:
        return sum(self.kills.values())

    def lines(self) -> Iterator[str]:
        """The report as rows of a Markdown table."""
        starts = sorted(self.start_seconds)
        yield f"| kills | {self.total_kills} |"
        yield f"| acknowledged instances; of these lost | {self.acknowledged}; {len(self.lost)} |"
        yield f"| studies; results | {self.studies}; {self.results} |"
        yield f"| Orthanc holds each result once, as we made it | {'yes' if self.delivered_once else 'NO'} |"
        yield f"| SQLite integrity_check | {self.integrity} |"
        yield (
            f"| start to serving, median; 95 %; longest, s | {statistics.median(starts):.1f}; "
            f"{starts[int(0.95 * (len(starts) - 1))]:.1f}; {starts[-1]:.1f} |"
        )
        yield f"| duration, min | {self.seconds / 60:.1f} |"
        for name, count in sorted(self.kills.items()):
            yield f"| killed: {name} | {count} |"


def run_drill(folder: Path, orthanc: OrthancServer, *, node_port: int, kills: int, seed: int) -> DrillReport:
    """Kill a node `kills` times; `orthanc` must know it at `node_port` for storage commitment."""
    rng = random.Random(seed)  # noqa: S311
    node = NodeUnderFire(folder, (orthanc.ae_title, orthanc.dicom_port), port=node_port, confirm="commitment")
    scanner = Scanner(node.port)
    report = DrillReport()
    checked: set[str] = set()
    supply = _objects(rng)
    began = time.monotonic()
    try:
        for strike in _strikes(rng, kills, report):
            scanner.waiting += next(supply)
            _strike(node, scanner, strike, folder, report)
            report.lost += _newly_lost(scanner, node, checked)
            assert not report.lost, f"after {strike}: {report.lost}"
        report.start_seconds.append(node.start())
        scanner.push()
        assert not scanner.waiting, node.log_tail()
        assert wait_for(lambda: not _unfinished(node), seconds=600), node.log_tail()
        node.stop()
        _judge(node, scanner, orthanc, report)
    finally:
        node.stop()
    report.seconds = time.monotonic() - began
    return report


def _strikes(rng: random.Random, kills: int, report: DrillReport) -> Iterator[Strike]:
    """Every point until it struck, where there are kills enough; else parts by their weight."""
    first = rng.sample(DRILLED, len(DRILLED)) if kills >= 2 * len(DRILLED) else []
    for number in range(kills):
        if first and number % 2:
            point = first.pop()
            yield Strike(point.split(".")[0], point, seconds=FIRST_PATIENCE_SECONDS)
            if point not in report.kills and report.missed[point] < MOST_TRIES:
                first.insert(0, point)
            continue
        part = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if part == "any":
            yield Strike("any", seconds=rng.uniform(0, PATIENCE_SECONDS["any"]))
            continue
        point = rng.choice([name for name in DRILLED if name.startswith(part)])
        turn = rng.randint(1, 8 if part == "receiver" else 2)
        yield Strike(part, point, turn, PATIENCE_SECONDS[part])


def _strike(node: NodeUnderFire, scanner: Scanner, strike: Strike, folder: Path, report: DrillReport) -> None:
    token = folder / "token"
    token.touch()
    environment = {TOKEN_VARIABLE: str(token)}
    if strike.point:
        environment[ENVIRONMENT_VARIABLE] = f"{strike.point}:{strike.turn}"
    try:
        report.start_seconds.append(node.start(environment))
    except AssertionError:
        # a point that is passed at once may strike before the node says that it is ready
        assert not token.exists(), node.log_tail()
    pushing = threading.Thread(target=scanner.push, daemon=True)
    pushing.start()
    struck = wait_for(lambda: not token.exists() or not node.is_running(), seconds=strike.seconds)
    if strike.point and not struck:
        report.missed[strike.point] += 1
    if struck and strike.part != "worker":  # the token goes first, and the process a moment later
        wait_for(lambda: not node.is_running(), seconds=5)
    if strike.part == "any":
        _kill_a_worker(node)
    if strike.part == "worker" and struck:
        report.kills[strike.point] += 1  # the worker's; the node lives, and is killed while it replaces it
        time.sleep(0.5)
    if node.is_running():
        node.kill()
        report.kills["at random"] += 1
    else:
        report.kills[strike.point] += 1
    node.wait()
    pushing.join(timeout=60)
    assert not pushing.is_alive()


def _kill_a_worker(node: NodeUnderFire) -> None:
    for pid in node.worker_pids()[:1]:
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)


def _objects(rng: random.Random) -> Iterator[list[Dataset]]:
    """Endless work: a bulk study of small pages each time, and every few times a forearm."""
    models = [list(simulate_study("calibrated", 8000 + number).objects.values()) for number in range(3)]
    number = 0
    while True:
        number += 1
        study = f"1.2.3.{number}"
        objects = [
            _with_file_meta(secondary_capture(f"{study}.1.{index}", study=study, PatientID=f"B{number}"))
            for index in range(BULK_OBJECTS)
        ]
        if number % FOREARM_EVERY == 1:
            objects += _renamed(rng.choice(models), f"F{number}")
        yield objects


def _renamed(study: list[Dataset], patient_id: str) -> list[Dataset]:
    """The same forearm as another study of somebody else."""
    uid, series = generate_uid(), generate_uid()
    copies = []
    for dataset in study:
        copy = Dataset(dataset)
        copy.file_meta = dataset.file_meta
        copy.StudyInstanceUID, copy.SeriesInstanceUID, copy.SOPInstanceUID = uid, series, generate_uid()
        copy.PatientID = patient_id
        copies.append(copy)
    return copies


def _with_file_meta(dataset: Dataset) -> Dataset:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _newly_lost(scanner: Scanner, node: NodeUnderFire, checked: set[str]) -> list[str]:
    """Check what was acknowledged since the last time, and the journal's soundness."""
    paths = dict(node.rows("SELECT sop_instance_uid, path FROM instances WHERE kind = 'input'"))
    assert node.rows("PRAGMA quick_check") == [("ok",)]
    fresh = [uid for uid in scanner.acknowledged if uid not in checked]
    checked.update(fresh)
    return [uid for uid in fresh if not _is_archived(node, paths.get(uid), scanner.acknowledged[uid])]


def _is_archived(node: NodeUnderFire, path: str | None, sent: bytes) -> bool:
    return path is not None and (node.data_dir / path).read_bytes().endswith(sent)


def _unfinished(node: NodeUnderFire) -> bool:
    try:
        return bool(
            node.rows("SELECT 1 FROM studies WHERE state IN ('receiving', 'complete', 'analyzing') LIMIT 1")
            or node.rows("SELECT 1 FROM deliveries WHERE state IN ('pending', 'sending', 'stored') LIMIT 1")
        )
    except sqlite3.OperationalError:  # busy: ask again
        return True


def _judge(node: NodeUnderFire, scanner: Scanner, orthanc: OrthancServer, report: DrillReport) -> None:
    report.acknowledged = len(scanner.acknowledged)
    report.lost += _newly_lost(scanner, node, set())
    report.studies = int(node.rows("SELECT count(*) FROM studies")[0][0])
    report.integrity = str(node.rows("PRAGMA integrity_check")[0][0])
    ends = Counter(node.rows("SELECT state, reason FROM studies"))
    assert {state for state, _ in ends} <= {"analyzed", "not_applicable"}, ends
    results = dict(node.rows("SELECT sop_instance_uid, path FROM results"))
    report.results = len(results)
    per_study = Counter(uid for (uid,) in node.rows("SELECT study_instance_uid FROM results"))
    assert set(per_study.values()) == {9}, per_study
    assert set(node.rows("SELECT DISTINCT state FROM deliveries")) == {("delivered",)}
    assert not [path for path in (node.data_dir / "tmp").iterdir() if path.is_file()]
    held = orthanc.instances()
    report.delivered_once = sorted(held) == sorted(results) and all(
        encoded(dcmread(node.data_dir / path)) == encoded(orthanc.dataset(held[uid]))
        for uid, path in results.items()
    )
