"""The jobs that make plans of reprocessing again and again."""

from __future__ import annotations

from dicom_node.errors import ConfigurationError
from dicom_node.storage.connection import Row
from dicom_node.storage.events import EventLog
from dicom_node.storage.records import Severity
from dicom_node.storage.reprocessing_records import JobSource, PlanPace, ReprocessingJob
from dicom_node.storage.selection import StudySelection

__all__ = ["ReprocessingJobTable"]


class ReprocessingJobTable(EventLog):
    """The table ``reprocessing_jobs``."""

    def reprocessing_jobs(self) -> list[ReprocessingJob]:
        """Return the jobs that make plans, by name."""
        return [_recurring(row) for row in self._rows("SELECT * FROM reprocessing_jobs ORDER BY name")]

    def due_reprocessing_jobs(self) -> list[ReprocessingJob]:
        """Return the jobs whose time has come."""
        rows = self._rows(
            "SELECT * FROM reprocessing_jobs WHERE next_at <= ? ORDER BY next_at", (self._now(),)
        )
        return [_recurring(row) for row in rows]

    def put_reprocessing_job(
        self,
        name: str,
        selection: StudySelection,
        pace: PlanPace,
        *,
        cron: str,
        next_at: str,
        source: JobSource,
        by: str,
        reason: str,
    ) -> None:
        """Journal a job, in place of one of the same name and source.

        Raises
        ------
        ConfigurationError
            If a job of that name came from elsewhere.
        """
        with self._transaction():
            known = self._row("SELECT source FROM reprocessing_jobs WHERE name = ?", (name,))
            if known and "configuration" in (known["source"], source) and known["source"] != source:
                raise ConfigurationError(
                    f"a job {name!r} exists already, from the {known['source']}; choose another name"
                )
            self._execute(
                """
                INSERT INTO reprocessing_jobs
                VALUES (:name, :selection, :cron, :hours, :per_hour, :source, :by, :reason, :now, :next, '')
                ON CONFLICT (name) DO UPDATE SET selection = excluded.selection, cron = excluded.cron,
                    hours = excluded.hours, studies_per_hour = excluded.studies_per_hour,
                    source = excluded.source, created_by = excluded.created_by, reason = excluded.reason,
                    next_at = iif(cron = excluded.cron, next_at, excluded.next_at)
                """,
                {
                    "name": name,
                    "selection": selection.to_json(),
                    "cron": cron,
                    "hours": pace.hours,
                    "per_hour": pace.studies_per_hour,
                    "source": source,
                    "by": by,
                    "reason": reason,
                    "now": self._now(),
                    "next": next_at,
                },
            )
            if source != "configuration":
                self._note_reprocessing("reprocessing_job_set", f"job {name!r}, by {by}: {reason}")

    def remove_reprocessing_job(self, name: str, *, by: str, reason: str) -> bool:
        """Forget a job; plans that it has made go on. False if there is none of that name."""
        with self._transaction():
            removed = self._execute("DELETE FROM reprocessing_jobs WHERE name = ?", (name,))
            if removed:
                self._note_reprocessing("reprocessing_job_removed", f"job {name!r}, by {by}: {reason}")
            return bool(removed)

    def reprocessing_job_ran(self, name: str, *, next_at: str) -> None:
        """Journal that a job's time has come, and when it comes again."""
        with self._transaction():
            self._execute(
                "UPDATE reprocessing_jobs SET last_at = ?, next_at = ? WHERE name = ?",
                (self._now(), next_at, name),
            )

    def _note_reprocessing(self, code: str, message: str) -> None:
        self.note_event(Severity.INFO, code, message)


def _recurring(row: Row) -> ReprocessingJob:
    pace = PlanPace(row.pop("hours"), row.pop("studies_per_hour"))
    return ReprocessingJob(**{**row, "selection": StudySelection.from_json(row["selection"])}, pace=pace)
