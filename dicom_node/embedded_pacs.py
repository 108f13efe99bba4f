"""A small PACS for demonstrations: the node's own receiver and storage, and nothing that analyses.

pynetdicom's ``qrscp`` is not used: it builds file paths from UIDs that peers choose (CVE-2026-56445).
"""

from __future__ import annotations

from pathlib import Path

from dicom_node.config import NodeSettings, ReceiverSettings
from dicom_node.network.receiver import Receiver
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.queries import Queries, StoredObject

__all__ = ["EmbeddedPacs"]

MINIMUM_FREE_BYTES = 100_000_000


class EmbeddedPacs:
    """A Storage and Verification SCP on a free loopback port that keeps what it is sent.

    Parameters
    ----------
    folder : Path
        Where it keeps objects and index.
    ae_title : str
        The AE title it answers to.
    """

    def __init__(self, folder: Path, ae_title: str) -> None:
        self.ae_title = ae_title
        self._archive = Archive(folder, min_free_bytes=MINIMUM_FREE_BYTES)
        self._journal = Journal(self._archive.journal_path)
        self._index = Queries(self._archive.journal_path)
        settings = ReceiverSettings(min_free_bytes=MINIMUM_FREE_BYTES)
        node = NodeSettings(ae_title=ae_title, host="127.0.0.1", port=0, data_dir=folder)
        self._receiver = Receiver(node, settings, self._archive, self._journal)

    def __enter__(self) -> EmbeddedPacs:
        self._receiver.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.stop()
        self._index.close()
        self._journal.close()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._receiver.port

    def objects(self, study_instance_uid: str) -> list[StoredObject]:
        """Everything stored for a study, in order of arrival."""
        return self._index.objects(study_instance_uid)

    def path(self, stored: StoredObject) -> Path:
        """Where the object's file lies."""
        return self._archive.resolve(stored.path)
