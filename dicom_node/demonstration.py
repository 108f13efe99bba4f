"""The whole way on one machine: scanner, node and PACS, each speaking DICOM to the next.

The node is a process of its own (``dicom-node serve``), the PACS is `EmbeddedPacs`, the scanner is the node's
own C-STORE sender. Everything lies below one folder and nothing else is touched.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_node.config import NodeConfig, default_conf_directory
from dicom_node.dicom_files import StudyOnDisk
from dicom_node.embedded_pacs import EmbeddedPacs
from dicom_node.errors import NodeError
from dicom_node.network.sender import Peer, Timeouts, read_sendable, store
from dicom_node.storage.queries import Queries

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["PACS_AE_TITLE", "DemoStudy", "prepare_folder", "push", "running_node", "save_results", "wait"]

NODE_AE_TITLE, PACS_AE_TITLE, SCANNER_AE_TITLE = "RADIUSDXA", "DEMOPACS", "SCANNER"
QUIET_SECONDS = 2.0
START_SECONDS = 60.0
MARKER = ".dicom-node-demo"
TERMINAL_WITHOUT_RESULTS = {"not_applicable", "rejected", "failed"}
SR_CLASS_PREFIX = "1.2.840.10008.5.1.4.1.1.88."
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
"""Key Object Selection Document Storage: what to look at first, sent last and no report."""


@dataclass
class DemoStudy:
    """One study on its way."""

    name: str
    study: StudyOnDisk
    pushed_at: datetime | None = None
    """When its last C-STORE was acknowledged."""
    state: str = "waiting"
    reason: str = ""
    seconds_to_report: float | None = None
    """From the last C-STORE to the last SR being stored at the PACS, beyond the quiet time."""
    document: dict[str, Any] | None = None
    """The analysis, schema "1"."""
    saved: list[Path] = field(default_factory=list)

    @property
    def uid(self) -> str:
        return self.study.study_instance_uid


def prepare_folder(folder: Path) -> None:
    """Make an empty demo folder, clearing what an earlier demo left there.

    Raises
    ------
    NodeError
        The folder exists, is not empty, and was not made by a demo.
    """
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise NodeError(
                f"{folder}: is not empty and was not made by the demo; choose another with --out DIR"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


@contextmanager
def running_node(folder: Path, pacs_port: int) -> Iterator[Peer]:
    """Run the node as a process of its own that sends to the PACS; yields how to reach it.

    Raises
    ------
    NodeError
        The node ends or does not get ready in time; the text names its log.
    """
    config = NodeConfig.load(_write_config(folder, pacs_port))
    log_path = folder / "node.log"
    command = [sys.executable, "-m", "dicom_node", "serve", "--config", str(config.path)]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        ready, warm = (process.stdout.readline() if process.stdout else "" for _ in range(2))
        if not ready.startswith("ready: ") or not warm.startswith("warm: "):
            raise NodeError(f"the node did not start; its log says why: {log_path}")
        port = int(ready.split(",")[0].rsplit(":", 1)[1])
        yield Peer(NODE_AE_TITLE, "127.0.0.1", port)
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def push(demo: DemoStudy, node: Peer) -> None:
    """Send a study's objects over one association, as a scanner does.

    Raises
    ------
    NodeError
        The node did not acknowledge an object.
    """
    files = [read_sendable(path) for path in demo.study.paths]
    for outcome in store(files, node, calling_ae_title=SCANNER_AE_TITLE, timeouts=Timeouts()):
        if outcome.error is not None:
            raise NodeError(f"{outcome.file.path}: {outcome.error}")
    demo.pushed_at = datetime.now(UTC)


def wait(demos: Sequence[DemoStudy], folder: Path, pacs: EmbeddedPacs, timeout: float) -> Iterator[DemoStudy]:
    """Yield each study once as soon as it is answered or declined.

    Raises
    ------
    NodeError
        Not all are after `timeout` seconds.
    """
    journal = Queries(folder / "node_data" / "journal.db")
    deadline = time.monotonic() + timeout
    open_demos = list(demos)
    try:
        while open_demos:
            states = {row["study_instance_uid"]: row for row in journal.list_studies()}
            for demo in list(open_demos):
                if _has_ended(demo, states.get(demo.uid)):
                    _note_outcome(demo, journal, pacs)
                    open_demos.remove(demo)
                    yield demo
            if open_demos and time.monotonic() > deadline:
                names = ", ".join(demo.name for demo in open_demos)
                raise NodeError(f"no answer after {timeout:.0f} s for {names}; see {folder / 'node.log'}")
            time.sleep(0.1)
    finally:
        journal.close()


def save_results(demo: DemoStudy, folder: Path, pacs: EmbeddedPacs) -> None:
    """Save what the PACS holds for a study: objects, what people read of them, analysis as JSON."""
    from pydicom import dcmread

    target = folder / "results" / demo.name
    target.mkdir(parents=True, exist_ok=True)
    if demo.document is not None:
        path = target / "analysis.json"
        path.write_text(json.dumps(demo.document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        demo.saved.append(path)
    sent = {str(dataset.SOPInstanceUID) for dataset in demo.study.datasets}
    for stored in pacs.objects(demo.uid):
        if stored.sop_instance_uid in sent:
            continue
        dataset = dcmread(pacs.path(stored))
        stem = str(dataset.SeriesDescription).split(" - ")[0].strip().lower().replace(" ", "_")
        demo.saved.append(_save_readable(dataset, target / stem) or target / f"{stem}.dcm")
        shutil.copyfile(pacs.path(stored), target / f"{stem}.dcm")


def _save_readable(dataset: Dataset, stem: Path) -> Path | None:
    """Save what people read of an object: SR as text, pictures as PNG, the document as PDF; else nothing."""
    from PIL import Image

    from reports.render import as_text

    match str(dataset.Modality):
        case "SR" | "KO":
            path = stem.with_suffix(".txt")
            path.write_text(as_text(dataset), encoding="utf-8")
        case "OT":
            path = stem.with_suffix(".png")
            Image.fromarray(dataset.pixel_array).save(path)
        case "DOC":
            path = stem.with_suffix(".pdf")
            path.write_bytes(dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength])
        case _:
            return None
    return path


def _write_config(folder: Path, pacs_port: int) -> Path:
    """The shipped configuration, on a free loopback port, with the embedded PACS as its one destination."""
    conf = default_conf_directory().resolve()
    path = folder / "node.toml"
    path.write_text(
        f"""# Written by dicom-node demo.
[node]
ae_title = "{NODE_AE_TITLE}"
host = "127.0.0.1"
port = 0
data_dir = "node_data"

[receiver]
min_free_bytes = 100_000_000

[completion]
quiet_seconds = {QUIET_SECONDS}

[analysis]
reference = "{conf / "reference" / "iscd-atlas-female.csv"}"
guideline = "{conf / "guidelines" / "acp-2023.toml"}"

[execution]
workers = 2

[monitoring]
enabled = false

[console]
enabled = false

[[destination]]
name = "demo-pacs"
ae_title = "{PACS_AE_TITLE}"
host = "127.0.0.1"
port = {pacs_port}
""",
        encoding="utf-8",
    )
    return path


def _has_ended(demo: DemoStudy, row: dict[str, Any] | None) -> bool:
    if row is None:
        return False
    demo.state, demo.reason = row["state"], row["reason"]
    if demo.state in TERMINAL_WITHOUT_RESULTS:
        return True
    return bool(demo.state == "analyzed" and row["results"] and row["delivered"] == row["deliveries"])


def _note_outcome(demo: DemoStudy, journal: Queries, pacs: EmbeddedPacs) -> None:
    text = journal.latest_analysis_json(demo.uid)
    demo.document = json.loads(text) if text else None
    reports = [
        datetime.fromisoformat(stored.received_at)
        for stored in pacs.objects(demo.uid)
        if stored.sop_class_uid.startswith(SR_CLASS_PREFIX) and stored.sop_class_uid != KEY_OBJECTS
    ]
    if reports and demo.pushed_at is not None:
        demo.seconds_to_report = (max(reports) - demo.pushed_at).total_seconds() - QUIET_SECONDS
