"""A large object on its way into the archive: its bytes go to a file in the making as they arrive."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["Spool"]

_ROOM_CHECK_BYTES = 16 * 1024 * 1024
"""How often the free space is looked at."""


class Spool:
    """A file in the making: a head of ours, then the data set.

    Parameters
    ----------
    path : Path
        Must not exist.
    head : bytes
        What stands in front of the data set in the archive.
    has_room : callable
        Tells whether so many more bytes leave the disk's reserve alone.

    Raises
    ------
    OSError
        From here, `write` and `data_set`, if the disk does not take or give the bytes.
    """

    def __init__(self, path: Path, head: bytes, has_room: Callable[[int], bool]) -> None:
        self.path = path
        self.head_size = len(head)
        self._has_room = has_room
        self._unchecked = _ROOM_CHECK_BYTES
        self._size = 0
        self._map: mmap.mmap | None = None
        self._view: memoryview | None = None
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self.write(memoryview(head))
        except BaseException:
            self.close()
            raise

    def write(self, fragment: memoryview) -> None:
        """Append bytes."""
        self._unchecked += len(fragment)
        if self._unchecked > _ROOM_CHECK_BYTES:
            if not self._has_room(len(fragment)):
                raise OSError(28, "free space is below [receiver] min_free_bytes")
            self._unchecked = 0
        while fragment:
            fragment = fragment[os.write(self.descriptor, fragment) :]
        self._size = os.lseek(self.descriptor, 0, os.SEEK_CUR)

    def data_set(self) -> memoryview:
        """Return the data set without reading it into memory; valid until `close`."""
        if self._view is None:
            self._map = mmap.mmap(self.descriptor, self._size, prot=mmap.PROT_READ)
            self._view = memoryview(self._map)[self.head_size :]
        return self._view

    def close(self) -> None:
        """Remove the file unless it was renamed; harmless when repeated."""
        if self.descriptor < 0:
            return
        if self._view is not None:
            self._view.release()
        if self._map is not None:
            with contextlib.suppress(BufferError):  # somebody holds a slice: the mapping ends with it
                self._map.close()
        os.close(self.descriptor)
        self.descriptor = -1
        self.path.unlink(missing_ok=True)
