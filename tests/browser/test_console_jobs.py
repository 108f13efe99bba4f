"""Jobs from their page: run one now, pause one, look before reprocessing, start it, put it on a schedule."""

from __future__ import annotations

import re

import pytest
from console_site import ANALYSIS_SECONDS, MakePerson, Person, Site
from playwright.sync_api import Locator, expect
from sample_copies import files_of, study_uid_of

pytestmark = [pytest.mark.slow, pytest.mark.orthanc, pytest.mark.dcmtk, pytest.mark.chromium]

SAMPLE = "02-calibrated-high-risk"
ANALYSIS_MILLISECONDS = 1000 * ANALYSIS_SECONDS


@pytest.fixture(scope="module")
def study(site: Site) -> str:
    """An analysed study's UID."""
    site.push(*files_of(SAMPLE))
    uid = study_uid_of(SAMPLE)
    site.wait_for_state(uid, "analyzed")
    return uid


def confirm(person: Person, button: str, reason: str) -> None:
    """Give the open dialog its reason and press its button."""
    dialog = person.page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name=button, exact=True).click()


def job(person: Person, name: str) -> Locator:
    return person.page.locator("table.jobs tbody tr").filter(
        has=person.page.get_by_role("link", name=name, exact=True)
    )


def test_a_periodic_job_is_run_now_paused_and_resumed(person: MakePerson) -> None:
    operator = person("operator")
    operator.open("/jobs")
    row = job(operator, "retention")
    row.get_by_role("button", name="Run now").click()
    confirm(operator, "Run now", "to see it run")
    expect(row).to_contain_text("Done", timeout=60_000)
    row.get_by_role("button", name="Pause").click()
    confirm(operator, "Pause", "the disk is being changed")
    expect(row).to_contain_text("Paused by operator: the disk is being changed")
    row.get_by_role("button", name="Resume").click()
    confirm(operator, "Resume", "the disk is new")
    expect(row).not_to_contain_text("Paused by")
    operator.page.get_by_role("link", name="retention", exact=True).click()
    expect(operator.page.locator("tbody tr").first).to_contain_text("Done")


def test_a_dry_run_counts_and_the_reprocessing_then_runs_before_ones_eyes(
    site: Site, study: str, person: MakePerson
) -> None:
    operator = person("operator")
    page = operator.page
    operator.open("/jobs/reprocessing")
    page.get_by_role("link", name="New reprocessing").first.click()
    page.get_by_label("Analysed", exact=True).check()
    page.get_by_role("button", name="Count the studies").click()
    expect(page.locator("#preview")).to_contain_text("1")
    assert len(site.pacs.reports(study)) == 1
    page.get_by_label("Reason").fill("to see whether anything changes")
    page.get_by_role("button", name="Start or schedule").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Reprocessing")
    page.evaluate("window.notReloaded = true")
    items = page.locator("#plan-now tbody tr")
    expect(items).to_have_count(1)
    expect(items.first).to_contain_text("Unchanged", timeout=ANALYSIS_MILLISECONDS)
    assert page.evaluate("window.notReloaded") is True
    assert len(site.pacs.reports(study)) == 1, "an unchanged result is not sent"


def test_a_scheduled_reprocessing_runs_when_its_minute_comes(study: str, person: MakePerson) -> None:
    operator = person("operator")
    page = operator.page
    operator.open("/jobs/reprocessing/new")
    page.get_by_label("Analysed", exact=True).check()
    page.get_by_label(re.compile("^Cron expression")).fill("* * * * *")
    page.get_by_label(re.compile("^Name of the schedule")).fill("every minute")
    page.get_by_label("Reason").fill("a trial")
    page.get_by_role("button", name="Start or schedule").click()
    expect(page).to_have_url(re.compile("/jobs/reprocessing$"))
    expect(page.get_by_text("every minute", exact=True).first).to_be_visible()
    made_by_it = page.locator("main tr, main article, main section").filter(has_text="every minute")
    expect(made_by_it.first).to_be_visible()
    operator.reads_until(
        lambda: page.get_by_role("link", name=re.compile(r"^\d+$|^Reprocessing \d+$")).count() >= 2, 150
    )
