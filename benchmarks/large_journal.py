"""How a node lives with a large journal: start to serving, check, backup, retention, sweep.

    python benchmarks/large_journal.py --instances 1000000

Rows only, in a directory of its own: no files lie behind them, so the sweep's missing files are not counted.
"""

from __future__ import annotations

import argparse
import platform
import secrets
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_node.storage.archive import Archive
from dicom_node.storage.backup import back_up
from dicom_node.storage.journal import Journal
from dicom_node.storage.retention import ReleasedKind
from dicom_node.storage.soundness import damages

CONF = Path(__file__).resolve().parents[1] / "conf"
INSTANCES_PER_STUDY = 4
ROOT = "1.2.840.99999.20260101.123456"
ENDED = ("analyzed", "not_applicable", "rejected")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instances", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="starts of the node")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive(Path(folder) / "data")
        rows = fill(archive.journal_path, options.instances)
        size = archive.journal_path.stat().st_size / 1e6
        figures = {
            "quick_check": timed(lambda: damages(archive.journal_path)),
            "integrity_check": timed(lambda: damages(archive.journal_path, thorough=True)),
            "backup, checked": timed(lambda: back_up(archive, Path(folder) / "backup", keep=1)),
            **live_figures(archive),
            **starts(archive, Path(folder), options.rounds),
        }
    print(f"{rows:,} rows, {size:,.0f} MB, {platform.machine()}, Python {platform.python_version()}\n")
    print("| step | s |\n|---|---|")
    for step, seconds in figures.items():
        print(f"| {step} | {seconds:.2f} |")


def fill(path: Path, instances: int) -> int:
    """Write the rows of studies that were answered and delivered long ago; return how many."""
    Journal(path).close()
    studies = instances // INSTANCES_PER_STUDY
    then = (datetime.now(UTC) - timedelta(days=400)).isoformat(timespec="microseconds")
    with sqlite3.connect(path) as journal:
        journal.execute("PRAGMA synchronous = OFF")
        journal.executemany(
            "INSERT INTO studies VALUES (?, 'analyzed', '', 'nothing new', 'SCANNER', ?, '20260101', ?, ?)",
            ((f"{ROOT}.{study}", secrets.token_hex(32), then, then) for study in range(studies)),
        )
        journal.executemany(
            "INSERT INTO instances (sop_instance_uid, sop_class_uid, study_instance_uid, series_instance_uid,"
            " transfer_syntax_uid, sha256, path, size, kind, reason, version, calling_ae, called_ae,"
            " peer_address, association_id, received_at) VALUES (?, '1.2.840.10008.5.1.4.1.1.1.1', ?, ?,"
            " '1.2.840.10008.1.2.1', ?, ?, 500000, 'input', '', 1, 'SCANNER', 'NODE', '192.0.2.10', ?, ?)",
            (_instance(number, then) for number in range(instances)),
        )
        journal.execute(
            'INSERT INTO analyses (study_instance_uid, "trigger", input_digest, identity, engine_version,'
            " model_version, state, attempts, interruptions, next_attempt_at, lease_owner, lease_expires_at,"
            " reason, status, result_json, queued_at, started_at, finished_at) SELECT study_instance_uid,"
            " 'received', hex(randomblob(32)), hex(randomblob(32)), '0', '0', 'done', 1, 0, '', '', '', '',"
            " 'analyzed', '{}', :then, :then, :then FROM studies",
            {"then": then},
        )
    journal.close()
    return instances + 2 * studies


def _instance(number: int, then: str) -> tuple[str, ...]:
    study, digest = f"{ROOT}.{number // INSTANCES_PER_STUDY}", secrets.token_hex(32)
    path = f"instances/{digest[:2]}/{digest}.dcm"
    return f"{study}.1.{number}", study, f"{study}.1", digest, path, secrets.token_hex(16), then


def live_figures(archive: Archive) -> dict[str, float]:
    journal = Journal(archive.journal_path)
    now = datetime.now(UTC)
    week = now - timedelta(days=7)
    try:
        return {
            "retention: find 100 that may go": timed(
                lambda: journal.releasable(ReleasedKind.ORIGINAL, before=week, ended_states=ENDED, limit=100)
            ),
            "retention: find none, all of them protected": timed(
                lambda: journal.releasable(ReleasedKind.ORIGINAL, before=week, ended_states=(), limit=100)
            ),
            "sweep: read a sixteenth of the rows": timed(lambda: journal.kept_paths("instances/7")),
        }
    finally:
        journal.close()


def starts(archive: Archive, folder: Path, rounds: int) -> dict[str, float]:
    """Start a node with the large journal and one with an empty journal, in turn; return both medians."""
    measured: dict[str, list[float]] = {"start to port open": [], "the same, empty journal": []}
    for _ in range(rounds):
        measured["start to port open"].append(started(folder, archive.data_dir))
        measured["the same, empty journal"].append(started(folder, folder / "empty"))
    return {name: statistics.median(seconds) for name, seconds in measured.items()}


def started(folder: Path, data_dir: Path) -> float:
    """Start the node; return seconds from exec until its port is open."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "node.toml"
    config.write_text(
        f'[node]\nhost = "127.0.0.1"\nport = {port}\ndata_dir = "{data_dir}"\n'
        "[receiver]\nmin_free_bytes = 0\n[monitoring]\nenabled = false\n[console]\nenabled = false\n"
        "[analysis]\n"
        f'reference = "{CONF / "reference/iscd-atlas-female.csv"}"\n'
        f'guideline = "{CONF / "guidelines/acp-2023.toml"}"\n'
    )
    begun = time.perf_counter()
    command = [sys.executable, "-m", "dicom_node", "serve", "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - begun < 60 and process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    return time.perf_counter() - begun
            time.sleep(0.01)
        raise SystemExit("the node did not come up")
    finally:
        process.terminate()
        process.wait(timeout=60)


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
