"""The archive: received objects and results as files, durable before anybody hears of them.

Layout of the data directory, every name of our own making (a peer's UID never becomes a path)::

    instances/ab/abcdef….dcm       data sets exactly as received, behind our own File Meta Information
    results/<analysis identity>/   result objects, named by their content
    quarantine/ab/abcdef….dataset  refused data sets, exactly as received, without File Meta Information
    tmp/                           files in the making; swept at start
    journal.db
"""

# ruff: noqa: PTH102, PTH105, PTH108, PTH110, PTH112, PTH113, PTH120
# paths are texts where a step is taken for each instance: pathlib would double what the step costs

from __future__ import annotations

import fcntl
import hashlib
import itertools
import math
import mmap
import os
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO

from dicom_node import faults
from dicom_node.errors import ConfigurationError
from dicom_node.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.storage.spool import Spool

__all__ = ["Archive", "file_head", "is_locked", "sync_directory", "write_durably"]

PREAMBLE = bytes(128) + b"DICM"
"""Zeros: a preamble from a peer could make the file an executable as well (CVE-2019-11687)."""

Buffer = bytes | bytearray | memoryview | mmap.mmap


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
        self._root = os.path.abspath(data_dir)  # noqa: PTH100
        self._temporary = os.path.join(self._root, "tmp")  # noqa: PTH118
        self._directories = _Directories()
        self._naming = _Naming()
        for name in ("instances", "results", "quarantine", "tmp"):
            self._directories.make(f"{self._root}/{name}")

    @property
    def journal_path(self) -> Path:
        """Where the journal of this data directory lies."""
        return self.data_dir / "journal.db"

    def has_room(self, size: int) -> bool:
        """Tell whether `size` more bytes leave the configured free space."""
        file_system = os.statvfs(self._root)
        return file_system.f_bavail * file_system.f_frsize - size >= self._min_free_bytes

    def store_instance(
        self,
        data_set: Buffer,
        sha256: str,
        *,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        sending_ae: str = "",
        receiving_ae: str = "",
    ) -> PurePosixPath:
        """Write an admitted data set, whose digest names it, as a DICOM file, behind its `file_head`.

        Returns
        -------
        PurePosixPath
            Relative to the data directory.

        Raises
        ------
        OSError
            If the bytes could not be made durable; then no file is visible.
        """
        head = file_head(
            sop_class_uid,
            sop_instance_uid,
            transfer_syntax_uid,
            sending_ae=sending_ae,
            receiving_ae=receiving_ae,
        )
        path = _named_by_digest("instances", sha256, ".dcm")
        self._write_received(path, head, data_set)
        return path

    def store_quarantined(self, data_set: Buffer, sha256: str) -> PurePosixPath:
        """Write a refused data set exactly as received; return its path relative to the data directory."""
        path = _named_by_digest("quarantine", sha256, ".dataset")
        self._write_received(path, data_set)
        return path

    def new_spool(self, head: bytes) -> Spool:
        """Return a file in the making for a data set that is too large for memory, `head` in front of it.

        Raises
        ------
        OSError
            If it cannot be made.
        """
        return Spool(Path(_new_name(self._temporary)), head, self.has_room)

    def store_spooled(self, spool: Spool, sha256: str) -> PurePosixPath:
        """Make an admitted data set that was spooled behind `file_head` durable; as `store_instance`."""
        path = _named_by_digest("instances", sha256, ".dcm")
        target = self._target(path)
        with self._naming.of(target):
            _name_durably(spool.descriptor, os.fspath(spool.path), target)
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
        write_durably(self._target(path), content, temporary=self._temporary)
        return path, digest

    def resolve(self, path: PurePosixPath | str) -> Path:
        """Return the absolute path of a journalled relative one."""
        return self.data_dir / path

    def holds(self, path: PurePosixPath | str) -> bool:
        """Tell whether the file of a journalled relative path is there."""
        return os.path.isfile(f"{self._root}/{path}")

    def sweep(self, *, untouched_seconds: float = 0) -> int:
        """Remove files in the making that nobody will finish; return how many. None was ever acknowledged.

        Parameters
        ----------
        untouched_seconds : float
            How long nothing has been written to them: 0 before the node receives anything, else longer than
            any object takes from its last byte to its name.
        """
        newest = time.time() - untouched_seconds
        leftovers = [path for path in (self.data_dir / "tmp").iterdir() if _changed(path) <= newest]
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

    def _write_received(self, path: PurePosixPath, *parts: Buffer) -> None:
        target = self._target(path)
        with self._naming.of(target), _in_the_making(self._temporary) as (descriptor, making):
            faults.reach("receiver.before_write")
            _write_all(descriptor, parts)
            _name_durably(descriptor, making, target)

    def _target(self, path: PurePosixPath) -> str:
        """Return the absolute path of a file to be made; its directory is there, and durable."""
        target = f"{self._root}/{path}"
        self._directories.make(os.path.dirname(target))
        return target


class _Naming:
    """Lets one thread at a time give a certain name, while others give theirs."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._given: set[str] = set()

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Have `name` to oneself."""
        with self._changed:
            while name in self._given:
                self._changed.wait()
            self._given.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._given.remove(name)
                self._changed.notify_all()


class _Directories:
    """Makes directories, readable by the owner only, whose names are durable once `make` returns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._durable: set[str] = set()

    def make(self, directory: str) -> None:
        """Make a directory and its parents where they are missing."""
        if directory in self._durable and os.path.isdir(directory):
            return
        with self._lock:  # what another thread has made may not be durable yet
            self._make(directory)
            self._durable.add(directory)

    def _make(self, directory: str) -> None:
        parent = os.path.dirname(directory)
        if not os.path.isdir(parent):
            self._make(parent)
        with suppress(FileExistsError):
            os.mkdir(directory, mode=0o700)
        sync_directory(parent)  # whoever made the directory, now or once, may have failed or died before this


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


def write_durably(path: str | Path, *parts: Buffer, temporary: str | Path | None = None) -> None:
    """Write a file so that after a crash it is there whole or not at all.

    Temporary file, fsync, rename, fsync of the directory. An fsync that failed is never tried again: the
    kernel may have dropped the pages and call the second one a success.

    Parameters
    ----------
    temporary : path
        Directory for the file in the making, on the same file system; `path`'s own by default.

    Raises
    ------
    OSError
        If the bytes could not be made durable; the temporary file is removed.
    """
    with _in_the_making(temporary or _directory_of(path)) as (descriptor, making):
        _write_all(descriptor, parts)
        os.fsync(descriptor)
        os.replace(making, path)
        sync_directory(_directory_of(path))


@contextmanager
def _in_the_making(directory: str | Path) -> Iterator[tuple[int, str]]:
    """Make a file to write to; the end closes it, a failure before it has another name removes it."""
    making = _new_name(directory)
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor, making
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(making)
        raise
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, parts: Sequence[Buffer]) -> None:
    for part in parts:
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _name_durably(descriptor: int, making: str, target: str) -> None:
    """Give a received object, which is written, its name, and make both durable.

    A new name comes before the flush, so that the file system's journal needs one commit for file and name
    instead of two, one after the other. After a power failure such a file may be torn: it has no row, and its
    name, the digest of its bytes, tells. A name that exists may belong to an acknowledged object, and is
    replaced by durable bytes only.
    """
    exists = os.path.exists(target)
    if exists:
        _sync_received(descriptor)
    faults.reach("receiver.before_rename")
    os.replace(making, target)
    try:
        faults.reach("receiver.after_rename")
        if not exists:
            _sync_received(descriptor)
        sync_directory(_directory_of(target))
    except BaseException:
        if not exists:
            with suppress(FileNotFoundError):
                os.unlink(target)
        raise


def _sync_received(descriptor: int) -> None:
    faults.reach("receiver.before_file_sync")
    os.fsync(descriptor)


def _directory_of(path: str | Path) -> str:
    return os.path.dirname(path) or "."


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # its writer has just named it
        return math.inf


_made = itertools.count()


def _new_name(directory: str | Path) -> str:
    """Return a name for a file in the making that no other thread, process or run uses."""
    return f"{directory}/.{os.getpid()}-{time.time_ns()}-{next(_made)}.part"


def _named_by_digest(folder: str, sha256: str, suffix: str) -> PurePosixPath:
    return PurePosixPath(folder, sha256[:2], sha256 + suffix)


def sync_directory(directory: str | Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_head(
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    *,
    sending_ae: str = "",
    receiving_ae: str = "",
) -> bytes:
    """Return preamble and File Meta Information (PS3.10 7.1), from which a lost row can be made anew.

    Encoded by hand: for each instance, pydicom's writer takes longer than the file takes to be written.

    Parameters
    ----------
    sending_ae, receiving_ae : str
        AE titles of the association the object came over, see PS3.10 table 7.1-1; left out if empty.
    """
    elements = b"".join(
        (
            struct.pack("<HH2sHL2s", 2, 0x0001, b"OB", 0, 2, b"\0\1"),
            _short_element(0x0002, b"UI", sop_class_uid),
            _short_element(0x0003, b"UI", sop_instance_uid),
            _short_element(0x0010, b"UI", transfer_syntax_uid),
            _short_element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
            _short_element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
            _short_element(0x0017, b"AE", sending_ae) if sending_ae else b"",
            _short_element(0x0018, b"AE", receiving_ae) if receiving_ae else b"",
        )
    )
    return PREAMBLE + struct.pack("<HH2sHL", 2, 0x0000, b"UL", 4, len(elements)) + elements


def _short_element(element: int, vr: bytes, value: str) -> bytes:
    encoded = value.encode("ascii", "replace")
    if len(encoded) % 2:
        encoded += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 2, element, vr, len(encoded)) + encoded
