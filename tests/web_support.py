"""The console on temporary ground: a journal with as many studies as wanted, and a browser for each role."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from node_support import load_config

from dicom_node.config import NodeConfig
from dicom_node.storage.journal import Journal
from dicom_node.storage.users import Role

PASSWORD = "four words which differ"  # noqa: S105 - of tests only
_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""Cheap to check: a test logs in often."""


def console_config(folder: Path, *, extra: str = "") -> NodeConfig:
    """Return the configuration of a node whose journal is there, with one user for each role."""
    config = load_config(folder, extra=extra)
    add_users(config)
    return config


def add_users(config: NodeConfig) -> None:
    """Make the journal, and one user for each role."""
    with closing(Journal(config.node.data_dir / "journal.db")) as journal:
        for role in Role:
            journal.add_account(role.value, role, _HASH)


@contextmanager
def console(config: NodeConfig) -> Iterator[FastAPI]:
    """Run the console's application; ``app.state.journal`` is its journal."""
    from dicom_node.web.app import create_app

    app = create_app(config)
    with TestClient(app):  # runs its beginning and its end
        yield app


def browser(
    app: FastAPI, role: Role | str | None = Role.ADMINISTRATOR, *, language: str = "en"
) -> TestClient:
    """Return a client that is logged in as a role, or as nobody; it sends the CSRF token along."""
    client = TestClient(app, headers={"Accept-Language": language}, follow_redirects=False)
    if role is None:
        return client
    page = client.get("/login")
    answer = client.post(
        "/login",
        data={"name": str(role), "password": PASSWORD, "csrf_token": csrf_token(page.text)},
    )
    assert answer.status_code == 303, answer.text
    client.headers["X-CSRF-Token"] = csrf_token(client.get("/settings").text)
    return client


def csrf_token(page: str) -> str:
    """Return the token that a page's forms carry."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None, page[:2000]
    return found[1]


def fill_journal(path: Path, studies: int, *, newest: datetime | None = None) -> list[str]:
    """Fill a journal with studies as a running node would have: one a minute, most analysed and delivered.

    Every 20th failed, every 50th has a dead letter, every 100th waits for its delivery. Rows go in at once,
    past the journal's methods: 100,000 take a few seconds.

    Returns
    -------
    list of str
        The Study Instance UIDs, oldest first.
    """
    newest = newest or datetime.now(UTC)
    uids = [f"1.2.826.0.1.3680043.8.498.7.{number}" for number in range(studies)]
    moments = [
        (newest - timedelta(minutes=studies - number)).isoformat(timespec="microseconds")
        for number in range(studies)
    ]
    with closing(sqlite3.connect(path, isolation_level=None)) as rows:
        rows.execute("BEGIN")
        rows.executemany(
            "INSERT INTO studies (study_instance_uid, state, reason, completed_reason, calling_ae,"
            " patient_key, study_date, first_received_at, last_received_at)"
            " VALUES (?, ?, ?, 'quiet', 'SCANNER', ?, ?, ?, ?)",
            [
                (uid, _state(n), _reason(n), f"patient {n // 3}", at[:10].replace("-", ""), at, at)
                for n, (uid, at) in enumerate(zip(uids, moments, strict=True))
            ],
        )
        rows.executemany(
            "INSERT INTO instances (sop_instance_uid, sop_class_uid, study_instance_uid, series_instance_uid,"
            " transfer_syntax_uid, sha256, path, size, kind, reason, version, calling_ae, called_ae,"
            " peer_address, association_id, received_at, released_at)"
            " VALUES (?, '1.2.840.10008.5.1.4.1.1.1.1', ?, ?, '1.2.840.10008.1.2.1', ?, ?, 524288,"
            " 'input', '', 1, 'SCANNER', 'RADIUSDXA', '192.0.2.7', ?, ?, '')",
            [
                (f"{uid}.1", uid, f"{uid}.2", f"{n:064x}", f"instances/{n}.dcm", f"a{n}", at)
                for n, (uid, at) in enumerate(zip(uids, moments, strict=True))
            ],
        )
        rows.executemany(
            'INSERT INTO analyses (study_instance_uid, "trigger", input_digest, identity, engine_version,'
            " model_version, state, attempts, interruptions, next_attempt_at, lease_owner, lease_expires_at,"
            " reason, status, result_json, queued_at, started_at, finished_at)"
            " VALUES (?, 'received', ?, ?, '0.6.0', 'shipped', ?, 1, 0, '', '', '', ?, ?, '{}', ?, ?, ?)",
            [
                (uid, f"{n:064x}", f"{n:064x}", *_analysis(n), at, at, at)
                for n, (uid, at) in enumerate(zip(uids, moments, strict=True))
            ],
        )
        rows.executemany(
            "INSERT INTO deliveries (sop_instance_uid, sop_class_uid, study_instance_uid, destination, kind,"
            " path, priority, state, attempts, next_attempt_at, lease_owner, lease_expires_at, reason,"
            " last_status, created_at, stored_at, delivered_at, transaction_uid, requested_at, verifications,"
            " refusals, replaced_by)"
            " VALUES (?, '1.2.840.10008.5.1.4.1.1.88.33', ?, 'pacs', 'result', ?, 5, ?,"
            " 1, ?, '', '', ?, NULL, ?, '', ?, '', '', 0, 0, '')",
            [
                (f"{uid}.9", uid, f"results/{n}.dcm", *_delivery(n, at))
                for n, (uid, at) in enumerate(zip(uids, moments, strict=True))
            ],
        )
        rows.execute("COMMIT")
    return uids


def _state(number: int) -> str:
    return "failed" if number % 20 == 19 else "analyzed"


def _reason(number: int) -> str:
    return "the picture shows no forearm" if number % 20 == 19 else ""


def _analysis(number: int) -> tuple[str, str, str]:
    failed = number % 20 == 19
    return ("failed", _reason(number), "") if failed else ("done", "", "analyzed")


def _delivery(number: int, at: str) -> tuple[str, str, str, str, str]:
    if number % 50 == 49:
        return "dead", at, "0xA900: the PACS does not take this SOP class", at, ""
    if number % 100 == 50:
        return "pending", at, "", at, ""
    return "delivered", at, "", at, at
