"""A command of ours as a process beside the node: what it needs, the node does not load."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from dicom_node.workflow.lifeline import NODE_VARIABLE

__all__ = ["BackgroundCommand"]

logger = logging.getLogger(__name__)

STOP_SECONDS = 5.0


class BackgroundCommand:
    """One run of ``dicom-node ARGUMENTS --background --config FILE`` at a time.

    Parameters
    ----------
    config : Path
    arguments : str
        The command with its options.
    on_failure : callable, optional
        Told the exit status of a run that did not end with 0; by default the log is.
    """

    def __init__(
        self, config: Path, *arguments: str, on_failure: Callable[[int], None] | None = None
    ) -> None:
        self._config = config
        self._arguments = arguments
        self._on_failure = on_failure or self._log_failure
        self._process: subprocess.Popen[bytes] | None = None

    def is_running(self) -> bool:
        """Whether a run is under way; tells of one that ended badly."""
        if self._process is None:
            return False
        status = self._process.poll()
        if status is None:
            return True
        if status:
            self._on_failure(status)
        self._process = None
        return False

    def start(self) -> None:
        """Start a run."""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "dicom_node", *self._arguments),
                *("--background", "--config", str(self._config)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, NODE_VARIABLE: str(os.getpid())},
        )

    def stop(self) -> None:
        """End the run that is under way."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _log_failure(self, status: int) -> None:
        logger.error("dicom-node %s ended with status %d", " ".join(self._arguments), status)
