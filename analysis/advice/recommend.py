"""From measurements and entries to sentences: evaluate a rule table, and say what could not be evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

from analysis.advice.agents import assess
from analysis.advice.conditions import Condition, deciding_inputs
from analysis.advice.drug_sentences import NOT_WORTH_SAYING, drug_options, ruled_out_text
from analysis.advice.facts import DERIVED_FROM, FACTS, WORDS_ZH, Fact, Facts, gather_facts, written
from analysis.advice.guideline import Guideline, Rule, load_guideline
from analysis.config import ClinicalContext
from analysis.results import (
    DensitometricDiagnosis,
    Recommendation,
    RegionChange,
    RegionMeasurement,
    RiskEstimate,
)

CLOSING = Recommendation(
    "limits",
    "Decision support; the clinician decides.",
    "radius-dxa-node",
    rule_id="decision-support",
    text_zh="仅供决策支持；由临床医生决定。",
)
"""The last sentence of every set of recommendations."""

MOST_NEEDS_NAMED = 6
"""Missing inputs named in the sentence on what was not evaluated; ``inputs_missing`` has them all."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a rule table says of one patient.

    Attributes
    ----------
    recommendations : tuple of Recommendation
        Most important kind first; last "Decision support; the clinician decides."
    diagnosis : DensitometricDiagnosis
        Of the one-third radius, the same under every table.
    assumptions, assumptions_zh : tuple of str
        What was taken for granted because nobody entered it, in English and in Simplified Chinese.
    """

    recommendations: tuple[Recommendation, ...]
    diagnosis: DensitometricDiagnosis
    assumptions: tuple[str, ...]
    assumptions_zh: tuple[str, ...]


def recommend(
    guideline: Path,
    *,
    clinical: ClinicalContext,
    regions: Mapping[str, RegionMeasurement],
    risk: RiskEstimate | None,
    changes: Sequence[RegionChange] = (),
    peripheral: bool = False,
) -> Advice:
    """Evaluate the rules of a guideline for one patient.

    A rule speaks when all its conditions hold and is silent when one is known to fail. Where neither is
    certain because an input is unknown, and no other rule of its topic speaks, its topic is listed as not
    evaluated, with what is needed.

    Parameters
    ----------
    guideline : Path
        A table of ``conf/guidelines/``.
    clinical : ClinicalContext
    regions : mapping of region name to RegionMeasurement
        Without scores for a peripheral densitometer.
    risk : RiskEstimate or None
        Of this software's own research model; rules may only warn of it.
    changes : sequence of RegionChange
        Since the prior.
    peripheral : bool
        Of a peripheral densitometer.

    Raises
    ------
    ConfigurationError
        If a table is wrong.
    """
    table = load_guideline(guideline)
    facts = gather_facts(clinical, regions, risk, changes=changes, peripheral=peripheral)
    facts = _with_derived(table, facts)
    given, unsettled, assumptions = [], [], list(facts.assumptions)
    for rule in table.rules:
        verdict, assumed = _verdict(rule, facts)
        if verdict:
            given.append(_speak(table, rule, facts, assumed))
            assumptions += [_assumption(table, condition, facts) for condition in assumed]
        elif verdict is None:
            unsettled.append(rule)
    settled = {rule.topic for rule in table.rules if any(item.rule_id == rule.id for item in given)}
    remarks = _not_evaluated(table, [r for r in unsettled if r.topic not in settled and not r.silent], facts)
    recommendations = (*given, *remarks, *_disabled_remark(table), CLOSING)
    english, chinese = zip(*dict.fromkeys(assumptions), strict=True) if assumptions else ((), ())
    return Advice(recommendations, facts.diagnosis, english, chinese)


def _with_derived(table: Guideline, facts: Facts) -> Facts:
    """Facts with what the table's own drugs and definitions make of them."""
    values: dict[str, Fact | None] = dict(facts.values)
    notes = dict(facts.notes)
    bisphosphonates = [
        assess(agent, facts) for agent in table.agents.values() if agent.drug_class == "bisphosphonate"
    ]
    if bisphosphonates:
        values["bisphosphonate_possible"] = any(not item.against for item in bisphosphonates)
        if not values["bisphosphonate_possible"]:
            notes["bisphosphonate_possible"] = ruled_out_text(
                [item for item in bisphosphonates if not set(item.against) <= NOT_WORTH_SAYING], 0
            )
    for name, definition in table.definitions.items():
        values[name] = None if definition.disabled else definition.when.holds(values)
    return replace(facts, values=values, notes=notes)


def _verdict(rule: Rule, facts: Facts) -> tuple[bool | None, list[Condition]]:
    """Whether a rule speaks, and the conditions that were assumed to hold."""
    assumed = []
    unknown = False
    for part in rule.when.parts:
        verdict = part.holds(facts.values)
        if verdict is False:
            return False, []
        if verdict is None:
            if isinstance(part, Condition) and part.assume:
                assumed.append(part)
            else:
                unknown = True
    return (None, []) if unknown else (True, assumed)


def _speak(table: Guideline, rule: Rule, facts: Facts, assumed: list[Condition]) -> Recommendation:
    values = {name: written(name, facts.values[name]) for name in FACTS}
    drugs_zh = {
        name: table.agents[drug].name_zh
        for name in ("current_drug", "previous_drug")
        if isinstance(drug := facts.values[name], str) and drug in table.agents
    }
    said = Recommendation(
        rule.kind,
        Template(rule.text).substitute(values),
        rule.source,
        rule.id,
        Template(rule.text_zh).substitute(values | drugs_zh),
        rule.guideline,
        rule.strength,
        tuple(facts.shown(name) for name in _used(table, rule, facts)),
        tuple(FACTS[name].phrase for name in _unknown_inputs(table, assumed, facts)),
        conclusion=rule.conclusion,
    )
    if not rule.agents:
        return said
    return drug_options(said, [assess(table.agents[name], facts) for name in rule.agents])


def _used(table: Guideline, rule: Rule, facts: Facts) -> list[str]:
    """Inputs that decided a rule and the gates of its drugs, in the order of `FACTS`."""
    used: set[str] = set()
    gates = [gate.when for agent in rule.agents for gate in table.agents[agent].gates]
    asked = {leaf.input for gate in gates for leaf in gate.leaves() if facts.values[leaf.input] is not None}
    for name in (*deciding_inputs(table.meaning(rule.when), facts.values), *asked):
        used |= {source for source in DERIVED_FROM.get(name, (name,)) if facts.values[source] is not None}
    return [name for name in FACTS if name in used]


def _unknown_inputs(table: Guideline, conditions: Sequence[Condition], facts: Facts) -> list[str]:
    asked = {leaf.input for item in conditions for leaf in table.meaning(item).leaves()}
    return [name for name in FACTS if name in asked and facts.values[name] is None]


def _assumption(table: Guideline, condition: Condition, facts: Facts) -> tuple[str, str]:
    """What was taken for granted, and for lack of what, in English and Chinese."""
    if condition.input in table.definitions:
        definition = table.definitions[condition.input]
        unknown = _unknown_inputs(table, [condition], facts)
        needs = ", ".join(FACTS[name].phrase for name in unknown)
        needs_zh = "、".join(FACTS[name].phrase_zh for name in unknown)
        return (
            f"{definition.phrase} is not established (not entered: {needs})",
            f"未能确定{definition.phrase_zh}（未录入：{needs_zh}）",
        )
    kind = FACTS[condition.input]
    wanted = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    relation = {"==": "", "in": ""}.get(condition.comparison, f"{condition.comparison} ")
    values = [written(condition.input, value) for value in wanted]
    return (
        f"{kind.phrase}: {relation}{' or '.join(values)} (not entered)",
        f"{kind.phrase_zh}：{relation}{'或'.join(WORDS_ZH.get(value, value) for value in values)}（未录入）",
    )


def _not_evaluated(table: Guideline, rules: Sequence[Rule], facts: Facts) -> Iterator[Recommendation]:
    """One sentence for all topics that lack an input."""
    if not rules:
        return
    needs: list[str] = []
    for rule in rules:
        asked = {leaf.input for leaf in table.meaning(rule.when).leaves()}
        needs += [name for name in FACTS if name in asked and facts.values[name] is None]
    needs = list(dict.fromkeys(needs))
    topics = ", ".join(dict.fromkeys(rule.topic for rule in rules))
    topics_zh = "、".join(dict.fromkeys(rule.topic_zh for rule in rules))
    named = [FACTS[name].phrase for name in needs[:MOST_NEEDS_NAMED]]
    named_zh = [FACTS[name].phrase_zh for name in needs[:MOST_NEEDS_NAMED]]
    more = len(needs) - len(named)
    yield Recommendation(
        "limits",
        f"Not evaluated: {topics}. Needed: {', '.join(named)}{f' and {more} more' if more else ''}.",
        "radius-dxa-node",
        "not-evaluated",
        f"未评估：{topics_zh}。所需信息：{'、'.join(named_zh)}{f'等另 {more} 项' if more else ''}。",
        table.title,
        inputs_missing=tuple(FACTS[name].phrase for name in needs),
    )


def _disabled_remark(table: Guideline) -> Iterator[Recommendation]:
    if table.disabled:
        own = [rule for rule in table.rules if rule.guideline == table.title]
        count, total = len(table.disabled), len(table.disabled) + len(own)
        yield Recommendation(
            "limits",
            f"{count} of {total} rules of {table.title} are disabled: {table.disabled_because}",
            "docs/advice.md of this software",
            "disabled-rules",
            f"{table.title_zh} 的 {total} 条规则中有 {count} 条已停用：{table.disabled_because_zh}",
            table.title,
        )
