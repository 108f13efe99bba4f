"""The queue, for programs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from dicom_node.storage.waiting import OPEN_STATES, OpenState
from dicom_node.web import admin_actions
from dicom_node.web.api.bodies import Reason
from dicom_node.web.context import ConfigDep, JournalDep, Operator, Viewer
from dicom_node.workflow.queue_view import DestinationView, QueueItem, Why, queue_page

__all__ = ["router"]

router = APIRouter(prefix="/queue", tags=["queue"])


class QueuedObject(BaseModel):
    """One object that is not at its destination, or not known to be."""

    id: int
    destination: str
    study: int = Field(description="Names the study in /studies/{study}.")
    study_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    kind: str = Field(description="result or original")
    state: str = Field(description="pending, sending, stored (not confirmed) or dead")
    why: Why
    reason: str = Field(description="Why the last attempt failed; empty before the first.")
    last_status: str = Field(description="The destination's last answer, hexadecimal; empty if none.")
    attempts: int
    next_attempt_at: str = Field(description="Earliest; empty if that does not depend on time.")
    queued_at: str


class QueueDestination(BaseModel):
    """How one destination stands."""

    name: str
    type: str = Field(description="Empty if none of this name is configured any more.")
    down: bool = Field(description="Whether its circuit breaker is open.")
    failures: int = Field(description="Failed connections in a row.")
    rests_until: str
    hours: str = Field(description="When it is sent to, local time; empty = always.")
    open_now: bool
    dead: int
    waiting: int
    stored: int


class Queue(BaseModel):
    """One page of the queue."""

    destinations: list[QueueDestination]
    items: list[QueuedObject]
    total: int
    page: int
    pages: int


class OfDestination(Reason):
    """What is done for everything of a destination."""

    destination: str = Field(min_length=1, max_length=200)


class Affected(BaseModel):
    """How many objects it concerned."""

    objects: int


@router.get("")
def show(
    user: Viewer,
    config: ConfigDep,
    journal: JournalDep,
    destination: str = "",
    state: OpenState | None = None,
    page: Annotated[int, Query(ge=1)] = 1,
) -> Queue:
    """List what waits, dead letters first, 50 to a page."""
    states = [state] if state else OPEN_STATES
    found = queue_page(journal, config, destination=destination or None, states=states, page=page)
    return Queue(
        destinations=[_destination(item) for item in found.destinations],
        items=[_item(item) for item in found.items],
        total=found.total,
        page=found.page,
        pages=found.pages,
    )


@router.post("/{delivery}/retry")
def retry(user: Operator, journal: JournalDep, delivery: int, why: Reason) -> Affected:
    """Send one object as soon as can be, with those of its study before it."""
    return Affected(objects=admin_actions.retry_delivery(journal, user, delivery, why.reason))


@router.post("/{delivery}/discard")
def discard(user: Operator, journal: JournalDep, delivery: int, why: Reason) -> Affected:
    """Give one dead letter up for good."""
    admin_actions.discard_delivery(journal, user, delivery, why.reason)
    return Affected(objects=1)


@router.post("/retry")
def retry_destination(user: Operator, journal: JournalDep, wanted: OfDestination) -> Affected:
    """Send everything that waits for a destination as soon as can be."""
    return Affected(objects=admin_actions.retry_destination(journal, user, wanted.destination, wanted.reason))


@router.post("/discard")
def discard_destination(user: Operator, journal: JournalDep, wanted: OfDestination) -> Affected:
    """Give every dead letter for a destination up for good."""
    return Affected(
        objects=admin_actions.discard_dead_letters(journal, user, wanted.destination, wanted.reason)
    )


def _item(item: QueueItem) -> QueuedObject:
    delivery = item.delivery
    return QueuedObject(
        id=delivery.id,
        destination=delivery.destination,
        study=delivery.study_key,
        study_instance_uid=delivery.study_instance_uid,
        sop_class_uid=delivery.sop_class_uid,
        sop_instance_uid=delivery.sop_instance_uid,
        kind=delivery.kind,
        state=delivery.state,
        why=item.why,
        reason=delivery.reason,
        last_status=item.status_text,
        attempts=delivery.attempts,
        next_attempt_at=item.next_attempt_at,
        queued_at=delivery.created_at,
    )


def _destination(item: DestinationView) -> QueueDestination:
    return QueueDestination(
        name=item.name,
        type=item.type,
        down=item.is_down,
        failures=item.health.failures,
        rests_until=item.health.rests_until,
        hours=item.hours,
        open_now=item.open_now,
        dead=item.dead,
        waiting=item.waiting,
        stored=item.stored,
    )
