"""What the console's first page shows: how the node stands now, read from its journal."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Literal

from dicom_node.config import NodeConfig
from dicom_node.errors import ConfigurationError
from dicom_node.storage.archive import Archive, is_locked
from dicom_node.storage.connection import timestamp, utc_now
from dicom_node.storage.jobs import Job
from dicom_node.storage.journal import Journal
from dicom_node.storage.overview_counts import DestinationCount
from dicom_node.storage.records import StudyState
from dicom_node.workflow.model_view import ModelLine, model_lines

__all__ = ["DestinationState", "Disk", "Overview", "overview"]

JOBS_SHOWN = 8
RARE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class DestinationState:
    """One destination; times are ISO 8601 UTC, empty if there is none."""

    name: str
    kind: str
    """ "dicom", "stow", …; empty if it is no longer configured."""
    state: Literal["up", "down", "failing"]
    """``failing``: it answers, and whatever was meant for it since its last success was given up."""
    failures: int
    reason: str
    rests_until: str
    waiting: int
    unconfirmed: int
    dead: int
    oldest_waiting: str
    last_success: str


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the data directory, in bytes."""

    total: int
    free: int
    least_free: int
    kept: Mapping[str, int]

    @property
    def used_share(self) -> float:
        """Used part, 0 to 1."""
        return 1 - self.free / self.total

    @property
    def is_low(self) -> bool:
        """Whether new objects are refused, or soon will be."""
        return self.free < 2 * self.least_free


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the page shows; times are ISO 8601 UTC, empty if there is none."""

    running: bool
    today: Mapping[str, int]
    """Studies received since midnight (local time of the node) by state."""
    total: int
    last_received: str
    queued: int
    analysing: int
    oldest_waiting: str
    destinations: tuple[DestinationState, ...]
    disk: Disk
    jobs: tuple[Job, ...]
    """Those that need a look: paused, or failed at their last run; then those that come once a minute or less
    often, the last run first. What comes every second and goes well is left out."""
    models: tuple[ModelLine, ...]
    """The active ones, in the order in which they are preferred."""
    model_trouble: str
    """Why the models cannot be read; empty if they can."""

    @property
    def received_today(self) -> int:
        """Studies received since midnight."""
        return sum(self.today.values())

    @property
    def dead_letters(self) -> int:
        """Deliveries that were given up."""
        return sum(item.dead for item in self.destinations)

    @property
    def undelivered(self) -> int:
        """Deliveries that wait or are being sent."""
        return sum(item.waiting for item in self.destinations)

    @property
    def oldest_delivery(self) -> str:
        """Since when the oldest undelivered object waits."""
        return min((item.oldest_waiting for item in self.destinations if item.oldest_waiting), default="")


def overview(config: NodeConfig, archive: Archive, journal: Journal) -> Overview:
    """Read everything; each question is answered by an index, however long the journal."""
    analyses = journal.waiting_analyses()
    models, trouble = _models(config)
    return Overview(
        running=is_locked(config.node.data_dir),
        today=_today(journal),
        total=journal.count_received(),
        last_received=journal.last_received(),
        queued=analyses.get("queued", 0),
        analysing=analyses.get("running", 0),
        oldest_waiting=journal.oldest_waiting_analysis(),
        destinations=_destinations(config, journal),
        disk=_disk(config, archive, journal),
        jobs=_jobs(journal),
        models=models,
        model_trouble=trouble,
    )


def _today(journal: Journal) -> dict[str, int]:
    now = utc_now().astimezone()
    midnight = datetime.combine(now.date(), time(), tzinfo=now.tzinfo)
    counts = journal.count_received_since(timestamp(midnight))
    return {state: counts[state] for state in StudyState if counts.get(state)}


def _destinations(config: NodeConfig, journal: Journal) -> tuple[DestinationState, ...]:
    configured = {item.name: item for item in config.destinations}
    counts = journal.destination_counts([*configured])
    found = []
    for name, count in counts.items():
        health = journal.destination_health(name)
        known = configured.get(name)
        found.append(
            DestinationState(
                name=name,
                kind=known.type if known else "",
                state=_state(health.breaker, count),
                failures=health.failures,
                reason=health.reason,
                rests_until=health.rests_until,
                waiting=count.waiting,
                unconfirmed=count.unconfirmed,
                dead=count.dead,
                oldest_waiting=count.oldest_waiting,
                last_success=count.last_success,
            )
        )
    return tuple(found)


def _state(breaker: str, count: DestinationCount) -> Literal["up", "down", "failing"]:
    if breaker == "open":
        return "down"
    return "failing" if count.newest_dead > count.last_success else "up"


def _disk(config: NodeConfig, archive: Archive, journal: Journal) -> Disk:
    usage = shutil.disk_usage(archive.data_dir)
    return Disk(usage.total, usage.free, config.receiver.min_free_bytes, journal.kept_bytes())


def _jobs(journal: Journal) -> tuple[Job, ...]:
    jobs = journal.jobs()
    conspicuous = [job for job in jobs if job.outcome == "failed" or job.pause]
    rare = [job for job in jobs if job.period_seconds >= RARE_SECONDS and job not in conspicuous]
    rare.sort(key=lambda job: job.started_at, reverse=True)
    return tuple([*conspicuous, *rare][:JOBS_SHOWN])


def _models(config: NodeConfig) -> tuple[tuple[ModelLine, ...], str]:
    try:
        lines = model_lines(config.analysis.models)
    except ConfigurationError as error:
        return (), str(error)
    return tuple(line for line in lines if line.champion), ""
