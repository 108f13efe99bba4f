"""Notices: which events somebody is to be told of, counted by cause until they are told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicom_node.storage.connection import timestamp
from dicom_node.storage.events import EventLog
from dicom_node.storage.records import Event, Severity

__all__ = ["Notice", "Notices"]

READ_LIMIT = 1000
"""Events read in one transaction; the rest follows at the next turn."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What one channel has yet to tell of one cause.

    Attributes
    ----------
    message, study_instance_uid : str
        Of the newest event.
    first_at : str
        Time of the oldest event that has not been told, ISO 8601 UTC.
    times : int
        How many events it stands for.
    attempts : int
        How often it could not be told.
    """

    channel: str
    cause: str
    code: str
    message: str
    study_instance_uid: str
    first_at: str
    times: int
    attempts: int


class Notices(EventLog):
    """The tables ``notices`` and ``notice_bookmark``."""

    def collect_notices(
        self, channels: Sequence[str], codes: Collection[str], cause_of: Callable[[Event], str]
    ) -> int:
        """Read the events since the last call and count those of `codes`; return how many were read.

        The first call of a journal starts from the present: nobody is told of the past.
        """
        with self._transaction():
            bookmark = self._row("SELECT event_id FROM notice_bookmark")
            if bookmark is None:
                self._execute("INSERT INTO notice_bookmark SELECT 1, coalesce(max(id), 0) FROM events")
                return 0
            rows = self._rows(
                "SELECT id, at, severity, code, study_instance_uid, sop_instance_uid, message FROM events"
                " WHERE id > ? ORDER BY id LIMIT ?",
                (bookmark["event_id"], READ_LIMIT),
            )
            for row in rows:
                last = row.pop("id")
                event = Event(**{**row, "severity": Severity(row["severity"])})
                if event.code in codes:
                    for channel in channels:
                        self._count(channel, cause_of(event), event)
            if rows:
                self._execute("UPDATE notice_bookmark SET event_id = ?", (last,))
            return len(rows)

    def due_notices(self, channel: str) -> list[Notice]:
        """Return what a channel has to tell now, oldest first."""
        rows = self._rows(
            "SELECT channel, cause, code, message, study_instance_uid, first_at, times, attempts FROM notices"
            " WHERE channel = ? AND times > 0 AND next_attempt_at <= ? ORDER BY first_at",
            (channel, self._now()),
        )
        return [Notice(**row) for row in rows]

    def notice_told(self, notice: Notice, *, quiet: timedelta) -> None:
        """Record that a notice was told; its cause is not told again before `quiet` is over."""
        with self._transaction():
            self._execute(
                "UPDATE notices SET times = times - ?, attempts = 0, next_attempt_at = ?"
                " WHERE channel = ? AND cause = ?",
                (notice.times, self._after(quiet.total_seconds()), notice.channel, notice.cause),
            )

    def notice_failed(self, notice: Notice, *, retry_at: datetime) -> None:
        """Record that a notice could not be told."""
        with self._transaction():
            self._execute(
                "UPDATE notices SET attempts = attempts + 1, next_attempt_at = ?"
                " WHERE channel = ? AND cause = ?",
                (timestamp(retry_at), notice.channel, notice.cause),
            )

    def stuck_studies(self, before: datetime) -> list[tuple[str, str]]:
        """Return (Study Instance UID, state) of studies that got nothing since `before` and have not ended.

        Each is named once: not again after its event ``study_stuck``. Studies that are held are not stuck.
        """
        rows = self._rows(
            "SELECT study_instance_uid, state FROM studies"
            " WHERE state IN ('receiving', 'complete', 'analyzing') AND last_received_at < ?"
            " AND study_instance_uid NOT IN (SELECT study_instance_uid FROM holds)"
            " AND NOT EXISTS (SELECT 1 FROM events WHERE code = 'study_stuck' AND at > last_received_at"
            "                 AND events.study_instance_uid = studies.study_instance_uid)"
            " ORDER BY last_received_at LIMIT 100",
            (timestamp(before),),
        )
        return [(row["study_instance_uid"], row["state"]) for row in rows]

    def _count(self, channel: str, cause: str, event: Event) -> None:
        self._execute(
            """
            INSERT INTO notices VALUES (:channel, :cause, :code, :message, :study, :at, 1, 0, :at)
            ON CONFLICT (channel, cause) DO UPDATE SET
                message = excluded.message, study_instance_uid = excluded.study_instance_uid,
                first_at = CASE times WHEN 0 THEN excluded.first_at ELSE first_at END,
                times = times + 1
            """,
            {
                "channel": channel,
                "cause": cause,
                "code": event.code,
                "message": event.message,
                "study": event.study_instance_uid,
                "at": event.at,
            },
        )
