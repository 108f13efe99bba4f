"""The searches for a patient's priors, and the studies that are here as another one's history only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from dicom_node.storage.records import Severity
from dicom_node.storage.retrievals import RetrievalPurpose, RetrievalTables

__all__ = ["AwaitedPriors", "PriorSearch", "PriorTables"]

AWAITED_LIMIT = 200
"""Analyses looked at in one turn of the search; the rest follows at the next."""


@dataclass(frozen=True, slots=True)
class AwaitedPriors:
    """A queued analysis for which no archive has been asked for priors yet."""

    analysis_id: int
    study_instance_uid: str
    patient_key: str
    study_date: str
    queued_at: str


@dataclass(frozen=True, slots=True)
class PriorSearch:
    """Priors that are on their way.

    Attributes
    ----------
    late : bool
        The analysis has gone ahead without them.
    missing : tuple of str
        Study Instance UIDs still being fetched or arriving.
    """

    analysis_id: int
    study_instance_uid: str
    queued_at: str
    studies: tuple[str, ...]
    late: bool
    missing: tuple[str, ...]


class PriorTables(RetrievalTables):
    """The tables ``prior_searches`` and ``fetched_histories``."""

    def mark_history(self, study_instance_uid: str, wanted_by: str) -> None:
        """Note that a study is fetched as history: its results are kept, not sent."""
        with self._transaction():
            self._execute(
                "INSERT INTO fetched_histories VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (study_instance_uid, wanted_by, self._now()),
            )

    def is_history(self, study_instance_uid: str) -> bool:
        """Tell whether a study is here as another one's history only."""
        return (
            self._row("SELECT 1 FROM fetched_histories WHERE study_instance_uid = ?", (study_instance_uid,))
            is not None
        )

    def treat_as_received(self, study_instance_uid: str) -> bool:
        """Take a study for one that was sent from now on: it is routed again; False if it is so already."""
        with self._transaction():
            changed = self._execute(
                "DELETE FROM fetched_histories WHERE study_instance_uid = ?", (study_instance_uid,)
            )
            if changed:
                self._execute(
                    "UPDATE studies SET state = 'receiving', last_received_at = ?"
                    " WHERE study_instance_uid = ?",
                    (self._now(), study_instance_uid),
                )
            return bool(changed)

    def link_patient(self, study_instance_uid: str, patient_key: str) -> None:
        """Say whose history a study is; an empty key: nobody's."""
        with self._transaction():
            self._execute(
                "UPDATE studies SET patient_key = ? WHERE study_instance_uid = ?",
                (patient_key, study_instance_uid),
            )

    def analyses_awaiting_priors(self) -> list[AwaitedPriors]:
        """Return the queued analyses whose priors were not asked for, longest waiting first."""
        rows = self._rows(
            """
            SELECT analyses.id AS analysis_id, study_instance_uid, patient_key, study_date, queued_at
            FROM analyses JOIN studies USING (study_instance_uid)
            WHERE analyses.state = 'queued' AND attempts = 0
              AND study_instance_uid NOT IN (SELECT study_instance_uid FROM fetched_histories)
              AND analyses.id NOT IN (SELECT analysis_id FROM prior_searches)
            ORDER BY analyses.id LIMIT ?
            """,
            (AWAITED_LIMIT,),
        )
        return [AwaitedPriors(**row) for row in rows]

    def begin_prior_search(
        self, awaited: AwaitedPriors, archive: str, studies: Sequence[str], *, deliver: bool
    ) -> None:
        """Note which priors an archive has that are missing here, and ask for them.

        What somebody sends, or an administrator has asked for, in the meantime is not here as history only.
        """
        with self._transaction():
            for uid in studies:
                is_new = self.request_retrieval(uid, archive, RetrievalPurpose.PRIOR)
                if is_new and not deliver and not self._is_here(uid):
                    self.mark_history(uid, awaited.study_instance_uid)
            self._execute(
                "INSERT INTO prior_searches VALUES (?, 'fetching', ?, '', ?, '') ON CONFLICT DO NOTHING",
                (awaited.analysis_id, json.dumps(list(studies)), self._now()),
            )

    def prior_searches(self) -> list[PriorSearch]:
        """Return the searches whose priors are on their way, oldest first."""
        rows = self._rows(
            """
            SELECT analysis_id, study_instance_uid, queued_at, prior_searches.studies,
                prior_searches.state = 'late' AS late,
                (SELECT json_group_array(value) FROM json_each(prior_searches.studies)
                 WHERE value IN (SELECT study_instance_uid FROM retrievals
                                 WHERE retrievals.state IN ('waiting', 'running'))
                    OR value IN (SELECT arriving.study_instance_uid FROM studies AS arriving
                                 WHERE arriving.state = 'receiving'))
                    AS missing
            FROM prior_searches INDEXED BY prior_searches_open JOIN analyses ON analyses.id = analysis_id
            WHERE prior_searches.state <> 'ended' ORDER BY analysis_id
            """
        )
        return [
            PriorSearch(
                analysis_id=row["analysis_id"],
                study_instance_uid=row["study_instance_uid"],
                queued_at=row["queued_at"],
                studies=tuple(json.loads(row["studies"])),
                late=bool(row["late"]),
                missing=tuple(json.loads(row["missing"])),
            )
            for row in rows
        ]

    def end_prior_search(
        self, analysis_id: int, study_instance_uid: str, reason: str, *, severity: Severity
    ) -> None:
        """Let an analysis go ahead: everything came, or nothing more is waited for."""
        with self._transaction():
            self._execute(
                """
                INSERT INTO prior_searches VALUES (:id, 'ended', '[]', :reason, :now, :now)
                ON CONFLICT (analysis_id) DO UPDATE SET state = 'ended', reason = :reason, ended_at = :now
                """,
                {"id": analysis_id, "reason": reason, "now": self._now()},
            )
            self.note_event(severity, "priors", reason, study_instance_uid=study_instance_uid)

    def _is_here(self, study_instance_uid: str) -> bool:
        return bool(self._rows("SELECT 1 FROM studies WHERE study_instance_uid = ?", (study_instance_uid,)))

    def _go_ahead_without_priors(self, analysis_id: int, study_instance_uid: str, seconds: float) -> None:
        """Note of an analysis that is claimed whether its priors had not come in time."""
        row = self._row("SELECT state FROM prior_searches WHERE analysis_id = ?", (analysis_id,))
        if self.is_history(study_instance_uid) or (row is not None and row["state"] != "fetching"):
            return
        found = "priors are still on their way" if row else "the archive has not said which priors there are"
        reason = f"analysed without all priors: after [priors] wait_seconds = {seconds:g}, {found}"
        self._execute(
            """
            INSERT INTO prior_searches VALUES (:id, 'ended', '[]', :reason, :now, :now)
            ON CONFLICT (analysis_id) DO UPDATE SET state = 'late', reason = :reason
            """,
            {"id": analysis_id, "reason": reason, "now": self._now()},
        )
        self.note_event(Severity.WARNING, "priors", reason, study_instance_uid=study_instance_uid)
