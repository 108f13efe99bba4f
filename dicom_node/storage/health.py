"""What the node has learned of its destinations: whether they answer, and until when they rest."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.storage.events import EventLog
from dicom_node.storage.records import Severity

__all__ = ["DestinationHealth", "HealthTable"]


@dataclass(frozen=True, slots=True)
class DestinationHealth:
    """One row of ``destination_health``; times are ISO 8601 UTC, empty if there is none.

    Attributes
    ----------
    breaker : {"closed", "open"}
        The circuit breaker; open = the destination counts as down and is probed with one study at a time.
    failures : int
        Failed connections in a row.
    """

    destination: str
    breaker: str = "closed"
    failures: int = 0
    rests_until: str = ""
    reason: str = ""
    changed_at: str = ""


class HealthTable(EventLog):
    """The journal's table ``destination_health``."""

    def destination_health(self, destination: str) -> DestinationHealth:
        """Return how a destination stands; as good as new if nothing is known of it."""
        row = self._row("SELECT * FROM destination_health WHERE destination = ?", (destination,))
        return DestinationHealth(**row) if row else DestinationHealth(destination)

    def note_destination_failure(
        self, destination: str, *, failures: int, opens: bool, rest_seconds: float, reason: str
    ) -> None:
        """Record a failed connection; `opens` tells that the circuit breaker opens, or stays open."""
        with self._transaction():
            before = self.destination_health(destination)
            breaker = "open" if opens else "closed"
            changed_at = before.changed_at if before.breaker == breaker else self._now()
            self._execute(
                "INSERT OR REPLACE INTO destination_health VALUES (?, ?, ?, ?, ?, ?)",
                (destination, breaker, failures, self._after(rest_seconds), reason, changed_at),
            )
            if opens and before.breaker == "closed":
                self.note_event(
                    Severity.ERROR,
                    "breaker_open",
                    f"to {destination}: {failures} failures in a row: {reason}",
                )

    def note_destination_success(self, destination: str) -> None:
        """Record that a destination answers; writes nothing if that is no news."""
        before = self.destination_health(destination)
        if not before.failures:
            return
        with self._transaction():
            self._execute(
                "INSERT OR REPLACE INTO destination_health VALUES (?, 'closed', 0, '', '', ?)",
                (destination, self._now()),
            )
            if before.breaker == "open":
                self.note_event(Severity.INFO, "breaker_closed", f"to {destination}: it answers again")

    def end_rest(self, destination: str) -> None:
        """Have a destination tried at once, whatever failed there; one more failure makes it rest again."""
        with self._transaction():
            self._execute(
                "UPDATE destination_health SET rests_until = ? WHERE destination = ? AND rests_until <> ''",
                (self._now(), destination),
            )
