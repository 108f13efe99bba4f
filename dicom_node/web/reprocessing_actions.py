"""What operators do about reprocessing, on pages and through the REST API; journalled with the reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from dicom_node.config import NodeConfig
from dicom_node.errors import OperationRefusedError
from dicom_node.storage.journal import Journal
from dicom_node.storage.reprocessing import ReprocessingJob
from dicom_node.web.changes import record_change
from dicom_node.web.context import User
from dicom_node.web.reprocessing_form import NewReprocessing
from dicom_node.workflow.reprocess_plans import make_plan, set_job

__all__ = ["cancel_plan", "create_job", "create_plan", "pause_plan", "remove_job", "resume_plan"]


def create_plan(journal: Journal, config: NodeConfig, user: User, wanted: NewReprocessing) -> int:
    """Make a plan, which the running node carries out; return its number. Raises as `make_plan`."""
    selection = wanted.selection(journal)
    with journal.all_or_nothing():
        plan = make_plan(journal, config, selection, wanted.pace(), by=user.name, reason=wanted.reason)
        record_change(
            journal, user, "reprocessing.start", f"plan {plan}", wanted.reason, detail=str(selection)
        )
    return plan


def create_job(journal: Journal, user: User, wanted: NewReprocessing) -> datetime:
    """Have a plan made whenever the cron expression comes; return when it first does. Raises as `set_job`."""
    selection = wanted.selection(journal)
    with journal.all_or_nothing():
        first = set_job(
            journal,
            wanted.name.strip(),
            wanted.cron.strip(),
            selection,
            wanted.pace(),
            source="console",
            by=user.name,
            reason=wanted.reason,
        )
        detail = f"{wanted.cron.strip()}: {selection}"
        record_change(
            journal, user, "reprocessing.schedule", wanted.name.strip(), wanted.reason, detail=detail
        )
    return first


def remove_job(journal: Journal, user: User, name: str, reason: str) -> None:
    """Forget a job; the plans it has made go on.

    Raises
    ------
    OperationRefusedError
        If there is none of that name, or the configuration file holds it.
    """
    known = next((job for job in journal.reprocessing_jobs() if job.name == name), None)
    _require_removable(known, name)
    with journal.all_or_nothing():
        journal.remove_reprocessing_job(name, by=user.name, reason=reason)
        record_change(journal, user, "reprocessing.unschedule", name, reason)


def pause_plan(journal: Journal, user: User, plan: int, reason: str) -> None:
    """Queue nothing more of a plan until it is resumed."""
    _move(journal, user, plan, reason, "pause", journal.pause_plan)


def resume_plan(journal: Journal, user: User, plan: int, reason: str) -> None:
    """Let a paused plan go on."""
    _move(journal, user, plan, reason, "resume", journal.resume_plan)


def cancel_plan(journal: Journal, user: User, plan: int, reason: str) -> None:
    """End a plan; what is queued is still analysed."""
    _move(journal, user, plan, reason, "cancel", journal.cancel_plan)


def _move(journal: Journal, user: User, plan: int, reason: str, verb: str, move: Callable[..., bool]) -> None:
    with journal.all_or_nothing():
        if not move(plan, by=user.name, reason=reason):
            raise OperationRefusedError(
                f"plan {plan} is {journal.plan(plan).state}: it cannot {verb}; look at it again"
            )
        record_change(journal, user, f"reprocessing.{verb}", f"plan {plan}", reason)


def _require_removable(job: ReprocessingJob | None, name: str) -> None:
    if job is None:
        raise OperationRefusedError(f"there is no reprocessing job {name!r}; it may be removed already")
    if job.source == "configuration":
        raise OperationRefusedError(
            f"job {name!r} stands in the configuration file; remove its [[job]] there"
        )
