"""The overview tells how the node stands, live and quickly; people manage users and their own settings."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from node_support import load_config, receive
from web_support import PASSWORD, browser, console, console_config, csrf_token, fill_journal

from dicom_node.storage.journal import Journal
from dicom_node.storage.users import Role
from dicom_node.web.live import Feed

STUDIES = 100_000
ANSWER_SECONDS = 0.2
PATHS = ("/", "/users", "/settings", "/api/overview")
PACS = '[[destination]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = 104\n'


def text_of(page: str) -> str:
    """What a reader sees, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_an_empty_node_says_what_will_come(app: FastAPI) -> None:
    page = text_of(browser(app, Role.VIEWER).get("/").text)
    assert "The node is not running" in page  # there is a journal, and nobody holds its lock
    assert "No study has come today" in page
    assert "No destination is configured" in page
    assert "No job has run yet" in page


def test_the_overview_counts_what_came_waits_and_was_given_up(tmp_path: Path) -> None:
    config = console_config(tmp_path, extra=PACS)
    fill_journal(config.node.data_dir / "journal.db", 200)
    with console(config) as app:
        journal: Journal = app.state.journal
        journal.note_destination_failure(
            "pacs", failures=4, opens=True, rest_seconds=60, reason="connection refused"
        )
        page = text_of(browser(app, Role.VIEWER).get("/").text)
        found = browser(app, Role.VIEWER).get("/api/overview").json()
    assert "200 studies in all" in page
    assert "pacs does not answer. What is meant for it waits." in page
    assert "connection refused" in page
    assert "4 deliveries were given up." in page
    (pacs,) = found["destinations"]
    assert (found["total"], pacs["dead"], pacs["waiting"], pacs["state"]) == (200, 4, 2, "down")
    assert pacs["last_success"]


@pytest.mark.parametrize(
    ("queued_at", "state"),
    [("2020-01-01T00:00:00.000000+00:00", "up"), ("2099-01-01T00:00:00.000000+00:00", "failing")],
)
def test_a_destination_is_in_order_if_something_arrived_since_the_last_that_was_given_up(
    tmp_path: Path, queued_at: str, state: str
) -> None:
    config = console_config(tmp_path, extra=PACS)
    fill_journal(config.node.data_dir / "journal.db", 200)
    with console(config) as app:
        journal: Journal = app.state.journal
        with journal._transaction():
            journal._execute("UPDATE deliveries SET created_at = ? WHERE state = 'dead'", (queued_at,))
        page = text_of(browser(app, Role.VIEWER).get("/").text)
        found = browser(app, Role.VIEWER).get("/api/overview").json()
    assert found["destinations"][0]["state"] == state
    assert ("Nothing arrives" in page) is (state == "failing")


def test_the_model_in_force_is_named(app: FastAPI) -> None:
    from analysis.risk.versions import list_versions

    active = next(item for item in list_versions(app.state.config.analysis.models) if item.active)
    page = text_of(browser(app, Role.VIEWER).get("/").text)
    assert f"{active.name} Version {active.version}" in page


def test_open_pages_hear_within_seconds_what_changed(tmp_path: Path) -> None:
    config = load_config(tmp_path)
    journal = Journal(config.node.data_dir / "journal.db")
    feed = Feed(journal.path)

    async def heard() -> list[str]:
        stream: AsyncIterator[str] = feed.topics()
        first = asyncio.ensure_future(anext(stream))
        looking = asyncio.create_task(feed.run())
        await asyncio.sleep(2.5)  # it has seen the journal as it was
        receive(journal, "1.2.3")
        topics = [await asyncio.wait_for(first, 10)]
        while topics[-1] != "overview":
            topics.append(await asyncio.wait_for(anext(stream), 10))
        looking.cancel()
        return topics

    try:
        assert asyncio.run(heard()) == ["studies", "overview"]
    finally:
        journal.close()


def test_a_new_password_counts_at_once_and_the_old_one_no_more(app: FastAPI) -> None:
    client = browser(app, Role.OPERATOR)
    new = "another four words here"
    for old, first, again, status in (
        ("wrong", new, new, 422),
        (PASSWORD, new, "different from it", 422),
        (PASSWORD, "short", "short", 422),
        (PASSWORD, new, new, 303),
    ):
        data = {"old": old, "new": first, "again": again}
        assert client.post("/settings/password", data=data).status_code == status
    assert client.get("/").status_code == 200  # this browser stays logged in
    stranger = browser(app, None)
    for password, status in ((PASSWORD, 403), (new, 303)):
        data = {
            "name": "operator",
            "password": password,
            "csrf_token": csrf_token(stranger.get("/login").text),
        }
        assert stranger.post("/login", data=data).status_code == status


def test_an_administrator_adds_a_user_who_then_logs_in(app: FastAPI) -> None:
    data = {"name": "  Dr. Wu <b> ", "role": "operator", "password": PASSWORD, "reason": "new colleague"}
    assert browser(app).post("/users", data=data).status_code == 303
    assert browser(app, "Dr. Wu <b>").get("/").status_code == 200
    page = browser(app).get("/users").text
    assert "Dr. Wu &lt;b&gt;" in page
    assert "Dr. Wu <b>" not in page


def test_a_page_that_does_not_exist_is_a_page_of_ours(app: FastAPI) -> None:
    answer = browser(app).get("/nowhere")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert browser(app).get("/api/nowhere").json() == {"detail": "The address is wrong or out of date."}


def test_the_api_describes_every_operation(app: FastAPI) -> None:
    client = browser(app, Role.VIEWER)
    described = client.get("/api/openapi.json").json()
    page = client.get("/api/docs").text
    for path, methods in described["paths"].items():
        assert f"<code>{path}</code>" in page
        assert all(item.get("description") for item in methods.values()), path


@pytest.mark.alone
def test_pages_answer_within_200_ms_with_100000_studies(tmp_path: Path) -> None:
    config = console_config(tmp_path)
    fill_journal(config.node.data_dir / "journal.db", STUDIES)
    with console(config) as app:
        client = browser(app)
        seconds = {path: _median_seconds(client, path) for path in PATHS}
    slow = {path: took for path, took in seconds.items() if took >= ANSWER_SECONDS}
    assert slow == {}, f"median of five, in seconds: {seconds}"


def _median_seconds(client: object, path: str) -> float:
    took = []
    for _ in range(5):
        began = time.perf_counter()
        assert client.get(path).status_code == 200  # type: ignore[attr-defined]
        took.append(time.perf_counter() - began)
    return sorted(took)[2]
