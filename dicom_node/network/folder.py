"""A folder as a destination: one file per object, whole or not at all, under names of our own making."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from dicom_node.errors import PermanentDeliveryError, TransientDeliveryError
from dicom_node.network.outgoing import SendableFile, StoreOutcome
from dicom_node.storage.archive import write_durably

__all__ = ["FolderClient"]

NAME_DIGITS = 24
"""Hexadecimal digits of a name: 96 bits of a UID's SHA-256, so that no peer's text becomes a path."""


class FolderClient:
    """Writes to ``<root>/<study>/<object>.dcm``; other bytes that are there already are never overwritten.

    A second version of an object gets a name of its own: ``<object>-<digest of its bytes>.dcm``.

    Parameters
    ----------
    root : Path
        Must exist: below a mount point whose share is not mounted nothing should be written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def store(self, files: Sequence[SendableFile]) -> Iterator[StoreOutcome]:
        """Write files in order, one outcome each.

        Raises
        ------
        TransientDeliveryError
            If the folder is away, full or not writable.
        """
        for file in files:
            try:
                content = file.path.read_bytes()
            except OSError as error:
                text = f"{file.path} cannot be read: {error}"
                yield StoreOutcome(file, None, PermanentDeliveryError(text))
                continue
            self._write(file, content)
            yield StoreOutcome(file, None, None)

    def close_idle(self) -> None:
        """There is nothing to give up."""

    def close(self) -> None:
        """There is nothing to give up."""

    def _write(self, file: SendableFile, content: bytes) -> None:
        try:
            if not self._root.is_dir():
                raise FileNotFoundError(2, "no such folder")
            study = self._root / _name(file.study_instance_uid)
            study.mkdir(mode=0o700, exist_ok=True)
            path = study / f"{_name(file.sop_instance_uid)}.dcm"
            if path.exists() and path.read_bytes() != content:
                digest = hashlib.sha256(content).hexdigest()[:NAME_DIGITS]
                path = path.with_name(f"{path.stem}-{digest}.dcm")
            if not path.exists():
                write_durably(path, content)
        except OSError as error:
            raise TransientDeliveryError(
                f"folder {self._root}: cannot be written to ({error.strerror or error}); mount it, make "
                "room, or let the node write there"
            ) from error


def _name(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:NAME_DIGITS]
