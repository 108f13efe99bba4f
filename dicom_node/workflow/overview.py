"""What the console's first page shows: how the node stands now, read from its journal."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Literal

from dicom_node.config import NodeConfig
from dicom_node.storage.archive import Archive, is_locked
from dicom_node.storage.connection import timestamp, utc_now
from dicom_node.storage.jobs import Job
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState

__all__ = ["DestinationState", "Disk", "Overview", "overview"]


@dataclass(frozen=True, slots=True)
class DestinationState:
    """One destination; times are ISO 8601 UTC, empty if there is none."""

    name: str
    kind: str
    """ "dicom", "stow", …; empty if it is no longer configured."""
    state: Literal["up", "down"]
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
    """Those that failed at their last run or are paused first, then by name."""


def overview(config: NodeConfig, archive: Archive, journal: Journal) -> Overview:
    """Read everything; each question is answered by an index, however long the journal."""
    analyses = journal.waiting_analyses()
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
                state="down" if health.breaker == "open" else "up",
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


def _disk(config: NodeConfig, archive: Archive, journal: Journal) -> Disk:
    usage = shutil.disk_usage(archive.data_dir)
    return Disk(usage.total, usage.free, config.receiver.min_free_bytes, journal.kept_bytes())


def _jobs(journal: Journal) -> tuple[Job, ...]:
    return tuple(
        sorted(journal.jobs(), key=lambda job: (job.outcome != "failed", job.pause is None, job.name))
    )
