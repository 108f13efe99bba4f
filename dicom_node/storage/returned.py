"""Documents that come in and speak of our results: kept, told apart from inputs, read once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath

from dicom_node.storage.clinical_records import Opinion, Source
from dicom_node.storage.opinions import OpinionTables
from dicom_node.storage.records import InstanceKind, Severity

__all__ = ["OwnResult", "ReturnedDocument", "ReturnedDocuments"]

STRUCTURED_REPORT_CLASSES = "1.2.840.10008.5.1.4.1.1.88."
"""What the UIDs of all SR Storage classes begin with, Key Object Selection among them (PS3.4 table B.5-1)."""

LOOKED_AT = 5000
"""Rows looked at in one turn; the first turn of an old journal has all of it before it."""


@dataclass(frozen=True, slots=True)
class ReturnedDocument:
    """An SR or a key object selection that was received and may speak of a result of ours."""

    instance_id: int
    sop_instance_uid: str
    study_instance_uid: str
    path: PurePosixPath
    """Relative to the data directory; empty if its file is gone."""
    size: int
    kind: InstanceKind


@dataclass(frozen=True, slots=True)
class OwnResult:
    """A result of ours that a document refers to."""

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    analysis_id: int
    path: PurePosixPath
    """Relative to the data directory."""


class ReturnedDocuments(OpinionTables):
    """The tables ``opinion_objects`` and ``opinion_bookmark``."""

    def returned_documents(self) -> tuple[list[ReturnedDocument], int]:
        """Return documents that nobody has looked at, oldest first, and the row to go on from after them."""
        row = self._row("SELECT instance_id FROM opinion_bookmark")
        begin = int(row["instance_id"]) if row else 0
        last = self._row("SELECT coalesce(max(id), 0) AS id FROM instances")
        end = min(begin + LOOKED_AT, max(begin, int(last["id"]) if last else 0))
        if end == begin:
            return [], begin
        rows = self._rows(
            """
            SELECT id AS instance_id, sop_instance_uid, study_instance_uid, size, kind,
                iif(released_at = '', path, '') AS path
            FROM instances
            WHERE id > ? AND id <= ? AND kind IN ('input', 'own_result')
              AND substr(sop_class_uid, 1, ?) = ?
              AND sop_instance_uid NOT IN (SELECT sop_instance_uid FROM results)
            ORDER BY id
            """,
            (begin, end, len(STRUCTURED_REPORT_CLASSES), STRUCTURED_REPORT_CLASSES),
        )
        found = [
            ReturnedDocument(**row | {"path": PurePosixPath(row["path"]), "kind": InstanceKind(row["kind"])})
            for row in rows
        ]
        return found, end

    def looked_at(self, instance_id: int) -> None:
        """Go on after this row from now on."""
        with self._transaction():
            self._execute("UPDATE opinion_bookmark SET instance_id = max(instance_id, ?)", (instance_id,))

    def own_results(self, uids: Collection[str]) -> list[OwnResult]:
        """Return which of these objects are results of ours, the newest analysis' first."""
        marks = ", ".join("?" * len(uids))
        rows = self._rows(
            "SELECT sop_instance_uid, sop_class_uid, study_instance_uid, analysis_id, path FROM results"  # noqa: S608
            f" WHERE sop_instance_uid IN ({marks}) ORDER BY analysis_id DESC, rowid",
            tuple(uids),
        )
        return [OwnResult(**row | {"path": PurePosixPath(row["path"])}) for row in rows]

    def take_returned(self, document: ReturnedDocument, finding: str, opinion: Opinion | None) -> None:
        """Keep a document that speaks of a result apart from inputs, with the opinion it gives if any.

        A study that it alone has opened again is closed as it was.
        """
        uid = document.study_instance_uid
        with self._transaction():
            self._execute(
                "INSERT INTO opinion_objects VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (document.sop_instance_uid, uid, int(opinion is not None), finding, self._now()),
            )
            if opinion is not None:
                self.add_opinion(
                    opinion.study_instance_uid,
                    opinion.analysis_id,
                    opinion.verdict,
                    comment=opinion.comment,
                    amendments=opinion.amendments,
                    user=opinion.told.recorded_by,
                    source=Source.DICOM,
                    reference=document.sop_instance_uid,
                )
            self.note_event(
                Severity.INFO,
                "opinion" if opinion is not None else "returned_document",
                finding,
                study_instance_uid=uid,
                sop_instance_uid=document.sop_instance_uid,
            )
            self._close_again(uid)
            self.looked_at(document.instance_id)

    def _close_again(self, study_instance_uid: str) -> None:
        self._execute(
            """
            UPDATE studies SET state = (SELECT status FROM analyses WHERE id =
                (SELECT max(id) FROM analyses WHERE study_instance_uid = :study AND state = 'done'))
            WHERE study_instance_uid = :study AND state = 'receiving'
              AND NOT EXISTS (SELECT 1 FROM analyses
                              WHERE study_instance_uid = :study AND state IN ('queued', 'running'))
              AND EXISTS (SELECT 1 FROM analyses WHERE study_instance_uid = :study AND state = 'done'
                            AND status IN ('analyzed', 'not_applicable', 'rejected', 'failed'))
              AND NOT EXISTS (SELECT 1 FROM instances
                              WHERE study_instance_uid = :study AND kind = 'input'
                                AND sop_instance_uid NOT IN (SELECT sop_instance_uid FROM opinion_objects)
                                AND received_at >= (SELECT max(started_at) FROM analyses
                                                    WHERE study_instance_uid = :study AND state = 'done'))
            """,
            {"study": study_instance_uid},
        )
