"""Questions that commands ask of the journal; nothing here changes a row."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.storage.commitments import Commitments
from dicom_node.storage.connection import Row

__all__ = ["DestinationQueue", "Queries", "StoredObject"]


@dataclass(frozen=True, slots=True)
class DestinationQueue:
    """How deliveries to one destination stand; times are ISO 8601 UTC, empty if there are none."""

    destination: str
    pending: int = 0
    stored: int = 0
    """Accepted by the destination, which has still to confirm it."""
    dead: int = 0
    delivered: int = 0
    oldest_waiting: str = ""
    oldest_unconfirmed: str = ""
    last_reason: str = ""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it came in, whatever it is to the node."""

    sop_class_uid: str
    sop_instance_uid: str
    path: str
    """Relative to the data directory."""
    received_at: str


class Queries(Commitments):
    """Read-only views over several tables."""

    def list_studies(self, *, state: str | None = None, since: str = "", until: str = "") -> list[Row]:
        """Return received studies, newest last, with how many objects, results and deliveries each has.

        Parameters
        ----------
        state : str, optional
            Only studies in this state.
        since, until : str
            Bounds on the time of the first object, as the journal writes times; empty = open.
        """
        return self._rows(
            """
            SELECT studies.*,
                (SELECT count(DISTINCT sop_instance_uid) FROM instances
                 WHERE instances.study_instance_uid = studies.study_instance_uid
                   AND kind = 'input') AS objects,
                (SELECT count(*) FROM results
                 WHERE results.study_instance_uid = studies.study_instance_uid) AS results,
                (SELECT count(*) FROM deliveries
                 WHERE deliveries.study_instance_uid = studies.study_instance_uid
                   AND state = 'delivered') AS delivered,
                (SELECT count(*) FROM deliveries
                 WHERE deliveries.study_instance_uid = studies.study_instance_uid) AS deliveries,
                route, priority, reasons AS route_reasons, held_by, holds.reason AS hold_reason
            FROM studies LEFT JOIN routings USING (study_instance_uid)
                         LEFT JOIN holds USING (study_instance_uid)
            WHERE (:state IS NULL OR state = :state)
              AND first_received_at >= :since AND (:until = '' OR first_received_at < :until)
            ORDER BY first_received_at, study_instance_uid
            """,
            {"state": state, "since": since, "until": until},
        )

    def objects(self, study_instance_uid: str) -> list[StoredObject]:
        """Return every admitted object of a study, own results too, in order of arrival."""
        rows = self._rows(
            "SELECT sop_class_uid, sop_instance_uid, path, received_at FROM instances"
            " WHERE study_instance_uid = ? AND kind <> 'quarantined' ORDER BY id",
            (study_instance_uid,),
        )
        return [StoredObject(**row) for row in rows]

    def latest_analysis_json(self, study_instance_uid: str) -> str:
        """Return the JSON text (schema "1", one study) of the newest finished analysis; empty without one."""
        row = self._row(
            "SELECT result_json FROM analyses WHERE study_instance_uid = ? AND state = 'done'"
            " ORDER BY id DESC LIMIT 1",
            (study_instance_uid,),
        )
        return (row["result_json"] if row else None) or ""

    def destination_queues(self) -> list[DestinationQueue]:
        """Return how deliveries stand, one entry per destination that ever had any."""
        rows = self._rows(
            """
            SELECT destination,
                sum(state IN ('pending', 'sending')) AS pending,
                sum(state = 'stored') AS stored,
                sum(state = 'dead') AS dead,
                sum(state = 'delivered') AS delivered,
                coalesce(min(CASE WHEN state IN ('pending', 'sending') THEN created_at END), '')
                    AS oldest_waiting,
                coalesce(min(CASE WHEN state = 'stored' THEN stored_at END), '') AS oldest_unconfirmed,
                coalesce(max(CASE WHEN state NOT IN ('delivered', 'discarded') THEN reason END), '')
                    AS last_reason
            FROM deliveries
            GROUP BY destination ORDER BY destination
            """
        )
        return [DestinationQueue(**row) for row in rows]

    def dead_letters(self) -> list[Row]:
        """Return deliveries given up for good: destination, study, object, attempts, status and reason."""
        return self._rows(
            "SELECT destination, study_instance_uid, sop_instance_uid, attempts, last_status, reason"
            " FROM deliveries INDEXED BY deliveries_dead WHERE state = 'dead' ORDER BY id"
        )

    def oldest_waiting_analysis(self) -> str:
        """Return since when the oldest queued or running analysis waits; empty if none does."""
        row = self._row(
            "SELECT min(queued_at) AS at FROM analyses INDEXED BY analyses_by_state"
            " WHERE state IN ('queued', 'running')"
        )
        return (row["at"] if row else None) or ""
