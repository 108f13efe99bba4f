"""The PACS is away: the queue says so, gives an object up, and one press sends it when the PACS is back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from console_site import MakePerson, Site, running_site
from playwright.sync_api import expect
from sample_copies import files_of, study_uid_of

pytestmark = [pytest.mark.slow, pytest.mark.orthanc, pytest.mark.dcmtk, pytest.mark.chromium]

SAMPLE = "02-calibrated-high-risk"
GIVEN_UP_SOON = "give_up_days = 0.0001\n"
"""Nine seconds: what waits longer becomes a dead letter."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A node that gives deliveries up soon."""
    with running_site(tmp_path_factory.mktemp("site"), destination=GIVEN_UP_SOON) as started:
        started.add_user("operator", "operator")
        yield started


def test_a_dead_letter_is_retried_from_its_page_after_the_pacs_came_back(
    site: Site, person: MakePerson
) -> None:
    uid = study_uid_of(SAMPLE)
    operator = person("operator")
    page = operator.page
    operator.open("/queue")
    expect(page.get_by_text("Every object has reached its destination.")).to_be_visible()

    site.pacs.stop()
    site.push(*files_of(SAMPLE))
    given_up = page.locator("table.queue tbody tr").filter(has_text="Given up")
    expect(given_up.first).to_be_visible(timeout=120_000)  # the page is not loaded again
    expect(page.locator("article.destination")).to_contain_text("pacs")
    expect(given_up.first).to_contain_text("does not take the association; is it running")

    site.pacs.start()
    assert site.pacs.reports(uid) == []
    page.get_by_role("button", name="Retry all").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("pacs")
    dialog.get_by_role("button", name="Retry all").click()  # without a reason nothing is sent
    expect(dialog).to_be_visible()
    dialog.get_by_label("Reason").fill("the PACS is back")
    dialog.get_by_role("button", name="Retry all").click()
    expect(page.get_by_text("Every object has reached its destination.")).to_be_visible(timeout=60_000)
    assert len(site.pacs.reports(uid)) == 1


def test_what_was_done_stands_in_the_audit_with_user_and_reason(site: Site, person: MakePerson) -> None:
    site.add_user("auditor", "administrator")
    auditor = person("auditor")
    auditor.open("/audit")
    row = auditor.page.locator("tbody tr").filter(has_text="the PACS is back")
    expect(row).to_contain_text("operator")
