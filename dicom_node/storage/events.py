"""Events: what an administrator reads. No patient names, no Patient IDs."""

from __future__ import annotations

from dicom_node.storage.connection import JournalConnection
from dicom_node.storage.records import Event, Severity

__all__ = ["EventLog"]


class EventLog(JournalConnection):
    """The journal's table ``events``."""

    def note_event(
        self,
        severity: Severity,
        code: str,
        message: str,
        *,
        study_instance_uid: str = "",
        sop_instance_uid: str = "",
    ) -> None:
        """Write one event; inside another method's transaction it stands or falls with it."""
        with self._transaction():
            self._execute(
                "INSERT INTO events (at, severity, code, study_instance_uid, sop_instance_uid, message)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (self._now(), severity, code, study_instance_uid, sop_instance_uid, message),
            )

    def events(self, *, study_instance_uid: str | None = None, limit: int = 100) -> list[Event]:
        """Return the newest events, oldest of them first."""
        where, parameters = "", []
        if study_instance_uid is not None:
            where, parameters = "WHERE study_instance_uid = ?", [study_instance_uid]
        rows = self._rows(
            "SELECT at, severity, code, study_instance_uid, sop_instance_uid, message FROM events "  # noqa: S608
            f"{where} ORDER BY id DESC LIMIT ?",
            (*parameters, limit),
        )
        return [Event(**{**row, "severity": Severity(row["severity"])}) for row in reversed(rows)]
