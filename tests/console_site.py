"""A site for browser tests: a node with its console, its PACS (Orthanc), and people before a browser."""

from __future__ import annotations

import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from node_support import wait_until
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Playwright, Response
from pydicom.dataset import Dataset
from real_peers import OrthancServer, find_program, known_to_orthanc, pick_free_port, running_orthanc
from running_node import DICOM_NODE, running_node, write_node_config

from dicom_node.storage.journal import Journal

__all__ = [
    "PASSWORD",
    "MakePerson",
    "Pacs",
    "Person",
    "Site",
    "chromium",
    "pages_of",
    "running_site",
    "wait_until",
]

PASSWORD = "four words which differ"  # noqa: S105 - of tests only
MEASUREMENTS = "126000"
"""Imaging Measurement Report (DCM), the title of TID 1500 (PS3.16)."""

ANALYSIS_SECONDS = 120
"""How long a first analysis may take: its process loads the engine, and the machine may be busy."""

CONSOLE_SECONDS = 60
"""How long the console, which starts after the node, may take until it answers."""

VIEWPORT = {"width": 1280, "height": 900}


@dataclass
class Pacs:
    """An Orthanc at fixed ports, which can be switched off and on."""

    folder: Path
    settings: dict[str, Any]
    http_port: int = field(default_factory=pick_free_port)
    dicom_port: int = field(default_factory=pick_free_port)
    _server: OrthancServer | None = None
    _running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        self._server = self._running.enter_context(
            running_orthanc(
                self.folder, http_port=self.http_port, dicom_port=self.dicom_port, settings=self.settings
            )
        )

    def stop(self) -> None:
        self._server = None
        self._running.close()

    @property
    def server(self) -> OrthancServer:
        assert self._server, "the PACS is off"
        return self._server

    def reports(self, study_uid: str) -> list[Dataset]:
        """The measurements' reports of a study that have arrived: TID 1500, of which each result has one."""
        found = []
        for study in self.server.get("/studies?expand"):
            if study["MainDicomTags"]["StudyInstanceUID"] != study_uid:
                continue
            for series in study["Series"]:
                held = self.server.get(f"/series/{series}")
                if held["MainDicomTags"]["Modality"] == "SR":
                    found += [self.server.dataset(instance) for instance in held["Instances"]]
        found = [report for report in found if report.ConceptNameCodeSequence[0].CodeValue == MEASUREMENTS]
        return found


@dataclass(frozen=True)
class Site:
    """The node, its PACS and its console."""

    config: Path
    dicom_port: int
    address: str
    pacs: Pacs

    def run(self, *arguments: str | Path) -> str:
        """Run a command of the node as an administrator does in a terminal; return what it prints."""
        command = [DICOM_NODE, *arguments, "--config", self.config]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def add_user(self, name: str, role: str) -> None:
        secret = self.config.parent / "password.txt"
        secret.write_text(PASSWORD + "\n")
        self.run("user", "add", name, "--role", role, "--password-file", secret)

    def push(self, *files: Path, calling_ae: str = "DXA1") -> None:
        """Send objects as a scanner does, with DCMTK's storescu."""
        program = find_program("storescu")
        assert program
        command = [program, "-aet", calling_ae, "-aec", "RADIUSDXA", "127.0.0.1", str(self.dicom_port)]
        subprocess.run([*command, *map(str, files)], check=True, timeout=60, capture_output=True)

    def wait_for_state(self, study_uid: str, *states: str) -> None:
        with closing(Journal(self.config.parent / "node_data" / "journal.db")) as journal:

            def reached() -> bool:
                study = journal.study(study_uid)
                return study is not None and study.state in states

            wait_until(reached, seconds=ANALYSIS_SECONDS)

    def has_work(self) -> bool:
        """Whether a study is still on its way to its result."""
        with closing(Journal(self.config.parent / "node_data" / "journal.db")) as journal:
            on_the_way = ("receiving", "complete", "analyzing")
            return any(journal.summary()["studies"].get(state) for state in on_the_way)

    def key_of(self, study_uid: str) -> int:
        """The number by which the console's addresses name a study."""
        with closing(Journal(self.config.parent / "node_data" / "journal.db")) as journal:
            key = journal.study_key(study_uid)
        assert key
        return key


@contextmanager
def running_site(
    folder: Path, *, extra: str = "", destination: str = 'confirm = "commitment"\n'
) -> Iterator[Site]:
    """Start a PACS and a node with its console.

    Parameters
    ----------
    extra : str
        TOML after the destination's keys; ``PACS_PORT`` stands for the port of the PACS.
    destination : str
        More keys of the destination ``pacs``.
    """
    console_port = pick_free_port()
    pacs = Pacs(folder / "orthanc", {})
    config, dicom_port = write_node_config(
        folder / "node",
        destinations={"pacs": ("TESTPACS", pacs.dicom_port)},
        console_port=console_port,
        extra=destination + extra.replace("PACS_PORT", str(pacs.dicom_port)),
    )
    pacs.settings.update(known_to_orthanc("RADIUSDXA", dicom_port))
    pacs.start()
    try:
        with running_node(config):
            address = f"http://127.0.0.1:{console_port}"
            wait_until(lambda: _answers(address), seconds=CONSOLE_SECONDS)
            yield Site(config, dicom_port, address, pacs)
    finally:
        pacs.stop()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/login", timeout=CONSOLE_SECONDS):
            return True
    except urllib.error.HTTPError:
        return True  # there is no user yet
    except OSError:
        return False


def chromium(playwright: Playwright) -> Browser:
    """Debian's Chromium; root, as continuous integration runs, may not use its sandbox."""
    return playwright.chromium.launch(executable_path=find_program("chromium"), args=["--no-sandbox"])


NO_PAGES = re.compile(r"\.(?:dcm|pdf|png|csv|json|zip|md|svg)$|/(?:logout|live)$")
MOST_PAGES = 60


def pages_of(person: Person, *more: str) -> Iterator[str]:
    """Open every kind of page that can be reached by links, the study's pages of `more` too; yield each path.

    Of pages that differ by a number, an identifier or a query only, the first is opened.
    """
    waiting, seen = ["/", "/settings", *more], set()
    while waiting and len(seen) < MOST_PAGES:
        address = waiting.pop(0)
        path = urlsplit(address).path
        kind = re.sub(r"/models/[^/]+|[^/]*\d[^/]*", "N", path)
        if kind in seen or NO_PAGES.search(path):
            continue
        seen.add(kind)
        answer = person.open(address)
        assert answer.status == 200, f"{path}: {answer.status}"
        yield path
        links = person.page.locator("a[href^='/']:not([download])").evaluate_all(
            "links => links.map(link => link.getAttribute('href'))"
        )
        waiting += links


class Person:
    """Somebody before a browser of their own. Whatever the browser complains of is kept in `problems`."""

    def __init__(
        self, browser: Browser, site: Site, *, language: str = "en-GB", color_scheme: str = "light"
    ) -> None:
        self.site = site
        self.problems: list[str] = []
        self._expected: tuple[str, ...] = ()
        self.context: BrowserContext = browser.new_context(
            viewport=VIEWPORT,
            locale=language,
            timezone_id="Europe/Berlin",
            color_scheme=color_scheme,  # type: ignore[arg-type]
            base_url=site.address,
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(f"script failed: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._request)

    def open(self, path: str) -> Response:
        """Go to a page; the console answers it with whatever status."""
        response = self.page.goto(path, wait_until="load")
        assert response is not None
        return response

    def log_in(self, name: str, password: str = PASSWORD) -> Person:
        self.open("/login")
        self.page.locator("input[name=name]").fill(name)
        self.page.locator("input[name=password]").fill(password)
        self.page.locator("main button[type=submit]").click()
        return self

    def csrf_token(self) -> str:
        """The token of the session, as every form of a page brings it along."""
        return str(self.page.locator("input[name=csrf_token]").first.input_value())

    def expects(self, *texts: str) -> None:
        """Do not count complaints with one of these texts: Chromium notes every answer that is no success."""
        self._expected = texts

    def complaints(self) -> list[str]:
        """Take what the browser has complained of since the last time."""
        problems, self.problems = self.problems, []
        return [line for line in problems if not any(text in line for text in self._expected)]

    def reads_until(self, seen: Callable[[], bool], seconds: float = 30) -> None:
        """Look at the open page, without reloading it, until something is seen."""
        waited = 0.0
        while not seen():
            assert waited < seconds, (
                f"not seen in {seconds} s: {self.page.locator('main').inner_text()[:2000]}"
            )
            self.page.wait_for_timeout(200)
            waited += 0.2

    def close(self) -> None:
        self.context.close()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text} at {self.page.url}")

    def _dialog(self, dialog: Dialog) -> None:
        self.problems.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.site.address, "data:", "blob:", "about:")):
            self.problems.append(f"asked for something elsewhere: {request.url}")


MakePerson = Callable[..., Person]
"""``(role="administrator", **wishes of Person)`` -> somebody who is logged in."""
