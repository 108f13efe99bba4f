"""Jobs and reprocessing in the console: runs, pauses, dry runs, plans, schedules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from admin_site import admin_config
from fastapi import FastAPI
from web_support import browser, console, fill_journal

from dicom_node.storage.jobs import LastRun, RunRecord
from dicom_node.storage.journal import Journal
from dicom_node.storage.reprocessing import PlanState

pytestmark = pytest.mark.usefixtures("cheap_logins")

RIGHTS = [("viewer", 403), ("operator", 303)]
OLD = {"model_older_than": "current"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FastAPI]:
    """Twenty studies, all but one analysed by a model that is not in force; two jobs, one of which failed."""
    config = admin_config(tmp_path)
    fill_journal(config.node.data_dir / "journal.db", 20)
    with console(config) as app:
        journal = journal_of(app)
        journal.register_jobs({"retention": 60.0, "delivery to pacs": 1.0})
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        failed = RunRecord("retention", now, 0.25, "failed", "OSError")
        journal.record_job_runs([LastRun(failed, 7, 3)], [failed])
        yield app


def journal_of(app: FastAPI) -> Journal:
    journal: Journal = app.state.journal
    return journal


def actions(app: FastAPI) -> list[tuple[str, str, str]]:
    return [(item.user, item.action, item.subject) for item in journal_of(app).changes()]


def test_every_job_is_told_with_its_last_run(site: FastAPI) -> None:
    page = browser(site, "viewer").get("/jobs").text
    assert "Releases files whose time is over" in page
    assert "OSError" in page
    assert "250 ms" in page
    assert "3 of 7" in page
    assert "data-opens" not in page


def test_the_remembered_runs_of_one_job(site: FastAPI) -> None:
    page = browser(site, "viewer").get("/jobs/history", params={"name": "retention"}).text
    assert "OSError" in page
    assert browser(site, "viewer").get("/jobs/history", params={"name": "none"}).status_code == 409


@pytest.mark.parametrize(("role", "status"), RIGHTS)
def test_running_pausing_and_resuming_take_an_operator(site: FastAPI, role: str, status: int) -> None:
    client, journal = browser(site, role), journal_of(site)
    data = {"name": "retention", "reason": "disk moved"}
    assert client.post("/jobs/pause", data=data).status_code == status
    assert bool(journal.paused_jobs()) == (status == 303)
    assert client.post("/jobs/run", data=data).status_code == status
    assert client.post("/jobs/resume", data=data).status_code == status
    assert [item.name for item in journal.take_job_requests()] == (["retention"] if status == 303 else [])
    done = ["job.resume", "job.run", "job.pause"] if status == 303 else []
    assert [action for _, action, _ in actions(site)] == done


def test_who_paused_a_job_and_why_is_seen(site: FastAPI) -> None:
    browser(site, "operator").post("/jobs/pause", data={"name": "retention", "reason": "disk <moved>"})
    assert "Paused by operator: disk &lt;moved&gt;" in browser(site, "viewer").get("/jobs").text


def test_a_dry_run_says_how_many_and_which_would_change_model_and_changes_nothing(site: FastAPI) -> None:
    page = browser(site, "operator").post("/jobs/reprocessing/preview", data=OLD).text
    assert ">19<" in page
    assert "<code>shipped</code>" in page
    assert journal_of(site).plans() == []
    assert actions(site) == []


def test_a_choice_that_fits_nothing_says_so(site: FastAPI) -> None:
    page = browser(site, "operator").post("/jobs/reprocessing/preview", data={"scanner": "nobody's"}).text
    assert "No study meets these conditions" in page


def test_no_condition_at_all_is_refused_with_the_cure(site: FastAPI) -> None:
    answer = browser(site, "operator").post("/jobs/reprocessing/preview", data={"scanner": ""})
    assert answer.status_code == 409
    assert "say that all are meant" in answer.text


@pytest.mark.parametrize(("role", "status"), RIGHTS)
def test_starting_a_reprocessing_takes_an_operator(site: FastAPI, role: str, status: int) -> None:
    data = {
        **OLD,
        "reason": "new model",
        "studies_per_hour": "60",
        "hours": "22:00-06:00",
        "cron": "",
        "name": "",
    }
    answer = browser(site, role).post("/jobs/reprocessing", data=data)
    assert answer.status_code == status
    plans = journal_of(site).plans()
    if status == 403:
        assert plans == []
        return
    (plan,) = plans
    assert answer.headers["location"] == f"/jobs/reprocessing/{plan.id}"
    assert (plan.studies, plan.pace.hours, plan.pace.studies_per_hour) == (19, "22:00-06:00", 60)
    assert actions(site) == [("operator", "reprocessing.start", f"plan {plan.id}")]


def test_a_plan_shows_its_studies_and_is_paused_resumed_and_cancelled(site: FastAPI) -> None:
    client, journal = browser(site, "operator"), journal_of(site)
    client.post("/jobs/reprocessing", data={**OLD, "reason": "new model"})
    page = client.get("/jobs/reprocessing/1").text
    assert "result of a model that is not in force" in page
    assert "/studies/1" in page
    for verb, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert client.post(f"/jobs/reprocessing/1/{verb}", data={"reason": "so"}).status_code == 303
        assert journal.plan(1).state is PlanState(state)
    assert client.post("/jobs/reprocessing/1/pause", data={"reason": "so"}).status_code == 409
    assert "Cancelled" in client.get("/jobs/reprocessing").text
    refused = browser(site, "viewer").post("/jobs/reprocessing/1/cancel", data={"reason": "so"})
    assert refused.status_code == 403


def test_a_cron_expression_makes_a_schedule_that_can_be_removed(site: FastAPI) -> None:
    client = browser(site, "operator")
    data = {**OLD, "cron": "0 22 * * 6", "name": "older models", "reason": "keep up", "states": ["analyzed"]}
    assert client.post("/jobs/reprocessing", data=data).headers["location"] == "/jobs/reprocessing"
    (job,) = journal_of(site).reprocessing_jobs()
    assert (job.name, job.source, job.created_by, job.selection.states) == (
        "older models",
        "console",
        "operator",
        ("analyzed",),
    )
    assert "older models" in client.get("/jobs/reprocessing").text
    client.post("/jobs/reprocessing/remove", data={"name": "older models", "reason": "done"})
    assert journal_of(site).reprocessing_jobs() == []


def test_a_wrong_cron_expression_is_explained(site: FastAPI) -> None:
    data = {**OLD, "cron": "tomorrow", "name": "x", "reason": "y"}
    answer = browser(site, "operator").post("/jobs/reprocessing", data=data)
    assert answer.status_code == 409
    assert "minute, hour, day of the month" in answer.text


def test_empty_states_are_designed(tmp_path: Path) -> None:
    with console(admin_config(tmp_path)) as app:
        client = browser(app, "viewer")
        assert "No job has run yet" in client.get("/jobs").text
        page = client.get("/jobs/reprocessing").text
        assert "Nothing is being reprocessed" in page
        assert "Nothing is scheduled" in page


def test_in_chinese(site: FastAPI) -> None:
    client = browser(site, "operator", language="zh")
    assert "释放超过保留期的文件" in client.get("/jobs").text
    assert "试运行" in client.get("/jobs/reprocessing/new").text


def test_programs_do_the_same(site: FastAPI) -> None:
    client = browser(site, "operator")
    jobs = {job["name"]: job for job in client.get("/api/jobs").json()}
    assert (jobs["retention"]["outcome"], jobs["retention"]["failures"]) == ("failed", 3)
    paused = client.post("/api/jobs/pause", json={"name": "retention", "reason": "so"}).json()
    assert paused["paused_by"] == "operator"
    found = client.post("/api/reprocessing/preview", json=OLD).json()
    assert (found["studies"], found["changing_model_count"]) == (19, 19)
    made = client.post("/api/reprocessing", json={**OLD, "reason": "new model"}).json()
    plan = client.get(f"/api/reprocessing/plans/{made['plan']}").json()
    assert (plan["studies"], plan["state"]) == (19, "running")
    items = client.get(f"/api/reprocessing/plans/{made['plan']}/studies", params={"limit": 5}).json()
    assert len(items) == 5
    assert browser(site, "viewer").post("/api/reprocessing/preview", json=OLD).status_code == 403
