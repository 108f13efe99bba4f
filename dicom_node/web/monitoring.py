"""The monitoring port: metrics, health and readiness over HTTP, GET only, and never at the receiver's cost.

At most `MAXIMUM_REQUESTS` connections are served at once, each for at most `REQUEST_SECONDS`; further ones
are closed unanswered. Bodies are never read, and the answers hold no patient data.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from dicom_node.config import MonitoringSettings
from dicom_node.errors import ConfigurationError

__all__ = ["Check", "MonitoringServer"]

logger = logging.getLogger(__name__)

Check = Callable[[], str]
"""Returns what is wrong and what to do, an empty text if nothing is."""

MAXIMUM_REQUESTS = 8
REQUEST_SECONDS = 10.0
"""From connection to answer; a scrape takes milliseconds."""
KEPT_SECONDS = 0.2
"""Metrics are gathered no more often than this, however often they are asked for: receiving goes first."""


class MonitoringServer:
    """Answers ``/metrics``, ``/health`` and ``/ready``.

    Parameters
    ----------
    metrics : Collector
        Everything that ``/metrics`` tells.
    health, readiness : mapping of str to Check
        By subject: what must hold for the process to be left alone, and for work to be sent to it.
    details : callable
        What ``/health`` tells besides.
    """

    def __init__(
        self,
        settings: MonitoringSettings,
        metrics: Collector,
        *,
        health: Mapping[str, Check],
        readiness: Mapping[str, Check],
        details: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._readiness = readiness
        self._details = details
        self._server: _Server | None = None
        self._gathering = threading.Lock()
        self._gathered: tuple[float, str, bytes] = (-KEPT_SECONDS, "", b"")
        """When, as which content type, and what."""

    def start(self) -> None:
        """Bind the port and serve in the background.

        Raises
        ------
        ConfigurationError
            If the address cannot be bound.
        """
        address = (self._settings.host, self._settings.port)
        try:
            self._server = _Server(address, _Handler)
        except OSError as error:
            raise ConfigurationError(
                f"[monitoring] host = {address[0]!r}, port = {address[1]}: cannot listen there "
                f"({error.strerror or error}); choose another port, or set enabled = false"
            ) from error
        self._server.pages = {
            "/metrics": self._expose,
            "/health": lambda _: _verdict(self._health, self._details()),
            "/ready": lambda _: _verdict(self._readiness, {}),
        }
        threading.Thread(target=self._server.serve_forever, name="monitoring", daemon=True).start()
        logger.info("metrics, health and readiness at http://%s:%d", address[0], self.port)

    def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def port(self) -> int:
        """The TCP port that is listened at; 0 if none is."""
        return int(self._server.server_address[1]) if self._server else 0

    def _expose(self, accept: str) -> tuple[HTTPStatus, str, bytes]:
        encode, content_type = choose_encoder(accept)
        with self._gathering:
            at, kind, body = self._gathered
            if kind != content_type or time.monotonic() - at > KEPT_SECONDS:
                body = encode(self._metrics)
                self._gathered = (time.monotonic(), content_type, body)
        return HTTPStatus.OK, content_type, body


def _verdict(checks: Mapping[str, Check], details: Mapping[str, Any]) -> tuple[HTTPStatus, str, bytes]:
    reasons = {subject: reason for subject, check in checks.items() if (reason := check())}
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    body = {"status": "failing" if reasons else "ok", "reasons": reasons, **details}
    return status, "application/json", json.dumps(body, indent=1).encode() + b"\n"


Page = Callable[[str], tuple[HTTPStatus, str, bytes]]
"""Takes the Accept header; returns status, content type and body."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16
    pages: Mapping[str, Page]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._free = threading.BoundedSemaphore(MAXIMUM_REQUESTS)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Take no more than can be served at once."""
        return self._free.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        connection: socket.socket = request
        deadline = threading.Timer(REQUEST_SECONDS, _cut, [connection])
        deadline.daemon = True
        deadline.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            deadline.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away or was cut is no news."""
        logger.debug("a monitoring request ended early")


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("a monitoring request had ended already")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS  # of each read; `_cut` bounds their sum
    server_version, sys_version = "radius-dxa-node", ""
    _plain: ClassVar[str] = "text/plain; charset=utf-8"

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path.partition("?")[0])
        if page is None:
            known = ", ".join(self.server.pages)
            self._answer(HTTPStatus.NOT_FOUND, self._plain, f"there are: {known}\n".encode())
            return
        try:
            status, content_type, body = page(self.headers.get("Accept", ""))
        except Exception:  # a defect of ours must not look like a dead process
            logger.exception("cannot answer %s", self.path.partition("?")[0])
            status, content_type, body = HTTPStatus.INTERNAL_SERVER_ERROR, self._plain, b"see the log\n"
        self._answer(status, content_type, body)

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are no news, and a request's text is a stranger's."""

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)
