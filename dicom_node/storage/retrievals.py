"""What is to be fetched from archives, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dicom_node.storage.connection import timestamp
from dicom_node.storage.events import EventLog
from dicom_node.storage.records import Severity

__all__ = [
    "FIRST_ARCHIVE",
    "Retrieval",
    "RetrievalJob",
    "RetrievalPurpose",
    "RetrievalTables",
]

FIRST_ARCHIVE = ""
"""Stands for the archive that the configuration names first; the journal does not know the configuration."""


class RetrievalPurpose(StrEnum):
    """Why a study is fetched."""

    ASKED = "asked"
    """An administrator wants it; it is treated as if it had been sent."""
    PRIOR = "prior"
    """It is the history of another study."""
    ORIGINAL = "original"
    """Its files were released here, and an analysis needs them."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One row of ``retrievals``."""

    id: int
    study_instance_uid: str
    archive: str
    purpose: RetrievalPurpose
    state: str
    attempts: int
    expected: int | None
    received: int
    reason: str


@dataclass(frozen=True, slots=True)
class RetrievalJob:
    """A claimed retrieval."""

    id: int
    study_instance_uid: str
    purpose: RetrievalPurpose
    attempts: int
    """Counts this one, so it is at least 1 once it is claimed."""
    lease_owner: str = ""


class RetrievalTables(EventLog):
    """The table ``retrievals``, and what of a study is here."""

    def request_retrieval(
        self,
        study_instance_uid: str,
        archive: str,
        purpose: RetrievalPurpose,
        *,
        not_before: datetime | None = None,
    ) -> bool:
        """Ask the node to fetch a study; False if that was asked already (it is then fetched sooner)."""
        due = timestamp(not_before) if not_before else self._now()
        with self._transaction():
            known = self._execute(
                """
                UPDATE retrievals SET next_attempt_at = min(next_attempt_at, :due),
                    purpose = CASE WHEN :purpose = 'original' THEN 'original' ELSE purpose END
                WHERE study_instance_uid = :study AND state IN ('waiting', 'running')
                """,
                {"due": due, "study": study_instance_uid, "purpose": purpose},
            )
            if known:
                return False
            self._execute(
                """
                INSERT INTO retrievals (study_instance_uid, archive, purpose, state, attempts,
                    next_attempt_at, lease_owner, lease_expires_at, expected, received, reason,
                    requested_at, finished_at)
                VALUES (?, ?, ?, 'waiting', 0, ?, '', '', NULL, 0, '', ?, '')
                """,
                (study_instance_uid, archive, purpose, due, self._now()),
            )
            return True

    def claim_retrieval(
        self, archive: str, *, owner: str, lease_seconds: float, first: bool
    ) -> RetrievalJob | None:
        """Claim what is due from an archive: what analyses wait for first, then what was asked for.

        Parameters
        ----------
        first : bool
            Also claim what is wanted from `FIRST_ARCHIVE`.
        """
        with self._transaction():
            row = self._row(
                """
                SELECT id, study_instance_uid, purpose, attempts + 1 AS attempts FROM retrievals
                WHERE archive IN (:archive, :other) AND state IN ('waiting', 'running')
                  AND ((state = 'waiting' AND next_attempt_at <= :now)
                       OR (state = 'running' AND lease_expires_at <= :now))
                ORDER BY purpose = 'asked', next_attempt_at, id LIMIT 1
                """,
                {
                    "archive": archive,
                    "other": FIRST_ARCHIVE if first else archive,
                    "now": self._now(),
                },
            )
            if row is None:
                return None
            self._execute(
                "UPDATE retrievals SET state = 'running', attempts = attempts + 1, lease_owner = ?,"
                " lease_expires_at = ? WHERE id = ?",
                (owner, self._after(lease_seconds), row["id"]),
            )
            return RetrievalJob(**{**row, "purpose": RetrievalPurpose(row["purpose"])}, lease_owner=owner)

    def finish_retrieval(self, job: RetrievalJob, *, archive: str, expected: int, received: int) -> None:
        """Journal that everything came that the archive has and we had not; the study is complete by that."""
        what_came = f"{received} of {expected} missing objects came from {archive}"
        with self._transaction():
            if not self._close_retrieval(job, "done", "", expected, received):
                return
            self._note_retrieval(job, Severity.INFO, "study_retrieved", what_came)
            self._execute(
                "INSERT OR REPLACE INTO completion_requests"
                " SELECT study_instance_uid, 'retrieval', ?, ? FROM studies"
                " WHERE study_instance_uid = ? AND state = 'receiving'",
                (what_came, self._now(), job.study_instance_uid),
            )

    def postpone_retrieval(
        self, job: RetrievalJob, moment: datetime, *, reason: str, expected: int | None, received: int
    ) -> None:
        """Put a retrieval back until `moment`."""
        with self._transaction():
            changed = self._execute(
                "UPDATE retrievals SET state = 'waiting', next_attempt_at = ?, reason = ?,"
                " expected = coalesce(?, expected), received = received + ?,"
                " lease_owner = '', lease_expires_at = '' WHERE id = ? AND lease_owner = ? AND attempts = ?",
                (timestamp(moment), reason, expected, received, job.id, job.lease_owner, job.attempts),
            )
            if changed:
                self._note_retrieval(job, Severity.WARNING, "retrieval_postponed", reason)

    def give_up_retrieval(
        self, job: RetrievalJob, *, reason: str, expected: int | None, received: int
    ) -> None:
        """Close a retrieval as failed; an analysis that cannot go without the originals is given up too."""
        with self._transaction():
            if not self._close_retrieval(job, "failed", reason, expected, received):
                return
            self._note_retrieval(job, Severity.ERROR, "retrieval_failed", reason)
            if job.purpose is RetrievalPurpose.ORIGINAL:
                self._give_up_analysis(job.study_instance_uid, reason)

    def is_moot(self, job: RetrievalJob) -> bool:
        """Tell whether originals are all here again, e.g. because their sender has sent them once more."""
        return job.purpose is RetrievalPurpose.ORIGINAL and not self.released_instances(
            job.study_instance_uid
        )

    def retrievals(self, studies: Sequence[str] | None = None) -> list[Retrieval]:
        """Return the newest retrieval of each study, of all or of some, in the order of requests."""
        rows = self._rows(
            "SELECT max(id) AS id, study_instance_uid, archive, purpose, state, attempts, expected, received,"
            " reason FROM retrievals GROUP BY study_instance_uid ORDER BY id"
        )
        wanted = None if studies is None else set(studies)
        return [
            Retrieval(**{**row, "purpose": RetrievalPurpose(row["purpose"])})
            for row in rows
            if wanted is None or row["study_instance_uid"] in wanted
        ]

    def give_up_unserved(self, archives: Sequence[str]) -> int:
        """Give up what is wanted from archives that are not among those configured; return how much."""
        served = {*archives, *([FIRST_ARCHIVE] if archives else [])}
        rows = self._rows(
            "SELECT id, study_instance_uid, archive, purpose, attempts FROM retrievals"
            " INDEXED BY retrievals_open_once WHERE state IN ('waiting', 'running') AND state = 'waiting'"
        )
        unserved = [row for row in rows if row["archive"] not in served]
        with self._transaction():
            for row in unserved:
                name = row.pop("archive")
                called = f"is called {name!r}" if name else "is configured"
                job = RetrievalJob(**{**row, "purpose": RetrievalPurpose(row["purpose"])})
                if self.is_moot(job):
                    self._close_retrieval(job, "done", "", 0, 0)
                    continue
                self.give_up_retrieval(job, reason=f"no [[archive]] {called}", expected=None, received=0)
        return len(unserved)

    def kept_instances(self, study_instance_uid: str) -> frozenset[str]:
        """Return the SOP Instance UIDs of a study whose objects are here, results of this node included."""
        rows = self._rows(
            """
            SELECT sop_instance_uid FROM instances
            WHERE study_instance_uid = :study AND kind <> 'quarantined' AND released_at = ''
            UNION SELECT sop_instance_uid FROM results WHERE study_instance_uid = :study
            """,
            {"study": study_instance_uid},
        )
        return frozenset(row["sop_instance_uid"] for row in rows)

    def known_instances(self, study_instance_uid: str) -> frozenset[str]:
        """Return the SOP Instance UIDs of all that ever came of a study, results of this node included."""
        rows = self._rows(
            """
            SELECT sop_instance_uid FROM instances
            WHERE study_instance_uid = :study AND kind <> 'quarantined'
            UNION SELECT sop_instance_uid FROM results WHERE study_instance_uid = :study
            UNION SELECT sop_instance_uid FROM discarded_instances WHERE study_instance_uid = :study
            """,
            {"study": study_instance_uid},
        )
        return frozenset(row["sop_instance_uid"] for row in rows)

    def released_instances(self, study_instance_uid: str) -> frozenset[str]:
        """Return the SOP Instance UIDs of a study's inputs of which no version is kept as a file."""
        rows = self._rows(
            "SELECT sop_instance_uid FROM instances WHERE study_instance_uid = ? AND kind = 'input'"
            " GROUP BY sop_instance_uid HAVING min(released_at) <> ''",
            (study_instance_uid,),
        )
        return frozenset(row["sop_instance_uid"] for row in rows)

    def _request_originals(self, study_instance_uid: str) -> None:
        """Ask for what an analysis that is being queued will miss."""
        if self.released_instances(study_instance_uid):
            self.request_retrieval(study_instance_uid, FIRST_ARCHIVE, RetrievalPurpose.ORIGINAL)

    def _recover_retrievals(self, owner: str) -> int:
        return self._execute(
            "UPDATE retrievals SET state = 'waiting', attempts = attempts - 1, next_attempt_at = ?,"
            " lease_owner = '', lease_expires_at = '' WHERE state = 'running' AND lease_owner <> ?",
            (self._now(), owner),
        )

    def _close_retrieval(
        self, job: RetrievalJob, state: str, reason: str, expected: int | None, received: int
    ) -> bool:
        return bool(
            self._execute(
                "UPDATE retrievals SET state = ?, reason = ?, expected = coalesce(?, expected),"
                " received = received + ?, finished_at = ?, lease_owner = '', lease_expires_at = ''"
                " WHERE id = ? AND lease_owner = ? AND attempts = ?",
                (state, reason, expected, received, self._now(), job.id, job.lease_owner, job.attempts),
            )
        )

    def _give_up_analysis(self, study_instance_uid: str, reason: str) -> None:
        why = f"its originals were released and cannot be fetched again: {reason}"
        changed = self._execute(
            "UPDATE analyses SET state = 'failed', reason = ?, finished_at = ?"
            " WHERE study_instance_uid = ? AND state = 'queued'",
            (why, self._now(), study_instance_uid),
        )
        if changed:
            self._execute(
                "UPDATE studies SET state = 'failed', reason = ?"
                " WHERE study_instance_uid = ? AND state = 'complete'",
                (why, study_instance_uid),
            )

    def _note_retrieval(self, job: RetrievalJob, severity: Severity, code: str, message: str) -> None:
        self.note_event(severity, code, message, study_instance_uid=job.study_instance_uid)
