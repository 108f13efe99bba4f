"""Configuration check and audit in the console."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin_site import admin_config
from fastapi import FastAPI
from fastapi.testclient import TestClient
from web_support import browser, console

from dicom_node.config import NodeConfig
from dicom_node.diagnosis import Finding, Level
from dicom_node.observe.audit import AuditTrail
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity
from dicom_node.workflow.checkup import Checkup

pytestmark = pytest.mark.usefixtures("cheap_logins")

FILES = '[audit]\ntransport = "file"\ndirectory = "../audit"\n'


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FastAPI]:
    with console(admin_config(tmp_path, extra=FILES)) as app:
        yield app


def journal_of(app: FastAPI) -> Journal:
    journal: Journal = app.state.journal
    return journal


def found(_config: NodeConfig) -> Iterator[Finding]:
    yield Finding(Level.OK, "disk", "there is room; a lot of it")
    yield Finding(Level.FAIL, "destination pacs", "no answer; start it & look again")


def check(app: FastAPI, client: TestClient) -> None:
    app.state.checkup = Checkup(app.state.config.path, examine=found)
    assert client.post("/doctor/check").status_code == 303
    deadline = time.monotonic() + 10
    while app.state.checkup.report.running and time.monotonic() < deadline:
        time.sleep(0.005)


def test_before_the_first_check_the_page_says_what_it_does(site: FastAPI) -> None:
    page = browser(site, "operator").get("/doctor").text
    assert "Nothing has been checked yet" in page
    assert 'hx-trigger="every 1s"' not in page


def test_a_check_shows_each_finding_with_its_cure(site: FastAPI) -> None:
    client = browser(site, "operator")
    check(site, client)
    page = client.get("/doctor").text
    assert "no answer" in page
    assert "start it &amp; look again" in page
    assert "there is room; a lot of it" in page
    assert journal_of(site).changes()[0].action == "doctor.check"
    told = client.get("/api/doctor").json()
    assert (told["worst"], told["findings"][1]["cure"]) == ("fail", "start it & look again")


def test_checking_takes_an_operator(site: FastAPI) -> None:
    client = browser(site, "viewer")
    assert client.get("/doctor").status_code == 403
    assert client.post("/doctor/check").status_code == 403
    assert client.get("/api/doctor").status_code == 403


def test_a_check_of_a_real_site_ends_and_names_the_destination_that_is_down(site: FastAPI) -> None:
    client = browser(site, "operator")
    client.post("/doctor/check")
    deadline = time.monotonic() + 30
    while client.get("/api/doctor").json()["running"] and time.monotonic() < deadline:
        time.sleep(0.05)
    findings = {item["subject"]: item for item in client.get("/api/doctor").json()["findings"]}
    assert findings["configuration"]["level"] == "ok"
    assert findings["destination pacs"]["level"] == "fail"


@pytest.mark.parametrize("path", ["/audit", "/audit/messages", "/audit/changes.csv", "/api/audit/changes"])
@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_the_audit_is_for_administrators(site: FastAPI, path: str, role: str) -> None:
    assert browser(site, role).get(path).status_code == 403


def test_changes_are_told_filtered_and_paged(site: FastAPI) -> None:
    journal = journal_of(site)
    for number in range(60):
        journal.note_change(f"user {number % 2}", "delivery.retry", "pacs", f"reason {number}", "3 objects")
    journal.note_change("anna", "custom.action", "<i>x</i>", "because")
    client = browser(site)
    page = client.get("/audit").text
    assert "&lt;i&gt;x&lt;/i&gt;" in page
    assert "Had deliveries retried" in page
    assert "reason 59" in page
    assert "reason 0<" not in page
    older = page.partition('href="/audit?before=')[2].partition('"')[0]
    assert "reason 0<" in client.get(f"/audit?before={older}").text
    assert "reason 58" not in client.get("/audit", params={"user": "user 1"}).text
    assert "Nothing fits the filter" in client.get("/audit", params={"until": "2001-01-01"}).text
    assert "because" in client.get("/audit", params={"action": "custom.action"}).text


def test_changes_are_exported_without_formulas_and_the_export_is_a_change(site: FastAPI) -> None:
    journal_of(site).note_change("anna", "delivery.retry", "pacs", "=HYPERLINK(1)")
    answer = browser(site).get("/audit/changes.csv", params={"user": "anna"})
    assert answer.headers["content-disposition"] == 'attachment; filename="changes.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["user"], row["reason"]) for row in rows] == [("anna", "'=HYPERLINK(1)")]
    assert journal_of(site).changes()[0].action == "audit.export"


def test_audit_messages_are_read_and_that_is_audited(site: FastAPI) -> None:
    journal = journal_of(site)
    trail = AuditTrail(site.state.config, site.state.archive, journal)
    trail.begin()
    journal.note_event(Severity.WARNING, "association_rejected", "AE 'EVIL' at 192.0.2.66: not known")
    trail.run()
    trail.end()
    client = browser(site)
    page = client.get("/audit/messages").text
    assert "192.0.2.66" in page
    assert "Failure (4)" in page
    assert "No message fits" in client.get("/audit/messages", params={"event": "of another kind"}).text
    assert "Audit Log Used" in journal.spooled_audits()[-1].message
    assert "administrator" in journal.spooled_audits()[-1].message


def test_without_audit_files_the_page_says_where_messages_go(tmp_path: Path) -> None:
    with console(admin_config(tmp_path)) as app:
        assert "No audit messages are written" in browser(app).get("/audit/messages").text


def test_nobody_has_changed_anything(site: FastAPI) -> None:
    assert "Nobody has changed anything yet" in browser(site).get("/audit").text
