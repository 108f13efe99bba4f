"""Drugs as data: dose, licence and gates, and what of them holds for one patient.

An agent is one of three for a patient: ruled out by something known; to be named only with what must be
checked first, because a gate is unknown or a caution holds; or free of either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from analysis.advice.conditions import Group, check_keys, read_requirements
from analysis.advice.entries import AGENT_IDS
from analysis.advice.facts import Facts
from analysis.errors import ConfigurationError

AGENT_KEYS = {"id", "name", "name_zh", "class", "dose", "dose_zh", "men", "licence", "source", "gates"}
GATE_KEYS = {"when", "effect", "say", "say_zh", "check", "check_zh", "source"}

Effect = Literal["excluded", "caution"]


@dataclass(frozen=True, slots=True)
class Gate:
    """What rules an agent out (``excluded``) or must be settled before it (``caution``).

    `say` is the reason where it holds, `check` what to look for where that is unknown.
    """

    when: Group
    effect: Effect
    say: str
    say_zh: str
    check: str
    check_zh: str
    source: str


@dataclass(frozen=True, slots=True)
class Agent:
    """One drug; `dose` is the starting dose with route and interval, `men` whether its licence covers men."""

    id: str
    name: str
    name_zh: str
    drug_class: str
    dose: str
    dose_zh: str
    men: bool
    licence: str
    source: str
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """An agent for one patient: reasons against it, and checks before it, each in English and Chinese."""

    agent: Agent
    against: tuple[tuple[str, str], ...]
    checks: tuple[tuple[str, str], ...]


NOT_LICENSED_FOR_MEN = ("not licensed for men", "未获准用于男性")
NOT_BEFORE_MENOPAUSE = ("not licensed before the menopause", "未获准用于绝经前女性")
NOT_TOLERATED = ("not tolerated before", "既往不耐受")


def assess(agent: Agent, facts: Facts) -> Assessment:
    """Compare an agent's licence and gates with what is known of a patient; unknown is never "fine"."""
    against: list[tuple[str, str]] = []
    checks: list[tuple[str, str]] = []
    sex = facts.values["sex"]
    if sex == "M" and not agent.men:
        against.append(NOT_LICENSED_FOR_MEN)
    if sex is None and not agent.men:
        checks.append(("sex", "性别"))
    if facts.values["menopause"] == "premenopausal":
        against.append(NOT_BEFORE_MENOPAUSE)
    if agent.id in facts.not_tolerated:
        against.append(NOT_TOLERATED)
    for gate in agent.gates:
        verdict = gate.when.holds(facts.values)
        if verdict and gate.effect == "excluded":
            against.append((gate.say, gate.say_zh))
        elif verdict:
            checks.append((gate.say, gate.say_zh))
        elif verdict is None:
            checks.append((gate.check, gate.check_zh))
    return Assessment(agent, tuple(against), tuple(dict.fromkeys(checks)))


def read_agents(content: Mapping[str, Any], file: str) -> Mapping[str, Agent]:
    """Read the ``[[agents]]`` of a table.

    Raises
    ------
    ConfigurationError
        Naming file, agent, key and cure.
    """
    agents = [_agent(item, file) for item in content.get("agents", ())]
    by_id = {agent.id: agent for agent in agents}
    if len(by_id) < len(agents):
        raise ConfigurationError(f"agents {file}: an id is used twice; ids must be unique")
    return by_id


def _agent(item: Mapping[str, Any], file: str) -> Agent:
    where = f"agents {file}, {item.get('id', 'an agent without id')}"
    check_keys(item, AGENT_KEYS, where)
    if item["id"] not in AGENT_IDS:
        raise ConfigurationError(f"{where}: id must be one of {', '.join(AGENT_IDS)}")
    for key in AGENT_KEYS - {"men", "gates"}:
        if not isinstance(item[key], str) or not item[key].strip():
            raise ConfigurationError(f"{where}: {key} must be a non-empty text")
    if not isinstance(item["men"], bool):
        raise ConfigurationError(f"{where}: men must be true or false")
    return Agent(
        item["id"],
        item["name"],
        item["name_zh"],
        item["class"],
        item["dose"],
        item["dose_zh"],
        item["men"],
        item["licence"],
        item["source"],
        tuple(_gate(gate, where) for gate in item["gates"]),
    )


def _gate(item: Mapping[str, Any], where: str) -> Gate:
    check_keys(item, GATE_KEYS, f"{where}, gate")
    if item["effect"] not in ("excluded", "caution"):
        raise ConfigurationError(f"{where}, gate: effect = {item['effect']!r} must be excluded or caution")
    for key in GATE_KEYS - {"when", "effect"}:
        if not isinstance(item[key], str) or not item[key].strip():
            raise ConfigurationError(f"{where}, gate: {key} must be a non-empty text")
    when = read_requirements(item["when"], f"{where}, gate")
    if not when.parts or any(leaf.assume for leaf in when.leaves()):
        raise ConfigurationError(f"{where}, gate: when must ask something, and a gate assumes nothing")
    return Gate(
        when, item["effect"], item["say"], item["say_zh"], item["check"], item["check_zh"], item["source"]
    )
