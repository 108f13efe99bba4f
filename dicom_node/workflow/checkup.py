"""The doctor beside a running console: checks in a thread of its own, findings told as they come."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from dicom_node.config import NodeConfig
from dicom_node.diagnosis import Finding, Level, diagnose
from dicom_node.errors import ConfigurationError
from dicom_node.storage.connection import Clock, utc_now

__all__ = ["Checkup", "Report"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What a checkup has found so far.

    Attributes
    ----------
    started_at : datetime or None
        None: none was ever made.
    ended_at : datetime or None
        None: it goes on, or none was ever made.
    """

    findings: tuple[Finding, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def running(self) -> bool:
        """Whether more findings are to come."""
        return self.started_at is not None and self.ended_at is None

    @property
    def seconds(self) -> float:
        """How long it took; 0 while it goes on."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at and self.started_at else 0.0

    def count(self, level: str) -> int:
        """Return how many findings are of a level."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def worst(self) -> Level:
        """The worst level there is."""
        return next((level for level in (Level.FAIL, Level.WARN) if self.count(level)), Level.OK)


class Checkup:
    """Checks a configuration file again and again, one check at a time.

    Parameters
    ----------
    path : Path
        Read anew by every checkup: it is what the node would start with now.
    examine : callable
        `dicom_node.diagnosis.diagnose`, unless a test says otherwise.
    """

    def __init__(
        self,
        path: Path,
        *,
        examine: Callable[[NodeConfig], Iterator[Finding]] = diagnose,
        clock: Clock = utc_now,
    ) -> None:
        self._path = path
        self._examine = examine
        self._clock = clock
        self._lock = threading.Lock()
        self._report = Report()

    @property
    def report(self) -> Report:
        """What was found last, or is being found."""
        return self._report

    def begin(self) -> bool:
        """Begin a checkup in the background; False if one goes on."""
        with self._lock:
            if self._report.running:
                return False
            self._report = Report(started_at=self._clock())
        threading.Thread(target=self._run, name="checkup", daemon=True).start()
        return True

    def _run(self) -> None:
        try:
            for finding in self._findings():
                self._report = replace(self._report, findings=(*self._report.findings, finding))
        except Exception:
            logger.exception("the configuration check broke off")
            broken = Finding(Level.FAIL, "doctor", "the check broke off; the log says where")
            self._report = replace(self._report, findings=(*self._report.findings, broken))
        self._report = replace(self._report, ended_at=self._clock())

    def _findings(self) -> Iterator[Finding]:
        try:
            config = NodeConfig.load(self._path)
        except ConfigurationError as error:
            yield Finding(Level.FAIL, "configuration", str(error))
            return
        yield from self._examine(config)
