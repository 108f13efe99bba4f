"""Checked reading of TOML tables: every complaint names table, key, value and remedy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from analysis.errors import ConfigurationError

Choice = TypeVar("Choice", bound=str)


class Table:
    """One TOML table whose keys are taken one by one; what is left at the end is an unknown key.

    Parameters
    ----------
    content : mapping
    name : str
        As the user wrote it, e.g. ``[[device]] 1``; it starts every error text.
    """

    def __init__(self, content: object, name: str) -> None:
        if not isinstance(content, Mapping):
            raise ConfigurationError(f"{name}: must be a table")
        self.name = name
        self._left = dict(content)

    def text(self, key: str) -> str:
        """A text that is not blank."""
        value = self._take(key)
        if not isinstance(value, str) or not value.strip():
            raise self._wrong(key, value, "a text in quotes that is not blank")
        return value.strip()

    def number(self, key: str, *, above: float = -math.inf) -> float:
        """A finite number greater than `above`."""
        value = self._take(key)
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not good or value <= above:
            raise self._wrong(key, value, "a number" + (f" above {above:g}" if math.isfinite(above) else ""))
        return float(value)

    def whole(self, key: str, low: int, high: int, *, default: int | None = None) -> int:
        """A whole number from `low` to `high`."""
        if default is not None and key not in self._left:
            return default
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._wrong(key, value, f"a whole number from {low} to {high}")
        return value

    def day(self, key: str) -> date:
        """A date, written without quotes."""
        value = self._take(key)
        if type(value) is not date:  # a datetime is a date too
            raise self._wrong(key, value, "a date without quotes, e.g. 2026-11-20")
        return value

    def choice(self, key: str, known: Sequence[Choice]) -> Choice:
        """One of `known`."""
        value = self._take(key)
        if value not in known:
            raise self._wrong(key, value, "one of " + ", ".join(map(repr, known)))
        return known[known.index(value)]

    def choices(self, key: str, known: Sequence[Choice]) -> tuple[Choice, ...]:
        """One or more of `known`, as a list."""
        value = self._take(key)
        if not isinstance(value, list) or not value or any(item not in known for item in value):
            raise self._wrong(key, value, "a list of " + ", ".join(map(repr, known)))
        return tuple(value)

    def table(self, key: str) -> Table | None:
        """A table below this one; ``None`` if it is not there."""
        return Table(self._left.pop(key), f"{self.name} {key}") if key in self._left else None

    def tables(self, key: str) -> list[object]:
        """A list of tables; empty if it is not there."""
        value = self._left.pop(key, [])
        if not isinstance(value, list):
            raise self._wrong(key, value, f"a list of tables; write [[{key}]] for each")
        return value

    def nothing_else(self) -> None:
        """Raise `ConfigurationError` for the first key that nobody has taken."""
        for key, value in self._left.items():
            raise ConfigurationError(
                f"{self.name} {key} = {value!r}: unknown key; remove it or mend its name"
            )

    def _take(self, key: str) -> Any:
        if key not in self._left:
            raise ConfigurationError(f"{self.name} {key} is missing; add a line such as: {key} = ...")
        return self._left.pop(key)

    def _wrong(self, key: str, value: object, expected: str) -> ConfigurationError:
        return ConfigurationError(f"{self.name} {key} = {value!r}: must be {expected}")


def read_tables(parent: Table, key: str, name: str) -> list[Table]:
    """The tables of a list ``[[key]]``, numbered from 1 in their names."""
    return [Table(item, f"{name} {number}") for number, item in enumerate(parent.tables(key), start=1)]
