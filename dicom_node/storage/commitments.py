"""Deliveries that a destination has accepted and has still to confirm: requested, searched, settled.

A row in state ``stored`` is due at `next_attempt_at`. A storage commitment is journalled before it is asked
for, so that a report that outruns its answer, or comes after a restart, finds its rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from dicom_node.storage.connection import timestamp
from dicom_node.storage.outbox import Outbox
from dicom_node.storage.records import Severity

__all__ = ["Commitments", "Unconfirmed"]

REQUEST_LIMIT = 200
"""Most references of one commitment request or round of searches (assumption: what every peer can answer)."""
MAX_REFUSALS = 5
"""After how many acceptances that came to nothing an object is a dead letter (assumption)."""
FIRST_RESEND_SECONDS = 60.0
"""Wait before an object that was accepted and lost is sent again; it doubles each time (assumption)."""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """An object that a destination accepted and has not confirmed yet; times are ISO 8601 UTC."""

    id: int
    destination: str
    study_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    path: str
    stored_at: str
    transaction_uid: str
    """Empty until a commitment is asked for."""
    requested_at: str
    """Empty until the destination took the request."""
    verifications: int
    """How often the destination has been searched since it accepted the object."""
    refusals: int
    """How often it turned out not to hold what it had accepted."""


class Commitments(Outbox):
    """The rows of ``deliveries`` in state ``stored``."""

    def due_confirmations(self, destination: str) -> list[Unconfirmed]:
        """Return what is due to be confirmed at a destination, at most `REQUEST_LIMIT` objects.

        A study of which something is just to be sent there waits, so that it is asked about as a whole.
        """
        rows = self._rows(
            f"""
            SELECT {_COLUMNS}
            FROM deliveries AS due
            WHERE destination = :destination AND state = 'stored' AND next_attempt_at <= :now
              AND NOT EXISTS (SELECT 1 FROM deliveries AS unsent
                              WHERE unsent.study_instance_uid = due.study_instance_uid
                                AND unsent.destination = :destination
                                AND unsent.state IN ('pending', 'sending') AND unsent.next_attempt_at <= :now)
            ORDER BY id LIMIT :limit
            """,  # noqa: S608 - our own column names
            {"destination": destination, "now": self._now(), "limit": REQUEST_LIMIT},
        )
        return [Unconfirmed(**row) for row in rows]

    def begin_commitment(self, rows: Sequence[Unconfirmed], transaction_uid: str) -> None:
        """Journal, before it is asked for, that `rows` are the references of a commitment request."""
        with self._transaction():
            self._update(rows, "transaction_uid = :value", transaction_uid)

    def commitment_requested(self, transaction_uid: str, *, overdue_at: datetime) -> None:
        """Record that the destination took the request; a report that came before stands."""
        with self._transaction():
            self._execute(
                "UPDATE deliveries SET requested_at = ?, next_attempt_at = ?"
                " WHERE transaction_uid = ? AND transaction_uid <> '' AND state = 'stored'",
                (self._now(), timestamp(overdue_at), transaction_uid),
            )

    def commitment_reported(
        self, transaction_uid: str, committed: Sequence[str], failed: Mapping[str, str]
    ) -> None:
        """Settle a storage commitment as its N-EVENT-REPORT says (PS3.4 section J.3.3).

        What was committed is delivered; what was not is sent again under the same UID. A report that comes
        twice changes nothing the second time, nor does one of a transaction that is none of ours.

        Parameters
        ----------
        committed : sequence of str
            SOP Instance UIDs.
        failed : mapping of str to str
            SOP Instance UID -> why not.
        """
        with self._transaction():
            rows = [
                Unconfirmed(**row)
                for row in self._rows(
                    f"SELECT {_COLUMNS} FROM deliveries"  # noqa: S608 - our own column names
                    " WHERE transaction_uid = ? AND transaction_uid <> '' AND state = 'stored'",
                    (transaction_uid,),
                )
            ]
            for row in rows:
                if row.sop_instance_uid in failed:
                    reason = failed[row.sop_instance_uid]
                    self.refuse_confirmation(row, f"storage commitment failed: {reason}")
                elif row.sop_instance_uid in committed:
                    self._confirm(row.id)
            for study, destination in {(row.study_instance_uid, row.destination) for row in rows}:
                self._note_if_all_delivered(study, destination)

    def confirm_delivery(self, row: Unconfirmed) -> None:
        """Record that the destination holds the object."""
        with self._transaction():
            self._confirm(row.id)
            self._note_if_all_delivered(row.study_instance_uid, row.destination)

    def confirm_later(self, rows: Sequence[Unconfirmed], moment: datetime, *, reason: str) -> None:
        """Ask again at `moment`, afresh, for the destination could not say."""
        with self._transaction():
            self._update(
                rows, "next_attempt_at = :value, verifications = verifications + 1", timestamp(moment)
            )
            self._update(rows, "reason = :value", reason)

    def refuse_confirmation(self, row: Unconfirmed, reason: str, *, for_good: bool = False) -> None:
        """Queue an object that the destination accepted and does not hold, under the same UID.

        Each time it waits twice as long; after `MAX_REFUSALS`, or at once `for_good`, it is a dead letter.
        """
        final = for_good or row.refusals + 1 >= MAX_REFUSALS
        with self._transaction():
            changed = self._execute(
                "UPDATE deliveries SET state = ?, next_attempt_at = ?, reason = ?, transaction_uid = '',"
                " requested_at = '', verifications = 0, refusals = refusals + 1"
                " WHERE id = ? AND state = 'stored'",
                (
                    "dead" if final else "pending",
                    self._after(FIRST_RESEND_SECONDS * 2**row.refusals),
                    reason,
                    row.id,
                ),
            )
            if changed:
                self.note_event(
                    Severity.ERROR if final else Severity.WARNING,
                    "delivery_failed" if final else "commitment_failed",
                    f"to {row.destination}: {reason}",
                    study_instance_uid=row.study_instance_uid,
                    sop_instance_uid=row.sop_instance_uid,
                )

    def _confirm(self, id_: int) -> None:
        self._execute(
            "UPDATE deliveries SET state = 'delivered', delivered_at = ?, reason = ''"
            " WHERE id = ? AND state = 'stored'",
            (self._now(), id_),
        )

    def _update(self, rows: Sequence[Unconfirmed], change: str, value: str) -> None:
        for row in rows:
            self._execute(
                f"UPDATE deliveries SET {change} WHERE id = :id AND state = 'stored'",  # noqa: S608 - our text
                {"id": row.id, "value": value},
            )


_COLUMNS = ", ".join(field.name for field in fields(Unconfirmed))
