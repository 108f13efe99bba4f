"""What a test sees of a receiver that it started."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.network.receiver import Receiver
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal


@dataclass
class RunningReceiver:
    """A receiver with the journal and archive behind it."""

    receiver: Receiver
    journal: Journal
    archive: Archive

    @property
    def port(self) -> int:
        return self.receiver.port

    @property
    def files(self) -> set[str]:
        """Every instance and quarantined file, relative to the data directory."""
        root = self.archive.data_dir
        folders = (root / "instances", root / "quarantine", root / "tmp")
        return {
            str(path.relative_to(root)) for folder in folders for path in folder.rglob("*") if path.is_file()
        }

    def last_event(self) -> tuple[str, str]:
        """Code and message of the newest event."""
        event = self.journal.events()[-1]
        return event.code, event.message
