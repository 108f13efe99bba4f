"""How long the console's pages take with many studies in the journal.

    python benchmarks/console.py --studies 100000

Rows only, in a directory of its own: nothing of a study's files is read for these pages. The application
answers in this process, without a network. Processor time says more than the clock on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sqlite3
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from argon2 import PasswordHasher

from dicom_node.config import NodeConfig
from dicom_node.storage.journal import Journal
from dicom_node.storage.reprocessing import PlanPace
from dicom_node.storage.selection import StudySelection
from dicom_node.storage.study_search import comparable
from dicom_node.storage.users import Role

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette announces a new name of its client
    from fastapi.testclient import TestClient

CONF = Path(__file__).resolve().parents[1] / "conf"
PASSWORD = "of this benchmark alone"  # noqa: S105
ROOT = "1.2.840.99999.20260101.654321"
SCANNERS = ("Hologic Horizon", "GE Lunar Prodigy", "Norland XR", "ACME Forearm")
FINDINGS = ("forearm_length_estimated", "texture_depends_on_noise", "lsc_published", "t_score_unavailable")
RARE_FINDING = "scanner_drift"
EVERY = 9973
"""Of so many studies one has the rare finding, and one the rare patient."""

Ask = Callable[[TestClient], object]


@dataclass(frozen=True)
class Figure:
    """Milliseconds of one page: median and worst by the clock, median of processor time."""

    page: str
    clock: float
    worst: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15, help="requests of each page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = _config(Path(folder))
        size = fill(config.node.data_dir / "journal.db", options.studies)
        figures = _figures(config, options.studies, options.rounds)
    machine = f"{platform.machine()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    print(f"{options.studies:,} studies, {size / 1e6:,.0f} MB, {machine}, {datetime.now(UTC).date()}\n")
    print("| page | median ms | worst ms | processor ms |\n|---|---|---|---|")
    for figure in figures:
        print(f"| {figure.page} | {figure.clock:.0f} | {figure.worst:.0f} | {figure.processor:.0f} |")


def fill(path: Path, studies: int) -> int:
    """Write the rows of studies that came one a minute and were delivered; return the file's size."""
    with closing(Journal(path)) as journal:
        journal.add_account("reader", Role.ADMINISTRATOR, PasswordHasher(1, 8, 1).hash(PASSWORD))
    newest = datetime.now(UTC)
    moments = [
        (newest - timedelta(minutes=number)).isoformat(timespec="microseconds") for number in range(studies)
    ]
    moments.reverse()
    with closing(sqlite3.connect(path, isolation_level=None)) as rows:
        rows.execute("PRAGMA synchronous = OFF")
        rows.execute("BEGIN")
        _fill_journal(rows, moments)
        _fill_facts(rows, studies)
        _fill_changes(rows, newest)
        rows.execute("COMMIT")
    with closing(Journal(path)) as journal:
        planned = [f"{ROOT}.{n}" for n in range(min(studies, 10_000))]
        journal.create_plan(
            planned, StudySelection(everything=True), PlanPace(), by="reader", reason="measured"
        )
    return path.stat().st_size


def _fill_changes(rows: sqlite3.Connection, newest: datetime) -> None:
    rows.executemany(
        "INSERT INTO changes (at, user, action, subject, reason, detail) VALUES (?, ?, ?, 'pacs', 'why', '')",
        (
            (
                (newest - timedelta(minutes=20_000 - n)).isoformat(timespec="microseconds"),
                f"user {n % 7}",
                ("delivery.retry", "job.run", "study.reprocess")[n % 3],
            )
            for n in range(20_000)
        ),
    )


def _fill_journal(rows: sqlite3.Connection, moments: list[str]) -> None:
    rows.executemany(
        "INSERT INTO studies VALUES (?, ?, '', 'nothing new', 'SCANNER', ?, ?, ?, ?)",
        (
            (
                f"{ROOT}.{n}",
                "failed" if n % 50 == 7 else "analyzed",
                f"{n // 3:064x}",
                at[:10].replace("-", ""),
                at,
                at,
            )
            for n, at in enumerate(moments)
        ),
    )
    rows.executemany(
        "INSERT INTO instances (sop_instance_uid, sop_class_uid, study_instance_uid, series_instance_uid,"
        " transfer_syntax_uid, sha256, path, size, kind, reason, version, calling_ae, called_ae,"
        " peer_address, association_id, received_at) VALUES (?, '1.2.840.10008.5.1.4.1.1.1.1', ?, ?,"
        " '1.2.840.10008.1.2.1', ?, ?, 500000, 'input', '', 1, 'SCANNER', 'NODE', '192.0.2.10', ?, ?)",
        (
            (f"{ROOT}.{n}.1", f"{ROOT}.{n}", f"{ROOT}.{n}.2", f"{n:064x}", f"instances/{n}.dcm", f"a{n}", at)
            for n, at in enumerate(moments)
        ),
    )
    rows.executemany(
        'INSERT INTO analyses (study_instance_uid, "trigger", input_digest, identity, engine_version,'
        " model_version, state, attempts, interruptions, next_attempt_at, lease_owner, lease_expires_at,"
        " reason, status, result_json, queued_at, started_at, finished_at)"
        " VALUES (?, 'received', ?, ?, '0.6.0', '1', 'done', 1, 0, '', '', '', '', 'analyzed', ?, ?, ?, ?)",
        (
            (
                f"{ROOT}.{n}",
                f"{n:064x}",
                f"{n:064x}",
                json.dumps({"status": "analyzed", "pad": "x" * 2000}),
                at,
                at,
                at,
            )
            for n, at in enumerate(moments)
        ),
    )
    rows.executemany(
        "INSERT INTO deliveries (sop_instance_uid, sop_class_uid, study_instance_uid, destination, kind,"
        " path, priority, state, attempts, next_attempt_at, lease_owner, lease_expires_at, reason,"
        " last_status, created_at, stored_at, delivered_at, transaction_uid, requested_at, verifications,"
        " refusals, replaced_by)"
        " VALUES (?, '1.2.840.10008.5.1.4.1.1.88.33', ?, 'pacs', 'result', ?, 5, ?, 1, ?, '', '', '', 0,"
        " ?, ?, ?, '', '', 0, 0, '')",
        (
            (
                f"{ROOT}.{n}.{part}",
                f"{ROOT}.{n}",
                f"results/{n}.{part}.dcm",
                _delivery_state(n),
                at,
                at,
                at,
                at,
            )
            for n, at in enumerate(moments)
            for part in range(3, 7)
        ),
    )


def _delivery_state(number: int) -> str:
    """Of 100,000 studies' objects 10,000 are given up and as many wait."""
    return {0: "dead", 1: "pending"}.get(number % 40, "delivered")


def _fill_facts(rows: sqlite3.Connection, studies: int) -> None:
    """Give every study the facts that the scheduled job would have read."""
    rows.executemany(
        "UPDATE study_facts SET patient_name = ?, patient_id = ?, searched = ?, scanner = ?,"
        " laterality = 'L', risk_category = ?, risk_10_years = 0.1, engine_version = '0.6.0',"
        " model_version = '1', due = 0 WHERE study_key = ?",
        (
            (
                name,
                ident,
                comparable(f"{name} {ident}"),
                SCANNERS[n % 4],
                ("low", "moderate", "high")[n % 3],
                n + 1,
            )
            for n in range(studies)
            for name, ident in [_patient(n)]
        ),
    )
    rows.executemany(
        "INSERT INTO study_findings VALUES (?, ?, 'warning')",
        (
            (code, n + 1)
            for n in range(studies)
            for code in (*FINDINGS, *([RARE_FINDING] if n % EVERY == 5 else ()))
        ),
    )


def _patient(number: int) -> tuple[str, str]:
    family = "Rarely" if number % EVERY == 5 else f"Family{number % 7919}"
    return f"{family}^Given{number % 211}", f"ID{number // 3:07d}"


def _figures(config: NodeConfig, studies: int, rounds: int) -> list[Figure]:
    from analysis.risk.versions import list_versions
    from dicom_node.web.app import create_app

    model = list_versions(config.analysis.models)[0]
    with TestClient(create_app(config), follow_redirects=False) as client:
        _log_in(client)
        middle = studies // 2
        asked: dict[str, Ask] = {
            "overview": _get("/"),
            "studies: newest": _get("/studies"),
            "studies: 1000th page": _search(trail=str(studies - 50_000 if studies > 60_000 else middle)),
            "studies: common part of a name": _search(patient="given1"),
            "studies: a rare name": _search(patient="rarely"),
            "studies: nobody": _search(patient="nobody of that name"),
            "studies: one Patient ID": _search(patient=f"ID{middle // 3:07d}"),
            "studies: failed": _search(state="failed"),
            "studies: none in that state": _search(state="receiving"),
            "studies: scanner and high risk": _search(scanner=SCANNERS[1], risk="high"),
            "studies: a common finding": _search(finding=FINDINGS[0]),
            "studies: a rare finding": _search(finding=RARE_FINDING),
            "studies: a day long ago": _search(dated_until=_day(studies)),
            "studies: name, risk, finding and dates": _search(
                patient="family1", risk="low", finding=FINDINGS[1], dated_from="2020-01-01"
            ),
            "one study": _get(f"/studies/{middle}"),
            "queue: a fifth of the studies": _get("/queue"),
            "queue: 100th page of what was given up": _get("/queue?state=dead&page=100"),
            "jobs": _get("/jobs"),
            "reprocessing of 10,000 studies": _get("/jobs/reprocessing/1?after=5000"),
            "models": _get("/models"),
            "one version of a model": _get(f"/models/{model.name}/{model.version}"),
            "audit: 20,000 changes": _get("/audit"),
            "audit: a person, a topic, from a day on": _get(
                "/audit?user=user+3&action=delivery&since=2020-01-01"
            ),
            "REST: search": lambda api: api.post("/api/studies/search", json={"patient": "given1"}),
        }
        return [_figure(client, page, ask, rounds) for page, ask in asked.items()]


def _figure(client: TestClient, page: str, ask: Ask, rounds: int) -> Figure:
    ask(client)  # what is read once: templates, pages of the file
    clock, processor = [], []
    for _ in range(rounds):
        begun, worked = time.perf_counter(), time.process_time()
        answer = ask(client)
        clock.append(1000 * (time.perf_counter() - begun))
        processor.append(1000 * (time.process_time() - worked))
        assert getattr(answer, "status_code", 0) == 200, (page, answer)
    return Figure(page, statistics.median(clock), max(clock), statistics.median(processor))


def _get(path: str) -> Ask:
    return lambda client: client.get(path)


def _search(**fields: str) -> Ask:
    return lambda client: client.post("/studies", data=fields)


def _day(studies: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=studies - 1440)).date().isoformat()


def _log_in(client: TestClient) -> None:
    token = _token(client.get("/login").text)
    client.post("/login", data={"name": "reader", "password": PASSWORD, "csrf_token": token})
    client.headers["X-CSRF-Token"] = _token(client.get("/settings").text)


def _token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None, "the page has no form"
    return found[1]


def _config(folder: Path) -> NodeConfig:
    path = folder / "node.toml"
    path.write_text(
        f'[node]\nhost = "127.0.0.1"\nport = 0\ndata_dir = "{folder / "data"}"\n[analysis]\n'
        f'reference = "{CONF / "reference/iscd-atlas-female.csv"}"\n'
        f'guideline = "{CONF / "guidelines/acp-2023.toml"}"\n',
        encoding="utf-8",
    )
    return NodeConfig.load(path)


if __name__ == "__main__":
    main()
