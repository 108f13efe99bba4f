"""How far FHIR servers were read, and of which patients."""

from __future__ import annotations

from dicom_node.storage.events import EventLog

__all__ = ["FHIR_RESOURCE_TYPES", "FhirReading"]

FHIR_RESOURCE_TYPES = ("Patient", "Observation", "Condition", "MedicationStatement")
"""What a FHIR server is asked for, in this order: the others speak of patients."""


class FhirReading(EventLog):
    """The tables ``fhir_bookmarks`` and ``fhir_patients``."""

    def fhir_read_until(self, server: str, resource_type: str) -> str:
        """Return up to which ``meta.lastUpdated`` a server's resources were read; empty if never."""
        row = self._row(
            "SELECT last_updated FROM fhir_bookmarks WHERE server = ? AND resource_type = ?",
            (server, resource_type),
        )
        return str(row["last_updated"]) if row else ""

    def note_fhir_read(self, server: str, resource_type: str, last_updated: str) -> None:
        """Remember up to which ``meta.lastUpdated`` a server's resources were read."""
        with self._transaction():
            self._execute(
                "INSERT INTO fhir_bookmarks VALUES (?, ?, ?, ?) ON CONFLICT (server, resource_type)"
                " DO UPDATE SET last_updated = excluded.last_updated, read_at = excluded.read_at",
                (server, resource_type, last_updated, self._now()),
            )

    def fhir_unread_patients(self, server: str, limit: int) -> list[tuple[str, str]]:
        """Return (patient key, Patient ID) of patients whom a server was not asked for yet."""
        rows = self._rows(
            """
            SELECT patient_key, patient_id FROM studies JOIN study_facts USING (study_instance_uid)
            WHERE patient_key <> '' AND patient_id <> ''
              AND patient_key NOT IN (SELECT patient_key FROM fhir_patients WHERE server = ?)
            GROUP BY patient_key ORDER BY max(studies.rowid) DESC LIMIT ?
            """,
            (server, limit),
        )
        return [(row["patient_key"], row["patient_id"]) for row in rows]

    def note_fhir_patient(self, server: str, patient_key: str) -> None:
        """Remember that a server was asked for all it knows of a patient."""
        with self._transaction():
            self._execute(
                "INSERT INTO fhir_patients VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (server, patient_key, self._now()),
            )

    def fhir_last_read(self, server: str) -> str:
        """Return when a run last read a server to its end, ISO 8601 UTC; empty if none did."""
        rows = self._rows("SELECT resource_type, read_at FROM fhir_bookmarks WHERE server = ?", (server,))
        read = {row["resource_type"]: str(row["read_at"]) for row in rows}
        return min(read.values()) if set(FHIR_RESOURCE_TYPES) <= set(read) else ""
