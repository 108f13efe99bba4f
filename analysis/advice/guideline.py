"""The rule table of a guideline: a small declarative TOML, checked when it is read.

schema = "1"
title = "..."

[[rules]]
id = "aace-2020-osteoporosis"
kind = "diagnosis"          # one of KINDS
topic = "WHO category"      # rules of one topic exclude each other
when = [                    # all must hold; an empty list always holds
    { input = "age_years", is = ">=", value = 50 },
    { input = "one_third_t_score", is = "<=", value = -2.5 },
]
text = "T-score $one_third_t_score ..."   # $input is replaced by its value
source = "AACE 2020 ..."
"""

from __future__ import annotations

import operator
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from analysis.advice.facts import FACTS, Fact
from analysis.errors import ConfigurationError

SCHEMA = "1"

KINDS = ("diagnosis", "treatment", "lifestyle", "follow_up", "work_up", "limits")

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}

RULE_KEYS = {"id", "kind", "topic", "when", "text", "source"}
CONDITION_KEYS = {"input", "is", "value"}


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a named input with a constant."""

    input: str
    comparison: str
    value: Fact

    def holds(self, facts: Mapping[str, Fact | None]) -> bool | None:
        """True, False, or None when the input is unknown."""
        actual = facts[self.input]
        return None if actual is None else COMPARISONS[self.comparison](actual, self.value)


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence of advice and when it is given."""

    id: str
    kind: str
    topic: str
    when: tuple[Condition, ...]
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Guideline:
    """A titled list of rules, in the order in which advice is given."""

    title: str
    rules: tuple[Rule, ...]


def load_guideline(path: Path) -> Guideline:
    """Read and check a rule table.

    Raises
    ------
    ConfigurationError
        Naming file, rule, key and remedy, for anything but a table as described above.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"guideline {path} cannot be read ({error.strerror}); set 'guideline' to a file of "
            "conf/guidelines/"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"guideline {path.name} is not TOML: {error}; mend the line it names"
        ) from error
    if content.keys() != {"schema", "title", "rules"} or content["schema"] != SCHEMA:
        raise ConfigurationError(
            f'guideline {path.name}: needs exactly the keys schema = "{SCHEMA}", title and [[rules]], '
            f"has {', '.join(sorted(content))}"
        )
    rules = tuple(
        _rule(item, _name(item, index), path.name) for index, item in enumerate(content["rules"], 1)
    )
    repeated = {rule.id for rule in rules if sum(other.id == rule.id for other in rules) > 1}
    if repeated:
        raise ConfigurationError(
            f"guideline {path.name}: rule id {', '.join(sorted(repeated))} is used twice; ids must be unique"
        )
    return Guideline(str(content["title"]), rules)


def _name(item: Mapping[str, Any], index: int) -> str:
    return str(item.get("id", f"number {index}"))


def _rule(item: Mapping[str, Any], name: str, file: str) -> Rule:
    where = f"guideline {file}, rule {name}"
    _check_keys(item, RULE_KEYS, where)
    for key in ("id", "topic", "text", "source"):
        if not isinstance(item[key], str) or not item[key].strip():
            raise ConfigurationError(f"{where}: {key} must be a non-empty text")
    if item["kind"] not in KINDS:
        raise ConfigurationError(f"{where}: kind = {item['kind']!r} is not one of {', '.join(KINDS)}")
    when = tuple(_condition(entry, where) for entry in item["when"])
    known = {condition.input for condition in when}
    unknown = set(Template(item["text"]).get_identifiers()) - known
    if unknown:
        raise ConfigurationError(
            f"{where}: text uses ${', $'.join(sorted(unknown))}, which no condition asks for; add it to when"
        )
    return Rule(item["id"], item["kind"], item["topic"], when, item["text"], item["source"])


def _condition(entry: Mapping[str, Any], where: str) -> Condition:
    _check_keys(entry, CONDITION_KEYS, f"{where}, when")
    if entry["input"] not in FACTS:
        raise ConfigurationError(
            f"{where}: input = {entry['input']!r} is unknown; use one of {', '.join(FACTS)}"
        )
    comparison, value, kind = entry["is"], entry["value"], FACTS[entry["input"]].type
    if comparison not in COMPARISONS:
        raise ConfigurationError(f"{where}: is = {comparison!r} is not one of {' '.join(COMPARISONS)}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ConfigurationError(
            f"{where}: {entry['input']} is a {kind.__name__}, value = {value!r} is not; compare like kinds"
        )
    if comparison != "==" and kind is not float:
        raise ConfigurationError(f'{where}: {entry["input"]} has no order; use is = "=="')
    return Condition(entry["input"], comparison, value)


def _check_keys(item: Mapping[str, Any], expected: set[str], where: str) -> None:
    missing, unknown = expected - item.keys(), item.keys() - expected
    if missing:
        raise ConfigurationError(f"{where}: key {', '.join(sorted(missing))} is missing; add it")
    if unknown:
        raise ConfigurationError(
            f"{where}: key {', '.join(sorted(unknown))} is unknown; remove or correct it"
        )
