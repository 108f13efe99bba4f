"""The outbox as an administrator sees it: what waits, why each item is there, when it is tried next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from pydicom.uid import UID

from dicom_node.config import NodeConfig
from dicom_node.errors import OperationRefusedError
from dicom_node.storage.connection import utc_now
from dicom_node.storage.health import DestinationHealth
from dicom_node.storage.journal import Journal
from dicom_node.storage.waiting import OPEN_STATES, OpenDelivery, OpenState
from dicom_node.workflow.pacing import within_hours

__all__ = ["PAGE_SIZE", "DestinationView", "QueueItem", "QueuePage", "Why", "queue_page", "require_open"]

PAGE_SIZE = 50


class Why(StrEnum):
    """Why an object is in the outbox; the first that holds."""

    GIVEN_UP = "given_up"
    NOT_CONFIGURED = "not_configured"
    """No [[destination]] has this name."""
    HELD = "held"
    """A person holds the study."""
    SENDING = "sending"
    COMMITMENT_AWAITED = "commitment_awaited"
    SEARCH_AWAITED = "search_awaited"
    """Accepted; that the destination holds it is yet to be seen by a search."""
    OUTSIDE_HOURS = "outside_hours"
    DESTINATION_DOWN = "destination_down"
    DESTINATION_RESTS = "destination_rests"
    """It failed, but not often enough to count as down."""
    BEHIND = "behind"
    """An earlier object of the study goes first."""
    RETRY_LATER = "retry_later"
    NEXT = "next"


@dataclass(frozen=True)
class DestinationView:
    """How one destination stands; times are ISO 8601 UTC, empty if there is none.

    Attributes
    ----------
    type : str
        Empty if no ``[[destination]]`` has this name any more.
    hours : str
        When it is sent to, local time; empty = always.
    open_now : bool
        Whether its hours, if any, allow sending at present.
    """

    name: str
    type: str
    hours: str
    open_now: bool
    confirm: str
    health: DestinationHealth
    dead: int = 0
    waiting: int = 0
    stored: int = 0
    oldest: str = ""

    @property
    def is_down(self) -> bool:
        """Whether the circuit breaker is open."""
        return self.health.breaker == "open"

    def rests(self, now: datetime) -> bool:
        """Tell whether nothing is tried at present, since the last connection failed."""
        return bool(self.health.rests_until) and datetime.fromisoformat(self.health.rests_until) > now


@dataclass(frozen=True)
class QueueItem:
    """One object of the outbox and why it is there."""

    delivery: OpenDelivery
    why: Why
    next_attempt_at: str
    """Earliest; empty if a person has to decide, or hours or another object have to come first."""

    @property
    def object_name(self) -> str:
        """The SOP class by its name in the standard, e.g. ``"Comprehensive SR"``."""
        return UID(self.delivery.sop_class_uid).name.removesuffix(" Storage")

    @property
    def status_text(self) -> str:
        """The destination's last answer: a DIMSE status in hexadecimal or an HTTP status."""
        status = self.delivery.last_status
        return "" if status is None else f"{status:04X}H"

    @property
    def can_retry(self) -> bool:
        """Whether trying it now would change anything."""
        return self.delivery.state in ("dead", "pending")

    @property
    def can_discard(self) -> bool:
        """Whether it is a dead letter."""
        return self.delivery.state == "dead"


@dataclass(frozen=True)
class QueuePage:
    """One page of the outbox.

    Attributes
    ----------
    total : int
        How many items the filter leaves.
    """

    destinations: tuple[DestinationView, ...]
    items: tuple[QueueItem, ...]
    total: int
    page: int

    @cached_property
    def counts(self) -> Mapping[OpenState, int]:
        """How many objects are in each state, at all destinations."""
        return {state: sum(getattr(item, state) for item in self.destinations) for state in OPEN_STATES}

    @property
    def pages(self) -> int:
        """How many pages the filter leaves, at least one."""
        return max(1, -(-self.total // PAGE_SIZE))


def queue_page(
    journal: Journal,
    config: NodeConfig,
    *,
    destination: str | None = None,
    states: Sequence[OpenState] = OPEN_STATES,
    page: int = 1,
    now: datetime | None = None,
) -> QueuePage:
    """Return one page of what is not done, dead letters first.

    Parameters
    ----------
    page : int
        From 1; one beyond the last is the last.
    """
    now = now or utc_now()
    destinations = _destinations(journal, config, now)
    total = sum(
        getattr(item, state) for item in destinations if destination in (None, item.name) for state in states
    )
    page = min(max(page, 1), max(1, -(-total // PAGE_SIZE)))
    found = journal.open_deliveries(
        destination=destination, states=states, limit=PAGE_SIZE, offset=(page - 1) * PAGE_SIZE
    )
    by_name = {item.name: item for item in destinations}
    items = tuple(_item(delivery, by_name.get(delivery.destination), now) for delivery in found)
    return QueuePage(tuple(destinations), items, total, page)


def require_open(journal: Journal, delivery_id: int) -> OpenDelivery:
    """Return one item of the outbox.

    Raises
    ------
    OperationRefusedError
        If it is delivered or discarded meanwhile, or never was.
    """
    found = journal.open_delivery(delivery_id)
    if found is None:
        raise OperationRefusedError(
            f"delivery {delivery_id} does not wait any more: it was delivered or discarded; look at the queue"
        )
    return found


def _destinations(journal: Journal, config: NodeConfig, now: datetime) -> list[DestinationView]:
    counts: dict[str, dict[str, int]] = {}
    oldest: dict[str, str] = {}
    for count in journal.open_counts():
        counts.setdefault(count.destination, {})[count.state] = count.objects
        oldest[count.destination] = min(oldest.get(count.destination, count.since), count.since)
    configured = {item.name: item for item in config.destinations}
    found = []
    for name in (*configured, *sorted(counts.keys() - configured.keys())):
        known = configured.get(name)
        found.append(
            DestinationView(
                name=name,
                type=known.type if known else "",
                hours=(known.hours or "") if known else "",
                open_now=within_hours(known.hours, now) if known else False,
                confirm=known.confirm if known else "store",
                health=journal.destination_health(name),
                oldest=oldest.get(name, ""),
                **counts.get(name, {}),
            )
        )
    return found


def _item(delivery: OpenDelivery, destination: DestinationView | None, now: datetime) -> QueueItem:
    why = _why(delivery, destination, now)
    rests_until = destination.health.rests_until if destination else ""
    earliest = {
        Why.RETRY_LATER: delivery.next_attempt_at,
        Why.COMMITMENT_AWAITED: delivery.next_attempt_at,
        Why.SEARCH_AWAITED: delivery.next_attempt_at,
        Why.DESTINATION_DOWN: max(rests_until, delivery.next_attempt_at),
        Why.DESTINATION_RESTS: max(rests_until, delivery.next_attempt_at),
    }
    return QueueItem(delivery, why, earliest.get(why, ""))


def _why(delivery: OpenDelivery, destination: DestinationView | None, now: datetime) -> Why:
    if delivery.state == "dead":
        return Why.GIVEN_UP
    if destination is None or not destination.type:
        return Why.NOT_CONFIGURED
    settled = {
        "sending": Why.SENDING,
        "stored": Why.COMMITMENT_AWAITED if destination.confirm == "commitment" else Why.SEARCH_AWAITED,
    }
    if delivery.state in settled:
        return settled[delivery.state]
    waits = (
        (bool(delivery.held_by), Why.HELD),
        (not destination.open_now, Why.OUTSIDE_HOURS),
        (destination.is_down and destination.rests(now), Why.DESTINATION_DOWN),
        (destination.rests(now), Why.DESTINATION_RESTS),
        (delivery.behind, Why.BEHIND),
        (
            bool(delivery.next_attempt_at) and datetime.fromisoformat(delivery.next_attempt_at) > now,
            Why.RETRY_LATER,
        ),
    )
    return next((why for holds, why in waits if holds), Why.NEXT)
