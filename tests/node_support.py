"""A node's parts on temporary ground, for workflow and service tests."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydicom.uid import generate_uid

from dicom_node.config import NodeConfig
from dicom_node.network.sender import Peer
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import AnalysisOutcome, InstanceKind, ReceivedInstance, ResultRecord


class FakeClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def write_config(folder: Path, *, destinations: Sequence[tuple[str, Peer]] = (), extra: str = "") -> Path:
    """Write a node.toml for a node on a free loopback port, with quick completion and retries.

    `extra` is TOML for tables that this file does not write: ``[execution]``, ``[receiver]``.
    """
    conf = folder / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    shipped = Path(__file__).parent.parent / "conf"
    text = f"""
[node]
host = "127.0.0.1"
port = 0
data_dir = "../data"
[completion]
quiet_seconds = 1
[analysis]
reference = "{shipped / "reference/iscd-atlas-female.csv"}"
guideline = "{shipped / "guidelines/acp-2023.toml"}"
[delivery]
connect_timeout_seconds = 2
response_timeout_seconds = 2
first_retry_seconds = 0.2
max_retry_seconds = 1
[monitoring]
enabled = false
[console]
enabled = false
{extra}
"""
    for name, peer in destinations:
        text += (
            f'[[destination]]\nname = "{name}"\nae_title = "{peer.ae_title}"\n'
            f'host = "{peer.host}"\nport = {peer.port}\n'
        )
    path = conf / "node.toml"
    path.write_text(text, encoding="utf-8")
    return path


def load_config(folder: Path, **settings: object) -> NodeConfig:
    """Write and load a configuration, see `write_config`."""
    return NodeConfig.load(write_config(folder, **settings))  # type: ignore[arg-type]


def receive(
    journal: Journal,
    study: str,
    *,
    uid: str = "",
    content: bytes = b"bytes",
    path: str = "instances/none.dcm",
    study_date: str = "20260101",
    patient_key: str = "somebody",
    sop_class: str = "1.2.840.10008.5.1.4.1.1.7",
    syntax: str = "1.2.840.10008.1.2.1",
    calling_ae: str = "",
) -> None:
    """Journal one input as the receiver does."""
    journal.record_instance(
        ReceivedInstance(
            sop_instance_uid=uid or generate_uid(),
            sop_class_uid=sop_class,
            study_instance_uid=study,
            series_instance_uid=generate_uid(),
            transfer_syntax_uid=syntax,
            sha256=hashlib.sha256(content).hexdigest(),
            path=path,
            size=len(content),
            kind=InstanceKind.INPUT,
            calling_ae=calling_ae,
            association_id="some association",
            patient_key=patient_key,
            study_date=study_date,
        )
    )


def receive_complete(journal: Journal, study: str, **settings: str) -> None:
    """Journal one input and close its study, so that an analysis is queued."""
    receive(journal, study, **settings)  # type: ignore[arg-type]
    known = journal.study(study)
    assert known is not None
    assert journal.complete_study(known, "test")


def outcome(status: str = "analyzed", *, identity: str = "a" * 64, **fields: object) -> AnalysisOutcome:
    """What a worker might report."""
    values: dict[str, object] = {
        "status": status,
        "reason": "" if status == "analyzed" else "a reason",
        "identity": identity,
        "engine_version": "0",
        "model_version": "0",
        "result_json": "{}",
    }
    return AnalysisOutcome(**(values | fields))  # type: ignore[arg-type]


def sent_to(done: AnalysisOutcome, destinations: Iterable[str]) -> AnalysisOutcome:
    """The same outcome with every result for each destination, in order."""
    uids = tuple(result.sop_instance_uid for result in done.results)
    return replace(done, sets=dict.fromkeys(destinations, uids))


def store_results(archive: Archive, files: Sequence[Path], identity: str) -> tuple[ResultRecord, ...]:
    """Put DICOM files into the archive as the results of one analysis."""
    from pydicom import dcmread

    records = []
    for file in files:
        dataset = dcmread(file)
        path, digest = archive.store_result(identity, file.read_bytes())
        records.append(
            ResultRecord(
                sop_instance_uid=dataset.SOPInstanceUID,
                sop_class_uid=dataset.SOPClassUID,
                kind="test",
                path=str(path),
                sha256=digest,
            )
        )
    return tuple(records)


def finish_with_results(
    archive: Archive, journal: Journal, study: str, files: Sequence[Path], destinations: Sequence[str]
) -> None:
    """Carry a study through to journalled results with outbox rows."""
    receive_complete(journal, study)
    job = journal.claim_analysis("test", 60)
    assert job is not None
    identity = hashlib.sha256(study.encode()).hexdigest()
    results = store_results(archive, files, identity)
    done = sent_to(outcome(identity=identity, results=results), destinations)
    assert journal.finish_analysis(job, done)


def undelivered_paths(journal: Journal, study: str = "%") -> set[str]:
    """Files that a destination still waits for, dead letters included: none of these may be released."""
    with sqlite3.connect(journal.path) as rows:
        found = rows.execute(
            "SELECT DISTINCT path FROM deliveries WHERE state NOT IN ('delivered', 'discarded')"
            " AND study_instance_uid LIKE ?",
            (study,),
        )
        return {path for (path,) in found}


def wait_until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Wait for something that other threads or processes bring about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)
