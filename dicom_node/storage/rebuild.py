"""What a rebuilt or restored journal is told of files that it does not know, and of those that are gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dicom_node.storage.connection import Row
from dicom_node.storage.events import EventLog
from dicom_node.storage.records import ResultRecord

__all__ = ["UNKNOWN_DELIVERY", "AnsweredStudy", "Recovery"]

UNKNOWN_DELIVERY = (
    "the journal was restored: whether this arrived is not known; dicom-node reprocess --failed sends it, "
    "under the same UID, so that a destination which has it gains no second object"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredStudy:
    """Results that lie in the archive, all of one analysis.

    Attributes
    ----------
    identity : str
        The analysis identity.
    result_json : str
        The numbers, as attached to the document; empty if there is none.
    status : str
        ``analyzed`` where the numbers are known, else empty: such an analysis is no prior.
    made_at : str
        When the newest result was written, as the journal writes times.
    """

    study_instance_uid: str
    patient_key: str
    study_date: str
    identity: str
    result_json: str
    status: str
    engine_version: str
    made_at: str
    results: tuple[ResultRecord, ...]


class Recovery(EventLog):
    """Changes over many tables that only a rebuild or a restore makes, under the data directory's lock."""

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Make every change inside one transaction."""
        with self._transaction():
            yield

    def shorten_log(self) -> None:
        """Move everything from the write-ahead log into the journal and give the log's space back."""
        with self._lock:
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def kept_paths(self, folder: str) -> set[str]:
        """Return the paths below a folder of the data directory that rows count as kept."""
        pattern = f"{folder}*"
        rows = self._rows(
            "SELECT path FROM instances WHERE released_at = '' AND path GLOB :pattern"
            " UNION SELECT path FROM results WHERE released_at = '' AND path GLOB :pattern",
            {"pattern": pattern},
        )
        return {row["path"] for row in rows}

    def everything_about(self, study_instance_uid: str) -> dict[str, list[Row]]:
        """Return every row of a study, by table, oldest first."""
        tables = ("studies", "instances", "analyses", "results", "deliveries", "events")
        return {
            table: self._rows(
                f"SELECT * FROM {table} WHERE study_instance_uid = ? ORDER BY rowid",  # noqa: S608
                (study_instance_uid,),
            )
            for table in tables
        }

    def was_discarded(self, sop_instance_uid: str, sha256: str) -> bool:
        """Tell whether a route has thrown these very bytes away."""
        row = self._row(
            "SELECT 1 FROM discarded_instances WHERE sop_instance_uid = ? AND sha256 = ?",
            (sop_instance_uid, sha256),
        )
        return row is not None

    def adopt_results(self, found: AnsweredStudy, destinations: Sequence[str]) -> None:
        """Journal results of an analysis that no row knows, as sent or not: nobody can tell.

        Parameters
        ----------
        destinations : sequence of str
            Where all of them belong; none if that cannot be told.
        """
        with self._transaction():
            self._insert_study(found)
            (analysis,) = self._rows(
                'INSERT INTO analyses (study_instance_uid, "trigger", input_digest, identity, engine_version,'
                " model_version, state, attempts, interruptions, next_attempt_at, lease_owner,"
                " lease_expires_at, reason, status, result_json, queued_at, started_at, finished_at)"
                " VALUES (?, 'restored', '', ?, ?, '', 'done', 1, 0, '', '', '', '', ?, ?, ?, ?, ?)"
                " RETURNING id",
                (
                    found.study_instance_uid,
                    found.identity,
                    found.engine_version,
                    found.status,
                    found.result_json,
                    found.made_at,
                    found.made_at,
                    found.made_at,
                ),
            )
            for position, result in enumerate(found.results, start=1):
                self._adopt_result(found, analysis["id"], result)
                for destination in destinations:
                    self._execute(
                        "INSERT INTO result_sets VALUES (?, ?, ?, ?)",
                        (analysis["id"], destination, position, result.sop_instance_uid),
                    )
                    self._adopt_delivery(found, result, destination)
            self._close_answered(found)

    def bury_open_deliveries(self) -> int:
        """Make dead letters of all deliveries that were open when the backup was made; return how many."""
        with self._transaction():
            return self._execute(
                "UPDATE deliveries SET state = 'dead', reason = ?, lease_owner = '', lease_expires_at = ''"
                " WHERE state NOT IN ('delivered', 'discarded', 'dead')",
                (UNKNOWN_DELIVERY,),
            )

    def count_as_released(self, paths: Sequence[str]) -> None:
        """Note that these files are gone: released after the backup was made, or lost."""
        with self._transaction():
            for path in paths:
                for table in ("instances", "results"):
                    self._execute(
                        f"UPDATE {table} SET released_at = ? WHERE path = ?",  # noqa: S608
                        (self._now(), path),
                    )

    def _insert_study(self, found: AnsweredStudy) -> None:
        """Make a row for a study of which only results are left."""
        self._execute(
            "INSERT INTO studies VALUES (?, 'analyzed', '', 'known from its results only', '', ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (
                found.study_instance_uid,
                found.patient_key,
                found.study_date,
                found.made_at,
                found.made_at,
            ),
        )

    def _adopt_result(self, found: AnsweredStudy, analysis_id: int, result: ResultRecord) -> None:
        self._execute(
            "INSERT INTO results (sop_instance_uid, analysis_id, study_instance_uid, sop_class_uid, kind,"
            " path, sha256, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (sop_instance_uid) DO UPDATE SET released_at = '', path = excluded.path,"
            " sha256 = excluded.sha256",
            (
                result.sop_instance_uid,
                analysis_id,
                found.study_instance_uid,
                result.sop_class_uid,
                result.kind,
                result.path,
                result.sha256,
                found.made_at,
            ),
        )

    def _adopt_delivery(self, found: AnsweredStudy, result: ResultRecord, destination: str) -> None:
        self._execute(
            "INSERT INTO deliveries (sop_instance_uid, sop_class_uid, study_instance_uid, destination, kind,"
            " path, priority, state, attempts, next_attempt_at, lease_owner, lease_expires_at, reason,"
            " last_status, created_at, stored_at, delivered_at, transaction_uid, requested_at, verifications,"
            " refusals, replaced_by) VALUES (?, ?, ?, ?, 'result', ?, 0, 'dead', 0, '', '', '', ?, NULL, ?,"
            " '', '', '', '', 0, 0, '') ON CONFLICT DO NOTHING",
            (
                result.sop_instance_uid,
                result.sop_class_uid,
                found.study_instance_uid,
                destination,
                result.path,
                UNKNOWN_DELIVERY,
                found.made_at,
            ),
        )

    def _close_answered(self, found: AnsweredStudy) -> None:
        """Do not analyse again what was answered after its last object came."""
        answered = self._execute(
            "UPDATE studies SET state = 'analyzed', completed_reason = 'its results were found'"
            " WHERE study_instance_uid = ? AND last_received_at <= ?"
            " AND state IN ('receiving', 'complete', 'analyzing', 'analyzed')",
            (found.study_instance_uid, found.made_at),
        )
        if answered:
            self._execute(
                "UPDATE analyses SET state = 'failed', reason = 'its results were found in the archive',"
                " lease_owner = '', lease_expires_at = '' WHERE study_instance_uid = ?"
                " AND state IN ('queued', 'running')",
                (found.study_instance_uid,),
            )
