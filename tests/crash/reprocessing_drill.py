"""Reprocessing after a promotion, with kills on the way: is each study's report superseded exactly once?

A node of its own process receives copies of one sample study, analyses them and sends reports to a PACS that
counts. A model is promoted, ``dicom-node reprocess`` makes a plan over all studies, and the node is killed
(SIGKILL, its workers with it) at random moments while the plan runs.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from node_under_fire import DICOM_NODE, SHIPPED, CountingPacs, NodeUnderFire, wait_for
from pydicom import Dataset, dcmread
from pydicom.filereader import read_dataset
from pydicom.uid import generate_uid
from pynetdicom import AE
from standin_engine import FOLDER_VARIABLE, learn

from analysis.config import AnalysisConfig
from analysis.risk.versions import list_versions, promote
from dicom_node.config import load_analysis_config

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "sample_studies" / "01-calibrated-low-risk" / "image.dcm"
SMALL = 16
"""Rows and columns of the copies that the stand-in is given: it looks at no pixel."""

PUSH_SECONDS, FINISH_SECONDS = 600.0, 5400.0


@dataclass
class DrillReport:
    """What came of it."""

    studies: int
    engine: str
    first_seconds: float = 0.0
    """From the first object to the last report."""
    plan_seconds: float = 0.0
    """From the plan to its end, restarts included."""
    kills: list[int] = field(default_factory=list)
    """How many studies were settled when the node was killed."""
    restart_seconds: list[float] = field(default_factory=list)
    interrupted: int = 0
    """Analyses that a kill had interrupted."""
    items: dict[str, int] = field(default_factory=dict)
    superseded: Counter[int] = field(default_factory=Counter)
    """How many studies were superseded how often."""
    reports_at_pacs: int = 0
    repeats_with_same_bytes: int = 0
    """Reports that the PACS got twice, since a kill came between its keeping one and its answer."""
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether each study was superseded exactly once."""
        return not self.problems and self.superseded == {1: self.studies}


def run_drill(
    folder: Path, *, studies: int, kills: int = 2, seed: int = 1, standin: bool = True
) -> DrillReport:
    """Run it once.

    Parameters
    ----------
    standin : bool
        Whether the stand-in takes the engine's place.
    """
    models = folder / "models"
    config = _site_models(models)
    report = DrillReport(studies, "stand-in" if standin else "real")
    with CountingPacs().running() as pacs:
        node = _node(folder, models, pacs)
        start = _Start(node, folder / "said" if standin else None)
        if standin:
            learn(folder / "said", config, [dcmread(SAMPLE)])
        try:
            start()
            _receive(node, report, studies, small=standin)
            _promote(folder, config)
            if standin:
                learn(folder / "said", config, [dcmread(SAMPLE)])
            _reprocess(node, start, report, kills, random.Random(seed))  # noqa: S311
        finally:
            node.stop()
        _judge(node, pacs, report)
    return report


@dataclass
class _Start:
    """Starts the node, with the stand-in if there is one."""

    node: NodeUnderFire
    said: Path | None

    def __call__(self) -> float:
        if self.said is None:
            return self.node.start()
        path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        return self.node.start(
            {FOLDER_VARIABLE: str(self.said), "PYTHONPATH": path},
            wrapper=(sys.executable, str(HERE / "standin_node.py")),
        )


def _node(folder: Path, models: Path, pacs: CountingPacs) -> NodeUnderFire:
    tables: Mapping[str, Mapping[str, object]] = {
        "analysis": {"models": str(models)},
        "execution": {"workers": 2},
        "reports": {"results": ["report"]},
        "reprocessing": {"in_flight": 8, "pause_above_objects_per_minute": 1_000_000},
        "console": {"enabled": False},
    }
    return NodeUnderFire(folder, (pacs.ae_title, pacs.port), tables=tables)


def _site_models(models: Path) -> AnalysisConfig:
    """Give the site a directory of models of its own."""
    shipped = load_analysis_config(SHIPPED / "node.toml")
    shutil.copytree(shipped.models, models)
    return replace(shipped, models=models)


def _promote(folder: Path, config: AnalysisConfig) -> None:
    """Train, so to speak, a model whose risks are a little higher; promote it for every name in force."""
    for version in list_versions(config.models):
        if not version.active:
            continue
        source = folder / f"trained {version.name}"
        source.mkdir()
        model = json.loads((config.models / str(version.entry["file"])).read_text())
        model["version"] = "0.4.0-n20000-drill"
        model["fracture"] = _raised(model["fracture"])
        file = source / f"{version.name}-0.4.0.json"
        file.write_text(json.dumps(model))
        entry = {
            "name": version.name,
            "version": model["version"],
            "file": file.name,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        schema = {"schema": model["schema"]}
        (source / "registry.json").write_text(
            json.dumps({**schema, "models": [{key: entry[key] for key in ("file", "sha256")}]})
        )
        (source / "versions.json").write_text(json.dumps({**schema, "versions": [entry]}))
        promote(config.models, version.name, model["version"], "the drill's promotion", source=source)


def _raised(hazard: Mapping[str, Any]) -> dict[str, Any]:
    """Raise a hazard by a tenth, by the constant of its log cumulative baseline."""
    constant, *rest = hazard["baseline"]
    return {**hazard, "baseline": [constant + math.log(1.1), *rest]}


def _copies(studies: int, *, small: bool) -> Iterator[Dataset]:
    for number in range(studies):
        copy = dcmread(SAMPLE)
        copy.StudyInstanceUID = generate_uid(entropy_srcs=["drill", str(number)])
        copy.SeriesInstanceUID = generate_uid(entropy_srcs=["drill series", str(number)])
        copy.SOPInstanceUID = generate_uid(entropy_srcs=["drill image", str(number)])
        copy.file_meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
        copy.PatientID = f"DRILL{number:05}"
        if small:
            copy.Rows = copy.Columns = SMALL
            copy.PixelData = bytes(SMALL * SMALL * copy.BitsAllocated // 8)
        yield copy


def _receive(node: NodeUnderFire, report: DrillReport, studies: int, *, small: bool) -> None:
    """Push all studies and wait until each has its first report at the PACS."""
    began = time.monotonic()
    ae = AE(ae_title="SCANNER")
    first = dcmread(SAMPLE, stop_before_pixels=True)
    ae.add_requested_context(first.SOPClassUID, [first.file_meta.TransferSyntaxUID])
    association = ae.associate("127.0.0.1", node.port, ae_title="RADIUSDXA")
    assert association.is_established, node.log_tail()
    for copy in _copies(studies, small=small):
        status = association.send_c_store(copy)
        assert status.get("Status") == 0, node.log_tail()
    association.release()
    assert wait_for(lambda: _delivered(node) == studies, FINISH_SECONDS), node.log_tail()
    report.first_seconds = time.monotonic() - began


def _reprocess(
    node: NodeUnderFire, start: _Start, report: DrillReport, kills: int, rng: random.Random
) -> None:
    """Have the plan carried out, the node killed on the way."""
    began = time.monotonic()
    command = [DICOM_NODE, "reprocess", "--model-older-than", "current", "--config", node.config]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "plan 1 is made" in made.stdout, made.stdout + made.stderr
    assert f"{report.studies} studies would change model" in made.stdout, made.stdout
    for number in range(1, kills + 1):
        share = number * report.studies // (kills + 1)
        assert wait_for(lambda share=share: _settled(node) >= share, FINISH_SECONDS), node.log_tail()
        time.sleep(rng.uniform(0, 0.3))
        node.kill()
        node.wait()
        report.kills.append(_settled(node))
        report.restart_seconds.append(start())
    assert wait_for(lambda: _is_over(node), FINISH_SECONDS), node.log_tail()
    report.plan_seconds = time.monotonic() - began


def _judge(node: NodeUnderFire, pacs: CountingPacs, report: DrillReport) -> None:
    """Compare journal and PACS with what must hold."""
    items = node.rows("SELECT state, count(*) FROM reprocessing_items GROUP BY state")
    report.items = {state: int(count) for state, count in items}
    report.interrupted = int(node.rows("SELECT count(*) FROM analyses WHERE interruptions > 0")[0][0])
    doubled = node.rows(
        "SELECT study_instance_uid FROM analyses WHERE \"trigger\" = 'plan' AND state = 'done'"
        " GROUP BY study_instance_uid HAVING count(*) <> 1"
    )
    report.problems += [f"{len(doubled)} studies were not analysed exactly once"] if doubled else []
    reports: dict[str, list[Dataset]] = defaultdict(list)
    for uid, receipts in pacs.receipts.items():
        if len(set(receipts)) != 1:
            report.problems.append(f"{uid} came with different bytes")
        report.repeats_with_same_bytes += len(receipts) - 1
        document = read_dataset(BytesIO(receipts[0]), is_implicit_VR=False, is_little_endian=True)
        reports[str(document.StudyInstanceUID)].append(document)
    report.reports_at_pacs = len(pacs.receipts)
    if len(reports) != report.studies:
        report.problems.append(f"the PACS holds reports of {len(reports)} studies")
    for documents in reports.values():
        report.superseded[_chain(documents)] += 1


def _chain(documents: Sequence[Dataset]) -> int:
    """Return how often a study's first report was superseded, each time the one before; -1 if otherwise."""
    replaced = {str(item.SOPInstanceUID): _predecessors(item) for item in documents}
    first = [uid for uid, before in replaced.items() if not before]
    if len(first) != 1:
        return -1
    last, length = first[0], 0
    while following := [uid for uid, before in replaced.items() if before == [last]]:
        if len(following) != 1:
            return -1
        last, length = following[0], length + 1
    return length if length == len(documents) - 1 else -1


def _predecessors(document: Dataset) -> list[str]:
    return [
        str(instance.ReferencedSOPInstanceUID)
        for study in document.get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]


def _delivered(node: NodeUnderFire) -> int:
    return int(node.rows("SELECT count(*) FROM deliveries WHERE state = 'delivered'")[0][0])


def _settled(node: NodeUnderFire) -> int:
    return int(
        node.rows("SELECT count(*) FROM reprocessing_items WHERE state NOT IN ('waiting', 'queued')")[0][0]
    )


def _is_over(node: NodeUnderFire) -> bool:
    return bool(node.rows("SELECT 1 FROM reprocessing_plans WHERE state = 'done'")) and not node.rows(
        "SELECT 1 FROM deliveries WHERE state IN ('pending', 'sending')"
    )
