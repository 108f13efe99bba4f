"""Rows made in the future: the clock was wrong then, or is now, so their deadlines mean nothing."""

from __future__ import annotations

from dicom_node.storage.events import EventLog
from dicom_node.storage.records import Severity

__all__ = ["SetBackClock"]

_WAITING = (
    ("analyses", "state = 'queued'", "queued_at"),
    ("deliveries", "state IN ('pending', 'sending') AND state = 'pending'", "created_at"),
    ("deliveries", "state = 'stored'", "stored_at"),
    ("retrievals", "state IN ('waiting', 'running') AND state = 'waiting'", "requested_at"),
    ("pledges", "state IN ('asked', 'checked')", "requested_at"),
    ("notices", "times > 0", "first_at"),
)
"""Table, what waits in it (in the words of its partial index, where there is one), and when that was made."""


class SetBackClock(EventLog):
    """What the journal does about a clock that was set back."""

    def forgive_future(self) -> int:
        """Let go on at once what was made in the future, as if it was made now; return how many rows."""
        now = self._now()
        late = [
            (table, f"{waits} AND {made_at} > :now", made_at)
            for table, waits, made_at in _WAITING
            if self._row(
                f"SELECT 1 FROM {table} WHERE {waits} AND {made_at} > :now LIMIT 1",  # noqa: S608 - our text
                {"now": now},
            )
        ]
        if not late:
            return 0
        with self._transaction():
            changed = sum(
                self._execute(
                    f"UPDATE {table} SET next_attempt_at = :now, {made_at} = :now WHERE {where}",  # noqa: S608
                    {"now": now},
                )
                for table, where, made_at in late
            )
            self.note_event(
                Severity.WARNING,
                "clock_set_back",
                f"{changed} things that wait were journalled at a later time than now, for the clock was set "
                "back; they go on at once",
            )
            return changed
