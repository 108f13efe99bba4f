"""A circuit breaker per destination: it spares a peer that is down the rest of the queue.

After each failed connection the destination rests, twice as long each time, with jitter; then, or when an
administrator wants it, one study probes it. After `breaker_failures` of them in a row it counts as down: the
breaker is open, which an administrator hears of once. While a probe is under way it is half open. The state
lives in the journal.
"""

from __future__ import annotations

import random
from datetime import datetime

from dicom_node.config import DeliverySettings
from dicom_node.observe.metrics import BREAKERS_OPEN
from dicom_node.storage.connection import Clock
from dicom_node.storage.journal import Journal
from dicom_node.workflow.pacing import rests

__all__ = ["Breaker", "backoff_seconds"]


class Breaker:
    """Whether a destination may be tried now.

    Parameters
    ----------
    random_source : random.Random
        Gives the jitter of the rests.
    """

    def __init__(
        self,
        destination: str,
        settings: DeliverySettings,
        journal: Journal,
        *,
        random_source: random.Random,
        clock: Clock,
    ) -> None:
        self._destination = destination
        self._settings = settings
        self._journal = journal
        self._random = random_source
        self._clock = clock
        known = journal.destination_health(destination)
        self._failures = known.failures
        self._rests_until = datetime.fromisoformat(known.rests_until) if known.rests_until else None
        BREAKERS_OPEN.labels(destination).set(self.is_open)

    @property
    def is_open(self) -> bool:
        """Whether the destination counts as down."""
        return self._failures >= self._settings.breaker_failures

    def allows(self) -> bool:
        """Tell whether the destination may be tried: it is well, or its rest is over."""
        return not (self._rests() and self._rests_by_the_journal())

    def _rests(self) -> bool:
        return self._rests_until is not None and rests(
            self._rests_until, self._clock(), at_most=self._settings.max_retry_seconds
        )

    def _rests_by_the_journal(self) -> bool:
        """An administrator may have ended the rest there."""
        known = self._journal.destination_health(self._destination).rests_until
        self._rests_until = datetime.fromisoformat(known) if known else None
        return self._rests()

    def failed(self, reason: str) -> None:
        """Take note of a connection that failed."""
        self._failures += 1
        rest = self.wait_seconds(self._failures)
        self._journal.note_destination_failure(
            self._destination,
            failures=self._failures,
            opens=self.is_open,
            rest_seconds=rest,
            reason=reason,
        )
        health = self._journal.destination_health(self._destination)
        self._rests_until = datetime.fromisoformat(health.rests_until)
        BREAKERS_OPEN.labels(self._destination).set(self.is_open)

    def succeeded(self) -> None:
        """Take note that the destination answers, whatever it says."""
        if self._failures:
            self._failures, self._rests_until = 0, None
            self._journal.note_destination_success(self._destination)
            BREAKERS_OPEN.labels(self._destination).set(0)

    def wait_seconds(self, failures: int) -> float:
        """Return how long to wait after 1, 2, ... failures in a row."""
        return backoff_seconds(self._settings, failures) * self._random.uniform(0.5, 1.0)


def backoff_seconds(settings: DeliverySettings, failures: int) -> float:
    """Return the longest wait in seconds after 1, 2, ... failures in a row: it doubles up to the cap."""
    doublings = min(failures - 1, 64)
    return min(settings.max_retry_seconds, settings.first_retry_seconds * 2.0**doublings)
