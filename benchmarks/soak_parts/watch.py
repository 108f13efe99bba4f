"""Measures the node every few seconds while it is under load."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from soak_parts.node import Node, ProcessFigures
from soak_parts.traffic import Ledger

__all__ = ["Sample", "Watch", "write_csv"]

_QUEUES = {
    "receiving": "SELECT count(*) FROM studies WHERE state = 'receiving'",
    "analyses": "SELECT count(*) FROM analyses WHERE state IN ('queued', 'running')",
    "deliveries": "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending', 'stored')",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """The node at one moment of the load."""

    seconds: float
    """Since the load began."""
    acknowledged: int
    rows: int
    files: int
    receiving: int
    analyses: int
    deliveries: int
    process: ProcessFigures

    @property
    def waiting(self) -> int:
        """Studies and results on their way."""
        return self.receiving + self.analyses + self.deliveries

    @property
    def is_consistent(self) -> bool:
        """Whether what is acknowledged is in the journal, and what is in the journal is in the archive."""
        return self.acknowledged <= self.rows <= self.files


class Watch:
    """Samples in the background; a context manager."""

    def __init__(self, node: Node, ledger: Ledger, *, period_seconds: float) -> None:
        self.samples: list[Sample] = []
        self._node = node
        self._ledger = ledger
        self._period = period_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._start = time.monotonic()

    def __enter__(self) -> Watch:
        self._start = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def sample(self) -> Sample:
        """Measure now. The order matters: first what is acknowledged, then the rows, then the files."""
        acknowledged = len(self._ledger.acknowledged)
        rows = self._node.number("SELECT count(*) FROM instances WHERE kind = 'input'")
        files = self._node.count_files()
        self._node.scrape()
        return Sample(
            time.monotonic() - self._start,
            acknowledged,
            rows,
            files,
            **{name: self._node.number(sql) for name, sql in _QUEUES.items()},
            process=self._node.figures(),
        )

    def _run(self) -> None:
        while not self._stop.wait(self._period):
            try:
                self.samples.append(self.sample())
            except Exception as error:
                self._ledger.complain(f"the node cannot be measured: {error!r}")


def write_csv(samples: Sequence[Sample], path: Path) -> None:
    """Write every sample as one row."""
    rows = [
        {**asdict(sample), **asdict(sample.process), "descriptors": sample.process.descriptors}
        for sample in samples
    ]
    names = [key for key in rows[0] if key not in ("process", "open_files")]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
