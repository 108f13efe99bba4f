"""How much memory an analysis may take, kept by the kernel."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["limited_memory"]


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
