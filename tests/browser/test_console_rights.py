"""What each role may do, on the page and by hand-made requests."""

from __future__ import annotations

import re

import pytest
from console_site import MakePerson, Site
from playwright.sync_api import expect
from sample_copies import files_of, study_uid_of
from starlette.routing import Route

from dicom_node.web.routers import PAGES

pytestmark = [pytest.mark.slow, pytest.mark.orthanc, pytest.mark.dcmtk, pytest.mark.chromium]

SAMPLE = "06-spine-to-decline"
OWN_AFFAIRS = ("/login", "/logout", "/settings", "/settings/password", "/studies")
"""What everybody may post: one's own login and settings, and a search."""

CHANGES = sorted(
    route.path
    for router in PAGES
    for route in router.routes
    if isinstance(route, Route) and "POST" in (route.methods or ()) and route.path not in OWN_AFFAIRS
)


@pytest.fixture(scope="module")
def study(site: Site) -> int:
    """The key of a study that has come to an end."""
    site.push(*files_of(SAMPLE))
    uid = study_uid_of(SAMPLE)
    site.wait_for_state(uid, "not_applicable", "rejected", "analyzed")
    return site.key_of(uid)


def address(path: str, study: int) -> str:
    """A route's path with values in its places."""
    return re.sub(r"\{[^}]*\}", "1", path.replace("{study_key}", str(study)))


def test_there_are_changes_to_refuse() -> None:
    assert len(CHANGES) > 10, CHANGES


def test_a_viewer_finds_no_button_that_changes_anything(person: MakePerson, study: int) -> None:
    viewer, operator = person("viewer"), person("operator")
    for path in ("/", f"/studies/{study}", "/queue", "/jobs", "/models"):
        viewer.open(path)
        changing = viewer.page.locator("main form[method=post]:not([role=search]), main [data-opens]")
        assert changing.count() == 0, (path, changing.first.evaluate("element => element.outerHTML"))
    operator.open(f"/studies/{study}")
    expect(operator.page.get_by_role("button", name="Analyse again")).to_be_visible()


def test_a_viewer_is_not_shown_the_administrators_pages(person: MakePerson) -> None:
    viewer = person("viewer")
    viewer.expects("403")
    navigation = viewer.page.get_by_role("navigation", name="Pages")
    for path, label in (("/users", "Users"), ("/audit", "Audit"), ("/doctor", "Configuration check")):
        expect(navigation.get_by_role("link", name=label)).to_have_count(0)
        assert viewer.open(path).status == 403
        expect(viewer.page.get_by_role("heading", name="Your role does not allow this")).to_be_visible()


def test_every_hand_made_request_of_a_viewer_is_refused(person: MakePerson, study: int) -> None:
    viewer = person("viewer")
    viewer.open("/settings")
    form = {"csrf_token": viewer.csrf_token(), "reason": "because I can"}
    for path in CHANGES:
        answer = viewer.context.request.post(address(path, study), form=form, max_redirects=0)
        assert answer.status == 403, (path, answer.status, answer.text()[:500])
        assert "Your role does not allow this" in answer.text(), path


def test_every_request_without_the_pages_token_is_refused(person: MakePerson, study: int) -> None:
    administrator = person("administrator")
    for path in (*CHANGES, "/settings", "/settings/password", "/logout", "/studies"):
        for token in ({}, {"csrf_token": "made up"}):
            answer = administrator.context.request.post(
                address(path, study), form={"reason": "x", **token}, max_redirects=0
            )
            assert answer.status == 403, (path, answer.status)
            assert "This page is out of date" in answer.text(), path


def test_another_users_token_does_not_count(person: MakePerson, study: int) -> None:
    viewer, operator = person("viewer"), person("operator")
    viewer.open("/settings")
    stolen = viewer.csrf_token()
    answer = operator.context.request.post(
        f"/studies/{study}/hold", form={"csrf_token": stolen, "reason": "x"}, max_redirects=0
    )
    assert answer.status == 403
    operator.open(f"/studies/{study}")
    expect(operator.page.get_by_role("button", name="Hold", exact=True)).to_be_visible()
