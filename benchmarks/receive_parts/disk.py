"""On what the receivers write."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["file_system"]


def file_system(folder: Path) -> str:
    """Tell the kind of file system that holds a folder, and of ext4, whether it has a journal.

    Without one (as in some sandboxes), ext4 passes over the inodes deleted within the last minutes, each anew
    for every file that is made: a run soon after another one measures the other's files being deleted.
    """
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, rest = line.partition(" - ")  # proc_pid_mountinfo(5)
        if mount.split()[2] == number:
            kind, source, *_ = rest.split()
            if kind != "ext4":
                return kind
            has_journal = any(Path("/proc/fs/jbd2").glob(f"{Path(source).name}-*"))
            return f"ext4 {'with' if has_journal else 'without'} a journal"
    return "file system unknown"
