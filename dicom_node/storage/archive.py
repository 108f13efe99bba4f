"""The archive: received objects and results as files, durable before anybody hears of them.

Layout of the data directory, every name of our own making (a peer's UID never becomes a path)::

    instances/ab/abcdef….dcm       data sets exactly as received, behind our own File Meta Information
    results/<analysis identity>/   result objects, named by their content
    quarantine/ab/abcdef….dataset  refused data sets, exactly as received, without File Meta Information
    tmp/                           files in the making; swept at start
    journal.db
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import IO

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from dicom_node.errors import ConfigurationError
from dicom_node.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

__all__ = ["Archive", "is_locked", "write_durably"]

PREAMBLE = bytes(128) + b"DICM"
"""Zeros: a preamble from a peer could make the file an executable as well (CVE-2019-11687)."""


class Archive:
    """Files below one data directory.

    Parameters
    ----------
    data_dir : Path
        Made, readable by its owner only, if absent.
    min_free_bytes : int
        Free space below which the archive has no room.
    """

    def __init__(self, data_dir: Path, *, min_free_bytes: int = 0) -> None:
        self.data_dir = data_dir
        self._min_free_bytes = min_free_bytes
        for name in ("instances", "results", "quarantine", "tmp"):
            _make_directory(data_dir / name)

    @property
    def journal_path(self) -> Path:
        """Where the journal of this data directory lies."""
        return self.data_dir / "journal.db"

    def has_room(self, size: int) -> bool:
        """Tell whether `size` more bytes leave the configured free space."""
        return shutil.disk_usage(self.data_dir).free - size >= self._min_free_bytes

    def store_instance(
        self,
        data_set: bytes,
        sha256: str,
        *,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
    ) -> PurePosixPath:
        """Write an admitted data set, whose digest names it, as a DICOM file.

        Returns
        -------
        PurePosixPath
            Relative to the data directory.

        Raises
        ------
        OSError
            If the bytes could not be made durable; then no file is visible.
        """
        meta = _file_meta(sop_class_uid, sop_instance_uid, transfer_syntax_uid)
        path = _named_by_digest("instances", sha256, ".dcm")
        self._write(path, PREAMBLE, meta, data_set)
        return path

    def store_quarantined(self, data_set: bytes, sha256: str) -> PurePosixPath:
        """Write a refused data set exactly as received; return its path relative to the data directory."""
        path = _named_by_digest("quarantine", sha256, ".dataset")
        self._write(path, data_set)
        return path

    def store_result(self, identity: str, content: bytes) -> tuple[PurePosixPath, str]:
        """Write one result file of an analysis.

        Parameters
        ----------
        identity : str
            The analysis identity (hexadecimal), see `analysis.identity`.
        content : bytes
            The whole DICOM file.

        Returns
        -------
        path : PurePosixPath
            Relative to the data directory. Named by content, so a repeat never overwrites other bytes.
        sha256 : str
            Hexadecimal digest of `content`.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = PurePosixPath("results", identity, f"{digest}.dcm")
        self._write(path, content)
        return path, digest

    def resolve(self, path: PurePosixPath | str) -> Path:
        """Return the absolute path of a journalled relative one."""
        return self.data_dir / path

    def sweep(self) -> int:
        """Remove what a dead node left in the making; return how many files. None was ever acknowledged."""
        leftovers = list((self.data_dir / "tmp").iterdir())
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
        return len(leftovers)

    def lock(self) -> IO[bytes]:
        """Lock the data directory for one node; the lock lasts until the returned file is closed.

        Raises
        ------
        ConfigurationError
            If another node holds it.
        """
        handle = (self.data_dir / "node.lock").open("wb")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise ConfigurationError(
                f"[node] data_dir = {str(self.data_dir)!r}: another node is running on this directory; "
                "stop it, or give this one its own data_dir"
            ) from None
        return handle

    def _write(self, path: PurePosixPath, *parts: bytes) -> None:
        _make_directory(self.data_dir / path.parent)
        write_durably(self.data_dir / path, *parts, temporary=self.data_dir / "tmp")


def is_locked(data_dir: Path) -> bool:
    """Tell whether a node is running on a data directory."""
    try:
        with (data_dir / "node.lock").open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def write_durably(path: Path, *parts: bytes, temporary: Path | None = None) -> None:
    """Write a file so that after a crash it is there whole or not at all.

    Temporary file, fsync, rename, fsync of the directory. An fsync that failed is never tried again: the
    kernel may have dropped the pages and call the second one a success.

    Parameters
    ----------
    temporary : Path
        Directory for the file in the making, on the same file system; `path`'s own by default.

    Raises
    ------
    OSError
        If the bytes could not be made durable; the temporary file is removed.
    """
    descriptor, name = tempfile.mkstemp(dir=temporary or path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    _sync_directory(path.parent)


def _named_by_digest(folder: str, sha256: str, suffix: str) -> PurePosixPath:
    return PurePosixPath(folder, sha256[:2], sha256 + suffix)


def _make_directory(directory: Path) -> None:
    """Make a directory and its parents, readable by the owner only, and make their entries durable."""
    if directory.is_dir():
        return
    _make_directory(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    _sync_directory(directory.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file_meta(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Return File Meta Information (PS3.10 7.1) that says nothing of the peer."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    buffer = DicomBytesIO()
    write_file_meta_info(buffer, meta, enforce_standard=True)
    return buffer.getvalue()
