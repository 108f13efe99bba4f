"""What Prometheus learns when it asks: the journal's figures, the disk and the clock's jobs.

Together with the counters of `dicom_node.observe.metrics` this is everything that ``/metrics`` tells;
``docs/monitoring.md`` names each.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from analysis import __version__
from dicom_node.observe.metrics import REGISTRY
from dicom_node.storage.figures import Figures, read_figures
from dicom_node.workflow.schedule import JobRun

__all__ = ["NodeMetrics"]

logger = logging.getLogger(__name__)

KEPT_SECONDS = 5.0
"""The journal is asked no more often than this, however often the port is."""


class NodeMetrics(Collector):
    """Everything that ``/metrics`` tells.

    Parameters
    ----------
    journal, data_dir : Path
        The journal's file, and the folder on whose disk it lies.
    min_free_bytes : int
        Below this much free space the node refuses objects.
    last_runs : callable
        The last run of each of the clock's jobs.
    """

    def __init__(
        self,
        journal: Path,
        data_dir: Path,
        *,
        min_free_bytes: int,
        last_runs: Callable[[], Mapping[str, JobRun]],
    ) -> None:
        self._journal = journal
        self._data_dir = data_dir
        self._min_free_bytes = min_free_bytes
        self._last_runs = last_runs
        self._process = ProcessCollector(registry=None)
        self._lock = threading.Lock()
        self._figures: Figures | None = None
        self._read_at = float("-inf")

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        yield from REGISTRY.collect()
        yield from self._process.collect()
        yield _labelled("radius_dxa_build_info", "Version of the node.", ["version"], {(__version__,): 1})
        figures = self._read()
        yield _plain(
            "radius_dxa_journal_readable", "Whether the journal can be read.", float(figures is not None)
        )
        if figures is not None:
            yield from _of_journal(figures)
        yield from self._of_disk()
        yield from _of_jobs(self._last_runs())

    def _read(self) -> Figures | None:
        with self._lock:
            if time.monotonic() - self._read_at >= KEPT_SECONDS:
                try:
                    self._figures = read_figures(self._journal)
                except sqlite3.Error as error:
                    logger.warning("the journal cannot be read for metrics: %s", error)
                    self._figures = None
                self._read_at = time.monotonic()
            return self._figures

    def _of_disk(self) -> Iterator[Metric]:
        try:
            free = shutil.disk_usage(self._data_dir).free
        except OSError as error:
            logger.warning("free space is unknown: %s", error)
            return
        yield _plain("radius_dxa_disk_free_bytes", "Free space on the disk that holds data_dir.", free)
        yield _plain(
            "radius_dxa_disk_watermark_bytes",
            "Free space below which objects are refused with 0xA700.",
            self._min_free_bytes,
        )


def _of_journal(figures: Figures) -> Iterator[Metric]:
    yield _labelled(
        "radius_dxa_studies",
        "Studies by state.",
        ["state"],
        {(state,): count for state, count in figures.studies.items()},
    )
    yield _labelled(
        "radius_dxa_analyses_waiting",
        "Analyses that are queued or running.",
        ["state"],
        {(state,): count for state, count in figures.analyses.items()},
    )
    yield _plain(
        "radius_dxa_oldest_analysis_seconds",
        "How long the oldest unfinished analysis has waited; 0 if none does.",
        _age(figures.oldest_analysis),
    )
    yield _labelled(
        "radius_dxa_deliveries_waiting",
        "Objects for a destination that are pending, being sent, stored but not committed, or dead letters.",
        ["destination", "state"],
        {(name, state): count for (name, state), count in figures.deliveries.items()},
    )
    yield _labelled(
        "radius_dxa_oldest_delivery_seconds",
        "How long the oldest object for a destination has waited; 0 if none does.",
        ["destination"],
        {(name,): _age(since) for name, since in figures.oldest_delivery.items()},
    )
    yield _labelled(
        "radius_dxa_kept_bytes",
        "Bytes of received objects that are kept, by kind.",
        ["kind"],
        {(kind,): size for kind, size in figures.kept_bytes.items()},
    )
    yield _plain(
        "radius_dxa_last_instance_timestamp_seconds",
        "When the last object came in; 0 if none ever did.",
        datetime.fromisoformat(figures.last_received).timestamp() if figures.last_received else 0.0,
    )
    yield _plain(
        "radius_dxa_audit_messages_waiting",
        "Audit messages not known to have arrived.",
        figures.spooled_audits,
    )


def _of_jobs(runs: Mapping[str, JobRun]) -> Iterator[Metric]:
    yield _labelled(
        "radius_dxa_job_last_run_timestamp_seconds",
        "When the last run of a periodic job ended.",
        ["job"],
        {(name,): run.ended_at.timestamp() for name, run in runs.items()},
    )
    yield _labelled(
        "radius_dxa_job_last_run_seconds",
        "Duration of the last run of a periodic job.",
        ["job"],
        {(name,): run.seconds for name, run in runs.items()},
    )
    failures = CounterMetricFamily(
        "radius_dxa_job_failures", "Runs of a periodic job that failed.", labels=["job"]
    )
    for name, run in runs.items():
        failures.add_metric([name], run.failures)
    yield failures


def _age(since: str) -> float:
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()) if since else 0.0


def _plain(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


def _labelled(
    name: str, documentation: str, labels: list[str], values: Mapping[tuple[str, ...], float]
) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for label_values, value in values.items():
        family.add_metric(list(label_values), value)
    return family
