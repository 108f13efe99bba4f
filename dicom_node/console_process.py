"""The console beside the node: a process of its own, started again when it ends, ended with the node.

The node holds the listening socket and lends it: a port that is taken is known at once, and a browser that
comes while the console starts again waits instead of being refused. Nothing of the console is loaded here.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time

from dicom_node.config import ConsoleSettings, NodeConfig
from dicom_node.errors import ConfigurationError
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity
from dicom_node.workflow.lifeline import NODE_VARIABLE

__all__ = ["SOCKET_VARIABLE", "ConsoleProcess", "lent_socket", "listen"]

logger = logging.getLogger(__name__)

SOCKET_VARIABLE = "RADIUS_DXA_CONSOLE_SOCKET"
"""Environment variable with the number of the lent socket."""

BACKLOG = 64
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
STEADY_SECONDS = 60.0
"""A console that ran so long before it ended is started again without a wait that has grown."""
STOP_SECONDS = 5.0


class ConsoleProcess:
    """Keeps the console running; `watch` is a job of the node's clock."""

    def __init__(self, config: NodeConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._wait = FIRST_WAIT_SECONDS
        self._next_try = 0.0
        self._complained = False

    @property
    def port(self) -> int:
        """The port that is listened at; 0 if there is none."""
        return int(self._socket.getsockname()[1]) if self._socket else 0

    def open(self) -> None:
        """Listen; a port that cannot be had does not keep the node from its work: it is tried again."""
        try:
            self._socket = listen(self._config.console)
        except ConfigurationError as error:
            self._postpone(f"no console: {error}")

    def watch(self) -> None:
        """Start the console if it does not run and its turn has come."""
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return
            if time.monotonic() - self._started > STEADY_SECONDS:
                self._wait, self._complained = FIRST_WAIT_SECONDS, False
            self._process = None
            self._postpone(f"the console ended with status {status}; the node's log says why")
        if time.monotonic() < self._next_try:
            return
        if self._socket is None:
            self.open()
        if self._socket is not None:
            self._start(self._socket)

    def stop(self) -> None:
        """End the console and stop to listen."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _start(self, listening: socket.socket) -> None:
        number = listening.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dicom_node", "console", "--config", str(self._config.path)],
            stdin=subprocess.DEVNULL,
            pass_fds=[number],
            env={**os.environ, NODE_VARIABLE: str(os.getpid()), SOCKET_VARIABLE: str(number)},
        )
        self._started = time.monotonic()

    def _postpone(self, complaint: str) -> None:
        """Wait longer each time; say it once until the console has run well."""
        self._next_try = time.monotonic() + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT_SECONDS)
        if not self._complained:
            logger.error("%s", complaint)
            self._journal.note_event(Severity.ERROR, "console_unavailable", complaint)
        self._complained = True


def listen(settings: ConsoleSettings) -> socket.socket:
    """Return a socket that listens where ``[console]`` says.

    Raises
    ------
    ConfigurationError
        If the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"[console] host = {settings.host!r}, port = {settings.port}: cannot listen there "
            f"({error.strerror or error}); choose another port, or set enabled = false"
        ) from error


def lent_socket() -> socket.socket | None:
    """Return the socket that the node has lent to this process; None if it was started by hand."""
    number = os.environ.get(SOCKET_VARIABLE)
    return socket.socket(fileno=int(number)) if number else None
