"""What a test sees of a receiver that it started."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicom_node.config import NodeSettings, ReceiverSettings
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


@contextmanager
def receiving(
    folder: Path,
    *,
    node: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    more: Callable[[Archive, Journal], Mapping[str, Any]] = lambda _archive, _journal: {},
    **parts: Any,
) -> Iterator[RunningReceiver]:
    """A receiver over `folder`.

    Parameters
    ----------
    node, settings : mapping
        Keys of ``[node]`` and ``[receiver]``.
    more : callable
        Makes arguments of `Receiver` that need archive and journal.
    **parts
        Other arguments of `Receiver`.
    """
    archive = Archive(folder / "data")
    journal = Journal(archive.journal_path)
    receiver = Receiver(
        NodeSettings(**{"host": "127.0.0.1", "port": 0, "data_dir": folder / "data", **(node or {})}),
        ReceiverSettings(**{"min_free_bytes": 0, **(settings or {})}),
        archive,
        journal,
        **parts,
        **more(archive, journal),
    )
    receiver.start()
    try:
        yield RunningReceiver(receiver, journal, archive)
    finally:
        receiver.stop()
        journal.close()
