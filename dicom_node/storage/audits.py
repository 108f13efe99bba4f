"""What auditors are to be told: read from the journal's rows, spooled until the audit repository took it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicom_node.storage.events import EventLog

__all__ = ["Arrival", "AuditTables", "AuditableEvent", "SpooledMessage", "Transfer", "Untold"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One received instance."""

    id: int
    sop_class_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    path: str
    """Relative to the data directory; empty if the bytes were not kept."""
    kind: str
    calling_ae: str
    called_ae: str
    peer_address: str
    association_id: str
    received_at: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """One step of one delivery: ``begun``, ``transferred`` or ``failed``."""

    id: int
    at: str
    step: str
    destination: str
    study_instance_uid: str
    sop_class_uid: str
    path: str


@dataclass(frozen=True, slots=True)
class AuditableEvent:
    """One event of a kind that auditors want."""

    id: int
    at: str
    severity: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Untold:
    """What happened since auditors were last told, in order, and where that ends."""

    arrivals: tuple[Arrival, ...]
    transfers: tuple[Transfer, ...]
    events: tuple[AuditableEvent, ...]
    last_event_id: int


@dataclass(frozen=True, slots=True)
class SpooledMessage:
    """One audit message (XML) that is not known to have arrived."""

    id: int
    at: str
    message: str


class AuditTables(EventLog):
    """The journal's tables ``audit_bookmark``, ``audit_transfers`` and ``audit_spool``."""

    def record_audits(self, recording: bool) -> None:
        """Begin to remember what auditors are to be told, from now on; or stop, and drop what is untold."""
        with self._transaction():
            was = self._row("SELECT recording FROM audit_bookmark") or {"recording": 0}
            if bool(was["recording"]) == recording:
                return
            self._execute(
                "UPDATE audit_bookmark SET recording = ?,"
                " instance_id = (SELECT coalesce(max(id), 0) FROM instances),"
                " event_id = (SELECT coalesce(max(id), 0) FROM events)",
                (int(recording),),
            )
            self._execute("DELETE FROM audit_transfers")

    def untold(self, codes: Sequence[str], *, limit: int) -> Untold:
        """Return at most `limit` of each that auditors were not told of.

        Parameters
        ----------
        codes : sequence of str
            Codes of the events they want.
        """
        with self._lock:
            arrivals = self._rows(
                """
                SELECT id, sop_class_uid, study_instance_uid, transfer_syntax_uid, path, kind,
                    calling_ae, called_ae, peer_address, association_id, received_at
                FROM instances WHERE id > (SELECT instance_id FROM audit_bookmark) ORDER BY id LIMIT ?
                """,
                (limit,),
            )
            transfers = self._rows("SELECT * FROM audit_transfers ORDER BY id LIMIT ?", (limit,))
            events = self._rows(
                "SELECT id, at, severity, code, message FROM events"
                " WHERE id > (SELECT event_id FROM audit_bookmark) ORDER BY id LIMIT ?",
                (limit,),
            )
        return Untold(
            arrivals=tuple(Arrival(**row) for row in arrivals),
            transfers=tuple(Transfer(**row) for row in transfers),
            events=tuple(AuditableEvent(**row) for row in events if row["code"] in codes),
            last_event_id=events[-1]["id"] if events else 0,
        )

    def spool_audits(self, messages: Sequence[str], told: Untold | None = None) -> None:
        """Keep messages until they are sent, and remember what they tell, in one transaction."""
        with self._transaction():
            now = self._now()
            for message in messages:
                self._execute("INSERT INTO audit_spool (at, message) VALUES (?, ?)", (now, message))
            if told is None:
                return
            self._execute(
                "UPDATE audit_bookmark SET instance_id = max(instance_id, ?), event_id = max(event_id, ?)",
                (told.arrivals[-1].id if told.arrivals else 0, told.last_event_id),
            )
            for transfer in told.transfers:
                self._execute("DELETE FROM audit_transfers WHERE id = ?", (transfer.id,))

    def spooled_audits(self, *, after: int = 0, limit: int = 100) -> list[SpooledMessage]:
        """Return the oldest spooled messages beyond the id `after`."""
        rows = self._rows("SELECT * FROM audit_spool WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [SpooledMessage(**row) for row in rows]

    def spooled_audit_count(self) -> int:
        """Return how many messages wait."""
        row = self._row("SELECT count(*) AS messages FROM audit_spool")
        return int(row["messages"]) if row else 0

    def drop_spooled_audits(self, until: int) -> None:
        """Forget the messages up to the id `until`: they arrived."""
        with self._transaction():
            self._execute("DELETE FROM audit_spool WHERE id <= ?", (until,))
