"""OHIF as a site runs it: fetched from npm once, served beside a PACS's DICOMweb from one loopback port."""

from __future__ import annotations

import base64
import hashlib
import http.client
import mimetypes
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

PACKAGE = "@ohif/app@3.12.10"
INTEGRITY = "sha512-0kuF66Mq9c9dMD++bUsTjMrJpXJwaZhz9B4uS244DawAjSkTwIYFU93pxPuRUQixaRi7QAHlF3Fe1qudBlZrmA=="
"""Subresource integrity of the archive as npm publishes it (``npm view PACKAGE dist.integrity``)."""

SITE_CONFIGURATION = Path(__file__).with_name("ohif-config.js")
"""What the viewer needs to be told to show every result; served in place of the package's own."""

DOWNLOAD_SECONDS = 240
HOP_HEADERS = {"connection", "transfer-encoding", "content-length", "keep-alive"}
"""Header fields of one connection, which a proxy does not pass on (RFC 9110 7.6.1)."""


def ohif_folder() -> Path:
    """The viewer's built pages, from the user's cache or from npm.

    Returns
    -------
    Path
        Folder with ``index.html``.

    Raises
    ------
    pytest.skip.Exception
        npm is missing or cannot fetch the package; a failure where RADIUS_REQUIRE_PEERS=1.
    """
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "radius-dxa-node" / PACKAGE.replace("/", "-")
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            fetched = Path(scratch) / "package"
            with tarfile.open(_fetch_archive(Path(scratch))) as archive:
                archive.extractall(scratch, filter="data")
            # another test run may have put it there meanwhile: theirs is as good
            if not folder.is_dir():
                shutil.move(fetched, folder)
    return folder / "dist"


def _fetch_archive(scratch: Path) -> Path:
    """Download the package by npm from the registry it is configured for, and hold it to the pinned hash."""
    npm = shutil.which("npm")
    if npm is None:
        _absent("needs npm to fetch OHIF: apt-get install npm")
    fetched = subprocess.run(
        [npm, "pack", PACKAGE, "--pack-destination", str(scratch)],
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_SECONDS,
        check=False,
    )
    if fetched.returncode:
        _absent(f"npm could not fetch {PACKAGE}; connect to an npm registry once: {fetched.stderr[-500:]}")
    (archive,) = scratch.glob("*.tgz")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert f"sha512-{digest}" == INTEGRITY, f"{PACKAGE} is not the archive whose hash is pinned in {__file__}"
    return archive


def _absent(message: str) -> None:
    if os.environ.get("RADIUS_REQUIRE_PEERS") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@contextmanager
def serving_ohif(pages: Path, dicomweb_url: str) -> Iterator[str]:
    """Serve the viewer and, below /dicom-web, the PACS; gives the address of the study list."""
    handler = partial(_ViewerHandler, pages, dicomweb_url)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class _ViewerHandler(BaseHTTPRequestHandler):
    """One browser request: a page of the viewer, or a DICOMweb request passed on."""

    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        # the browser drops connections it no longer needs
        with suppress(ConnectionError):
            super().handle()

    def __init__(self, pages: Path, dicomweb_url: str, *arguments: object) -> None:
        self.pages = pages
        self.dicomweb = urlsplit(dicomweb_url)
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if self.path.startswith(self.dicomweb.path + "/"):
            self._pass_on()
        elif urlsplit(self.path).path == "/app-config.js":
            self._answer(200, {"Content-Type": "text/javascript"}, SITE_CONFIGURATION.read_bytes())
        else:
            self._send_page()

    def log_message(self, *_: object) -> None:
        """Say nothing: the browser's console tells what failed."""

    def _pass_on(self) -> None:
        connection = http.client.HTTPConnection(self.dicomweb.netloc, timeout=30)
        try:
            # the browser's Host makes the PACS write bulk data addresses that lead back through here
            connection.request("GET", self.path, headers=dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_HEADERS}
        self._answer(answer.status, headers, body)

    def _send_page(self) -> None:
        wanted = (self.pages / urlsplit(self.path).path.lstrip("/")).resolve()
        if not (wanted.is_file() and wanted.is_relative_to(self.pages.resolve())):
            if Path(wanted).suffix:
                return self._answer(404, {"Content-Type": "text/plain"}, b"not a file of the viewer")
            wanted = self.pages / "index.html"  # an address of the single-page application, e.g. /viewer
        kind = mimetypes.guess_type(wanted.name)[0] or "application/octet-stream"
        return self._answer(200, {"Content-Type": kind}, wanted.read_bytes())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
