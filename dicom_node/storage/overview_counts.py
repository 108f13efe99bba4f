"""Counts for the console's first page; each is answered by an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicom_node.storage.connection import JournalConnection

__all__ = ["DestinationCount", "OverviewCounts"]


@dataclass(frozen=True, slots=True)
class DestinationCount:
    """What one destination has not got yet, and when it last took something; times as the journal's."""

    waiting: int
    unconfirmed: int
    dead: int
    oldest_waiting: str
    newest_dead: str
    """When the newest object was queued that was given up."""
    last_success: str


class OverviewCounts(JournalConnection):
    """Read-only counts over several tables."""

    def count_received(self) -> int:
        """Return how many studies there are."""
        row = self._row("SELECT count(*) AS studies FROM studies")
        return int(row["studies"]) if row else 0

    def count_received_since(self, since: str) -> dict[str, int]:
        """Return how many studies whose first object came at or after `since` there are, by state."""
        rows = self._rows(
            "SELECT state, count(*) AS studies FROM studies INDEXED BY studies_by_arrival"
            " WHERE first_received_at >= ? GROUP BY state",
            (since,),
        )
        return {row["state"]: row["studies"] for row in rows}

    def last_received(self) -> str:
        """Return when the newest object came; empty if none ever did."""
        row = self._row("SELECT received_at FROM instances ORDER BY id DESC LIMIT 1")
        return str(row["received_at"]) if row else ""

    def waiting_analyses(self) -> dict[str, int]:
        """Return how many analyses are queued and running."""
        rows = self._rows(
            "SELECT state, count(*) AS analyses FROM analyses WHERE state IN ('queued', 'running')"
            " GROUP BY state"
        )
        return {row["state"]: row["analyses"] for row in rows}

    def kept_bytes(self) -> dict[str, int]:
        """Return how many bytes of received objects are kept, by kind."""
        return {row["kind"]: row["bytes"] for row in self._rows("SELECT kind, bytes FROM kept_bytes")}

    def destination_counts(self, configured: Sequence[str]) -> dict[str, DestinationCount]:
        """Return how deliveries stand: of destinations that are configured, or have something open."""
        rows = self._rows(
            "SELECT DISTINCT destination FROM deliveries INDEXED BY deliveries_open"
            " WHERE state IN ('pending', 'sending')"
            " UNION SELECT DISTINCT destination FROM deliveries INDEXED BY deliveries_dead"
            " WHERE state = 'dead'"
        )
        names = dict.fromkeys((*configured, *(row["destination"] for row in rows)))
        return {name: self._destination_count(name) for name in names}

    def _destination_count(self, name: str) -> DestinationCount:
        row = self._row(
            """
            SELECT
                (SELECT count(*) FROM deliveries
                 WHERE destination = :name AND state IN ('pending', 'sending')) AS waiting,
                (SELECT count(*) FROM deliveries
                 WHERE destination = :name AND state = 'stored') AS unconfirmed,
                (SELECT count(*) FROM deliveries WHERE destination = :name AND state = 'dead') AS dead,
                (SELECT coalesce(min(created_at), '') FROM deliveries
                 WHERE destination = :name AND state IN ('pending', 'sending')) AS oldest_waiting,
                (SELECT coalesce(max(created_at), '') FROM deliveries INDEXED BY deliveries_dead
                 WHERE destination = :name AND state = 'dead') AS newest_dead,
                (SELECT coalesce(max(delivered_at), '') FROM deliveries INDEXED BY deliveries_delivered
                 WHERE destination = :name AND state = 'delivered') AS last_success
            """,
            {"name": name},
        )
        return DestinationCount(**(row or {}))
