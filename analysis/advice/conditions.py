"""Typed conditions over facts, in three values: holds, fails, or unknown because an input is.

A condition is a table in TOML:

{ input = "age_years", is = ">=", value = 50 }          # a comparison; also < <= > ==
{ input = "current_drug", is = "in", value = ["alendronate", "risedronate"] }
{ input = "current_drug", is = "==", value = "none", assume = true }   # unknown holds too, and is listed
{ any = [ ... ] }    { all = [ ... ] }                  # groups, of conditions and groups
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.advice.facts import FACTS, Fact, FactKind
from analysis.errors import ConfigurationError

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "in": lambda actual, values: actual in values,
}

Values = Mapping[str, Fact | None]


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a named input with a constant; `assume` lets an unknown input hold."""

    input: str
    comparison: str
    value: Fact | tuple[Fact, ...]
    assume: bool = False

    def holds(self, values: Values) -> bool | None:
        """True, False, or None when the input is unknown."""
        actual = values.get(self.input)
        return None if actual is None else COMPARISONS[self.comparison](actual, self.value)

    def leaves(self) -> Iterator[Condition]:
        """The comparisons of a group; of a comparison, itself."""
        yield self


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of which one (``any``), each (``all``) or not one (``none``) must hold."""

    needs: Literal["any", "all", "none"]
    parts: tuple[Condition | Group, ...]

    def holds(self, values: Values) -> bool | None:
        """True, False, or None where unknown inputs decide."""
        unknown = False
        decisive = self.needs != "all"
        for part in self.parts:
            verdict = part.holds(values)
            if verdict is decisive:
                return self.needs == "any"
            unknown = unknown or verdict is None
        return None if unknown else self.needs != "any"

    def leaves(self) -> Iterator[Condition]:
        """Every comparison in it."""
        for part in self.parts:
            yield from part.leaves()


Requirement = Condition | Group


def expanded(requirement: Requirement, definitions: Mapping[str, Group]) -> Requirement:
    """A requirement with every defined name replaced by what defines it."""
    if isinstance(requirement, Group):
        return Group(requirement.needs, tuple(expanded(part, definitions) for part in requirement.parts))
    if requirement.input not in definitions:
        return requirement
    meaning = expanded(definitions[requirement.input], definitions)
    return meaning if requirement.value is True else Group("none", (meaning,))


def deciding_inputs(requirement: Requirement, values: Values) -> Iterator[str]:
    """Known inputs that made a requirement hold: of an ``any`` group only those of the parts that hold."""
    if isinstance(requirement, Condition):
        if values.get(requirement.input) is not None:
            yield requirement.input
        return
    for part in requirement.parts:
        if requirement.needs != "any" or part.holds(values):
            yield from deciding_inputs(part, values)


def read_requirements(items: object, where: str, kinds: Mapping[str, FactKind] = FACTS) -> Group:
    """Read a ``when`` list; all of it must hold, an empty one always does.

    Raises
    ------
    ConfigurationError
        Naming `where`, the key and the cure.
    """
    if not isinstance(items, list):
        raise ConfigurationError(f"{where}: when must be a list of conditions, [] for always")
    return Group("all", tuple(_requirement(item, where, kinds) for item in items))


def _requirement(item: Any, where: str, kinds: Mapping[str, FactKind]) -> Requirement:
    if not isinstance(item, dict):
        raise ConfigurationError(f"{where}: {item!r} is no condition; write {{ input, is, value }}")
    for needs in ("any", "all"):
        if needs in item:
            if item.keys() != {needs} or not isinstance(item[needs], list) or not item[needs]:
                raise ConfigurationError(
                    f"{where}: {needs} takes one non-empty list of conditions and no other key"
                )
            parts = tuple(_requirement(part, where, kinds) for part in item[needs])
            return Group("any" if needs == "any" else "all", parts)
    return _condition(item, where, kinds)


def _condition(item: Mapping[str, Any], where: str, kinds: Mapping[str, FactKind]) -> Condition:
    check_keys(item, {"input", "is", "value"}, f"{where}, when", optional={"assume"})
    name, comparison, value = item["input"], item["is"], item["value"]
    if name not in kinds:
        raise ConfigurationError(f"{where}: input = {name!r} is unknown; use one of {', '.join(kinds)}")
    if comparison not in COMPARISONS:
        raise ConfigurationError(f"{where}: is = {comparison!r} is not one of {' '.join(COMPARISONS)}")
    kind = kinds[name]
    if kind.type is not float and comparison not in ("==", "in"):
        raise ConfigurationError(f'{where}: {name} has no order; use is = "=="')
    if comparison == "in":
        if kind.type is not str or not isinstance(value, list) or not value:
            raise ConfigurationError(f'{where}: is = "in" takes words and a non-empty list of them')
        checked: Fact | tuple[Fact, ...] = tuple(_typed(name, one, kind, where) for one in value)
    else:
        checked = _typed(name, value, kind, where)
    if not isinstance(item.get("assume", False), bool):
        raise ConfigurationError(f"{where}: assume must be true or false")
    return Condition(name, comparison, checked, bool(item.get("assume", False)))


def _typed(name: str, value: Any, kind: FactKind, where: str) -> Fact:
    if kind.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind.type:
        raise ConfigurationError(
            f"{where}: {name} is a {kind.type.__name__}, value = {value!r} is not; compare like kinds"
        )
    if kind.choices and value not in kind.choices:
        raise ConfigurationError(f"{where}: {name} is never {value!r}; use one of {', '.join(kind.choices)}")
    checked: Fact = value
    return checked


def check_keys(
    item: Mapping[str, Any], expected: set[str], where: str, optional: set[str] | frozenset[str] = frozenset()
) -> None:
    """Refuse missing and unknown keys by name.

    Raises
    ------
    ConfigurationError
    """
    missing, unknown = expected - item.keys(), item.keys() - expected - optional
    if missing:
        raise ConfigurationError(f"{where}: key {', '.join(sorted(missing))} is missing; add it")
    if unknown:
        raise ConfigurationError(
            f"{where}: key {', '.join(sorted(unknown))} is unknown; remove or correct it"
        )


def example(
    requirements: Sequence[Requirement], kinds: Mapping[str, FactKind] = FACTS
) -> dict[str, Fact] | None:
    """A patient for whom all requirements hold, or None if there can be none.

    Inputs are taken as independent of each other: a patient found may be one that no examination would give
    (a category that the T-score belies), one that is not found cannot be.
    """
    return _search(Group("all", tuple(requirements)), {}, kinds)


def _search(wanted: Group, values: dict[str, Fact], kinds: Mapping[str, FactKind]) -> dict[str, Fact] | None:
    verdict = wanted.holds(values)
    if verdict is not None:
        return dict(values) if verdict else None
    name = next(leaf.input for leaf in wanted.leaves() if leaf.input not in values)
    for candidate in _candidates(name, wanted, kinds[name]):
        found = _search(wanted, {**values, name: candidate}, kinds)
        if found is not None:
            return found
    return None


def _candidates(name: str, wanted: Group, kind: FactKind) -> list[Fact]:
    """Values that between them satisfy every comparison with this input that can be satisfied."""
    if kind.type is bool:
        return [True, False]
    if kind.type is str:
        return list(kind.choices)
    low, high = kind.limits
    around: set[float] = set()
    for leaf in wanted.leaves():
        if leaf.input == name and isinstance(leaf.value, float):
            around |= {leaf.value, leaf.value - 0.1, leaf.value + 0.1}
    return sorted(value for value in around if low <= value <= high)
