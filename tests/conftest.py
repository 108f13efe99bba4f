"""Shared by every test: which real peers are installed, and what their absence means.

A test marked with one of `PEERS` talks to that Debian program. Without it
the test is skipped and says what to install; where RADIUS_REQUIRE_PEERS=1 (continuous integration) it fails.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from real_peers import OrthancServer, find_program, pick_free_port, running_orthanc

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

PEERS = {
    "orthanc": ("Orthanc", "orthanc orthanc-dicomweb"),
    "dcmtk": ("storescu", "dcmtk"),
    "openjph": ("ojph_compress", "openjph-tools"),
    "openssl": ("openssl", "openssl"),
    "dciodvfy": ("dciodvfy", "dicom3tools"),
    "pixelmed": ("DicomSRValidator", "pixelmed-apps libpixelmed-java"),
    "chromium": ("chromium", "chromium"),
    "ohif": ("npm", "npm"),
    "promtool": ("promtool", "prometheus"),
    "strace": ("strace", "strace"),
    "gcc": ("gcc", "gcc libc6-dev"),
    "preflight": (
        "/usr/share/java/preflight.jar",
        "default-jre-headless libpdfbox2-java libcommons-io-java libactivation-java",
    ),
}
"""Marker -> (program or Debian's file, Debian packages)."""


LONGEST = "test_crash_drill.py"
"""Comes first: else it would run alone in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name != LONGEST)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, (program, packages) in PEERS.items():
        if item.get_closest_marker(marker) and not (find_program(program) or Path(program).is_file()):
            _skip_or_fail(f"needs {program}: apt-get install {packages}")
    if item.get_closest_marker("root") and os.geteuid() != 0:
        _skip_or_fail("mounts a small disk, or traces a process: run the tests as root")


def _skip_or_fail(message: str) -> None:
    if os.environ.get("RADIUS_REQUIRE_PEERS") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Take back what a command run inside the test process logs to: its stream ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that gives a loopback port nobody listens on."""
    return pick_free_port


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[OrthancServer]:
    """A running Orthanc of the test's own; mark the test with ``orthanc``."""
    with running_orthanc(tmp_path / "orthanc") as server:
        yield server


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Playwright's driver: a process can have one only, whose event loop stays with its main thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def sample_studies() -> Path:
    """The folder of the seven sample studies in the repository."""
    return Path(__file__).parent.parent / "sample_studies"
