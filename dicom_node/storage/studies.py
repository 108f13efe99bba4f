"""Instances and the studies they make up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from dicom_node.storage.connection import Row
from dicom_node.storage.events import EventLog
from dicom_node.storage.records import (
    InstanceKind,
    ReceivedInstance,
    Recorded,
    Severity,
    StoredInstance,
    Study,
    StudyState,
)

__all__ = ["KnownObject", "StudyTables"]


@dataclass(frozen=True, slots=True)
class KnownObject:
    """What the journal knows of an object.

    Attributes
    ----------
    is_own_result : bool
        Its SOP Instance UID is one of our results'.
    input_path, own_result_path : str or None
        Where these very bytes are kept as an input, or as a result that came back.
    """

    is_own_result: bool
    input_path: str | None
    own_result_path: str | None


class StudyTables(EventLog):
    """The journal's tables ``instances`` and ``studies``."""

    analysed_version: Literal["newest", "first"] = "newest"
    """Which of several objects under one SOP Instance UID an analysis reads: ``[receiver]`` decides."""

    def record_instance(self, instance: ReceivedInstance) -> Recorded:
        """Journal an object whose bytes are durable; an input opens or reopens its study.

        The row of an object in the archive is not durable by itself: after a power cut its file brings it
        back (`dicom_node.workflow.adoption`). No file tells why one was refused.

        The same SOP Instance UID with the same bytes adds nothing; with other bytes both are kept and an
        analysis reads the one that `analysed_version` names.
        """
        durable = instance.kind is InstanceKind.QUARANTINED
        return self._grouped(lambda: self._record_instance(instance), durable=durable)

    def known_object(self, sop_instance_uid: str, sha256: str) -> KnownObject:
        """Return what is known of an object that has just come, in one question."""
        row = self._row(
            """
            SELECT EXISTS (SELECT 1 FROM results WHERE sop_instance_uid = :uid) AS is_own_result,
                (SELECT path FROM instances
                    WHERE sop_instance_uid = :uid AND sha256 = :sha256 AND kind = 'input') AS input_path,
                (SELECT path FROM instances
                    WHERE sop_instance_uid = :uid AND sha256 = :sha256 AND kind = 'own_result') AS own_path
            """,
            {"uid": sop_instance_uid, "sha256": sha256},
        )
        if row is None:  # a SELECT without FROM always has a row
            raise LookupError(sop_instance_uid)
        return KnownObject(bool(row["is_own_result"]), row["input_path"], row["own_path"])

    def path_of(self, sop_instance_uid: str, sha256: str, kind: InstanceKind) -> str | None:
        """Return where these very bytes are kept under this UID as `kind`, None if nowhere."""
        row = self._row(
            "SELECT path FROM instances WHERE sop_instance_uid = ? AND sha256 = ? AND kind = ?",
            (sop_instance_uid, sha256, kind),
        )
        return row["path"] if row else None

    def instances(self, study_instance_uid: str) -> tuple[StoredInstance, ...]:
        """Return every input of a study in the version to analyse, in order of SOP Instance UID.

        What speaks of our own results is none (`dicom_node.storage.returned`).
        """
        extreme = "max" if self.analysed_version == "newest" else "min"
        rows = self._rows(
            f"""
            SELECT sop_instance_uid, sop_class_uid, transfer_syntax_uid, sha256, path,
                {extreme}(version) AS version
            FROM instances WHERE study_instance_uid = ? AND kind = 'input'
              AND sop_instance_uid NOT IN (SELECT sop_instance_uid FROM opinion_objects)
            GROUP BY sop_instance_uid ORDER BY sop_instance_uid
            """,  # noqa: S608 - SQLite takes the bare columns from the row that holds the extreme
            (study_instance_uid,),
        )
        return tuple(StoredInstance(**{**row, "path": PurePosixPath(row["path"])}) for row in rows)

    def study(self, study_instance_uid: str) -> Study | None:
        """Return one study, or None if nothing of it was received."""
        row = self._row("SELECT * FROM studies WHERE study_instance_uid = ?", (study_instance_uid,))
        return _study(row) if row else None

    def studies_in_state(self, *states: StudyState) -> list[Study]:
        """Return the studies in any of `states`, longest waiting first."""
        marks = ", ".join("?" * len(states))
        rows = self._rows(
            f"SELECT * FROM studies WHERE state IN ({marks}) ORDER BY last_received_at",  # noqa: S608
            states,
        )
        return [_study(row) for row in rows]

    def quarantined_bytes(self) -> int:
        """Return how many bytes the quarantine holds."""
        row = self._row(
            "SELECT total(size) AS size FROM instances WHERE kind = 'quarantined'"
            " AND path <> '' AND released_at = ''"
        )
        return int(row["size"]) if row else 0

    def _record_instance(self, instance: ReceivedInstance) -> Recorded:
        known, version = self._known_and_next_version(instance)
        if known:
            self._take_back_release(instance)
        else:
            self._insert_instance(instance, version)
        if instance.kind is InstanceKind.QUARANTINED:
            self._note_instance(instance, Severity.WARNING, instance.reason_code, instance.reason)
        elif known:
            self._note_instance(instance, Severity.INFO, "duplicate_instance", "received again; kept once")
        elif instance.kind is InstanceKind.OWN_RESULT:
            self._note_instance(instance, Severity.INFO, "own_result", "one of our results; not analysed")
        else:
            self._reopen_study(instance, version)
        if known:
            return Recorded.DUPLICATE
        return Recorded.NEW if version == 1 else Recorded.NEW_VERSION

    def _known_and_next_version(self, instance: ReceivedInstance) -> tuple[bool, int]:
        """Return whether these very bytes are known under this UID, and the version other ones would be."""
        row = self._row(
            "SELECT total(sha256 = ?) AS same, coalesce(max(version), 0) + 1 AS version FROM instances"
            " WHERE sop_instance_uid = ? AND kind = ?",
            (instance.sha256, instance.sop_instance_uid, instance.kind),
        )
        return (bool(row["same"]), int(row["version"])) if row else (False, 1)

    def _take_back_release(self, instance: ReceivedInstance) -> None:
        """Count a file as kept again: the sender brought its bytes once more."""
        self._execute(
            "UPDATE instances SET released_at = '', path = ?"
            " WHERE sop_instance_uid = ? AND sha256 = ? AND kind = ? AND released_at <> ''",
            (instance.path, instance.sop_instance_uid, instance.sha256, instance.kind),
        )

    def _insert_instance(self, instance: ReceivedInstance, version: int) -> None:
        self._execute(
            """
            INSERT INTO instances (id, sop_instance_uid, sop_class_uid, study_instance_uid,
                series_instance_uid, transfer_syntax_uid, sha256, path, size, kind, reason, version,
                calling_ae, called_ae, peer_address, association_id, received_at)
            -- SQLite gives the ids of discarded rows again, which auditors were told of already
            VALUES (1 + max((SELECT coalesce(max(id), 0) FROM instances),
                            (SELECT instance_id FROM audit_bookmark)),
                ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            (
                instance.sop_instance_uid,
                instance.sop_class_uid,
                instance.study_instance_uid,
                instance.series_instance_uid,
                instance.transfer_syntax_uid,
                instance.sha256,
                instance.path,
                instance.size,
                instance.kind,
                instance.reason,
                version,
                instance.calling_ae,
                instance.called_ae,
                instance.peer_address,
                instance.association_id,
                self._now(),
            ),
        )

    def _reopen_study(self, instance: ReceivedInstance, version: int) -> None:
        if version > 1:
            self._note_instance(
                instance,
                Severity.WARNING,
                "other_bytes",
                f"SOP Instance UID received with other bytes (version {version}); all versions are kept and "
                f"the {self.analysed_version} is analysed; ask the sender why one UID names two objects",
            )
        now = self._now()
        if self._touch_open_study(instance, now):
            return
        self._execute(
            """
            INSERT INTO studies (study_instance_uid, state, reason, completed_reason, calling_ae,
                patient_key, study_date, first_received_at, last_received_at)
            VALUES (?, 'receiving', '', '', ?, ?, ?, ?, ?)
            ON CONFLICT (study_instance_uid) DO UPDATE SET
                state = 'receiving', completed_reason = '', last_received_at = excluded.last_received_at,
                calling_ae = excluded.calling_ae, patient_key = excluded.patient_key,
                study_date = excluded.study_date
            """,
            (
                instance.study_instance_uid,
                instance.calling_ae,
                instance.patient_key,
                instance.study_date,
                now,
                now,
            ),
        )

    def _touch_open_study(self, instance: ReceivedInstance, now: str) -> bool:
        """Note one more object of a study that is being received, if it says nothing new; tell whether so.

        An UPDATE writes each index of the columns it names, changed or not: a third of what a row costs.
        """
        touched = self._execute(
            "UPDATE studies SET last_received_at = ? WHERE study_instance_uid = ? AND state = 'receiving'"
            " AND completed_reason = '' AND calling_ae = ? AND patient_key = ? AND study_date = ?",
            (
                now,
                instance.study_instance_uid,
                instance.calling_ae,
                instance.patient_key,
                instance.study_date,
            ),
        )
        return touched > 0

    def _note_instance(self, instance: ReceivedInstance, severity: Severity, code: str, message: str) -> None:
        self.note_event(
            severity,
            code,
            message,
            study_instance_uid=instance.study_instance_uid,
            sop_instance_uid=instance.sop_instance_uid,
        )


def _study(row: Row) -> Study:
    return Study(**{**row, "state": StudyState(row["state"])})
