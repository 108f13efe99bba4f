"""A guideline as a rule table: declarative TOML, checked when it is read, contradictions included.

schema = "2"
title = "AACE/ACE 2020"
title_zh = "AACE/ACE 2020"
disabled_because = "..."            # said with every study if rules are disabled; disabled_because_zh too
agents = "agents.toml"              # drugs, beside this file; optional
shared = "shared.toml"              # statements that belong to no guideline; optional

[definitions.high_risk]             # a name for a group of conditions, used like an input of yes or no
phrase = "high fracture risk"
phrase_zh = "..."
when = [ ... ]
source = "..."

[[rules]]
id = "aace-work-up"
kind = "work_up"                    # one of KINDS; advice is given in their order
topic = "secondary causes"          # rules of one topic exclude each other
topic_zh = "..."
when = [ ... ]                      # see `analysis.advice.conditions`; all must hold
text = "... $one_third_t_score ..." # $input is replaced by its value
text_zh = "..."
source = "AACE 2020, ..."
strength = "Grade B"                # as the guideline grades it, "" if it does not

Further keys of a rule: ``agents`` (ids or classes of drugs it names, each with its dose and checks),
``conclusion`` (one of CONCLUSIONS), ``if_unknown = "silent"`` (a missing input is not remarked on),
``disabled`` (why the rule never speaks), and ``guideline`` (whose statement it is, if not this guideline's).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Any

from analysis.advice.agents import Agent, read_agents
from analysis.advice.conditions import Group, Requirement, check_keys, expanded, read_requirements
from analysis.advice.facts import FACTS, FactKind
from analysis.errors import ConfigurationError

SCHEMA = "2"

KINDS = (
    "diagnosis",
    "safety",
    "risk",
    "work_up",
    "treatment",
    "referral",
    "follow_up",
    "lifestyle",
    "limits",
)
"""What a sentence is about, in the order of a consultation: causes are looked for before drugs."""

CONCLUSIONS = ("", "low", "moderate", "high", "very_high", "treat", "consider", "options", "no_drug")
"""A rule in a word: a risk tier, or whether to treat; ``options`` only names what is licensed."""

HEAD_KEYS = {"schema", "title", "title_zh", "rules"}
OPTIONAL_HEAD_KEYS = {"disabled_because", "disabled_because_zh", "agents", "shared", "definitions"}
RULE_KEYS = {"id", "kind", "topic", "topic_zh", "when", "text", "text_zh", "source", "strength"}
OPTIONAL_RULE_KEYS = {"agents", "conclusion", "if_unknown", "disabled", "guideline"}
DEFINITION_KEYS = {"phrase", "phrase_zh", "when", "source"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence of advice and when it is given; `agents` are ids, classes already replaced."""

    id: str
    kind: str
    topic: str
    topic_zh: str
    when: Group
    text: str
    text_zh: str
    source: str
    strength: str
    guideline: str
    agents: tuple[str, ...] = ()
    conclusion: str = ""
    silent: bool = False
    disabled: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """A named group of conditions of one guideline."""

    phrase: str
    phrase_zh: str
    when: Group
    source: str
    disabled: str = ""


@dataclass(frozen=True, slots=True)
class Guideline:
    """A titled list of rules with the drugs they name; `rules` speak, `disabled` never do."""

    title: str
    title_zh: str
    rules: tuple[Rule, ...]
    disabled: tuple[Rule, ...]
    definitions: Mapping[str, Definition]
    agents: Mapping[str, Agent]
    disabled_because: str = ""
    disabled_because_zh: str = ""

    def meaning(self, requirement: Requirement) -> Requirement:
        """A requirement in terms of inputs alone."""
        return expanded(requirement, {name: item.when for name, item in self.definitions.items()})


def load_guideline(path: Path, *, include_disabled: bool = False) -> Guideline:
    """Read and check a rule table with the tables it names.

    Parameters
    ----------
    path : Path
    include_disabled : bool
        Treat disabled rules as enabled, to check them too.

    Raises
    ------
    ConfigurationError
        Naming file, rule, key and remedy, for anything but a table as described above; for rules that
        contradict each other, naming both and a patient.
    """
    return _parsed(tuple(_contents(path)), include_disabled)


def guideline_digest(path: Path) -> str:
    """SHA-256 (hexadecimal) of a rule table and the tables it names; what cannot be read counts as empty."""
    digest = sha256()
    try:
        for name, content in _contents(path):
            digest.update(f"{name} {len(content)}\n".encode() + content)
    except ConfigurationError:
        digest.update(_bytes(path))
    return digest.hexdigest()


def _contents(path: Path) -> list[tuple[str, bytes]]:
    """Name and bytes of the table, then of its agents and its shared statements where it names them."""
    main = _bytes(path)
    found = [(path.name, main)]
    for key, name in _named_tables(main, path.name):
        found.append((f"{key} {name}", _bytes(path.parent / name)))
    return found


@lru_cache(maxsize=16)
def _named_tables(main: bytes, file: str) -> tuple[tuple[str, str], ...]:
    head = _toml(main, file)
    return tuple((key, str(head[key])) for key in ("agents", "shared") if key in head)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"guideline {path} cannot be read ({error.strerror}); set 'guideline' to a file of "
            "conf/guidelines/, with agents.toml and shared.toml beside it"
        ) from error


def _toml(content: bytes, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"guideline {file} is not TOML: {error}; mend the line it names") from error


@lru_cache(maxsize=16)
def _parsed(contents: tuple[tuple[str, bytes], ...], include_disabled: bool) -> Guideline:
    from analysis.advice.contradictions import contradictions

    tables = {key.partition(" ")[0]: (key, content) for key, content in contents[1:]}
    file, main = contents[0]
    head = _toml(main, file)
    _check_head(head, file)
    agents: Mapping[str, Agent] = {}
    if "agents" in tables:
        name, content = tables["agents"]
        agents = read_agents(_toml(content, name), name)
    definitions = _definitions(head.get("definitions", {}), file)
    kinds = dict(FACTS) | {
        name: FactKind(item.phrase, item.phrase_zh, bool) for name, item in definitions.items()
    }
    rules: list[Rule] = []
    if "shared" in tables:
        name, content = tables["shared"]
        rules += [
            _rule(item, f"guideline {name}, rule {_name(item, index)}", FACTS, agents, "")
            for index, item in enumerate(_toml(content, name).get("rules", ()), 1)
        ]
    rules += [
        _rule(item, f"guideline {file}, rule {_name(item, index)}", kinds, agents, str(head["title"]))
        for index, item in enumerate(head["rules"], 1)
    ]
    if include_disabled:
        rules = [replace(rule, disabled="") for rule in rules]
        definitions = {name: replace(item, disabled="") for name, item in definitions.items()}
    _check_together(rules, definitions, head, file)
    guideline = Guideline(
        str(head["title"]),
        str(head["title_zh"]),
        tuple(sorted((rule for rule in rules if not rule.disabled), key=lambda rule: KINDS.index(rule.kind))),
        tuple(rule for rule in rules if rule.disabled),
        definitions,
        agents,
        str(head.get("disabled_because", "")),
        str(head.get("disabled_because_zh", "")),
    )
    for problem in contradictions(guideline):
        raise ConfigurationError(f"guideline {file}: {problem}")
    return guideline


def _check_head(head: Mapping[str, Any], file: str) -> None:
    if head.get("schema") != SCHEMA:
        raise ConfigurationError(
            f'guideline {file}: needs schema = "{SCHEMA}", has {head.get("schema")!r}; see docs/advice.md'
        )
    check_keys(head, HEAD_KEYS, f"guideline {file}", optional=OPTIONAL_HEAD_KEYS)
    if not isinstance(head["rules"], list):
        raise ConfigurationError(f"guideline {file}: rules must be [[rules]] tables")


def _check_together(
    rules: list[Rule], definitions: Mapping[str, Definition], head: Mapping[str, Any], file: str
) -> None:
    ids = [rule.id for rule in rules]
    repeated = sorted({name for name in ids if ids.count(name) > 1})
    if repeated:
        raise ConfigurationError(
            f"guideline {file}: rule id {', '.join(repeated)} is used twice; ids must be unique"
        )
    for rule in rules:
        for leaf in rule.when.leaves():
            if leaf.input in definitions and definitions[leaf.input].disabled and not rule.disabled:
                raise ConfigurationError(
                    f"guideline {file}, rule {rule.id}: asks {leaf.input}, which is disabled; "
                    "disable the rule too"
                )
    if any(rule.disabled for rule in rules) and not head.get("disabled_because"):
        raise ConfigurationError(
            f"guideline {file}: has disabled rules; say why in disabled_because and disabled_because_zh"
        )


def _definitions(content: Mapping[str, Any], file: str) -> dict[str, Definition]:
    """In the table's order; a definition may use those before it."""
    found: dict[str, Definition] = {}
    kinds = dict(FACTS)
    for name, item in content.items():
        where = f"guideline {file}, definition {name}"
        check_keys(item, DEFINITION_KEYS, where, optional={"disabled"})
        if name in kinds:
            raise ConfigurationError(f"{where}: is an input already; choose another name")
        found[name] = Definition(
            item["phrase"],
            item["phrase_zh"],
            read_requirements(item["when"], where, kinds),
            item["source"],
            item.get("disabled", ""),
        )
        kinds[name] = FactKind(item["phrase"], item["phrase_zh"], bool)
    return found


def _name(item: Mapping[str, Any], index: int) -> str:
    return str(item.get("id", f"number {index}"))


def _rule(
    item: Mapping[str, Any],
    where: str,
    kinds: Mapping[str, FactKind],
    agents: Mapping[str, Agent],
    title: str,
) -> Rule:
    check_keys(item, RULE_KEYS, where, optional=OPTIONAL_RULE_KEYS)
    for key in RULE_KEYS - {"when", "strength"}:
        if not isinstance(item[key], str) or not item[key].strip():
            raise ConfigurationError(f"{where}: {key} must be a non-empty text")
    if item["kind"] not in KINDS:
        raise ConfigurationError(f"{where}: kind = {item['kind']!r} is not one of {', '.join(KINDS)}")
    if item.get("conclusion", "") not in CONCLUSIONS:
        raise ConfigurationError(
            f"{where}: conclusion = {item['conclusion']!r} is not one of {', '.join(CONCLUSIONS[1:])}"
        )
    if item.get("if_unknown", "silent") != "silent":
        raise ConfigurationError(f'{where}: if_unknown can only be "silent"; else leave it out')
    when = read_requirements(item["when"], where, kinds)
    asked = {leaf.input for leaf in when.leaves()}
    for key in ("text", "text_zh"):
        unknown = set(Template(item[key]).get_identifiers()) - asked
        if unknown:
            raise ConfigurationError(
                f"{where}: {key} uses ${', $'.join(sorted(unknown))}, which no condition asks for; "
                "add it to when"
            )
    return Rule(
        item["id"],
        item["kind"],
        item["topic"],
        item["topic_zh"],
        when,
        item["text"],
        item["text_zh"],
        item["source"],
        str(item["strength"]),
        str(item.get("guideline", title)),
        _named_agents(item.get("agents", []), agents, where),
        item.get("conclusion", ""),
        "if_unknown" in item,
        str(item.get("disabled", "")),
    )


def _named_agents(names: list[str], agents: Mapping[str, Agent], where: str) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        members = [agent.id for agent in agents.values() if name in (agent.id, agent.drug_class)]
        if not members:
            raise ConfigurationError(
                f"{where}: agents names {name!r}, which the agents' table has neither as id nor as class"
            )
        found += members
    return tuple(dict.fromkeys(found))
