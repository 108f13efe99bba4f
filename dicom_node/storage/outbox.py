"""The outbox: one row per result and destination, so one bad destination never delays another."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePosixPath

from dicom_node.storage.analyses import AnalysisTables
from dicom_node.storage.connection import timestamp
from dicom_node.storage.records import Delivery, Severity

__all__ = ["Outbox"]


class Outbox(AnalysisTables):
    """The journal's table ``deliveries``."""

    def claim_deliveries(self, destination: str, *, owner: str, lease_seconds: float) -> list[Delivery]:
        """Claim the deliveries to `destination` of the study that has waited longest, in order of results.

        An expired lease is due. A study of which anything is being sent, or whose first undelivered result
        is not due yet, waits as a whole, so that its results arrive in their order.
        """
        with self._transaction():
            rows = self._rows(
                """
                WITH heads AS (SELECT min(id) AS id FROM deliveries
                               WHERE destination = :destination AND state IN ('pending', 'sending')
                               GROUP BY study_instance_uid),
                     busy AS (SELECT study_instance_uid FROM deliveries
                              WHERE destination = :destination AND state = 'sending'
                                AND lease_expires_at > :now),
                     next AS (SELECT id, study_instance_uid FROM heads JOIN deliveries USING (id)
                              WHERE (state = 'sending' OR next_attempt_at <= :now)
                                AND study_instance_uid NOT IN busy
                              ORDER BY next_attempt_at, id LIMIT 1)
                SELECT deliveries.id, destination, deliveries.study_instance_uid, sop_instance_uid,
                       sop_class_uid, path, attempts + 1 AS attempts
                FROM deliveries JOIN results USING (sop_instance_uid)
                WHERE destination = :destination AND state IN ('pending', 'sending')
                  AND deliveries.study_instance_uid = (SELECT study_instance_uid FROM next)
                ORDER BY deliveries.id
                """,
                {"destination": destination, "now": self._now()},
            )
            expires = self._after(lease_seconds)
            for row in rows:
                self._execute(
                    "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, lease_owner = ?,"
                    " lease_expires_at = ? WHERE id = ?",
                    (owner, expires, row["id"]),
                )
            return [
                Delivery(**{**row, "path": PurePosixPath(row["path"]), "lease_owner": owner}) for row in rows
            ]

    def mark_delivered(self, delivery: Delivery, status: int) -> None:
        """Record that the destination took the object with DIMSE `status`; true whoever holds the lease."""
        with self._transaction():
            self._execute(
                "UPDATE deliveries SET state = 'delivered', delivered_at = ?, last_status = ?, reason = '',"
                " lease_owner = '', lease_expires_at = '' WHERE id = ?",
                (self._now(), status, delivery.id),
            )
            waiting = self._rows(
                "SELECT 1 FROM deliveries WHERE study_instance_uid = ? AND destination = ?"
                " AND state <> 'delivered' LIMIT 1",
                (delivery.study_instance_uid, delivery.destination),
            )
            if not waiting:
                self.note_event(
                    Severity.INFO,
                    "study_delivered",
                    f"every result is stored at {delivery.destination}",
                    study_instance_uid=delivery.study_instance_uid,
                )

    def retry_delivery_at(
        self, delivery: Delivery, moment: datetime, *, reason: str, status: int | None = None
    ) -> None:
        """Put a delivery back until `moment`; nothing happens if its lease was lost."""
        with self._transaction():
            if self._release_delivery(delivery, "pending", timestamp(moment), reason, status):
                self._note_delivery(delivery, Severity.WARNING, "delivery_postponed", reason)

    def bury_delivery(self, delivery: Delivery, *, reason: str, status: int | None = None) -> None:
        """Give a delivery up for good (dead letter); nothing happens if its lease was lost."""
        with self._transaction():
            if self._release_delivery(delivery, "dead", "", reason, status):
                self._note_delivery(delivery, Severity.ERROR, "delivery_failed", reason)

    def revive_deliveries(
        self, *, study_instance_uid: str | None = None, destination: str | None = None
    ) -> int:
        """Make dead letters pending again, all or of one study or destination; return how many."""
        with self._transaction():
            return self._execute(
                "UPDATE deliveries SET state = 'pending', attempts = 0, next_attempt_at = :now"
                " WHERE state = 'dead' AND (:study IS NULL OR study_instance_uid = :study)"
                " AND (:destination IS NULL OR destination = :destination)",
                {"now": self._now(), "study": study_instance_uid, "destination": destination},
            )

    def _release_delivery(
        self, delivery: Delivery, state: str, next_attempt_at: str, reason: str, status: int | None
    ) -> bool:
        return bool(
            self._execute(
                "UPDATE deliveries SET state = ?, next_attempt_at = ?, reason = ?, last_status = ?,"
                " lease_owner = '', lease_expires_at = ''"
                " WHERE id = ? AND state = 'sending' AND lease_owner = ? AND attempts = ?",
                (
                    state,
                    next_attempt_at,
                    reason,
                    status,
                    delivery.id,
                    delivery.lease_owner,
                    delivery.attempts,
                ),
            )
        )

    def _note_delivery(self, delivery: Delivery, severity: Severity, code: str, reason: str) -> None:
        self.note_event(
            severity,
            code,
            f"to {delivery.destination}: {reason}",
            study_instance_uid=delivery.study_instance_uid,
            sop_instance_uid=delivery.sop_instance_uid,
        )
