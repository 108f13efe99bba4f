"""What operators do on the pages of queue and jobs, and programs through the REST API.

Each is journalled with the person and the reason.
"""

from __future__ import annotations

from dicom_node.errors import OperationRefusedError
from dicom_node.storage.journal import Journal
from dicom_node.web.changes import record_change
from dicom_node.web.context import User
from dicom_node.workflow.queue_view import require_open

__all__ = [
    "discard_dead_letters",
    "discard_delivery",
    "pause_job",
    "resume_job",
    "retry_delivery",
    "retry_destination",
    "run_job",
]


def retry_delivery(journal: Journal, user: User, delivery_id: int, reason: str) -> int:
    """Have one object sent as soon as can be; return how many objects are due now.

    Raises
    ------
    OperationRefusedError
        If it does not wait any more, or is accepted already.
    """
    wanted = require_open(journal, delivery_id)
    if wanted.state not in ("dead", "pending"):
        raise OperationRefusedError(
            f"delivery {delivery_id} is {wanted.state}: there is nothing to retry; wait for its outcome"
        )
    with journal.all_or_nothing():
        due = journal.retry_delivery_now(delivery_id)
        record_change(
            journal,
            user,
            "delivery.retry",
            wanted.study_instance_uid,
            reason,
            detail=f"to {wanted.destination}: object {wanted.sop_instance_uid}, was {wanted.state}",
        )
    return due


def retry_destination(journal: Journal, user: User, destination: str, reason: str) -> int:
    """Have everything that waits for a destination, dead letters included, sent; return how many are due."""
    with journal.all_or_nothing():
        due = journal.retry_destination_now(destination)
        record_change(journal, user, "delivery.retry", destination, reason, detail=f"{due} objects")
    return due


def discard_delivery(journal: Journal, user: User, delivery_id: int, reason: str) -> None:
    """Give one dead letter up for good.

    Raises
    ------
    OperationRefusedError
        If it is no dead letter, or not any more.
    """
    wanted = require_open(journal, delivery_id)
    if wanted.state != "dead":
        raise OperationRefusedError(
            f"delivery {delivery_id} is {wanted.state}: only what was given up can be discarded"
        )
    with journal.all_or_nothing():
        journal.discard_deliveries(delivery_id=delivery_id, because=f"{user.name}: {reason}")
        record_change(
            journal,
            user,
            "delivery.discard",
            wanted.study_instance_uid,
            reason,
            detail=f"to {wanted.destination}: object {wanted.sop_instance_uid}; {wanted.reason}",
        )


def discard_dead_letters(journal: Journal, user: User, destination: str, reason: str) -> int:
    """Give every dead letter for a destination up; return how many."""
    with journal.all_or_nothing():
        discarded = journal.discard_deliveries(destination=destination, because=f"{user.name}: {reason}")
        record_change(
            journal, user, "delivery.discard", destination, reason, detail=f"{discarded} dead letters"
        )
    return discarded


def run_job(journal: Journal, user: User, name: str, reason: str) -> None:
    """Have the running node run a job now. Raises `ConfigurationError` if there is none of that name."""
    with journal.all_or_nothing():
        journal.request_job_run(name, by=user.name, reason=reason)
        record_change(journal, user, "job.run", name, reason)


def pause_job(journal: Journal, user: User, name: str, reason: str) -> None:
    """Keep a job from running. Raises `ConfigurationError` as `JobTables.pause_job`."""
    with journal.all_or_nothing():
        if journal.pause_job(name, by=user.name, reason=reason):
            record_change(journal, user, "job.pause", name, reason)


def resume_job(journal: Journal, user: User, name: str, reason: str) -> None:
    """Let a paused job run again."""
    with journal.all_or_nothing():
        if journal.resume_job(name, by=user.name, reason=reason):
            record_change(journal, user, "job.resume", name, reason)
