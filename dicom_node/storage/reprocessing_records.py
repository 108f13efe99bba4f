"""Plans of reprocessing and the jobs that make them, as the journal gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from dicom_node.storage.selection import StudySelection

__all__ = [
    "OPEN_ITEMS",
    "ItemState",
    "JobSource",
    "PlanItem",
    "PlanPace",
    "PlanState",
    "ReprocessingJob",
    "ReprocessingPlan",
]

JobSource = Literal["configuration", "command", "console"]


class PlanState(StrEnum):
    """Where a plan stands."""

    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class ItemState(StrEnum):
    """What became of one study of a plan."""

    WAITING = "waiting"
    QUEUED = "queued"
    """Its analysis is queued or running."""
    CHANGED = "changed"
    """Its result differs and replaces the one before."""
    UNCHANGED = "unchanged"
    """Its result says the same; nothing was sent."""
    DECLINED = "declined"
    """The engine has declined it, as it may have done before."""
    SKIPPED = "skipped"
    """It was not analysed, for the reason given."""
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_ITEMS = (ItemState.WAITING, ItemState.QUEUED)


@dataclass(frozen=True, slots=True)
class PlanPace:
    """When and how fast studies are queued.

    Attributes
    ----------
    hours : str
        Window of the day, such as ``22:00-06:00``, by the clock on the wall; empty: always.
    studies_per_hour : float
        At most; 0: as fast as the node can.
    """

    hours: str = ""
    studies_per_hour: float = 0.0


@dataclass(frozen=True, slots=True)
class ReprocessingPlan:
    """One row of ``reprocessing_plans``; times are ISO 8601 UTC, empty if they have not come.

    Attributes
    ----------
    job : str
        Name of the `ReprocessingJob` that made it; empty if a person did.
    waits_for : str
        Why nothing is queued at present; empty while it goes on.
    items : mapping of ItemState to int
        How many of its studies are where; states without one are absent.
    """

    id: int
    job: str
    selection: StudySelection
    pace: PlanPace
    state: PlanState
    waits_for: str
    requested_by: str
    reason: str
    created_at: str
    first_queued_at: str
    last_queued_at: str
    ended_at: str
    items: Mapping[ItemState, int]

    @property
    def studies(self) -> int:
        """How many studies it holds."""
        return sum(self.items.values())

    @property
    def remaining(self) -> int:
        """How many of them are not settled yet."""
        return sum(self.items.get(state, 0) for state in OPEN_ITEMS)


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One study of a plan."""

    study_instance_uid: str
    position: int
    state: ItemState
    reason: str
    analysis_id: int | None
    fetched: bool
    """Whether originals had to be fetched for it."""
    queued_at: str
    ended_at: str


@dataclass(frozen=True, slots=True)
class ReprocessingJob:
    """What makes a plan whenever its cron expression comes; `next_at` and `last_at` are ISO 8601 UTC."""

    name: str
    selection: StudySelection
    cron: str
    pace: PlanPace
    source: JobSource
    created_by: str
    reason: str
    created_at: str
    next_at: str
    last_at: str
