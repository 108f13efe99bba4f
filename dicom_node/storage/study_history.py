"""Everything that happened to one study, as the journal holds it; nothing here changes a row."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.storage.events import EventLog

__all__ = [
    "ArrivedAssociation",
    "PatientStudy",
    "ResultFile",
    "StudyAnalysisRow",
    "StudyDelivery",
    "StudyHistory",
    "StudyRetrieval",
    "StudyRouting",
]


@dataclass(frozen=True, slots=True)
class ArrivedAssociation:
    """One association that brought objects of a study; times are ISO 8601 UTC."""

    association_id: str
    calling_ae: str
    called_ae: str
    peer_address: str
    first_at: str
    last_at: str
    objects: int
    bytes: int
    quarantined: int
    own_results: int


@dataclass(frozen=True, slots=True)
class StudyAnalysisRow:
    """One analysis of a study; `result_json` is schema "1", empty until it is done."""

    id: int
    trigger: str
    state: str
    status: str
    reason: str
    attempts: int
    interruptions: int
    queued_at: str
    started_at: str
    finished_at: str
    next_attempt_at: str
    engine_version: str
    model_version: str
    identity: str
    result_json: str


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One result object; its file is gone once `released_at` is set."""

    sop_instance_uid: str
    sop_class_uid: str
    analysis_id: int
    kind: str
    path: str
    sha256: str
    created_at: str
    released_at: str


@dataclass(frozen=True, slots=True)
class StudyDelivery:
    """One object on its way to one destination."""

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    destination: str
    kind: str
    state: str
    attempts: int
    reason: str
    last_status: int | None
    created_at: str
    next_attempt_at: str
    stored_at: str
    delivered_at: str
    requested_at: str
    verifications: int
    refusals: int
    replaced_by: str


@dataclass(frozen=True, slots=True)
class StudyRetrieval:
    """One request to an archive for objects of the study."""

    archive: str
    purpose: str
    state: str
    attempts: int
    expected: int | None
    received: int
    reason: str
    requested_at: str
    finished_at: str


@dataclass(frozen=True, slots=True)
class StudyRouting:
    """What was decided when the study was last complete; lists are JSON texts."""

    route: str
    actions: str
    destinations: str | None
    forward_to: str
    priority: int
    reasons: str
    decided_at: str


@dataclass(frozen=True, slots=True)
class PatientStudy:
    """Another study of the same patient."""

    study_key: int
    study_instance_uid: str
    state: str
    study_date: str
    laterality: str
    scanner: str
    risk_category: str
    risk_10_years: float | None


class StudyHistory(EventLog):
    """Views over the rows of one study."""

    def arrivals(self, study_instance_uid: str) -> list[ArrivedAssociation]:
        """Return the associations that brought objects of a study, oldest first."""
        rows = self._rows(
            """
            SELECT association_id, calling_ae, called_ae, peer_address, min(received_at) AS first_at,
                max(received_at) AS last_at, sum(kind = 'input') AS objects, sum(size) AS bytes,
                sum(kind = 'quarantined') AS quarantined, sum(kind = 'own_result') AS own_results
            FROM instances WHERE study_instance_uid = ?
            GROUP BY association_id ORDER BY min(id)
            """,
            (study_instance_uid,),
        )
        return [ArrivedAssociation(**row) for row in rows]

    def analyses_of(self, study_instance_uid: str) -> list[StudyAnalysisRow]:
        """Return every analysis of a study, oldest first."""
        rows = self._rows(
            'SELECT id, "trigger", state, status, reason, attempts, interruptions, queued_at, started_at,'
            " finished_at, next_attempt_at, engine_version, model_version, identity, result_json"
            " FROM analyses WHERE study_instance_uid = ? ORDER BY id",
            (study_instance_uid,),
        )
        return [StudyAnalysisRow(**row) for row in rows]

    def result_files(self, study_instance_uid: str) -> list[ResultFile]:
        """Return every result object of a study, in the order in which they were made."""
        rows = self._rows(
            "SELECT sop_instance_uid, sop_class_uid, analysis_id, kind, path, sha256, created_at, released_at"
            " FROM results WHERE study_instance_uid = ? ORDER BY rowid",
            (study_instance_uid,),
        )
        return [ResultFile(**row) for row in rows]

    def result_sets_of(self, study_instance_uid: str) -> dict[int, dict[str, list[str]]]:
        """Return what each analysis gave to whom: analysis -> destination -> SOP Instance UIDs in order."""
        rows = self._rows(
            "SELECT analysis_id, destination, result_sets.sop_instance_uid FROM analyses"
            " JOIN result_sets ON analysis_id = analyses.id"
            " WHERE analyses.study_instance_uid = ? ORDER BY analysis_id, destination, position",
            (study_instance_uid,),
        )
        sets: dict[int, dict[str, list[str]]] = {}
        for row in rows:
            of_analysis = sets.setdefault(row["analysis_id"], {})
            of_analysis.setdefault(row["destination"], []).append(row["sop_instance_uid"])
        return sets

    def deliveries_of(self, study_instance_uid: str) -> list[StudyDelivery]:
        """Return every delivery of a study's objects, oldest first."""
        rows = self._rows(
            "SELECT id, sop_instance_uid, sop_class_uid, destination, kind, state, attempts, reason,"
            " last_status, created_at, next_attempt_at, stored_at, delivered_at, requested_at, verifications,"
            " refusals, replaced_by FROM deliveries WHERE study_instance_uid = ? ORDER BY id",
            (study_instance_uid,),
        )
        return [StudyDelivery(**row) for row in rows]

    def retrievals_of(self, study_instance_uid: str) -> list[StudyRetrieval]:
        """Return what was asked from archives for a study, oldest first."""
        rows = self._rows(
            "SELECT archive, purpose, state, attempts, expected, received, reason, requested_at, finished_at"
            " FROM retrievals WHERE study_instance_uid = ? ORDER BY id",
            (study_instance_uid,),
        )
        return [StudyRetrieval(**row) for row in rows]

    def routing_of(self, study_instance_uid: str) -> StudyRouting | None:
        """Return how a study was routed, None if it never was."""
        row = self._row(
            "SELECT route, actions, destinations, forward_to, priority, reasons, decided_at FROM routings"
            " WHERE study_instance_uid = ?",
            (study_instance_uid,),
        )
        return StudyRouting(**row) if row else None

    def studies_of_same_patient(self, study_instance_uid: str) -> list[PatientStudy]:
        """Return the other studies of a study's patient, oldest first; none without a Patient ID."""
        rows = self._rows(
            """
            SELECT study_key, study_facts.study_instance_uid, study_facts.state, study_facts.study_date,
                laterality, scanner, risk_category, risk_10_years
            FROM studies JOIN study_facts USING (study_instance_uid)
            WHERE patient_key = (SELECT patient_key FROM studies WHERE study_instance_uid = :uid)
              AND patient_key <> '' AND studies.study_instance_uid <> :uid
            ORDER BY studies.study_date, study_key
            """,
            {"uid": study_instance_uid},
        )
        return [PatientStudy(**row) for row in rows]
