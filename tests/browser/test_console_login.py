"""The first minutes with the console: nobody can log in, the first administrator, wrong passwords."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from console_site import PASSWORD, Person, Site, running_site
from playwright.sync_api import Browser, expect

pytestmark = [
    pytest.mark.slow,  # a browser, a node and a PACS
    pytest.mark.orthanc,
    pytest.mark.chromium,
]


@pytest.fixture(scope="module")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A node whose console nobody has used yet."""
    with running_site(tmp_path_factory.mktemp("new_site")) as started:
        yield started


@pytest.fixture
def stranger(browser: Browser, new_site: Site) -> Iterator[Person]:
    one = Person(browser, new_site)
    yield one
    one.close()


def test_a_new_console_is_closed_and_says_how_its_first_user_is_made(stranger: Person) -> None:
    answer = stranger.open("/")
    assert answer.status == 503
    page = stranger.page
    expect(page.get_by_role("heading", name="Nobody can log in yet")).to_be_visible()
    expect(page.locator("main code")).to_have_text("dicom-node user add NAME --role administrator")
    expect(page.locator("form")).to_have_count(0)
    assert stranger.open("/studies").status in (404, 503)


def test_the_first_administrator_logs_in_sees_every_page_and_logs_out(
    new_site: Site, stranger: Person
) -> None:
    new_site.add_user("eva", "administrator")
    page = stranger.log_in("eva").page
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    navigation = page.get_by_role("navigation", name="Pages")
    for label in ("Overview", "Queue", "Models", "Configuration check", "Audit", "Users"):
        expect(navigation.get_by_role("link", name=label, exact=True)).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    stranger.open("/users")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert stranger.complaints() == []


def test_after_the_login_one_is_where_one_wanted_to_go_and_never_elsewhere(stranger: Person) -> None:
    page = stranger.page
    for wanted, reached in (("/queue", "/queue"), ("//evil.example/", "/"), ("https://evil.example/", "/")):
        page.goto("about:blank")  # an open page that finds itself logged out would go to the login by itself
        stranger.context.clear_cookies()
        stranger.open(f"/login?next={wanted}")
        page.get_by_label("Name").fill("eva")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(stranger.site.address + reached)
    assert stranger.complaints() == []


def test_the_session_is_out_of_reach_of_scripts_and_of_other_sites(stranger: Person) -> None:
    stranger.log_in("eva")
    cookies = {cookie["name"]: cookie for cookie in stranger.context.cookies()}
    session = cookies["radius_dxa_console"]
    assert session["httpOnly"]
    assert session["sameSite"] in ("Lax", "Strict")
    assert stranger.page.evaluate("document.cookie") == ""


def test_wrong_passwords_are_refused_and_after_five_the_door_is_shut(
    new_site: Site, stranger: Person
) -> None:
    new_site.add_user("mallory", "viewer")
    page = stranger.page
    for _ in range(5):
        stranger.log_in("mallory", "a wrong guess of hers")
        expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    stranger.log_in("mallory", PASSWORD)  # now it would be right
    expect(page.get_by_role("alert")).to_contain_text("Too many logins have failed.")
    stranger.open("/")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    stranger.log_in("nobody of that name", "some password or other")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
