"""Sends results and originals out: a `DeliveryQueue` per destination, so that a bad one delays no other.

A failure that may pass is tried again, for ever unless the site sets a term, with a wait that doubles up to
a cap; one that will not goes to the dead letters with its reason. Objects of a study are sent in their order,
the summary page first. What the destination accepted is delivered, or waits to be confirmed
(`dicom_node.workflow.confirmation`).
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

from dicom_node.config import DeliverySettings, Destination
from dicom_node.errors import (
    ConfigurationError,
    DeliveryError,
    NodeError,
    PermanentDeliveryError,
    RejectedInput,
    TransientDeliveryError,
)
from dicom_node.faults import reach
from dicom_node.network.destinations import store_client
from dicom_node.network.outgoing import SendableFile, StoreOutcome, read_sendable
from dicom_node.observe.metrics import DELIVERIES
from dicom_node.storage.archive import Archive
from dicom_node.storage.connection import Clock, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Delivery, DeliveryKind
from dicom_node.workflow.breaker import Breaker, backoff_seconds
from dicom_node.workflow.pacing import Pace, first_confirmation_seconds, within_hours
from dicom_node.workflow.reclassing import rewrite_as_enhanced

__all__ = ["DeliveryQueue", "backoff_seconds"]

logger = logging.getLogger(__name__)

Claimed = Mapping[SendableFile, Delivery]


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
        self._destination = destination
        self._client = store_client(destination, settings, calling_ae_title=calling_ae_title)
        # longer than a study can take when every wait reaches its limit
        self._lease_seconds = settings.connect_timeout_seconds + 20 * settings.response_timeout_seconds
        self._archive = archive
        self._journal = journal
        self._owner = owner
        self._breaker = Breaker(
            destination.name,
            settings,
            journal,
            random_source=random_source or random.Random(),  # noqa: S311 - spreads retries, protects nothing
            clock=clock,
        )
        self._pace = Pace(destination)
        self._clock = clock
        self._stopping = threading.Event()

    def pump(self) -> None:
        """Send everything that is due, study by study; return at once while the destination is resting."""
        while self._may_send():
            claimed = self._journal.claim_deliveries(
                self.name, owner=self._owner, lease_seconds=self._lease_seconds
            )
            if not claimed:
                break
            reach("delivery.after_claim")
            self._send_study(claimed)
        self._client.close_idle()

    def stop(self) -> None:
        """Claim nothing more; what is being sent is finished."""
        self._stopping.set()

    def close(self) -> None:
        """Give up the connection to the destination; call it when nothing is sent any more."""
        self._client.close()

    def _may_send(self) -> bool:
        return (
            not self._stopping.is_set()
            and self._breaker.allows()
            and within_hours(self._destination.hours, self._clock())
        )

    def _send_study(self, claimed: list[Delivery]) -> None:
        """Send one study's objects in order; after a passing failure the rest waits with the failed one."""
        waiting = self._readable(claimed)
        try:
            for part in self._paced(list(waiting)):
                if not self._send(part, waiting):
                    return
        except PermanentDeliveryError as error:
            self._breaker.succeeded()  # it answers, only not as we wish
            for delivery in waiting.values():
                self._bury(delivery, error, None)
        except (TransientDeliveryError, ConfigurationError) as error:
            self._breaker.failed(str(error))
            self._postpone(list(waiting.values()), error, None)

    def _paced(self, files: list[SendableFile]) -> list[list[SendableFile]]:
        """Split what is sent in one go: one by one where the rate is limited."""
        limited = self._destination.max_instances_per_second or self._destination.max_bytes_per_second
        return [[file] for file in files] if limited else [files]

    def _send(self, files: list[SendableFile], waiting: dict[SendableFile, Delivery]) -> bool:
        """Send files and settle each; False if the rest of the study is not to be sent now."""
        if self._stopping.wait(self._pace.wait_seconds()):
            self._hand_back(waiting)
            return False
        reach("delivery.before_send")
        for outcome in self._client.store(files):
            reach("delivery.after_answer")
            self._breaker.succeeded()
            self._pace.spend(outcome.file.path.stat().st_size if outcome.error is None else 0)
            if isinstance(outcome.error, TransientDeliveryError):
                self._postpone(list(waiting.values()), outcome.error, outcome.status)
                return False
            if outcome.taken_instead is not None and self._rewritten(waiting[outcome.file]):
                self._hand_back(waiting)
                return False
            self._settle(waiting.pop(outcome.file), outcome)
            reach("delivery.after_mark")
        return True

    def _readable(self, claimed: list[Delivery]) -> dict[SendableFile, Delivery]:
        found = {}
        for delivery in claimed:
            try:
                file = read_sendable(
                    self._archive.resolve(delivery.path),
                    study_instance_uid=delivery.study_instance_uid,
                    may_change_class=delivery.kind is DeliveryKind.RESULT,
                )
            except RejectedInput as error:
                self._bury(delivery, error, None)
            else:
                found[file] = delivery
        return found

    def _rewritten(self, delivery: Delivery) -> bool:
        """Have the study's reports rewritten for this destination, if that can be done."""
        try:
            return rewrite_as_enhanced(self._archive, self._journal, self.name, delivery.study_instance_uid)
        except OSError:
            logger.exception("study %s: a result could not be rewritten", delivery.study_instance_uid)
            return False

    def _settle(self, delivery: Delivery, outcome: StoreOutcome) -> None:
        if outcome.error is not None:
            self._bury(delivery, outcome.error, outcome.status)
            return
        wait = first_confirmation_seconds(self._destination)
        if wait is None:
            self._journal.mark_delivered(delivery, outcome.status, note=outcome.note)
        else:
            verify_at = self._clock() + timedelta(seconds=wait)
            self._journal.mark_stored(delivery, outcome.status, verify_at=verify_at, note=outcome.note)
        DELIVERIES.labels(self.name, "delivered" if wait is None else "stored").inc()
        logger.info("study %s: an object is stored at %s", delivery.study_instance_uid, self.name)

    def _bury(self, delivery: Delivery, error: Exception, status: int | None) -> None:
        self._journal.bury_delivery(delivery, reason=str(error), status=status)
        DELIVERIES.labels(self.name, "dead").inc()
        logger.error(
            "study %s: an object for %s is a dead letter: %s", delivery.study_instance_uid, self.name, error
        )

    def _postpone(self, waiting: list[Delivery], error: NodeError, status: int | None) -> None:
        if not waiting:
            return
        first = waiting[0]
        moment = self._clock() + timedelta(seconds=self._breaker.wait_seconds(first.attempts))
        for delivery in waiting:
            if self._is_too_old(delivery):
                term = f"given up after {self._destination.give_up_days:g} days"
                self._bury(delivery, DeliveryError(f"{term}: {error}"), status)
                continue
            self._journal.retry_delivery_at(delivery, moment, reason=str(error), status=status)
            DELIVERIES.labels(self.name, "postponed").inc()
        logger.warning(
            "study %s: %d objects for %s wait until %s: %s",
            first.study_instance_uid,
            len(waiting),
            self.name,
            moment.isoformat(timespec="seconds"),
            error,
        )

    def _is_too_old(self, delivery: Delivery) -> bool:
        term = self._destination.give_up_days
        age = self._clock() - datetime.fromisoformat(delivery.created_at)
        return bool(term) and age >= timedelta(days=term)

    def _hand_back(self, waiting: Claimed) -> None:
        for delivery in waiting.values():
            self._journal.hand_back(delivery)
