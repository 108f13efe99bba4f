"""The one table of the simulator's numbers, ``parameters.toml``: value, unit and source of each."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from analysis.errors import ConfigurationError

PARAMETER_FILE = Path(__file__).with_name("parameters.toml")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row of the table.

    Attributes
    ----------
    name : str
        Dotted, e.g. ``hazard.hip.one_third_density``.
    value : tuple of float
        One number, or several in the order that `unit` says.
    unit : str
    source : str
        Paper, or a text that holds the word "assumption" or says from what it is derived.
    """

    name: str
    value: tuple[float, ...]
    unit: str
    source: str


@cache
def parameters() -> Mapping[str, Parameter]:
    """The whole table, in the order of the file.

    Raises
    ------
    ConfigurationError
        If a row lacks its value, unit or source.
    """
    content = tomllib.loads(PARAMETER_FILE.read_text(encoding="utf-8"))
    return {name: _parameter(name, row) for name, row in content.items()}


def numbers(name: str) -> tuple[float, ...]:
    """The values of a parameter that has several.

    Raises
    ------
    ConfigurationError
        If the table has no such parameter.
    """
    found = parameters().get(name)
    if found is None:
        raise ConfigurationError(
            f"{PARAMETER_FILE.name} has no parameter {name!r}; add it with unit and source"
        )
    return found.value


def number(name: str) -> float:
    """The value of a parameter that is one number."""
    (value,) = numbers(name)
    return value


def parameter_digest() -> str:
    """SHA-256 of the table: two cohorts of one seed and one digest are the same cohort."""
    return hashlib.sha256(PARAMETER_FILE.read_bytes()).hexdigest()


def _parameter(name: str, row: object) -> Parameter:
    if not isinstance(row, dict) or set(row) != {"value", "unit", "source"}:
        raise ConfigurationError(f"{PARAMETER_FILE.name}: {name!r} needs exactly value, unit and source")
    value = row["value"] if isinstance(row["value"], list) else [row["value"]]
    if not value or not all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
        raise ConfigurationError(f"{PARAMETER_FILE.name}: the value of {name!r} must be a number or numbers")
    return Parameter(name, tuple(float(item) for item in value), str(row["unit"]), str(row["source"]))
