"""The one door to numba: compiled on first use, then read from numba's cache beside the source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a numeric function in nopython mode; its Python signature stays what type checkers see.

    Where neither the source's folder nor the user's cache folder can be written (NUMBA_CACHE_DIR names
    another), it is compiled anew in every process, which takes seconds.
    """
    try:
        return cast(F, numba.njit(cache=True)(function))
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        return cast(F, numba.njit(function))
