"""Sends results out: one `DeliveryQueue` per destination, so that a bad one never delays another.

A failure that may pass is tried again, for ever, with a wait that doubles up to a cap; one that will not goes
to the dead letters with its reason. Results of a study are sent in their order, the summary page first.
"""

from __future__ import annotations

import logging
import random
import threading
from datetime import datetime, timedelta

from dicom_node.config import DeliverySettings, Destination
from dicom_node.errors import DeliveryError, PermanentDeliveryError, RejectedInput, TransientDeliveryError
from dicom_node.network.sender import Peer, SendableFile, StoreOutcome, Timeouts, read_sendable, store
from dicom_node.storage.archive import Archive
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Delivery

__all__ = ["DeliveryQueue", "backoff_seconds"]

logger = logging.getLogger(__name__)


class DeliveryQueue:
    """The outbox of one destination.

    Parameters
    ----------
    owner : str
        This process's name on leases.
    random_source : random.Random
        Gives the jitter of the back-off.
    """

    def __init__(
        self,
        destination: Destination,
        settings: DeliverySettings,
        archive: Archive,
        journal: Journal,
        *,
        calling_ae_title: str,
        owner: str,
        random_source: random.Random | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.name = destination.name
        self._peer = Peer.of(destination)
        self._timeouts = Timeouts.of(settings)
        self._settings = settings
        self._archive = archive
        self._journal = journal
        self._calling_ae_title = calling_ae_title
        self._owner = owner
        self._random = random_source or random.Random()  # noqa: S311 - spreads retries, protects nothing
        self._clock = clock
        self._stopping = threading.Event()
        self._failures = 0
        self._closed_until: datetime | None = None

    def pump(self) -> None:
        """Send everything that is due, study by study; return at once while the destination is resting."""
        while not self._stopping.is_set() and not self._resting():
            claimed = self._journal.claim_deliveries(
                self.name, owner=self._owner, lease_seconds=self._lease_seconds
            )
            if not claimed:
                return
            self._send_study(claimed)

    def stop(self) -> None:
        """Claim nothing more; what is being sent is finished."""
        self._stopping.set()

    @property
    def _lease_seconds(self) -> float:
        """Longer than a study's results can take when every wait reaches its limit."""
        return self._timeouts.connect + 20 * self._timeouts.response

    def _resting(self) -> bool:
        return self._closed_until is not None and self._clock() < self._closed_until

    def _send_study(self, claimed: list[Delivery]) -> None:
        """Send one study's results in order; after a passing failure the rest waits with the failed one."""
        waiting = self._readable(claimed)
        try:
            for outcome in store(
                [file for _, file in waiting],
                self._peer,
                calling_ae_title=self._calling_ae_title,
                timeouts=self._timeouts,
            ):
                self._destination_answers()
                if isinstance(outcome.error, TransientDeliveryError):
                    self._postpone([delivery for delivery, _ in waiting], outcome.error, outcome.status)
                    return
                self._settle(waiting.pop(0)[0], outcome)
        except PermanentDeliveryError as error:
            for delivery, _ in waiting:
                self._bury(delivery, error, None)
        except TransientDeliveryError as error:
            self._rest()
            self._postpone([delivery for delivery, _ in waiting], error, None)

    def _readable(self, claimed: list[Delivery]) -> list[tuple[Delivery, SendableFile]]:
        found = []
        for delivery in claimed:
            try:
                found.append((delivery, read_sendable(self._archive.resolve(delivery.path))))
            except RejectedInput as error:
                self._bury(delivery, error, None)
        return found

    def _settle(self, delivery: Delivery, outcome: StoreOutcome) -> None:
        if outcome.error is not None:
            self._bury(delivery, outcome.error, outcome.status)
            return
        self._journal.mark_delivered(delivery, outcome.status or 0)
        logger.info("study %s: result delivered to %s", delivery.study_instance_uid, self.name)

    def _bury(self, delivery: Delivery, error: Exception, status: int | None) -> None:
        self._journal.bury_delivery(delivery, reason=str(error), status=status)
        logger.error(
            "study %s: a result for %s is a dead letter: %s", delivery.study_instance_uid, self.name, error
        )

    def _postpone(self, waiting: list[Delivery], error: DeliveryError, status: int | None) -> None:
        first = waiting[0]
        moment = self._clock() + timedelta(seconds=self._backoff(first.attempts))
        for delivery in waiting:
            self._journal.retry_delivery_at(delivery, moment, reason=str(error), status=status)
        logger.warning(
            "study %s: %d results for %s wait until %s: %s",
            first.study_instance_uid,
            len(waiting),
            self.name,
            moment.isoformat(timespec="seconds"),
            error,
        )

    def _destination_answers(self) -> None:
        self._failures, self._closed_until = 0, None

    def _rest(self) -> None:
        """Spare a destination that is down the rest of the queue: one study at a time probes it."""
        self._failures += 1
        self._closed_until = self._clock() + timedelta(seconds=self._backoff(self._failures))

    def _backoff(self, failures: int) -> float:
        return backoff_seconds(self._settings, failures) * self._random.uniform(0.5, 1.0)


def backoff_seconds(settings: DeliverySettings, failures: int) -> float:
    """Return the longest wait in seconds after 1, 2, ... failures in a row: it doubles up to the cap."""
    doublings = min(failures - 1, 64)
    return min(settings.max_retry_seconds, settings.first_retry_seconds * 2.0**doublings)
