"""From measurements to sentences: evaluate a rule table, and say what could not be evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template

from analysis.advice.facts import FACTS, Fact, gather_facts
from analysis.advice.guideline import Rule, load_guideline
from analysis.config import ClinicalContext
from analysis.results import Recommendation, RegionMeasurement, RiskEstimate

CLOSING = Recommendation(
    "limits", "Decision support; the clinician decides.", "radius-dxa-node", rule_id="decision-support"
)
"""The last sentence of every set of recommendations."""


def recommend(
    guideline: Path,
    *,
    clinical: ClinicalContext,
    regions: Mapping[str, RegionMeasurement],
    risk: RiskEstimate | None,
) -> tuple[Recommendation, ...]:
    """Evaluate the rules of a guideline for one patient.

    A rule speaks when all its conditions hold and is silent when one is known to fail. When neither is
    certain because an input is unknown, and no other rule of its topic speaks, one sentence says "Not
    evaluated" and what is needed.

    Parameters
    ----------
    guideline : Path
        A table of ``conf/guidelines/``.
    clinical : ClinicalContext
    regions : mapping of region name to RegionMeasurement
    risk : RiskEstimate or None

    Returns
    -------
    tuple of Recommendation
        In the table's order, then what was not evaluated, then "Decision support; the clinician decides."

    Raises
    ------
    ConfigurationError
        If the table is wrong.
    """
    facts = gather_facts(clinical, regions, risk)
    given, unsettled = [], []
    for rule in load_guideline(guideline).rules:
        verdicts = [condition.holds(facts) for condition in rule.when]
        if all(verdicts):
            given.append(rule)
        elif False not in verdicts:
            unsettled.append(rule)
    advice = [_speak(rule, facts) for rule in given]
    return (*advice, *_not_evaluated(unsettled, {rule.topic for rule in given}, facts), CLOSING)


def _speak(rule: Rule, facts: Mapping[str, Fact | None]) -> Recommendation:
    values = {name: _written(value) for name, value in facts.items()}
    return Recommendation(rule.kind, Template(rule.text).substitute(values), rule.source, rule.id)


def _not_evaluated(
    unsettled: list[Rule], settled_topics: set[str], facts: Mapping[str, Fact | None]
) -> list[Recommendation]:
    by_topic: dict[str, list[Rule]] = {}
    for rule in unsettled:
        if rule.topic not in settled_topics:
            by_topic.setdefault(rule.topic, []).append(rule)
    remarks = []
    for topic, rules in by_topic.items():
        asked = {condition.input for rule in rules for condition in rule.when}
        needs = [FACTS[name].phrase for name in FACTS if name in asked and facts[name] is None]
        text = f"Not evaluated: {topic} (needs {', '.join(needs)})."
        remarks.append(Recommendation(rules[0].kind, text, rules[0].source, rules[0].id))
    return remarks


def _written(value: Fact | None) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".replace("-", "−")
    return str(value)
