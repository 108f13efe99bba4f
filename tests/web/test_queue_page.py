"""The queue in the console: why things wait, retry and discard by those who may, with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from admin_site import admin_config
from fastapi import FastAPI
from node_support import finish_with_results
from pydicom.uid import BasicTextSRStorage, generate_uid
from scripted_scp import write_object
from web_support import browser, console

from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Delivery

pytestmark = pytest.mark.usefixtures("cheap_logins")

RIGHTS = [("viewer", 403), ("operator", 303), ("administrator", 303)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FastAPI]:
    """Two dead letters for `pacs`, two objects that wait for `archive`."""
    with console(admin_config(tmp_path)) as app:
        journal = journal_of(app)
        files = [tmp_path / f"{name}.dcm" for name in ("report", "map")]
        for file in files:
            write_object(file, uid=generate_uid(), sop_class=BasicTextSRStorage, study="1.2.3")
        finish_with_results(app.state.archive, journal, "1.2.3", files, ["pacs", "archive"])
        for delivery in claim(journal):
            journal.bury_delivery(delivery, reason="SOP class <b>refused</b>", status=0x0122)
        yield app


def journal_of(app: FastAPI) -> Journal:
    journal: Journal = app.state.journal
    return journal


def claim(journal: Journal) -> list[Delivery]:
    return journal.claim_deliveries("pacs", owner="me", lease_seconds=60)


def dead(journal: Journal) -> list[int]:
    return [item.id for item in journal.open_deliveries(states=["dead"])]


def test_the_page_says_why_each_object_is_there(site: FastAPI) -> None:
    page = browser(site, "viewer").get("/queue").text
    assert "SOP class &lt;b&gt;refused&lt;/b&gt;" in page
    assert "status 0122H" in page
    assert "Next in line" in page
    assert "Waits behind an earlier object of its study" in page


def test_filters_by_state_and_destination(site: FastAPI) -> None:
    client = browser(site, "viewer")
    assert "refused" not in client.get("/queue?state=waiting").text
    assert "Next in line" not in client.get("/queue/now?destination=pacs").text
    assert "Nothing fits the filter" in client.get("/queue?state=stored").text


def test_a_viewer_sees_no_buttons(site: FastAPI) -> None:
    assert "data-opens" not in browser(site, "viewer").get("/queue").text
    assert 'data-opens="retry-one"' in browser(site, "operator").get("/queue").text


@pytest.mark.parametrize(("role", "status"), RIGHTS)
def test_retrying_one_takes_an_operator(site: FastAPI, role: str, status: int) -> None:
    journal = journal_of(site)
    chosen = dead(journal)[0]
    answer = browser(site, role).post("/queue/retry", data={"delivery": chosen, "reason": "PACS is back"})
    assert answer.status_code == status
    assert len(dead(journal)) == (2 if status == 403 else 1)
    changes = [(item.user, item.action, item.reason) for item in journal.changes()]
    assert changes == ([] if status == 403 else [(role, "delivery.retry", "PACS is back")])


@pytest.mark.parametrize(("role", "status"), RIGHTS)
def test_retrying_a_destination_takes_an_operator(site: FastAPI, role: str, status: int) -> None:
    answer = browser(site, role).post(
        "/queue/retry-destination", data={"destination": "pacs", "reason": "mended"}
    )
    assert answer.status_code == status
    assert len(dead(journal_of(site))) == (2 if status == 403 else 0)


@pytest.mark.parametrize(("role", "status"), RIGHTS)
def test_discarding_takes_an_operator(site: FastAPI, role: str, status: int) -> None:
    chosen = dead(journal_of(site))[0]
    answer = browser(site, role).post("/queue/discard", data={"delivery": chosen, "reason": "sent by hand"})
    assert answer.status_code == status
    assert len(dead(journal_of(site))) == (2 if status == 403 else 1)


@pytest.mark.parametrize("reason", ["", None])
def test_nothing_is_discarded_without_a_reason(site: FastAPI, reason: str | None) -> None:
    data = {"destination": "pacs"} | ({} if reason is None else {"reason": reason})
    assert browser(site, "operator").post("/queue/discard-destination", data=data).status_code == 422
    assert len(dead(journal_of(site))) == 2


def test_after_an_action_one_is_back_on_the_same_page(site: FastAPI) -> None:
    data = {"delivery": dead(journal_of(site))[0], "reason": "try", "back": "state=dead&page=1&next=//evil"}
    answer = browser(site, "operator").post("/queue/retry", data=data)
    assert answer.headers["location"] == "/queue?state=dead&page=1"


def test_what_was_delivered_meanwhile_cannot_be_retried(site: FastAPI) -> None:
    journal = journal_of(site)
    chosen = dead(journal)[0]
    journal.discard_deliveries(delivery_id=chosen)
    answer = browser(site, "operator").post("/queue/retry", data={"delivery": chosen, "reason": "try"})
    assert answer.status_code == 409
    assert "does not wait any more" in answer.text


def test_an_empty_queue_says_so(tmp_path: Path) -> None:
    with console(admin_config(tmp_path)) as app:
        assert "Nothing waits" in browser(app, "viewer").get("/queue").text


def test_in_chinese(site: FastAPI) -> None:
    page = browser(site, "operator", language="zh-CN").get("/queue").text
    assert "滞留原因" in page
    assert "全部重试" in page


def test_programs_do_the_same(site: FastAPI) -> None:
    client = browser(site, "operator")
    queue = client.get("/api/queue", params={"state": "dead"}).json()
    assert [(item["why"], item["last_status"]) for item in queue["items"]] == [("given_up", "0122H")] * 2
    chosen = queue["items"][0]["id"]
    done = client.post(f"/api/queue/{chosen}/discard", json={"reason": "sent by hand"})
    assert (done.status_code, done.json()) == (200, {"objects": 1})
    done = client.post("/api/queue/retry", json={"destination": "pacs", "reason": "mended"})
    assert done.json() == {"objects": 1}
    refused = browser(site, "viewer").post(f"/api/queue/{chosen}/retry", json={"reason": "no"})
    assert refused.status_code == 403


def test_a_destination_that_rests_is_told_with_its_cause(site: FastAPI) -> None:
    journal_of(site).note_destination_failure(
        "archive", failures=9, opens=True, rest_seconds=timedelta(hours=1).total_seconds(), reason="refused"
    )
    page = browser(site, "viewer").get("/queue?destination=archive").text
    assert "9 failed connections in a row" in page
    assert "circuit breaker open" in page
