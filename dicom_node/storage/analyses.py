"""Analyses: queued when a study is complete, claimed by lease, finished in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dicom_node.storage.analysis_order import NEXT_ANALYSIS
from dicom_node.storage.clinical import ClinicalTables
from dicom_node.storage.clinical_records import ClinicalInputs
from dicom_node.storage.connection import timestamp
from dicom_node.storage.priors import PriorTables
from dicom_node.storage.records import (
    DEFAULT_PRIORITY,
    HELD,
    PLANNED,
    PLANNED_PRIORITY,
    UNCHANGED,
    AnalysisJob,
    AnalysisOutcome,
    ResultRecord,
    Severity,
    StoredInstance,
    StudyState,
)
from dicom_node.storage.shadow import ShadowTables
from dicom_node.storage.studies import StudyTables

__all__ = ["AnalysisTables"]


class AnalysisTables(StudyTables, PriorTables, ClinicalTables, ShadowTables):
    """The tables ``analyses``, ``results`` and ``result_sets``, and the outbox rows they give rise to."""

    def requeue_study(self, study_instance_uid: str, trigger: str = "reprocess") -> bool:
        """Queue another analysis of a study; False if it is unknown, still arriving or already queued."""
        with self._transaction():
            study = self.study(study_instance_uid)
            if study is None or study.state is StudyState.RECEIVING:
                return False
            if not self._queue_analysis(study_instance_uid, trigger):
                return False
            self._execute(
                "UPDATE studies SET state = 'complete' WHERE study_instance_uid = ? AND state <> 'analyzing'",
                (study_instance_uid,),
            )
            return True

    def claim_analysis(
        self, owner: str, lease_seconds: float, *, priors_seconds: float | None = None
    ) -> AnalysisJob | None:
        """Claim the analysis whose turn it is (`analysis_order`), or None.

        Parameters
        ----------
        priors_seconds : float, optional
            How long after it was queued an analysis waits for the end of the search for priors; None: not
            at all.
        """
        with self._transaction():
            now = self._now()
            row = self._row(
                NEXT_ANALYSIS,
                {
                    "now": now,
                    "priority": DEFAULT_PRIORITY,
                    "planned": PLANNED,
                    "searched": now if priors_seconds is None else self._after(-priors_seconds),
                },
            )
            if row is None:
                return None
            if priors_seconds is not None:
                self._go_ahead_without_priors(row["id"], row["study_instance_uid"], priors_seconds)
            return self._lease_analysis(row["id"], row["study_instance_uid"], owner, lease_seconds)

    def finish_analysis(self, job: AnalysisJob, outcome: AnalysisOutcome) -> bool:
        """Journal outcome, results and outbox rows in one transaction: no destination ever gets half a set.

        Results that are there already, because the same work was done before, are not added or sent again.

        Returns
        -------
        bool
            False, with nothing changed, if the lease was lost: somebody else does this work now.
        """
        with self._transaction():
            changed = self._execute(
                """
                UPDATE analyses SET state = 'done', status = ?, reason = ?, identity = ?, engine_version = ?,
                    model_version = ?, result_json = ?, comparison = ?, changes = ?, finished_at = ?,
                    lease_owner = '', lease_expires_at = ''
                WHERE id = ? AND state = 'running' AND lease_owner = ? AND attempts = ?
                """,
                (
                    outcome.status,
                    outcome.reason,
                    outcome.identity,
                    outcome.engine_version,
                    outcome.model_version,
                    outcome.result_json,
                    outcome.comparison,
                    outcome.changes,
                    self._now(),
                    job.id,
                    job.lease_owner,
                    job.attempts,
                ),
            )
            if not changed:
                return False
            self._insert_results(job, outcome)
            self._keep_shadow(job.id, outcome.model_inputs, outcome.shadow)
            self._end_study(job.study_instance_uid, StudyState(outcome.status), outcome.reason)
            if outcome.comparison == UNCHANGED:
                self.note_event(
                    Severity.INFO,
                    "result_unchanged",
                    f"analysed again by engine {outcome.engine_version}: the result is unchanged, so none "
                    "takes the place of the one that stands",
                    study_instance_uid=job.study_instance_uid,
                )
            return True

    def fail_analysis(
        self, job: AnalysisJob, reason: str, *, retry_at: datetime | None, counts: bool = True
    ) -> bool:
        """Put a failed analysis back until `retry_at`, or give it up when that is None.

        Parameters
        ----------
        counts : bool
            False if the failure is not the study's (full disk, cluster down): the attempt is given back.

        Returns
        -------
        bool
            False, with nothing changed, if the lease was lost.
        """
        with self._transaction():
            held = "id = ? AND state = 'running' AND lease_owner = ? AND attempts = ?"
            key = (job.id, job.lease_owner, job.attempts)
            waiting = self._row(
                "SELECT 1 FROM analyses WHERE study_instance_uid = ? AND state = 'queued'",
                (job.study_instance_uid,),
            )
            if retry_at is None or waiting:  # a newer analysis of the study takes this one's place
                values: tuple[Any, ...] = ("failed", reason, self._now(), "")
            else:
                values = ("queued", reason, "", timestamp(retry_at))
            changed = self._execute(
                "UPDATE analyses SET state = ?, reason = ?, finished_at = ?, next_attempt_at = ?,"  # noqa: S608
                f" attempts = attempts - ?, lease_owner = '', lease_expires_at = '' WHERE {held}",
                (*values, 0 if counts else 1, *key),
            )
            if not changed:
                return False
            if waiting:
                return True
            if retry_at is None:
                self._end_study(job.study_instance_uid, StudyState.FAILED, reason)
            else:
                self._execute(
                    "UPDATE studies SET state = 'complete' WHERE study_instance_uid = ?"
                    " AND state = 'analyzing'",
                    (job.study_instance_uid,),
                )
            return True

    def is_own_result(self, sop_instance_uid: str) -> bool:
        """Tell whether this SOP Instance UID is one of our results (law 4)."""
        return bool(self._rows("SELECT 1 FROM results WHERE sop_instance_uid = ?", (sop_instance_uid,)))

    def priors(self, patient_key: str, *, before: str, excluding: str) -> list[tuple[str, str]]:
        """Return (Study Date, newest result as JSON) of a patient's earlier analysed studies, oldest first.

        Parameters
        ----------
        before : str
            Study Date (YYYYMMDD) that priors must precede.
        excluding : str
            Study Instance UID that is not a prior of itself.
        """
        if not patient_key or not before:
            return []
        rows = self._rows(
            """
            SELECT study_date, result_json, max(analyses.id)
            FROM analyses JOIN studies USING (study_instance_uid)
            WHERE patient_key = ? AND study_date <> '' AND study_date < ? AND study_instance_uid <> ?
              AND analyses.state = 'done' AND status = 'analyzed'
            GROUP BY study_instance_uid ORDER BY study_date, study_instance_uid
            """,
            (patient_key, before, excluding),
        )
        return [(row["study_date"], row["result_json"]) for row in rows]

    def previous_results(self, study_instance_uid: str) -> tuple[str, ...]:
        """Return what a new result of a study is compared with, each as JSON of schema "1".

        The newest measurement, and the newest refusal: neither is an earlier version of the other.
        """
        rows = self._rows(
            "SELECT result_json FROM analyses WHERE id IN"
            " (SELECT max(id) FROM analyses WHERE study_instance_uid = ? AND state = 'done'"
            "  GROUP BY status = 'analyzed') AND result_json <> ''",
            (study_instance_uid,),
        )
        return tuple(row["result_json"] for row in rows)

    def analysed_identities(self, study_instance_uid: str) -> frozenset[str]:
        """Return the identities of all analyses of a study that have ended."""
        rows = self._rows(
            "SELECT DISTINCT identity FROM analyses WHERE study_instance_uid = ? AND state = 'done'",
            (study_instance_uid,),
        )
        return frozenset(row["identity"] for row in rows)

    def results(self, study_instance_uid: str) -> tuple[ResultRecord, ...]:
        """Return every result ever made of a study, oldest first."""
        rows = self._rows(
            "SELECT sop_instance_uid, sop_class_uid, kind, path, sha256 FROM results"
            " WHERE study_instance_uid = ? ORDER BY rowid",
            (study_instance_uid,),
        )
        return tuple(ResultRecord(**row) for row in rows)

    def standing_results(self, study_instance_uid: str) -> dict[str, tuple[str, ...]]:
        """Return what stands at each destination: the UIDs that its newest set holds, in order.

        Measurements and refusals stand side by side: neither is an earlier version of the other.
        """
        rows = self._rows(
            """
            WITH newest AS (SELECT destination, max(analysis_id) AS analysis_id
                            FROM result_sets JOIN analyses ON analyses.id = analysis_id
                            WHERE study_instance_uid = ?
                            GROUP BY destination, status = 'analyzed')
            SELECT destination, coalesce(
                (SELECT replaced_by FROM deliveries
                 WHERE deliveries.destination = newest.destination AND replaced_by <> ''
                   AND deliveries.sop_instance_uid = result_sets.sop_instance_uid),
                result_sets.sop_instance_uid) AS sop_instance_uid
            FROM newest JOIN result_sets USING (destination, analysis_id)
            ORDER BY destination, analysis_id, position
            """,
            (study_instance_uid,),
        )
        standing: dict[str, tuple[str, ...]] = {}
        for row in rows:
            held = standing.get(row["destination"], ())
            standing[row["destination"]] = (*held, row["sop_instance_uid"])
        return standing

    def _trigger(self, study_instance_uid: str) -> str:
        earlier = self._rows("SELECT 1 FROM analyses WHERE study_instance_uid = ?", (study_instance_uid,))
        return "late_instance" if earlier else "received"

    def _queue_analysis(self, study_instance_uid: str, trigger: str) -> bool:
        now = self._now()
        queued = bool(
            self._execute(
                """
                INSERT INTO analyses (study_instance_uid, "trigger", input_digest, identity, engine_version,
                    model_version, state, attempts, interruptions, next_attempt_at, lease_owner,
                    lease_expires_at, reason, status, result_json, queued_at, started_at, finished_at)
                VALUES (?, ?, '', '', '', '', 'queued', 0, 0, ?, '', '', '', '', '', ?, '', '')
                ON CONFLICT DO NOTHING
                """,
                (study_instance_uid, trigger, now, now),
            )
        )
        if queued:
            self._request_originals(study_instance_uid)
        return queued

    def _lease_analysis(self, id_: int, study_uid: str, owner: str, lease_seconds: float) -> AnalysisJob:
        instances = self.instances(study_uid)
        clinical = self.clinical_inputs(study_uid)
        digest = _input_digest(instances, clinical)
        self._execute(
            "UPDATE analyses SET state = 'running', attempts = attempts + 1, input_digest = ?,"
            " lease_owner = ?, lease_expires_at = ?, started_at = ? WHERE id = ?",
            (digest, owner, self._after(lease_seconds), self._now(), id_),
        )
        self._execute(
            "UPDATE studies SET state = 'analyzing' WHERE study_instance_uid = ? AND state <> 'receiving'",
            (study_uid,),
        )
        rows = self._rows(
            'SELECT "trigger", attempts, patient_key, study_date'
            " FROM analyses JOIN studies USING (study_instance_uid) WHERE id = ?",
            (id_,),
        )
        return AnalysisJob(
            id=id_,
            study_instance_uid=study_uid,
            input_digest=digest,
            instances=instances,
            clinical=clinical,
            lease_owner=owner,
            **rows[0],
        )

    def _insert_results(self, job: AnalysisJob, outcome: AnalysisOutcome) -> None:
        now = self._now()
        for result in outcome.results:
            self._execute(
                "INSERT INTO results (sop_instance_uid, analysis_id, study_instance_uid, sop_class_uid, kind,"
                " path, sha256, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                # a result whose file was released has just been written again
                " ON CONFLICT (sop_instance_uid) DO UPDATE SET released_at = '', path = excluded.path,"
                " sha256 = excluded.sha256",
                (
                    result.sop_instance_uid,
                    job.id,
                    job.study_instance_uid,
                    result.sop_class_uid,
                    result.kind,
                    result.path,
                    result.sha256,
                    now,
                ),
            )
        for destination, uids in outcome.sets.items():
            for position, uid in enumerate(uids, start=1):
                self._execute(
                    "INSERT INTO result_sets VALUES (?, ?, ?, ?)", (job.id, destination, position, uid)
                )
                if destination != HELD:
                    self._queue_delivery(uid, job, destination, now)

    def _queue_delivery(self, uid: str, job: AnalysisJob, destination: str, now: str) -> None:
        self._execute(
            """
            INSERT INTO deliveries (sop_instance_uid, sop_class_uid, study_instance_uid, destination, kind,
                path, priority, state, attempts, next_attempt_at, lease_owner, lease_expires_at, reason,
                last_status, created_at, stored_at, delivered_at, transaction_uid, requested_at,
                verifications, refusals, replaced_by)
            SELECT sop_instance_uid, sop_class_uid, :study, :destination, 'result',
                path, coalesce(:planned, (SELECT priority FROM routings WHERE study_instance_uid = :study),
                               :priority),
                'pending', 0, :now, '', '', '',
                NULL, :now, '', '', '', '',
                0, 0, ''
            FROM results WHERE sop_instance_uid = :uid
            ON CONFLICT DO NOTHING
            """,
            {
                "uid": uid,
                "study": job.study_instance_uid,
                "destination": destination,
                "planned": PLANNED_PRIORITY if job.trigger == PLANNED else None,
                "priority": DEFAULT_PRIORITY,
                "now": now,
            },
        )

    def _end_study(self, study_instance_uid: str, state: StudyState, reason: str) -> None:
        """Close the study, unless more of it has arrived meanwhile."""
        self._execute(
            "UPDATE studies SET state = ?, reason = ? WHERE study_instance_uid = ? AND state = 'analyzing'",
            (state, reason, study_instance_uid),
        )
        severities = {
            StudyState.ANALYZED: Severity.INFO,
            StudyState.NOT_APPLICABLE: Severity.INFO,
            StudyState.FAILED: Severity.ERROR,
        }
        self.note_event(
            severities.get(state, Severity.WARNING),
            f"study_{state}",
            reason or "analysed",
            study_instance_uid=study_instance_uid,
        )


def _input_digest(instances: Sequence[StoredInstance], clinical: ClinicalInputs) -> str:
    """Return the SHA-256 over the instance set (UIDs and bytes, in order of UID) and what else was told."""
    lines = "".join(f"{instance.sop_instance_uid} {instance.sha256}\n" for instance in instances)
    return hashlib.sha256((lines + clinical.digested).encode()).hexdigest()
