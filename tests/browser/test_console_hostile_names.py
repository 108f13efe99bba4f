"""Whoever writes a script into a patient's name, or wherever a scanner may write, finds it shown as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from console_site import MakePerson, Person, Site, pages_of, running_site
from playwright.sync_api import expect
from sample_copies import copy_study

pytestmark = [pytest.mark.slow, pytest.mark.orthanc, pytest.mark.dcmtk, pytest.mark.chromium]

NAME = "<script>alert(1)</script>"
HOSTILE = {
    "PatientName": NAME,
    "PatientID": '"><img src=x onerror=alert(2)>',
    "StationName": "<svg/onload=a()>",
    "ManufacturerModelName": "'-alert(3)-'<b>model</b>",
    "AccessionNumber": "{{ 7 * 7 }}",
    "StudyDescription": "</title><script>alert(4)</script>",
    "InstitutionName": "javascript:alert(5)",
}
CALLING_AE = "<i>AE</i>"
REASON = "</textarea><script>alert(6)</script>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A node that also keeps audit messages, which name the patient."""
    folder = tmp_path_factory.mktemp("site")
    audit = f'[audit]\ntransport = "file"\ndirectory = "{folder / "audit"}"\n'
    (folder / "audit").mkdir()
    with running_site(folder, extra=audit) as started:
        started.add_user("administrator", "administrator")
        yield started


@pytest.fixture(scope="module")
def study(site: Site, tmp_path_factory: pytest.TempPathFactory) -> int:
    """The key of the hostile study, analysed."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    uid, files = copy_study("02-calibrated-high-risk", folder, **HOSTILE)
    site.push(*files, calling_ae=CALLING_AE)
    site.wait_for_state(uid, "analyzed")
    return site.key_of(uid)


def assert_harmless(person: Person) -> None:
    """Nothing of what was written became an element, ran, or was stopped only by the policy."""
    page = person.page
    assert page.locator("script:not([src]), img[src=x], [onerror], [onload], b:text-is('model')").count() == 0
    assert page.locator("a[href^='javascript:']").count() == 0
    assert "49" not in page.title()
    assert person.complaints() == [], page.url


def test_a_script_as_a_name_is_shown_as_it_is_written_and_runs_nowhere(
    person: MakePerson, study: int
) -> None:
    reader = person("administrator")
    page = reader.page
    reader.open("/studies")
    expect(page.get_by_role("link", name=NAME)).to_be_visible()
    assert_harmless(reader)
    page.get_by_role("link", name=NAME).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(page.locator("#viewer .viewer-message")).to_be_hidden(timeout=60_000)
    assert_harmless(reader)


def test_a_reason_that_is_a_script_is_shown_as_it_is_written(person: MakePerson, study: int) -> None:
    operator = person("administrator")
    page = operator.page
    operator.open(f"/studies/{study}")
    page.get_by_role("button", name="Hold", exact=True).click()
    page.get_by_role("dialog").get_by_label("Reason").fill(REASON)
    page.get_by_role("dialog").get_by_role("button", name="Hold").click()
    expect(page.get_by_text(REASON).first).to_be_visible()
    assert_harmless(operator)
    operator.open("/audit")
    expect(page.get_by_text(REASON).first).to_be_visible()
    assert_harmless(operator)


def test_every_page_is_harmless(person: MakePerson, study: int) -> None:
    reader = person("administrator")
    visited = []
    for path in pages_of(reader, f"/studies/{study}"):
        visited.append(path)
        for summary in reader.page.locator("main summary:visible").all():
            summary.click()
        assert_harmless(reader)
    assert len(visited) >= 15, visited


def test_a_search_for_a_script_finds_the_study_and_names_nobody_in_the_address(
    person: MakePerson, study: int
) -> None:
    reader = person("administrator")
    page = reader.page
    reader.open("/studies")
    page.get_by_placeholder("Patient").fill("<script>")
    expect(page.get_by_role("link", name=NAME)).to_be_visible()
    page.get_by_placeholder("Patient").fill("<script> nobody")
    expect(page.get_by_text("No study fits")).to_be_visible()
    assert page.url == f"{reader.site.address}/studies"
    assert_harmless(reader)
