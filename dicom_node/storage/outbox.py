"""The outbox: one row per object and destination, so one bad destination never delays another.

A delivery is ``pending``, ``sending``, then ``delivered``; where the destination has to confirm what it
accepted, it is ``stored`` before (`dicom_node.storage.commitments`). ``dead`` letters wait for an
administrator, who has them sent again or ``discarded``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath

from dicom_node.storage.analyses import AnalysisTables
from dicom_node.storage.connection import timestamp
from dicom_node.storage.rebuild import UNKNOWN_DELIVERY
from dicom_node.storage.records import Delivery, DeliveryKind, Severity

__all__ = ["Outbox"]

CLAIM_LIMIT = 200
"""Most objects claimed at once: a lease must outlast them. Forwarded studies can hold more."""


class Outbox(AnalysisTables):
    """The journal's table ``deliveries``."""

    def queue_originals(self, study_instance_uid: str, destination: str, *, priority: int = 0) -> int:
        """Queue every received object of a study, each version, for `destination`; return how many are new.

        What was released is left out: there is no file to send any more. What was found in the archive
        without its row, so that nobody knows its sender or whether it was passed on, is a dead letter.

        Parameters
        ----------
        priority : int
            Studies of higher priority are sent first.
        """
        with self._transaction():
            queued = self._execute(
                """
                INSERT INTO deliveries (sop_instance_uid, sop_class_uid, study_instance_uid, destination,
                    kind, path, priority, state, attempts, next_attempt_at, lease_owner, lease_expires_at,
                    reason, last_status, created_at, stored_at, delivered_at, transaction_uid,
                    requested_at, verifications, refusals, replaced_by)
                SELECT sop_instance_uid, sop_class_uid, study_instance_uid, :destination, 'original',
                    path, :priority, iif(association_id = '', 'dead', 'pending'), 0, :now, '', '',
                    iif(association_id = '', :unknown, ''), NULL, :now, '', '', '', '',
                    0, 0, ''
                FROM instances WHERE study_instance_uid = :study AND kind = 'input' AND released_at = ''
                ORDER BY id
                ON CONFLICT DO NOTHING
                """,
                {
                    "study": study_instance_uid,
                    "destination": destination,
                    "priority": priority,
                    "now": self._now(),
                    "unknown": UNKNOWN_DELIVERY,
                },
            )
            unknown = self._row(
                "SELECT count(*) AS objects FROM deliveries WHERE study_instance_uid = ? AND destination = ?"
                " AND state = 'dead' AND reason = ?",
                (study_instance_uid, destination, UNKNOWN_DELIVERY),
            )
            if queued and unknown and unknown["objects"]:
                self.note_event(
                    Severity.ERROR,
                    "delivery_failed",
                    f"to {destination}: {unknown['objects']} originals: {UNKNOWN_DELIVERY}",
                    study_instance_uid=study_instance_uid,
                )
            return queued

    def claim_deliveries(self, destination: str, *, owner: str, lease_seconds: float) -> list[Delivery]:
        """Claim deliveries to `destination` of one study: of highest priority, then longest waiting.

        An expired lease is due. A study of which anything is being sent, or whose first undelivered object
        is not due yet, waits as a whole, so that its objects arrive in their order.
        """
        with self._transaction():
            rows = self._rows(
                """
                WITH heads AS (SELECT min(id) AS id, max(priority) AS priority FROM deliveries
                               WHERE destination = :destination AND state IN ('pending', 'sending')
                               GROUP BY study_instance_uid),
                     busy AS (SELECT study_instance_uid FROM deliveries
                              WHERE destination = :destination AND state = 'sending'
                                AND lease_expires_at > :now),
                     next AS (SELECT deliveries.id, study_instance_uid FROM heads JOIN deliveries USING (id)
                              WHERE (state = 'sending' OR next_attempt_at <= :now)
                                AND study_instance_uid NOT IN busy
                                AND study_instance_uid NOT IN (SELECT study_instance_uid FROM holds)
                              ORDER BY heads.priority DESC, next_attempt_at, id LIMIT 1)
                SELECT id, destination, study_instance_uid, sop_instance_uid, sop_class_uid, path,
                       attempts + 1 AS attempts, kind, created_at, refusals
                FROM deliveries
                WHERE destination = :destination AND state IN ('pending', 'sending')
                  AND study_instance_uid = (SELECT study_instance_uid FROM next)
                ORDER BY id LIMIT :limit
                """,
                {"destination": destination, "now": self._now(), "limit": CLAIM_LIMIT},
            )
            expires = self._after(lease_seconds)
            for row in rows:
                self._execute(
                    "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, lease_owner = ?,"
                    " lease_expires_at = ? WHERE id = ?",
                    (owner, expires, row["id"]),
                )
            return [_delivery(row, owner) for row in rows]

    def mark_delivered(self, delivery: Delivery, status: int | None, *, note: str = "") -> None:
        """Record that the destination took the object with `status`; true whoever holds the lease.

        Parameters
        ----------
        note : str
            What the destination remarked while taking it, e.g. a warning.
        """
        with self._transaction():
            now = self._now()
            self._execute(
                "UPDATE deliveries SET state = 'delivered', stored_at = ?, delivered_at = ?, last_status = ?,"
                " reason = ?, lease_owner = '', lease_expires_at = '' WHERE id = ?",
                (now, now, status, note, delivery.id),
            )
            self._note_warning(delivery, note)
            self._note_if_all_delivered(delivery.study_instance_uid, delivery.destination)

    def mark_stored(
        self, delivery: Delivery, status: int | None, *, verify_at: datetime, note: str = ""
    ) -> None:
        """Record that the destination accepted the object but has still to confirm that it keeps it."""
        with self._transaction():
            self._execute(
                "UPDATE deliveries SET state = 'stored', stored_at = ?, next_attempt_at = ?, last_status = ?,"
                " reason = ?, lease_owner = '', lease_expires_at = '', transaction_uid = '',"
                " requested_at = '', verifications = 0 WHERE id = ?",
                (self._now(), timestamp(verify_at), status, note, delivery.id),
            )
            self._note_warning(delivery, note)

    def retry_delivery_at(
        self, delivery: Delivery, moment: datetime, *, reason: str, status: int | None = None
    ) -> None:
        """Put a delivery back until `moment`; nothing happens if its lease was lost."""
        with self._transaction():
            if self._release_delivery(delivery, "pending", timestamp(moment), reason, status):
                self._note_delivery(delivery, Severity.WARNING, "delivery_postponed", reason)

    def hand_back(self, delivery: Delivery) -> None:
        """Put back a delivery that was claimed and not tried; the attempt does not count."""
        with self._transaction():
            self._execute(
                "UPDATE deliveries SET state = 'pending', attempts = attempts - 1, next_attempt_at = ?,"
                " lease_owner = '', lease_expires_at = ''"
                " WHERE id = ? AND state = 'sending' AND lease_owner = ? AND attempts = ?",
                (self._now(), delivery.id, delivery.lease_owner, delivery.attempts),
            )

    def bury_delivery(self, delivery: Delivery, *, reason: str, status: int | None = None) -> None:
        """Give a delivery up for good (dead letter); nothing happens if its lease was lost."""
        with self._transaction():
            if self._release_delivery(delivery, "dead", "", reason, status):
                self._note_delivery(delivery, Severity.ERROR, "delivery_failed", reason)

    def revive_deliveries(
        self,
        *,
        study_instance_uid: str | None = None,
        destination: str | None = None,
        delivery_id: int | None = None,
    ) -> int:
        """Make dead letters pending again, all or of one study or destination, or one; return how many."""
        with self._transaction():
            return self._execute(
                f"{_REQUEUE} WHERE {_DEAD_OF}",
                {
                    "now": self._now(),
                    "study": study_instance_uid,
                    "destination": destination,
                    "id": delivery_id,
                },
            )

    def resend_study(
        self, study_instance_uid: str, *, destination: str | None = None, dry_run: bool = False
    ) -> int:
        """Send what a destination was given of a study once more, same UIDs; return how many objects.

        Results that a newer analysis has replaced stay as they are, and so does what retention has released.
        """
        with self._transaction():
            standing = {
                (name, uid)
                for name, uids in self.standing_results(study_instance_uid).items()
                for uid in uids
            }
            rows = self._rows(
                "SELECT id, destination, sop_instance_uid, kind FROM deliveries AS sent"
                " WHERE study_instance_uid = ?"
                " AND state IN ('stored', 'delivered') AND (? IS NULL OR destination = ?)"
                " AND NOT EXISTS (SELECT 1 FROM instances AS gone WHERE released_at <> ''"
                "     AND gone.sop_instance_uid = sent.sop_instance_uid AND gone.path = sent.path)"
                " AND NOT EXISTS (SELECT 1 FROM results AS gone WHERE released_at <> ''"
                "     AND gone.sop_instance_uid = sent.sop_instance_uid AND gone.path = sent.path)",
                (study_instance_uid, destination, destination),
            )
            chosen = [
                row["id"]
                for row in rows
                if row["kind"] == DeliveryKind.ORIGINAL
                or (row["destination"], row["sop_instance_uid"]) in standing
            ]
            for id_ in () if dry_run else chosen:
                self._execute(f"{_REQUEUE} WHERE id = :id", {"now": self._now(), "id": id_})
            return len(chosen)

    def discard_deliveries(
        self,
        *,
        study_instance_uid: str | None = None,
        destination: str | None = None,
        delivery_id: int | None = None,
        because: str = "",
    ) -> int:
        """Give dead letters up, all or of one study or destination, or one: nobody waits for them any more.

        Parameters
        ----------
        because : str
            Who gives them up and why, for the events.
        """
        with self._transaction():
            discarded = self._execute(
                f"UPDATE deliveries SET state = 'discarded' WHERE {_DEAD_OF}",  # noqa: S608 - our own text
                {"study": study_instance_uid, "destination": destination, "id": delivery_id},
            )
            if discarded:
                where = f"to {destination}: " if destination else ""
                self.note_event(
                    Severity.WARNING,
                    "dead_letters_discarded",
                    f"{where}{discarded} dead letters were given up by {because or 'an administrator'}",
                    study_instance_uid=study_instance_uid or "",
                )
            return discarded

    def bury_unserved(self, destinations: Sequence[str]) -> int:
        """Make dead letters of what waits for destinations that are not among those configured.

        Else nobody would ever send it, and nobody could give it up; return how many objects.
        """
        with self._transaction():
            waiting = self._rows(
                "SELECT destination, count(*) AS objects FROM deliveries INDEXED BY deliveries_open"
                " WHERE state IN ('pending', 'sending') GROUP BY destination"
                " UNION ALL SELECT destination, count(*) FROM deliveries INDEXED BY deliveries_stored"
                " WHERE state = 'stored' GROUP BY destination"
            )
            unserved = [row for row in waiting if row["destination"] not in destinations]
            for name in sorted({row["destination"] for row in unserved}):
                self._bury_unserved(name)
            return sum(row["objects"] for row in unserved)

    def _bury_unserved(self, name: str) -> None:
        reason = f"no [[destination]] is called {name!r}"
        buried = self._execute(
            "UPDATE deliveries SET state = 'dead', reason = ?, lease_owner = '', lease_expires_at = ''"
            " WHERE destination = ? AND state IN ('pending', 'sending', 'stored')",
            (reason, name),
        )
        self.note_event(
            Severity.ERROR,
            "delivery_failed",
            f"to {name}: {buried} objects waited, and {reason} any more; configure it again and have them "
            "sent (dicom-node reprocess --failed), or give them up (dicom-node dead-letters --discard)",
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

    def _note_if_all_delivered(self, study_instance_uid: str, destination: str) -> None:
        waiting = self._rows(
            "SELECT 1 FROM deliveries WHERE study_instance_uid = ? AND destination = ?"
            " AND state NOT IN ('delivered', 'discarded') LIMIT 1",
            (study_instance_uid, destination),
        )
        if not waiting:
            self.note_event(
                Severity.INFO,
                "study_delivered",
                f"everything is stored at {destination}",
                study_instance_uid=study_instance_uid,
            )

    def _note_warning(self, delivery: Delivery, note: str) -> None:
        if note:
            self._note_delivery(delivery, Severity.WARNING, "delivered_with_warning", note)

    def _note_delivery(self, delivery: Delivery, severity: Severity, code: str, reason: str) -> None:
        self.note_event(
            severity,
            code,
            f"to {delivery.destination}: {reason}",
            study_instance_uid=delivery.study_instance_uid,
            sop_instance_uid=delivery.sop_instance_uid,
        )


_REQUEUE = (
    "UPDATE deliveries SET state = 'pending', attempts = 0, next_attempt_at = :now, created_at = :now,"
    " transaction_uid = '', requested_at = '', verifications = 0, refusals = 0"
)
_DEAD_OF = (
    "state = 'dead' AND (:study IS NULL OR study_instance_uid = :study)"
    " AND (:destination IS NULL OR destination = :destination) AND (:id IS NULL OR id = :id)"
)


def _delivery(row: dict[str, object], owner: str) -> Delivery:
    fields = {
        **row,
        "path": PurePosixPath(str(row["path"])),
        "kind": DeliveryKind(str(row["kind"])),
        "lease_owner": owner,
    }
    return Delivery(**fields)  # type: ignore[arg-type]
