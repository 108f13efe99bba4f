"""What peers ask the node to keep (Storage Commitment as SCP), its answers, and whether they were told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dicom_node.storage.connection import timestamp
from dicom_node.storage.events import EventLog
from dicom_node.storage.records import Severity

__all__ = ["HeldObject", "Pledge", "PledgeState", "PledgedInstance", "Pledges"]

COMMITTED = 0
"""`PledgedInstance.failure_reason` of what the node promises to keep."""


class PledgeState(StrEnum):
    """Where a request stands."""

    ASKED = "asked"
    """Journalled; the objects have not been looked for yet."""
    CHECKED = "checked"
    """The answer is known, and the peer is still to be told."""
    REPORTED = "reported"
    UNREPORTED = "unreported"
    """The peer could not be told in time."""


@dataclass(frozen=True, slots=True)
class PledgedInstance:
    """One object of a request; `failure_reason` is None until it was looked for, 0 if it is kept."""

    position: int
    sop_class_uid: str
    sop_instance_uid: str
    failure_reason: int | None


@dataclass(frozen=True, slots=True)
class Pledge:
    """One request with everything it names; times are ISO 8601 UTC."""

    id: int
    transaction_uid: str
    calling_ae: str
    called_ae: str
    peer_address: str
    state: PledgeState
    attempts: int
    expires_at: str
    instances: tuple[PledgedInstance, ...]


@dataclass(frozen=True, slots=True)
class HeldObject:
    """An object that the node received under a SOP Instance UID; `path` is relative to the data directory."""

    sop_class_uid: str
    path: str
    sha256: str


class Pledges(EventLog):
    """The journal's tables ``pledges`` and ``pledged_instances``."""

    def record_commitment_request(
        self,
        transaction_uid: str,
        references: Sequence[tuple[str, str]],
        *,
        calling_ae: str,
        called_ae: str,
        peer_address: str,
        due_in_seconds: float,
        expires_in_seconds: float,
    ) -> int | None:
        """Journal a request and return its id.

        The same request again is answered again. None is returned, and nothing changed, if the transaction
        is still under way with other objects.

        Parameters
        ----------
        references : sequence of (SOP Class UID, SOP Instance UID)
        due_in_seconds : float
            When `due_pledge` is to find it.
        expires_in_seconds : float
            How long the peer is to be told.
        """
        with self._transaction():
            known = self._row(
                "SELECT id, state FROM pledges WHERE calling_ae = ? AND transaction_uid = ?",
                (calling_ae, transaction_uid),
            )
            if known:
                under_way = known["state"] in (PledgeState.ASKED, PledgeState.CHECKED)
                if under_way and self._references(known["id"]) != list(references):
                    return None
                self._execute("DELETE FROM pledges WHERE id = ?", (known["id"],))
            (row,) = self._rows(
                "INSERT INTO pledges (transaction_uid, calling_ae, called_ae, peer_address, state, attempts,"
                " next_attempt_at, expires_at, requested_at, reported_at, reason)"
                " VALUES (?, ?, ?, ?, 'asked', 0, ?, ?, ?, '', '') RETURNING id",
                (
                    transaction_uid,
                    calling_ae,
                    called_ae,
                    peer_address,
                    self._after(due_in_seconds),
                    self._after(expires_in_seconds),
                    self._now(),
                ),
            )
            for position, (sop_class_uid, sop_instance_uid) in enumerate(references):
                self._execute(
                    "INSERT INTO pledged_instances VALUES (?, ?, ?, ?, NULL)",
                    (row["id"], position, sop_class_uid, sop_instance_uid),
                )
            return int(row["id"])

    def due_pledge(self) -> Pledge | None:
        """Return the request that has been due longest and whose peer is still to be told."""
        row = self._row(
            "SELECT id FROM pledges WHERE state IN ('asked', 'checked') AND next_attempt_at <= ?"
            " ORDER BY next_attempt_at, id LIMIT 1",
            (self._now(),),
        )
        return self.pledge(row["id"]) if row else None

    def pledge(self, pledge_id: int) -> Pledge | None:
        """Return one request; None if it has been replaced."""
        row = self._row(
            "SELECT id, transaction_uid, calling_ae, called_ae, peer_address, state, attempts, expires_at"
            " FROM pledges WHERE id = ?",
            (pledge_id,),
        )
        if row is None:
            return None
        instances = self._rows(
            "SELECT position, sop_class_uid, sop_instance_uid, failure_reason FROM pledged_instances"
            " WHERE pledge_id = ? ORDER BY position",
            (pledge_id,),
        )
        found = tuple(PledgedInstance(**instance) for instance in instances)
        return Pledge(**{**row, "state": PledgeState(row["state"]), "instances": found})

    def held_objects(self, sop_instance_uid: str) -> list[HeldObject]:
        """Return every version of an object that was received and not given up since, newest first."""
        rows = self._rows(
            "SELECT sop_class_uid, path, sha256 FROM instances"
            " WHERE sop_instance_uid = ? AND kind <> 'quarantined' AND path <> '' AND released_at = ''"
            " ORDER BY id DESC",
            (sop_instance_uid,),
        )
        return [HeldObject(**row) for row in rows]

    def settle_pledge(self, pledge_id: int, failure_reasons: Sequence[int]) -> None:
        """Record what was found of each instance, in the order of the request: 0 if it is kept."""
        with self._transaction():
            for position, reason in enumerate(failure_reasons):
                self._execute(
                    "UPDATE pledged_instances SET failure_reason = ? WHERE pledge_id = ? AND position = ?",
                    (reason, pledge_id, position),
                )
            self._execute(
                "UPDATE pledges SET state = 'checked' WHERE id = ? AND state = 'asked'", (pledge_id,)
            )

    def pledge_reported(self, pledge_id: int) -> None:
        """Record that the peer took the answer."""
        with self._transaction():
            self._execute(
                "UPDATE pledges SET state = 'reported', reported_at = ?, reason = '' WHERE id = ?",
                (self._now(), pledge_id),
            )

    def report_pledge_at(self, pledge: Pledge, moment: datetime, *, reason: str) -> None:
        """Tell the peer later, or never if that is past the request's time; the first failure is an event."""
        with self._transaction():
            late = timestamp(moment) > pledge.expires_at
            self._execute(
                "UPDATE pledges SET state = ?, attempts = attempts + 1, next_attempt_at = ?, reason = ?"
                " WHERE id = ? AND state IN ('asked', 'checked')",
                (
                    PledgeState.UNREPORTED if late else pledge.state,
                    timestamp(moment),
                    reason,
                    pledge.id,
                ),
            )
            if late:
                self.note_event(
                    Severity.ERROR,
                    "commitment_unreported",
                    f"AE {pledge.calling_ae!r} was never told what became of its storage commitment request:"
                    f" {reason}",
                )
            elif pledge.attempts == 0:
                self.note_event(
                    Severity.WARNING,
                    "commitment_report_postponed",
                    f"AE {pledge.calling_ae!r} does not take its storage commitment report yet: {reason}",
                )

    def hasten_pledge(self, pledge_id: int) -> None:
        """Have `due_pledge` find a request now: nobody waits for it on the association any more."""
        with self._transaction():
            self._execute("UPDATE pledges SET next_attempt_at = ? WHERE id = ?", (self._now(), pledge_id))

    def forget_pledges(self, *, before: datetime) -> int:
        """End the promises that were asked for before a moment; return how many requests that were."""
        with self._transaction():
            return self._execute(
                "DELETE FROM pledges WHERE state IN ('reported', 'unreported') AND requested_at < ?",
                (timestamp(before),),
            )

    def _references(self, pledge_id: int) -> list[tuple[str, str]]:
        rows = self._rows(
            "SELECT sop_class_uid, sop_instance_uid FROM pledged_instances WHERE pledge_id = ?"
            " ORDER BY position",
            (pledge_id,),
        )
        return [(row["sop_class_uid"], row["sop_instance_uid"]) for row in rows]
