"""Archive, journal and clock of a node without its processes, and destinations over them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from node_support import FakeClock, finish_with_results
from pydicom.uid import BasicTextSRStorage, SecondaryCaptureImageStorage, generate_uid
from scripted_scp import write_object

from dicom_node.config import DeliverySettings, Destination
from dicom_node.network.peers import Peer
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.workflow.confirmation import Confirmation
from dicom_node.workflow.delivery import DeliveryQueue

NODE_TITLE = "RADIUSDXA"

SETTINGS = DeliverySettings(
    connect_timeout_seconds=2, response_timeout_seconds=1, first_retry_seconds=10, max_retry_seconds=60
)
PATIENT = DeliverySettings(connect_timeout_seconds=5, response_timeout_seconds=20, first_retry_seconds=10)
"""For real peers, which may need a moment."""


def at(peer: Peer, name: str = "pacs", **fields: Any) -> Destination:
    """A destination at a peer."""
    return Destination(name, peer.ae_title, peer.host, peer.port, tls=peer.tls, **fields)


@dataclass
class Ground:
    """Archive, journal and clock of a node without its processes."""

    folder: Path
    archive: Archive
    journal: Journal
    clock: FakeClock

    def queue(self, name: str, peer: Peer, settings: DeliverySettings = SETTINGS) -> DeliveryQueue:
        return self.queue_to(at(peer, name), settings)

    def queue_to(self, destination: Destination, settings: DeliverySettings = SETTINGS) -> DeliveryQueue:
        return DeliveryQueue(
            destination,
            settings,
            self.archive,
            self.journal,
            calling_ae_title=NODE_TITLE,
            owner="test",
            random_source=Random(1),  # noqa: S311
            clock=self.clock,
        )

    def confirmation(self, destination: Destination, settings: DeliverySettings = PATIENT) -> Confirmation:
        return Confirmation(
            destination, settings, self.journal, calling_ae_title=NODE_TITLE, clock=self.clock
        )

    def results(self, *destinations: str, study: str = "1.2.3") -> list[str]:
        """Make a study with three results for `destinations`; return their UIDs in order."""
        uids = [generate_uid() for _ in range(3)]
        classes = (SecondaryCaptureImageStorage, BasicTextSRStorage, SecondaryCaptureImageStorage)
        files = [
            write_object(self.folder / f"{uid}.dcm", uid=uid, sop_class=sop_class, study=study)
            for uid, sop_class in zip(uids, classes, strict=True)
        ]
        finish_with_results(self.archive, self.journal, study, files, destinations)
        return [str(uid) for uid in uids]

    def codes(self) -> list[str]:
        """The codes of every event, oldest first."""
        return [event.code for event in self.journal.events(limit=1000)]

    @property
    def deliveries(self) -> dict[str, int]:
        return self.journal.summary()["deliveries"]


@contextmanager
def delivery_ground(folder: Path) -> Iterator[Ground]:
    """Open archive and journal below `folder`."""
    clock = FakeClock()
    archive = Archive(folder / "data")
    journal = Journal(archive.journal_path, clock=clock)
    yield Ground(folder, archive, journal, clock)
    journal.close()
