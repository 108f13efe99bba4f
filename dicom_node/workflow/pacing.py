"""When a destination may be sent to and how fast: its hours, the limits of its rate, its first question."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

from dicom_node.config import Destination
from dicom_node.config.delivering import hours_of

__all__ = ["FIRST_SEARCH_SECONDS", "Pace", "first_confirmation_seconds", "rests", "within_hours"]

FIRST_SEARCH_SECONDS = 10.0
"""Wait before an object is searched for, doubled for each further time (assumption: what an archive needs to
index an object that it has accepted)."""


def rests(until: datetime, now: datetime, *, at_most: float) -> bool:
    """Tell whether a rest goes on; one longer than it was meant ends, for the clock was set back.

    Parameters
    ----------
    at_most : float
        Longest rest that was meant, in seconds.
    """
    return now < until <= now + timedelta(seconds=at_most)


def within_hours(hours: str | None, moment: datetime, *, zone: tzinfo | None = None) -> bool:
    """Tell whether a moment lies in the hours ``"19:00-07:00"``, begin included and end not.

    The clock on the wall decides, so hours keep their meaning when summer time begins or ends; hours that a
    change of the clock skips do not come on that day.

    Parameters
    ----------
    zone : tzinfo, optional
        Whose wall; that of this machine by default.
    """
    if hours is None:
        return True
    begin, end = hours_of(hours)
    now = moment.astimezone(zone).time()
    return begin <= now < end if begin < end else now >= begin or now < end


def first_confirmation_seconds(destination: Destination) -> float | None:
    """Return how long after its acceptance an object is first asked about; None if it is delivered then."""
    return {"store": None, "commitment": 0.0, "find": FIRST_SEARCH_SECONDS}[destination.confirm]


class Pace:
    """Spreads objects over time so that a destination's limits are kept.

    Parameters
    ----------
    monotonic : callable
        Seconds on a clock that nobody sets.
    """

    def __init__(self, destination: Destination, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._instances_per_second = destination.max_instances_per_second
        self._bytes_per_second = destination.max_bytes_per_second
        self._monotonic = monotonic
        self._free_at = 0.0

    def spend(self, size: int) -> None:
        """Take note that an object of `size` bytes went out."""
        costs = [0.0]
        if self._instances_per_second:
            costs.append(1 / self._instances_per_second)
        if self._bytes_per_second:
            costs.append(size / self._bytes_per_second)
        self._free_at = max(self._free_at, self._monotonic()) + max(costs)

    def wait_seconds(self) -> float:
        """Return how long the next object has to wait."""
        return max(0.0, self._free_at - self._monotonic())
