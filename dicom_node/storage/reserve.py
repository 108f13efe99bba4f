"""The reserve file: space that is given up when the disk is full, so that things can still be mended.

SQLite cannot even delete a row when its write-ahead log has no room to grow; a few hundred kilobytes suffice.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["Reserve"]


class Reserve:
    """A file of fixed size in the data directory.

    Parameters
    ----------
    size : int
        Bytes; 0 for no reserve.
    """

    def __init__(self, data_dir: Path, size: int) -> None:
        self.path = data_dir / "reserve"
        self.size = size

    @property
    def is_held(self) -> bool:
        """Tell whether the whole reserve is there to be given up; True if none is wanted."""
        return self._held_bytes() == self.size

    def give_up(self) -> bool:
        """Free the space; tell whether there was any to free."""
        held = self._held_bytes()
        self.path.unlink(missing_ok=True)
        return held > 0

    def hold(self, *, spare_bytes: int = 0) -> bool:
        """Take the space if it is to be had and `spare_bytes` stay free besides; tell whether it is held."""
        if self.is_held:
            return True
        free = shutil.disk_usage(self.path.parent).free + self._held_bytes()
        if self.size and free - self.size < spare_bytes:
            return False
        self.path.unlink(missing_ok=True)
        if self.size == 0:
            return True
        descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self.size)  # real blocks: a sparse file would reserve nothing
        except OSError:
            self.path.unlink()
            return False
        finally:
            os.close(descriptor)
        return True

    def _held_bytes(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0
