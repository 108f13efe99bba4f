"""Leaves out what a library imports only because it is installed, in processes that never use it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["without"]


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Let imports inside find none of these modules; afterwards they can be imported as ever.

    Libraries that try an import and go on without it (``except ImportError``) then do so. A module that is
    loaded already stays.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import fail
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
