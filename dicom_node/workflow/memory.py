"""How much memory an analysis may take, kept by the kernel; and one heap for the node's own threads."""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["limited_memory", "share_one_heap"]

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""malloc.h of glibc."""
_LARGE_BYTES = 131_072
"""glibc's own threshold, as long as nothing large was freed."""


@contextmanager
def limited_memory(limit_bytes: int) -> Iterator[None]:
    """Let this process hold at most `limit_bytes` of data inside the block; beyond it, `MemoryError`.

    RLIMIT_DATA counts the heap and private writable mappings since Linux 4.7 (setrlimit(2)), so neither
    libraries nor read-only mapped models count, as they would against RLIMIT_AS. A limit that the
    process was started with stays if it is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    known = [limit for limit in (limit_bytes, soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(known), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def share_one_heap() -> None:
    """Let all threads of this process allocate from one heap; to be called before there are any.

    glibc gives threads of their own up to eight heaps per core (mallopt(3), M_ARENA_MAX), and each keeps what
    its busiest moment took. With a thread for each association that is 10 to 20 MiB, which grow for hours;
    threads of Python seldom allocate at the same time.

    Large blocks are mapped, and go back to the system when they are freed: glibc would take them from the
    heap as soon as one of their size was freed, and the buffers of sixteen associations would stay in it.
    Other C libraries have no such options.
    """
    with suppress(AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_ARENA_MAX, 1)
        set_option(_M_MMAP_THRESHOLD, _LARGE_BYTES)
