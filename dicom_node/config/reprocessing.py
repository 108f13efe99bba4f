"""``[reprocessing]`` and ``[[job]]``: how studies are analysed again, and what is so again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from dicom_node.config.delivering import legal_hours
from dicom_node.errors import ConfigurationError
from dicom_node.settings import between, must, not_blank, read_table
from dicom_node.workflow.cron import next_time

__all__ = ["ConfiguredJob", "ReprocessingSettings", "read_jobs"]

State = Literal["complete", "analyzing", "analyzed", "not_applicable", "rejected", "failed"]


@dataclass(frozen=True, slots=True)
class ReprocessingSettings:
    """``[reprocessing]``: new studies come first.

    Attributes
    ----------
    in_flight : int
        Studies of plans that are queued, fetched or analysed at the same time.
    pause_above_associations : int
        No further study is queued while more associations than so many are open at the receiver.
    pause_above_objects_per_minute : int
        Nor while more objects than so many were received within the last minute.
    """

    in_flight: int = field(default=4, metadata=must(between(1, 1000)))
    pause_above_associations: int = field(default=4, metadata=must(between(0, 100_000)))
    pause_above_objects_per_minute: int = field(default=60, metadata=must(between(0, 1_000_000)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredJob:
    """One ``[[job]]``: studies that meet all its conditions are analysed again whenever `cron` comes.

    Attributes
    ----------
    cron : str
        Minute, hour, day of the month, month and day of the week, by the clock on the wall.
    hours : str or None
        Window of the day within which studies are queued; None: always.
    studies_per_hour : float
        At most; 0: as fast as the node can.
    scanner, calling_ae : str
        Patterns with ``*`` and ``?``; empty: any.
    states, findings : tuple of str
        Any of them; empty: any.
    model_older_than, engine_older_than : str
        Version, or ``current``; empty: any.
    everything : bool
        Every study, where no condition is given.
    """

    name: str = field(metadata=must(not_blank))
    cron: str = field(metadata=must(not_blank))
    hours: str | None = field(default=None, metadata=must(legal_hours))
    studies_per_hour: float = field(default=0.0, metadata=must(between(0, 1_000_000)))
    scanner: str = ""
    calling_ae: str = ""
    states: tuple[State, ...] = ()
    findings: tuple[str, ...] = ()
    model_older_than: str = ""
    engine_older_than: str = ""
    everything: bool = False


def read_jobs(document: Mapping[str, Any], base: Path) -> tuple[ConfiguredJob, ...]:
    """Read every ``[[job]]``.

    Raises
    ------
    ConfigurationError
        For an illegal key, a name given twice, an expression that never comes, or a job without a condition
        that does not say ``everything``.
    """
    entries = document.get("job", [])
    if not isinstance(entries, list):
        raise ConfigurationError("job: must be a list of tables; write [[job]] for each")
    jobs: list[ConfiguredJob] = []
    for number, entry in enumerate(entries, start=1):
        job = read_table(ConfiguredJob, entry, name=f"[[job]] {number}", base=base)
        if job.name in {other.name for other in jobs}:
            raise ConfigurationError(f"[[job]] {number} name = {job.name!r}: used twice; give each its own")
        if not (job.everything or _has_condition(job)):
            raise ConfigurationError(
                f"[[job]] {number} ({job.name}): has no condition; name one, or write everything = true"
            )
        try:
            next_time(job.cron, datetime.now(UTC))
        except ConfigurationError as error:
            raise ConfigurationError(f"[[job]] {number} ({job.name}): {error}") from None
        jobs.append(job)
    return tuple(jobs)


def _has_condition(job: ConfiguredJob) -> bool:
    conditions = (job.scanner, job.calling_ae, job.states, job.findings)
    return any((*conditions, job.model_older_than, job.engine_older_than))
