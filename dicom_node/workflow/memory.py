"""How much memory an analysis may take, kept by the kernel; and one heap for the node's own threads."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["limited_memory", "share_one_heap", "start_without_thread_caches"]

_TUNABLES = "GLIBC_TUNABLES"
_NO_THREAD_CACHES = "glibc.malloc.tcache_count=0"
_STARTED_ANEW = "RADIUS_DXA_STARTED_ANEW"
"""Holds the id of the process that has started itself anew, until that has read it."""

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


def start_without_thread_caches() -> None:
    """Start this process anew, under the same id, without glibc's caches of its threads; then return.

    Each thread keeps up to seven freed blocks of every size below 1 KiB to itself (The GNU C Library manual,
    38.2, glibc.malloc.tcache_count). With a thread for each periodic job that is some 4 MiB which fill for
    hours, as a leak would. glibc reads the setting before the program begins, hence the new start; what this
    process starts itself does not inherit it. Other C libraries have no such caches to turn off.
    """
    others = [one for one in os.environ.get(_TUNABLES, "").split(":") if one not in ("", _NO_THREAD_CACHES)]
    # not the setting itself tells: glibc strikes it out for an interpreter with file capabilities (AT_SECURE)
    is_second_start = os.environ.pop(_STARTED_ANEW, "") == str(os.getpid())
    if not is_second_start and platform.libc_ver()[0] == "glibc":
        _set_tunables([*others, _NO_THREAD_CACHES])
        os.environ[_STARTED_ANEW] = str(os.getpid())
        with suppress(OSError):  # a node with the caches is better than none
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very command
        del os.environ[_STARTED_ANEW]
    _set_tunables(others)


def _set_tunables(tunables: list[str]) -> None:
    os.environ.pop(_TUNABLES, None)
    if tunables:
        os.environ[_TUNABLES] = ":".join(tunables)
