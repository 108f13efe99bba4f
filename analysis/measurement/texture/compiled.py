"""The one door to numba: compiled on first use, then read from numba's own cache beside the source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a numeric function in nopython mode; its Python signature stays what type checkers see."""
    return cast(F, numba.njit(cache=True)(function))
