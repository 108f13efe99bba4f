"""Rules of one table that cannot stand beside each other, found by search, each with a patient as example."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from analysis.advice.conditions import Condition, Group, Requirement, example
from analysis.advice.facts import FACTS, Fact, written
from analysis.advice.guideline import Guideline, Rule


def contradictions(guideline: Guideline) -> Iterator[str]:
    """Find rules that can never speak, exclude each other or their own drugs, or forbid what another names.

    Yields
    ------
    str
        What is wrong, naming the rules, an example patient and the cure.
    """
    for rule in guideline.rules:
        meant = guideline.meaning(rule.when)
        if example((meant,)) is None:
            yield f"rule {rule.id} can never speak: its conditions exclude each other; correct or remove it"
        for agent in rule.agents:
            if example((meant, *_not_ruled_out(guideline, agent))) is None:
                yield (
                    f"rule {rule.id} names {agent}, which is ruled out whenever the rule speaks; "
                    "remove the drug from the rule or correct its gates"
                )
    for first, second in combinations(guideline.rules, 2):
        clash = _clash(first, second)
        if clash:
            patient = example((guideline.meaning(first.when), guideline.meaning(second.when)))
            if patient is not None:
                yield (
                    f"rules {first.id} and {second.id} {clash}, and both hold for a patient with "
                    f"{_described(patient)}; narrow one of them"
                )


def _clash(first: Rule, second: Rule) -> str:
    if first.topic == second.topic:
        return f"are of one topic, {first.topic}"
    for one, other in ((first, second), (second, first)):
        if one.conclusion == "no_drug" and (other.agents or other.conclusion in ("treat", "consider")):
            return "say no drug treatment and name drug treatment"
    return ""


def _not_ruled_out(guideline: Guideline, agent_id: str) -> list[Requirement]:
    """What must hold for an agent to be nameable at all."""
    agent = guideline.agents[agent_id]
    needed: list[Requirement] = [
        Group("none", (gate.when,)) for gate in agent.gates if gate.effect == "excluded"
    ]
    needed.append(Group("none", (Condition("menopause", "==", "premenopausal"),)))
    if not agent.men:
        needed.append(Condition("sex", "==", "F"))
    return needed


def _described(patient: dict[str, Fact]) -> str:
    return (
        ", ".join(f"{FACTS[name].phrase} {written(name, value)}" for name, value in sorted(patient.items()))
        or "anything"
    )
