"""A mark that tells, at the next start, whether the machine failed under a running node.

What the node wrote outlasts the end of its own process. If the machine itself ended, then what was on its way
to the disk is gone: the last rows of received objects (`JournalConnection._grouped`).
"""

from __future__ import annotations

from pathlib import Path

from dicom_node.storage.archive import sync_directory, write_durably

__all__ = ["RunningMark"]

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Another one after each start of the machine (random(4)); Linux only."""


class RunningMark:
    """The file ``running`` of a data directory: there while a node runs, and after it ended without a stop.

    Parameters
    ----------
    boot_id : str
        Of the machine's present run; empty where the system tells none.
    """

    def __init__(self, data_dir: Path, *, boot_id: str | None = None) -> None:
        self._path = data_dir / "running"
        self._boot_id = _read_boot_id() if boot_id is None else boot_id

    def machine_failed(self) -> bool:
        """Tell whether the machine may have ended under the node that ran here last."""
        try:
            boot_id = self._path.read_text()
        except FileNotFoundError:
            return False
        return not boot_id or boot_id != self._boot_id

    def set(self) -> None:
        """Note that a node runs; durable on return."""
        write_durably(self._path, self._boot_id.encode())

    def remove(self) -> None:
        """Note that the node has stopped, and that all it wrote is durable."""
        self._path.unlink(missing_ok=True)
        sync_directory(self._path.parent)


def _read_boot_id() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""
