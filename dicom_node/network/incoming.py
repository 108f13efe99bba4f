"""An encoded data set as it comes in: a small one in a reused buffer, a large one in a file."""

from __future__ import annotations

import hashlib
import mmap
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from dicom_node.storage.spool import Spool

__all__ = ["BufferPool", "DataSetTooLongError", "Incoming"]

_KEPT_BYTES = 1_048_576
"""What a buffer that waits for the next object keeps of its memory: a larger object is rare."""

_WAITING_BUFFERS = 4
"""So many wait for the next object: what a moment of many senders took goes back to the system."""

_MOST_BUFFERS = 16
"""Objects in memory at the same time; a hundred that never end would otherwise hold a hundred buffers."""


class DataSetTooLongError(ValueError):
    """The data set is longer than the node takes."""


class BufferPool:
    """Buffers of one size for the associations that are receiving just now.

    They are mapped, and some are kept: memory from the heap would be cleared for each object in its whole
    length, and would stay with the process in every thread's arena.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._lock = threading.Lock()
        self._free: list[mmap.mmap] = []
        self._taken = 0

    def take(self) -> mmap.mmap | None:
        """Return a buffer whose content is arbitrary; None if too many are taken."""
        with self._lock:
            if self._taken >= _MOST_BUFFERS:
                return None
            self._taken += 1
            if self._free:
                return self._free.pop()
        buffer = mmap.mmap(-1, self.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        buffer.madvise(mmap.MADV_NOHUGEPAGE)  # a small object shall not cost two megabytes
        return buffer

    def give_back(self, buffer: mmap.mmap, used: int) -> None:
        """Let another association have a buffer of which `used` bytes were filled; nobody may look at it."""
        if used > _KEPT_BYTES:
            buffer.madvise(mmap.MADV_DONTNEED, _KEPT_BYTES, self.size - _KEPT_BYTES)
        with self._lock:
            self._taken -= 1
            if len(self._free) < _WAITING_BUFFERS:
                self._free.append(buffer)


@dataclass
class Incoming:
    """One data set in the making, then whole.

    Parameters
    ----------
    pool : BufferPool
        Its buffers' size is what one object may take of memory.
    new_spool : callable
        Makes the file for what does not fit, or finds no buffer free; called once at most.
    longest : int
        Most bytes taken.
    """

    pool: BufferPool
    new_spool: Callable[[], Spool]
    longest: int
    size: int = 0
    spool: Spool | None = None
    failure: OSError | None = None
    """Why the file could not take all bytes; the rest is counted only."""
    _buffer: mmap.mmap | None = None
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def append(self, fragment: memoryview) -> None:
        """Take the next bytes.

        Raises
        ------
        DataSetTooLongError
            If there are more than `longest`.
        """
        end = self.size + len(fragment)
        if end > self.longest:
            raise DataSetTooLongError
        if self.failure is None:
            self._hash.update(fragment)
            try:
                self._keep(fragment, end)
            except OSError as error:
                self.failure = error
        self.size = end

    @property
    def bytes(self) -> memoryview:
        """The whole data set; valid until `close`."""
        if self.spool is not None:
            return self.spool.data_set()
        return memoryview(self._buffer or b"")[: self.size]

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the data set."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Give buffer and file back."""
        if self.spool is not None:
            self.spool.close()
        self._release_buffer()

    def _keep(self, fragment: memoryview, end: int) -> None:
        if self._buffer is None and self.spool is None and fragment:
            self._buffer = self.pool.take()
        if self._buffer is not None and self.spool is None and end <= self.pool.size:
            self._buffer[self.size : end] = fragment
        elif fragment:
            self._spool(fragment)

    def _spool(self, fragment: memoryview) -> None:
        if self.spool is None:
            self.spool = self.new_spool()
            self.spool.write(memoryview(self._buffer or b"")[: self.size])
            self._release_buffer()
        self.spool.write(fragment)

    def _release_buffer(self) -> None:
        if self._buffer is not None:
            self.pool.give_back(self._buffer, min(self.size, self.pool.size))
            self._buffer = None
