"""Tells auditors what happened: an audit message for every transfer, refusal, start and stop (PS3.15 A.5).

Nothing on a study's way calls this: a job reads the journal's rows from a bookmark on, writes messages into
the journal's spool, and sends them from there. A repository that cannot be reached loses none, delays nobody.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
)

from dicom_node.config import Destination, NodeConfig
from dicom_node.observe import audit_messages
from dicom_node.observe.audit_messages import AuditSource, Outcome, Participant, Patient
from dicom_node.observe.audit_transport import AuditTransport, open_transport
from dicom_node.observe.audited_patients import read_patient
from dicom_node.storage.archive import Archive
from dicom_node.storage.audits import Arrival, AuditableEvent, Transfer, Untold
from dicom_node.storage.connection import Clock, timestamp, utc_now
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity

if TYPE_CHECKING:
    from dicom_node.network.query import ArchivePeer

__all__ = ["ALERTS", "AuditTrail", "audit_source"]

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Key = TypeVar("Key")

ALERTS = ("association_rejected",)
"""Codes of the events that become Security Alerts: a peer did not prove who it is, or was not let in."""

QUIET_SECONDS = 10.0
"""A group of transfers is told when nothing was added to it for this long ..."""
LONGEST_WAIT_SECONDS = 60.0
"""... or when its first is this old: then one association may take several messages."""
BATCH = 2000
"""Rows read at once."""
STOP_SECONDS = 5.0
"""How long `end` tries to send what is left; the rest is sent after the next start."""


class AuditTrail:
    """The node's audit trail; off, and nothing remembered, where ``[audit] transport`` is "none"."""

    def __init__(
        self,
        config: NodeConfig,
        archive: Archive,
        journal: Journal,
        *,
        clock: Clock = utc_now,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._settings = config.audit
        self._archive = archive
        self._journal = journal
        self._clock = clock
        self._quiet_seconds = quiet_seconds
        self._source = audit_source(config)
        self._destinations = {item.name: item for item in config.destinations}
        self._transport: AuditTransport | None = None
        self._lock = threading.Lock()
        self._last_sent = 0
        self._unreachable = False
        self._full = False

    @property
    def is_on(self) -> bool:
        """Whether anything is audited."""
        return self._settings.transport != "none"

    def begin(self) -> None:
        """Begin to remember, and tell that the node started.

        Raises
        ------
        ConfigurationError
            If ``[audit]`` names files that cannot be used.
        """
        if self.is_on:
            self._transport = open_transport(self._settings)
        self._journal.record_audits(self.is_on)
        if self.is_on:
            self._spool(audit_messages.application_activity(self._source, self._now(), started=True))

    def run(self) -> None:
        """Tell what is due and send what is spooled: the clock's job."""
        if self._transport is None:
            return
        with self._lock:
            self._tell()
            self._send(self._transport)

    def end(self) -> None:
        """Tell everything, that the node stops too, and send as much as the repository takes."""
        transport = self._transport
        if transport is None:
            return
        with self._lock:
            self._quiet_seconds = 0
            self._tell()
            self._spool(audit_messages.application_activity(self._source, self._now(), started=False))
            self._send(transport)
            self._journal.drop_spooled_audits(transport.close())

    def asked(self, archive: ArchivePeer, identifier: Dataset) -> None:
        """Tell that the node asks an archive; a question over QIDO-RS is told as the C-FIND it stands for."""
        encoded = encode(identifier, is_implicit_vr=True, is_little_endian=True)
        message = audit_messages.query(
            self._source,
            self._now(),
            archive=_asked(archive),
            sop_class_uid=StudyRootQueryRetrieveInformationModelFind,
            identifier=encoded or b"",
            transfer_syntax_uid=ImplicitVRLittleEndian,
        )
        try:
            self._spool(message)
        except sqlite3.Error as error:
            logger.error("a question to an archive is not audited: %s", error)

    def _spool(self, message: str) -> None:
        if self.is_on:
            self._journal.spool_audits([message])

    def _tell(self) -> None:
        """Turn journal rows into spooled messages, up to the spool's limit; the rows wait beyond it."""
        while not self._spool_is_full():
            untold = self._due(self._journal.untold(ALERTS, limit=BATCH))
            if not (untold.arrivals or untold.transfers or untold.last_event_id):
                return
            self._journal.spool_audits(list(self._messages(untold)), untold)
            if max(len(untold.arrivals), len(untold.transfers)) < BATCH:
                return

    def _due(self, untold: Untold) -> Untold:
        """Leave out what is still going on."""
        return Untold(
            arrivals=untold.arrivals if self._ended([item.received_at for item in untold.arrivals]) else (),
            transfers=untold.transfers if self._ended([item.at for item in untold.transfers]) else (),
            events=untold.events,
            last_event_id=untold.last_event_id,
        )

    def _ended(self, times: Sequence[str]) -> bool:
        if not times or len(times) >= BATCH:
            return bool(times)
        now = self._clock()
        newest, oldest = (
            (now - datetime.fromisoformat(moment)).total_seconds() for moment in (times[-1], times[0])
        )
        # a negative age means that the clock was set back
        return newest >= self._quiet_seconds or oldest >= LONGEST_WAIT_SECONDS or newest < 0

    def _spool_is_full(self) -> bool:
        full = self._journal.spooled_audit_count() >= self._settings.max_spooled_messages
        if full and not self._full:
            self._journal.note_event(
                Severity.ERROR,
                "audit_spool_full",
                f"[audit] max_spooled_messages = {self._settings.max_spooled_messages} audit messages wait "
                "for the repository; what happens from now on waits in the journal: bring it back",
            )
        self._full = full
        return full

    def _messages(self, untold: Untold) -> Iterator[str]:
        yield from self._about_arrivals(untold.arrivals)
        yield from self._about_transfers(untold.transfers)
        yield from self._about_alerts(untold.events)

    def _about_arrivals(self, arrivals: Sequence[Arrival]) -> Iterator[str]:
        for (_, study, refused), group in _grouped(
            arrivals, lambda item: (item.association_id, item.study_instance_uid, item.kind == "quarantined")
        ):
            last = group[-1]
            sound = [item for item in group if item.kind != "quarantined" and item.path]
            yield audit_messages.instances_transferred(
                self._source,
                last.received_at,
                peer=Participant(last.calling_ae or last.peer_address, last.calling_ae, last.peer_address),
                received=True,
                patient=self._patient(sound[0].path) if sound else Patient(),
                study=study,
                classes=_counted(item.sop_class_uid for item in group),
                outcome=Outcome.MINOR_FAILURE if refused else Outcome.SUCCESS,
                explanation="refused, kept in quarantine" if refused else "",
            )

    def _about_transfers(self, transfers: Sequence[Transfer]) -> Iterator[str]:
        for (step, name, study), group in _grouped(
            transfers, lambda item: (item.step, item.destination, item.study_instance_uid)
        ):
            receiver = _receiver(name, self._destinations.get(name))
            patient = self._patient(group[0].path)
            classes = _counted(item.sop_class_uid for item in group)
            if step == "begun":
                yield audit_messages.begin_transferring(
                    self._source,
                    group[0].at,
                    receiver=receiver,
                    patient=patient,
                    study=study,
                    classes=classes,
                )
                continue
            failed = step == "failed"
            yield audit_messages.instances_transferred(
                self._source,
                group[-1].at,
                peer=receiver,
                received=False,
                patient=patient,
                study=study,
                classes=classes,
                outcome=Outcome.SERIOUS_FAILURE if failed else Outcome.SUCCESS,
                explanation="given up: a dead letter" if failed else "",
            )

    def _about_alerts(self, events: Sequence[AuditableEvent]) -> Iterator[str]:
        """One message for the same refusal however often it came in between: a scan must not flood."""
        for (_, text), group in _grouped(events, lambda item: (item.code, item.message)):
            times = f" ({len(group)} times)" if len(group) > 1 else ""
            yield audit_messages.security_alert(
                self._source,
                group[-1].at,
                subject=_subject(text),
                description=f"{text}{times}",
                outcome=Outcome.MINOR_FAILURE,
            )

    def _patient(self, path: str) -> Patient:
        return read_patient(self._archive.resolve(path))

    def _send(self, transport: AuditTransport) -> None:
        """Send what is spooled; a repository that cannot be reached is tried again at the next turn."""
        try:
            self._journal.drop_spooled_audits(transport.settled())
            while batch := self._journal.spooled_audits(after=self._last_sent):
                transport.send(batch)
                self._last_sent = batch[-1].id
            self._journal.drop_spooled_audits(transport.settled())
        except OSError as error:
            self._last_sent = 0  # whatever is still spooled goes out again: twice is better than never
            if not self._unreachable:
                logger.warning("audit messages wait: %s", error)
                self._journal.note_event(
                    Severity.WARNING,
                    "audit_unreachable",
                    f"the audit repository of [audit] does not take messages: {error}; they are kept and "
                    "sent when it does",
                )
            self._unreachable = True
        else:
            self._unreachable = False

    def _now(self) -> str:
        return timestamp(self._clock())


def audit_source(config: NodeConfig) -> AuditSource:
    """Return how this process names itself in audit messages."""
    return AuditSource(
        source_id=config.audit.source_id,
        enterprise_site_id=config.audit.enterprise_site_id,
        ae_title=config.node.ae_title,
        process_id=os.getpid(),
        address=socket.gethostname(),
    )


def _receiver(name: str, destination: Destination | None) -> Participant:
    if destination is None:  # no longer configured
        return Participant(name)
    host = destination.host or (urlsplit(destination.url).hostname if destination.url else None)
    return Participant(name, destination.ae_title or "", host or "")


def _asked(archive: ArchivePeer) -> Participant:
    from dicom_node.network.query import DicomArchive  # only a node with archives loads it

    if isinstance(archive, DicomArchive):
        return Participant(str(archive), archive.peer.ae_title, archive.peer.host)
    return Participant(str(archive), address=urlsplit(str(archive)).hostname or "")


def _subject(text: str) -> Participant:
    """Return the peer that an alert's text names."""
    named = re.search(r"AE '(?P<ae>[^']*)'", text)
    address = re.search(r"(?:at|from) (?P<address>[0-9a-fA-F.:]*[0-9a-fA-F])\b", text)
    ae_title, where = (named["ae"] if named else ""), (address["address"] if address else "")
    return Participant(where or ae_title or "unknown", ae_title, where)


def _grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> Iterator[tuple[Key, list[Item]]]:
    """Yield items of equal key together, in order of first occurrence."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    yield from groups.items()


def _counted(uids: Iterable[str]) -> dict[str, int]:
    return dict(Counter(uids))
