"""Housekeeping: releases what may go, keeps the reserve file, and makes the nightly backup.

All is work for the clock (`dicom_node.workflow.schedule`), and rate limited: receiving never waits for it.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

from dicom_node.config import NodeConfig
from dicom_node.config.keeping import BackupSettings, EndState, RetentionSettings
from dicom_node.observe.metrics import BACKUPS, FILES_RELEASED
from dicom_node.storage.archive import Archive
from dicom_node.storage.backup import back_up, newest_backup
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity
from dicom_node.storage.reserve import Reserve
from dicom_node.storage.retention import ReleasedKind
from dicom_node.workflow.adoption import OrphanSweep

__all__ = ["PERIOD_SECONDS", "Housekeeping", "NightlyBackup", "Plan", "Retention"]

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 60.0
"""How often housekeeping looks around."""

YOUNGEST_DAYS = 1.0
"""Nothing younger goes for want of space: a sender may still ask for what it has just sent (assumption)."""

_BATCH = 20
"""Files unlinked under the journal's write lock at a time: a few milliseconds."""

_COMMIT = 100
"""Rows changed by one commit: what it writes fits into the reserve."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What retention would release now: number of files and bytes of one kind."""

    kind: ReleasedKind
    files: int
    bytes: int


class Housekeeping:
    """What the clock does for a running node's data directory, on a connection of its own to the journal.

    Attributes
    ----------
    jobs : mapping of str to callable
        For the schedule, each every `PERIOD_SECONDS`.
    """

    def __init__(self, config: NodeConfig, archive: Archive) -> None:
        self._journal = Journal(archive.journal_path)
        self._retention = Retention(config.retention, archive, self._journal)
        self.jobs: Mapping[str, Callable[[], object]] = {
            "retention": self._retention.run,
            "backup": NightlyBackup(config.backup, archive, self._journal).run,
            "archive sweep": OrphanSweep(archive, self._journal).run,
        }

    def begin(self) -> None:
        """Settle what a dead node left half released; before any analysis starts."""
        settled = self._retention.finish_interrupted()
        if settled:
            logger.warning("%d releases were interrupted; they are settled", settled)

    def close(self) -> None:
        """Close the connection."""
        self._journal.close()


class Retention:
    """Releases files by age, state and space.

    Parameters
    ----------
    free_bytes : callable
        Free space on the disk of a path.
    """

    def __init__(
        self,
        settings: RetentionSettings,
        archive: Archive,
        journal: Journal,
        *,
        clock: Clock = utc_now,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        self._settings = settings
        self._archive = archive
        self._journal = journal
        self._clock = clock
        self._free_bytes = free_bytes or (lambda path: shutil.disk_usage(path).free)
        self._reserve = Reserve(archive.data_dir, settings.reserve_bytes)
        self._ended_states = tuple(
            state for state in get_args(EndState) if state not in settings.keep_studies_in_states
        )

    def run(self) -> int:
        """Release what is due, at most a minute's worth; return how many files went.

        On a full disk the reserve is given up first, since even a deletion needs room in the journal.
        """
        try:
            released = self._release_due()
        except sqlite3.OperationalError as error:
            if (error.sqlite_errorcode & 0xFF) != sqlite3.SQLITE_FULL or not self._reserve.give_up():
                raise
            logger.error("the disk of %s is full: the reserve file is given up", self._archive.data_dir)
            released = self._release_due()
        if not self._reserve.hold(spare_bytes=self._settings.reserve_bytes):
            logger.warning("no room for the reserve file in %s", self._archive.data_dir)
        return released

    def finish_interrupted(self) -> int:
        """Settle what a dead node had given up and not unlinked; return how many files."""
        return self._settle()

    def plan(self) -> list[Plan]:
        """Say what would be released now, and release nothing."""
        return [self._planned(kind, before) for kind, before in self._deadlines()]

    def _release_due(self) -> int:
        budget = self._settings.files_per_minute
        released = 0
        for kind, before in self._deadlines():
            while went := self._release(kind, before, min(_COMMIT, budget - released)):
                released += went
                self._settle()
        released += self._release_for_space(budget - released)
        self._forget_events()
        if released:
            self._journal.note_event(
                Severity.INFO, "files_released", f"{released} files were released as [retention] says"
            )
            logger.info("retention: %d files released", released)
        return released

    def _release_for_space(self, budget: int) -> int:
        """Release the oldest of what may go until enough is free."""
        released = 0
        before = self._clock() - timedelta(days=YOUNGEST_DAYS)
        for kind in (ReleasedKind.QUARANTINED, ReleasedKind.ORIGINAL, ReleasedKind.RESULT):
            while released < budget and self._space_is_short():
                went = self._release(kind, before, min(_BATCH, budget - released))
                if not went:
                    break
                released += went
                self._settle()
        return released

    def _release(self, kind: ReleasedKind, before: datetime, limit: int) -> int:
        released = self._journal.release(kind, before=before, ended_states=self._ended_states, limit=limit)
        FILES_RELEASED.labels(kind).inc(released)
        return released

    def _space_is_short(self) -> bool:
        wanted = self._settings.keep_free_bytes
        return wanted > 0 and self._free_bytes(self._archive.data_dir) < wanted

    def _settle(self) -> int:
        settled = 0
        while went := self._journal.settle_releases(self._unlink, limit=_BATCH):
            settled += went
        return settled

    def _unlink(self, path: str) -> None:
        self._archive.resolve(path).unlink(missing_ok=True)

    def _forget_events(self) -> None:
        if self._settings.keep_events_days:
            before = self._before(self._settings.keep_events_days)
            for _ in range(0, self._settings.files_per_minute, _COMMIT):
                self._journal.forget_events(before=before, limit=_COMMIT)

    def _deadlines(self) -> Iterator[tuple[ReleasedKind, datetime]]:
        """Yield each kind that may go by age, and the moment before which it came in."""
        days = {
            ReleasedKind.ORIGINAL: self._settings.keep_originals_days,
            ReleasedKind.RESULT: self._settings.keep_results_days,
            ReleasedKind.QUARANTINED: self._settings.keep_quarantine_days,
        }
        yield from ((kind, self._before(age)) for kind, age in days.items() if age)

    def _before(self, days: float) -> datetime:
        return self._clock() - timedelta(days=days)

    def _planned(self, kind: ReleasedKind, before: datetime) -> Plan:
        files = self._journal.releasable(
            kind, before=before, ended_states=self._ended_states, limit=1_000_000
        )
        sizes = (self._size(item.path) for item in files)
        return Plan(kind, len(files), sum(sizes))

    def _size(self, path: str) -> int:
        try:
            return self._archive.resolve(path).stat().st_size
        except FileNotFoundError:
            return 0


class NightlyBackup:
    """Makes the day's copy once its hour has come; a night that the node slept through is made up for."""

    def __init__(
        self, settings: BackupSettings, archive: Archive, journal: Journal, *, clock: Clock = utc_now
    ) -> None:
        self._settings = settings
        self._archive = archive
        self._journal = journal
        self._clock = clock

    def run(self) -> Path | None:
        """Make a copy if one is due; a failure is an event, and tried again at the next turn."""
        directory = self._settings.directory
        if directory is None or not self._is_due(directory):
            return None
        try:
            made = back_up(
                self._archive,
                directory,
                keep=self._settings.keep,
                with_files=self._settings.with_files,
                clock=self._clock,
            )
        except (OSError, sqlite3.Error) as error:
            self._journal.note_event(
                Severity.ERROR,
                "backup_failed",
                f"no backup could be made in {directory} ({error}); mend it, the node tries again by itself",
            )
            logger.error("no backup could be made in %s: %s", directory, error)
            BACKUPS.labels("failed").inc()
            return None
        BACKUPS.labels("made").inc()
        self._journal.note_event(Severity.INFO, "backup_made", f"{made.name}: checked, sound")
        return made

    def _is_due(self, directory: Path) -> bool:
        now = self._clock()
        newest = newest_backup(directory)
        hour = now.replace(hour=self._settings.hour, minute=0, second=0, microsecond=0)
        latest = hour if hour <= now else hour - timedelta(days=1)
        return newest is None or newest.made_at < latest
