"""Reads one table of a TOML file into a frozen dataclass and checks every value.

The dataclass is the schema: a field's type says what TOML may hold, its ``metadata["check"]`` what the value
must satisfy. Every complaint names the key, the value found and the remedy.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from dicom_node.errors import ConfigurationError

Check = Callable[[Any], str | None]
"""Returns ``None`` for a good value, else what the value must be: the remedy."""

Settings = TypeVar("Settings")


def read_table(
    schema: type[Settings], table: Mapping[str, Any], *, name: str, base: Path, **given: Any
) -> Settings:
    """Make a `schema` from a TOML table.

    Parameters
    ----------
    name : str
        The table's name as the user wrote it, e.g. ``"[node]"``: it starts every error text.
    base : Path
        Directory that relative paths start from.
    **given
        Fields that do not come from the table.

    Raises
    ------
    ConfigurationError
        For an unknown key, a missing key, a wrong type or a value that fails its check.
    """
    known = {item.name: item for item in fields(schema) if item.name not in given}  # type: ignore[arg-type]
    reject_unknown_keys(table, known, name)
    types = get_type_hints(schema)
    values = dict(given)
    for key, item in known.items():
        if key in table:
            values[key] = _checked(f"{name} {key}", table[key], types[key], item, base)
        elif item.default is MISSING and item.default_factory is MISSING:
            raise ConfigurationError(f"{name} {key} is missing; add a line such as: {key} = ...")
    return schema(**values)


def reject_unknown_keys(table: Mapping[str, Any], known: Collection[str], name: str) -> None:
    """Raise `ConfigurationError` for the first key of `table` that is not `known`, with the closest match."""
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            remedy = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(sorted(known))}"
            raise ConfigurationError(f"{name} {key} = {table[key]!r}: unknown key; {remedy}")


def table_of(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the sub-table `name` of a document, empty if it is absent; `ConfigurationError` if no table."""
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{name} = {table!r}: must be a table; write [{name}] on its own line")
    return table


def must(check: Check) -> dict[str, Check]:
    """Return the metadata of a dataclass field whose TOML value must satisfy `check`."""
    return {"check": check}


def between(low: float, high: float = math.inf) -> Check:
    """Return a check that a number lies in [low, high]."""
    text = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
    return lambda value: None if low <= value <= high else text


def ae_title(value: str) -> str | None:
    """Check an AE title (DICOM PS3.5 table 6.2-1, VR AE): 1 to 16 printable ASCII characters."""
    legal = all(" " <= character <= "~" and character != "\\" for character in value)
    if legal and value == value.strip() and 1 <= len(value) <= 16:
        return None
    return "1 to 16 printable ASCII characters without backslash and without spaces at the ends"


def each(check: Check) -> Check:
    """Return a check that holds for every item of a list."""
    return lambda values: next((remedy for value in values if (remedy := check(value))), None)


def not_blank(value: str) -> str | None:
    """Check that a text is not blank."""
    return None if value.strip() else "a text that is not blank"


def existing_path(value: Path) -> str | None:
    """Check that a file or directory is there."""
    return None if value.exists() else f"a path that exists; nothing is at {value}"


_SCALARS = {bool: "true or false", int: "a whole number", str: "a text in quotes"}


def _checked(key: str, value: Any, kind: Any, item: Field[Any], base: Path) -> Any:
    converted, expected = _converted(value, kind, base)
    if converted is None:
        raise ConfigurationError(f"{key} = {value!r}: must be {expected}")
    check: Check | None = item.metadata.get("check")
    remedy = check(converted) if check else None
    if remedy:
        raise ConfigurationError(f"{key} = {value!r}: must be {remedy}")
    return converted


def _converted(value: Any, kind: Any, base: Path) -> tuple[Any, str]:
    """Return the value as `kind`, or None, and what was expected in words."""
    if get_origin(kind) is UnionType:  # an optional setting: leaving the key out is how to say None
        kind = next(choice for choice in get_args(kind) if choice is not NoneType)
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return (value if value in choices else None), "one of " + ", ".join(map(repr, choices))
    if get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is Literal:
        choices = get_args(get_args(kind)[0])
        known = isinstance(value, list) and all(entry in choices for entry in value)
        return (tuple(value) if known else None), "a list of " + ", ".join(map(repr, choices))
    if get_origin(kind) is tuple:
        good = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        return (tuple(value) if good else None), 'a list of texts, e.g. ["A", "B"]'
    if kind is Path:
        return (base / value if isinstance(value, str) and value else None), "a path in quotes"
    if kind is float:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        return (float(value) if good else None), "a number"
    return (value if type(value) is kind else None), _SCALARS[kind]
