"""``[completion]``: when a study counts as complete."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dicom_node.config.matching import Condition, read_conditions
from dicom_node.errors import ConfigurationError
from dicom_node.settings import between, must, not_blank, read_table

__all__ = ["CompletionProfile", "CompletionSettings", "Expectation", "check_count_at", "read_completion"]


@dataclass(frozen=True, slots=True)
class Expectation:
    """One entry of ``expect``: how many objects of a kind a scanner's study holds at least."""

    when: tuple[Condition, ...]
    at_least: int = field(default=1, metadata=must(between(1, 100_000)))

    def __str__(self) -> str:
        return f"{self.at_least} with {' and '.join(map(str, self.when))}"


@dataclass(frozen=True, slots=True)
class CompletionProfile:
    """``[[completion.profile]]``: what the studies of one kind of scanner hold.

    Attributes
    ----------
    when : tuple of Condition
        Which studies: all must hold for one and the same object; the first profile that fits counts.
    expect : tuple of Expectation
    """

    name: str = field(metadata=must(not_blank))
    when: tuple[Condition, ...]
    expect: tuple[Expectation, ...]


@dataclass(frozen=True, slots=True)
class CompletionSettings:
    """``[completion]``: when a study counts as complete.

    Attributes
    ----------
    quiet_seconds : float
        Without knowledge of what a study holds: how long nothing new must have come.
    settled_seconds : float
        Where everything expected is there: how long nothing new must have come.
    patience_seconds : float
        Where something expected is missing: how long after the last object the node waits for it.
    count_at : str or None
        Name of the ``[[archive]]`` that is asked how many objects the study has there.
    """

    quiet_seconds: float = field(default=10.0, metadata=must(between(0, 86_400)))
    settled_seconds: float = field(default=2.0, metadata=must(between(0, 86_400)))
    patience_seconds: float = field(default=300.0, metadata=must(between(0, 604_800)))
    count_at: str | None = field(default=None, metadata=must(not_blank))
    profiles: tuple[CompletionProfile, ...] = ()


def read_completion(table: Mapping[str, Any], base: Path) -> CompletionSettings:
    """Read ``[completion]`` and every ``[[completion.profile]]``."""
    entries = table.get("profile", [])
    if not isinstance(entries, list):
        raise ConfigurationError("[completion] profile: write [[completion.profile]] for each")
    profiles = tuple(
        _read_profile(entry, f"[[completion.profile]] {number}", base)
        for number, entry in enumerate(entries, start=1)
    )
    rest = {key: value for key, value in table.items() if key != "profile"}
    return read_table(CompletionSettings, rest, name="[completion]", base=base, profiles=profiles)


def check_count_at(completion: CompletionSettings, archives: Collection[str]) -> None:
    """Raise `ConfigurationError` if ``[completion] count_at`` is none of the names of `archives`."""
    if completion.count_at is not None and completion.count_at not in archives:
        raise ConfigurationError(
            f"[completion] count_at = {completion.count_at!r}: no [[archive]] has this name; "
            f"there are: {', '.join(archives) or 'none'}"
        )


def _read_profile(entry: Mapping[str, Any], name: str, base: Path) -> CompletionProfile:
    when = read_conditions(entry.get("when", {}), f"{name} when")
    expected = entry.get("expect")
    if not isinstance(expected, list) or not expected:
        raise ConfigurationError(
            f'{name} expect is missing; add a line such as: expect = [{{ kind = "image", at_least = 1 }}]'
        )
    expect = tuple(
        _read_expectation(item, f"{name} expect {number}", base)
        for number, item in enumerate(expected, start=1)
    )
    rest = {key: value for key, value in entry.items() if key not in ("when", "expect")}
    return read_table(CompletionProfile, rest, name=name, base=base, when=when, expect=expect)


def _read_expectation(item: Any, name: str, base: Path) -> Expectation:
    if not isinstance(item, dict):
        raise ConfigurationError(f'{name} = {item!r}: must be a table, e.g. {{ kind = "image" }}')
    conditions = {key: value for key, value in item.items() if key != "at_least"}
    if not conditions:
        raise ConfigurationError(f'{name}: must say what is expected, e.g. {{ kind = "image" }}')
    rest = {key: value for key, value in item.items() if key == "at_least"}
    when = read_conditions(conditions, name)
    return read_table(Expectation, rest, name=name, base=base, when=when)
