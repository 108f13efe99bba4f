"""Watches for what no other part would see: a full disk, a study without end, a clock that was set back."""

from __future__ import annotations

from datetime import timedelta

from dicom_node.storage.archive import Archive
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity

__all__ = ["PERIOD_SECONDS", "Watch"]

PERIOD_SECONDS = 30.0
"""How often it looks around."""


class Watch:
    """Writes events, each when it begins to be true."""

    def __init__(
        self, archive: Archive, journal: Journal, *, stuck_after: timedelta, clock: Clock = utc_now
    ) -> None:
        self._archive = archive
        self._journal = journal
        self._stuck_after = stuck_after
        self._clock = clock
        self._has_room = True

    def look(self) -> None:
        """Look once."""
        self._journal.forgive_future()
        has_room = self._archive.has_room(0)
        if has_room != self._has_room:
            self._has_room = has_room
            self._note_room(has_room)
        for study_instance_uid, state in self._journal.stuck_studies(self._clock() - self._stuck_after):
            self._journal.note_event(
                Severity.ERROR,
                "study_stuck",
                f"is {state} since long; see dicom-node studies and the log",
                study_instance_uid=study_instance_uid,
            )

    def _note_room(self, has_room: bool) -> None:
        if has_room:
            self._journal.note_event(
                Severity.INFO, "disk_recovered", "the disk has room again: objects are taken"
            )
            return
        self._journal.note_event(
            Severity.ERROR,
            "disk_low",
            "less is free than [receiver] min_free_bytes: objects are refused until there is room",
        )
