"""What waits in the outbox or was given up, page by page, and what an administrator does about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from dicom_node.storage.commitments import Commitments
from dicom_node.storage.connection import Row
from dicom_node.storage.health import HealthTable

__all__ = ["OPEN_STATES", "OpenCount", "OpenDelivery", "OpenState", "WaitingTables"]

OpenState = Literal["dead", "waiting", "stored"]
"""Given up; pending or being sent; accepted and not yet confirmed."""

OPEN_STATES: tuple[OpenState, ...] = get_args(OpenState)
"""Those that need a person first."""


@dataclass(frozen=True, slots=True)
class OpenDelivery:
    """One object that is not at its destination, or not known to be; times are ISO 8601 UTC or empty.

    Attributes
    ----------
    study_key : int
        Names the study in addresses, which must not hold patient data.
    state : {"pending", "sending", "stored", "dead"}
    last_status : int or None
        What the destination last answered: a DIMSE status, or an HTTP status.
    reason : str
        Why the last attempt failed; empty before the first.
    requested_at : str
        When its commitment was asked for.
    verifications : int
        How often the destination was searched for it since.
    refusals : int
        How often the destination turned out not to hold what it had accepted.
    held_by, hold_reason : str
        Who holds the study and why; empty if nobody does.
    behind : bool
        Whether an earlier object of the study goes first.
    """

    id: int
    destination: str
    study_instance_uid: str
    study_key: int
    sop_class_uid: str
    sop_instance_uid: str
    kind: str
    state: str
    priority: int
    attempts: int
    next_attempt_at: str
    reason: str
    last_status: int | None
    created_at: str
    stored_at: str
    requested_at: str
    verifications: int
    refusals: int
    held_by: str
    hold_reason: str
    behind: bool


@dataclass(frozen=True, slots=True)
class OpenCount:
    """How many objects of a destination are in one state, and since when the oldest is."""

    destination: str
    state: OpenState
    objects: int
    since: str


class WaitingTables(Commitments, HealthTable):
    """The rows of ``deliveries`` that are not done."""

    def open_counts(self) -> list[OpenCount]:
        """Return how many objects wait, by destination and state."""
        rows = self._rows(
            " UNION ALL ".join(
                f"SELECT destination, '{state}' AS state, count(*) AS objects,"  # noqa: S608 - our own text
                f" min({'stored_at' if state == 'stored' else 'created_at'}) AS since"
                f" FROM deliveries INDEXED BY {_INDEX[state]} WHERE {_CONDITION[state]} GROUP BY destination"
                for state in OPEN_STATES
            )
        )
        return [OpenCount(**row) for row in rows]

    def open_deliveries(
        self,
        *,
        destination: str | None = None,
        states: Sequence[OpenState] = OPEN_STATES,
        limit: int = 50,
        offset: int = 0,
    ) -> list[OpenDelivery]:
        """Return what waits: dead letters first, then in the order of queueing.

        Parameters
        ----------
        destination : str, optional
            Only what waits for it.
        """
        chosen = " UNION ALL ".join(
            f"SELECT id, {rank} AS rank FROM deliveries INDEXED BY {_INDEX[state]}"  # noqa: S608 - our own text
            f" WHERE {_CONDITION[state]} AND (:destination IS NULL OR destination = :destination)"
            for rank, state in enumerate(OPEN_STATES)
            if state in states
        )
        rows = self._rows(
            f"WITH page AS ({chosen} ORDER BY rank, id LIMIT :limit OFFSET :offset) {_DETAILS}"
            " FROM page CROSS JOIN deliveries USING (id) ORDER BY rank, id",
            {"destination": destination, "limit": limit, "offset": offset},
        )
        return [_open_delivery(row) for row in rows]

    def open_delivery(self, delivery_id: int) -> OpenDelivery | None:
        """Return one delivery; None if there is none or it is done."""
        row = self._row(
            f"{_DETAILS} FROM deliveries WHERE id = ? AND state IN ('pending', 'sending', 'stored', 'dead')",
            (delivery_id,),
        )
        return _open_delivery(row) if row else None

    def retry_delivery_now(self, delivery_id: int) -> int:
        """Send one object as soon as can be, with those of its study before it; return how many are due now.

        A dead letter is pending again; what has failed lately does not wait for its next attempt, and neither
        does its destination. What is being sent, or was accepted, stays as it is.
        """
        with self._transaction():
            wanted = self.open_delivery(delivery_id)
            if wanted is None:
                return 0
            due = self.revive_deliveries(delivery_id=delivery_id)
            due += self._execute(
                "UPDATE deliveries SET next_attempt_at = :now WHERE state = 'pending'"
                " AND destination = :destination AND study_instance_uid = :study AND id <= :id"
                " AND next_attempt_at > :now",
                {
                    "now": self._now(),
                    "destination": wanted.destination,
                    "study": wanted.study_instance_uid,
                    "id": delivery_id,
                },
            )
            if due or wanted.state == "pending":
                self.end_rest(wanted.destination)
            return due

    def retry_destination_now(self, destination: str) -> int:
        """Send everything that waits for a destination as soon as can be, dead letters included.

        Returns
        -------
        int
            How many objects were given up, or put off, and are due now.
        """
        with self._transaction():
            due = self.revive_deliveries(destination=destination)
            due += self._execute(
                "UPDATE deliveries SET next_attempt_at = :now WHERE state IN ('pending', 'sending')"
                " AND state = 'pending' AND destination = :destination AND next_attempt_at > :now",
                {"now": self._now(), "destination": destination},
            )
            self.end_rest(destination)
            return due


_INDEX = {"dead": "deliveries_dead", "waiting": "deliveries_open", "stored": "deliveries_stored"}
_CONDITION = {
    "dead": "state = 'dead'",
    "waiting": "state IN ('pending', 'sending')",
    "stored": "state = 'stored'",
}

_DETAILS = """
    SELECT deliveries.id, destination, study_instance_uid, sop_class_uid, sop_instance_uid, kind, state,
        priority, attempts, next_attempt_at, reason, last_status, created_at, stored_at, requested_at,
        verifications, refusals,
        (SELECT study_key FROM study_facts
         WHERE study_facts.study_instance_uid = deliveries.study_instance_uid) AS study_key,
        coalesce((SELECT held_by FROM holds
                  WHERE holds.study_instance_uid = deliveries.study_instance_uid), '') AS held_by,
        coalesce((SELECT reason FROM holds
                  WHERE holds.study_instance_uid = deliveries.study_instance_uid), '') AS hold_reason,
        state = 'pending' AND EXISTS
            (SELECT 1 FROM deliveries AS earlier
             WHERE earlier.destination = deliveries.destination
               AND earlier.study_instance_uid = deliveries.study_instance_uid
               AND earlier.state IN ('pending', 'sending') AND earlier.id < deliveries.id) AS behind
"""


def _open_delivery(row: Row) -> OpenDelivery:
    return OpenDelivery(**{**row, "behind": bool(row["behind"])})
