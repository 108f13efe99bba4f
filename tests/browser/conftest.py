"""The console in Debian's Chromium at a running node beside a real Orthanc.

``pytest tests/browser -m slow --console-pictures docs/images/console`` renews the pictures in the docs;
they want Debian's fonts-noto-core and fonts-noto-cjk.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from console_site import MakePerson, Person, Site, chromium, running_site
from playwright.sync_api import Browser, Playwright, expect

PATIENCE_MILLISECONDS = 30_000
"""How long something may take to be seen: the machine may have other work."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--console-pictures", type=Path, metavar="FOLDER", help="keep a picture of each page of the console"
    )


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    launched = chromium(playwright)
    yield launched
    launched.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A node, its PACS, and one user for each role."""
    with running_site(tmp_path_factory.mktemp("site")) as started:
        for role in ("viewer", "operator", "administrator"):
            started.add_user(role, role)
        yield started


@pytest.fixture
def person(browser: Browser, site: Site) -> Iterator[MakePerson]:
    """Makes somebody who is logged in; at the end nobody's browser may have complained of anything."""
    people: list[Person] = []

    def make(role: str = "administrator", **wishes: str) -> Person:
        people.append(Person(browser, site, **wishes))
        return people[-1].log_in(role)

    yield make
    complaints = [problem for one in people for problem in one.complaints()]
    for one in people:
        one.close()
    assert complaints == []
