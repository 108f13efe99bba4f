"""Plans of reprocessing: which studies, how far it has come; and the jobs that make plans again and again.

A plan is made with one item per study, in one transaction; an item is queued together with its analysis, in
one transaction; so a plan goes on where it was, whenever the node died, and takes no study twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from dicom_node.errors import ConfigurationError
from dicom_node.storage.completions import Completions
from dicom_node.storage.connection import Row
from dicom_node.storage.records import PLANNED, UNCHANGED, StudyState
from dicom_node.storage.reprocessing_jobs import ReprocessingJobTable
from dicom_node.storage.reprocessing_records import (
    ItemState,
    JobSource,
    PlanItem,
    PlanPace,
    PlanState,
    ReprocessingJob,
    ReprocessingPlan,
)
from dicom_node.storage.routings import Routing
from dicom_node.storage.selection import SelectionTables, StudySelection

__all__ = [
    "ItemState",
    "JobSource",
    "PlanItem",
    "PlanPace",
    "PlanState",
    "ReprocessingJob",
    "ReprocessingPlan",
    "ReprocessingTables",
]


class ReprocessingTables(Completions, SelectionTables, ReprocessingJobTable):
    """The tables ``reprocessing_plans`` and ``reprocessing_items``."""

    def create_plan(
        self,
        studies: Sequence[str],
        selection: StudySelection,
        pace: PlanPace,
        *,
        by: str,
        reason: str,
        job: str = "",
    ) -> int:
        """Journal a plan over `studies`, in that order; return its number."""
        with self._transaction():
            now = self._now()
            self._execute(
                "INSERT INTO reprocessing_plans (job, selection, hours, studies_per_hour, state, waits_for,"
                " requested_by, reason, created_at, first_queued_at, last_queued_at, ended_at)"
                " VALUES (?, ?, ?, ?, 'running', '', ?, ?, ?, '', '', '')",
                (job, selection.to_json(), pace.hours, pace.studies_per_hour, by, reason, now),
            )
            plan_id = int(self._rows("SELECT last_insert_rowid() AS id")[0]["id"])
            for position, uid in enumerate(dict.fromkeys(studies), start=1):
                self._execute(
                    "INSERT INTO reprocessing_items VALUES (?, ?, ?, 'waiting', '', NULL, 0, '', '')",
                    (plan_id, uid, position),
                )
            self._note_plan(plan_id, f"{len(studies)} studies ({selection}), by {by}: {reason}", "planned")
            return plan_id

    def plans(self, *, limit: int = 50) -> list[ReprocessingPlan]:
        """Return the newest plans, newest first."""
        rows = self._rows("SELECT * FROM reprocessing_plans ORDER BY id DESC LIMIT ?", (limit,))
        return [self._plan(row) for row in rows]

    def open_plans(self) -> list[ReprocessingPlan]:
        """Return the plans that run or are paused, oldest first."""
        rows = self._rows("SELECT * FROM reprocessing_plans WHERE state IN ('running', 'paused') ORDER BY id")
        return [self._plan(row) for row in rows]

    def plan(self, plan_id: int) -> ReprocessingPlan:
        """Return one plan.

        Raises
        ------
        ConfigurationError
            If there is none of that number.
        """
        row = self._row("SELECT * FROM reprocessing_plans WHERE id = ?", (plan_id,))
        if row is None:
            raise ConfigurationError(f"there is no plan {plan_id}; dicom-node reprocess --plans lists them")
        return self._plan(row)

    def plan_items(
        self, plan_id: int, *, state: ItemState | None = None, limit: int = 100, after: int = 0
    ) -> list[PlanItem]:
        """Return studies of a plan in their order, from the position after `after` on."""
        rows = self._rows(
            "SELECT study_instance_uid, position, state, reason, analysis_id, fetched, queued_at, ended_at"
            " FROM reprocessing_items WHERE plan_id = :plan AND (:state IS NULL OR state = :state)"
            " AND position > :after ORDER BY position LIMIT :limit",
            {"plan": plan_id, "state": state, "after": after, "limit": limit},
        )
        return [
            PlanItem(**{**row, "state": ItemState(row["state"]), "fetched": bool(row["fetched"])})
            for row in rows
        ]

    def pause_plan(self, plan_id: int, *, by: str, reason: str) -> bool:
        """Queue nothing more of a plan until `resume_plan`; False if it does not run."""
        return self._move_plan(plan_id, "running", PlanState.PAUSED, f"paused by {by}: {reason}")

    def resume_plan(self, plan_id: int, *, by: str, reason: str) -> bool:
        """Let a paused plan go on; False if it is not paused."""
        return self._move_plan(plan_id, "paused", PlanState.RUNNING, f"resumed by {by}: {reason}")

    def cancel_plan(self, plan_id: int, *, by: str, reason: str) -> bool:
        """End a plan: what is queued is analysed, nothing else; False if it has ended already."""
        with self._transaction():
            open_as = self.plan(plan_id).state
            moved = self._move_plan(plan_id, open_as, PlanState.CANCELLED, f"cancelled by {by}: {reason}")
            if moved:
                self._execute(
                    "UPDATE reprocessing_items SET state = 'cancelled', ended_at = ?"
                    " WHERE plan_id = ? AND state = 'waiting'",
                    (self._now(), plan_id),
                )
            return moved

    def next_waiting(self, plan_id: int) -> str | None:
        """Return the study of a plan whose turn it is, None if all have had theirs."""
        row = self._row(
            "SELECT study_instance_uid FROM reprocessing_items WHERE plan_id = ? AND state = 'waiting'"
            " ORDER BY position LIMIT 1",
            (plan_id,),
        )
        return row["study_instance_uid"] if row else None

    def queue_planned(self, plan_id: int, study_instance_uid: str, routing: Routing) -> ItemState:
        """Give a study of a plan its turn: queue its analysis, or say why not.

        Returns
        -------
        ItemState
            What its item is now; `WAITING` if the plan does not run any more.
        """
        with self._transaction():
            if self.plan(plan_id).state is not PlanState.RUNNING:
                return ItemState.WAITING
            why_not = self._why_not(study_instance_uid, routing)
            fetched = bool(self.released_instances(study_instance_uid))
            if why_not or not self.reprocess_study(study_instance_uid, routing, trigger=PLANNED):
                reason = why_not or "an analysis was queued already"
                self._settle_item(plan_id, study_instance_uid, ItemState.SKIPPED, reason)
                return ItemState.SKIPPED
            self._execute(
                """
                UPDATE reprocessing_items SET state = 'queued', fetched = :fetched, queued_at = :now,
                    analysis_id = (SELECT id FROM analyses WHERE study_instance_uid = :study
                                   AND state = 'queued')
                WHERE plan_id = :plan AND study_instance_uid = :study
                """,
                {
                    "plan": plan_id,
                    "study": study_instance_uid,
                    "fetched": int(fetched),
                    "now": self._now(),
                },
            )
            self._execute(
                "UPDATE reprocessing_plans SET last_queued_at = :now,"
                " first_queued_at = iif(first_queued_at = '', :now, first_queued_at) WHERE id = :plan",
                {"plan": plan_id, "now": self._now()},
            )
            return ItemState.QUEUED

    def settle_planned(self) -> int:
        """Journal what became of the studies whose analyses have ended, and which plans are done."""
        ended = self._rows(
            """
            SELECT plan_id, item.study_instance_uid, analysis.state, status, comparison, analysis.reason
            FROM reprocessing_items AS item INDEXED BY reprocessing_items_queued
            JOIN analyses AS analysis ON analysis.id = analysis_id
            WHERE item.state = 'queued' AND analysis.state IN ('done', 'failed')
            """
        )
        if ended:
            with self._transaction():
                for row in ended:
                    self._settle_item(row["plan_id"], row["study_instance_uid"], *_what_became(row))
        for plan in self.open_plans():
            if plan.remaining == 0:
                self._end_plan(plan)
        return len(ended)

    def note_waiting(self, plan: ReprocessingPlan, waits_for: str) -> None:
        """Journal why a plan queues nothing at present; empty: it goes on."""
        if plan.waits_for != waits_for:
            with self._transaction():
                self._execute(
                    "UPDATE reprocessing_plans SET waits_for = ? WHERE id = ?", (waits_for, plan.id)
                )

    def count_planned(self) -> int:
        """Return how many studies of plans are queued or being analysed."""
        row = self._row(
            "SELECT count(*) AS items FROM reprocessing_items INDEXED BY reprocessing_items_queued"
            " WHERE state = 'queued'"
        )
        return int(row["items"]) if row else 0

    def new_studies_wait(self) -> bool:
        """Tell whether an analysis of no plan could begin now."""
        row = self._row(
            """
            SELECT 1 FROM analyses
            WHERE state = 'queued' AND next_attempt_at <= ? AND "trigger" <> ?
              AND study_instance_uid NOT IN (SELECT study_instance_uid FROM holds)
              AND NOT EXISTS (SELECT 1 FROM retrievals
                              WHERE retrievals.study_instance_uid = analyses.study_instance_uid
                                AND purpose = 'original' AND retrievals.state IN ('waiting', 'running'))
            LIMIT 1
            """,
            (self._now(), PLANNED),
        )
        return row is not None

    def objects_received(self, *, within_seconds: float, at_most: int) -> int:
        """Return how many objects were recorded within the last so many seconds, counted up to `at_most`."""
        row = self._row(
            "SELECT count(*) AS objects FROM (SELECT received_at FROM instances ORDER BY id DESC LIMIT ?)"
            " WHERE received_at > ?",
            (at_most, self._after(-within_seconds)),
        )
        return int(row["objects"]) if row else 0

    def ended_within(self, plan_id: int, *, seconds: float) -> int:
        """Return how many studies of a plan were settled by an analysis within the last so many seconds."""
        row = self._row(
            "SELECT count(*) AS ended FROM reprocessing_items"
            " WHERE plan_id = ? AND ended_at > ? AND analysis_id IS NOT NULL",
            (plan_id, self._after(-seconds)),
        )
        return int(row["ended"]) if row else 0

    def _plan(self, row: Row) -> ReprocessingPlan:
        pace = PlanPace(row.pop("hours"), row.pop("studies_per_hour"))
        return ReprocessingPlan(
            **{
                **row,
                "selection": StudySelection.from_json(row["selection"]),
                "state": PlanState(row["state"]),
            },
            pace=pace,
            items=self._count_items(row["id"]),
        )

    def _count_items(self, plan_id: int) -> Mapping[ItemState, int]:
        rows = self._rows(
            "SELECT state, count(*) AS items FROM reprocessing_items WHERE plan_id = ? GROUP BY state",
            (plan_id,),
        )
        return MappingProxyType({ItemState(row["state"]): int(row["items"]) for row in rows})

    def _why_not(self, uid: str, routing: Routing) -> str:
        """Say why a study is not analysed now; empty if it can be."""
        study = self.study(uid)
        if study is None:
            return "it is not in the journal any more"
        if study.state is StudyState.RECEIVING:
            return "still arriving; it is analysed when complete"
        if self._row("SELECT 1 FROM holds WHERE study_instance_uid = ?", (uid,)):
            return "held by an administrator"
        return "" if "analyse" in routing.actions else f"not analysed: {routing}"

    def _settle_item(self, plan_id: int, uid: str, state: ItemState, reason: str) -> None:
        self._execute(
            "UPDATE reprocessing_items SET state = ?, reason = ?, ended_at = ?"
            " WHERE plan_id = ? AND study_instance_uid = ?",
            (state, reason, self._now(), plan_id, uid),
        )

    def _move_plan(self, plan_id: int, state: str, to: PlanState, why: str) -> bool:
        with self._transaction():
            if self.plan(plan_id).state != state or state not in (PlanState.RUNNING, PlanState.PAUSED):
                return False
            ended = self._now() if to is PlanState.CANCELLED else ""
            self._execute(
                "UPDATE reprocessing_plans SET state = ?, waits_for = '', ended_at = ? WHERE id = ?",
                (to, ended, plan_id),
            )
            self._note_plan(plan_id, why, to)
            return True

    def _end_plan(self, plan: ReprocessingPlan) -> None:
        with self._transaction():
            self._execute(
                "UPDATE reprocessing_plans SET state = 'done', waits_for = '', ended_at = ? WHERE id = ?",
                (self._now(), plan.id),
            )
            counts = ", ".join(f"{count} {state}" for state, count in sorted(plan.items.items()))
            self._note_plan(plan.id, f"done: {counts or 'no study'}", "done")

    def _note_plan(self, plan_id: int, message: str, what: str) -> None:
        self._note_reprocessing(f"reprocessing_{what}", f"plan {plan_id}: {message}")


def _what_became(analysis: Row) -> tuple[ItemState, str]:
    if analysis["state"] == "failed":
        return ItemState.FAILED, analysis["reason"]
    if analysis["comparison"] == UNCHANGED:
        return ItemState.UNCHANGED, ""
    if analysis["status"] != "analyzed":
        return ItemState.DECLINED, analysis["reason"]
    return ItemState.CHANGED, ""
