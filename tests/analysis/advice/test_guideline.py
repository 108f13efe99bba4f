"""Rule tables: what a table may say, what is refused with its cure, and contradictions found at reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from advice_support import GUIDELINES, SETS, advise, said, table

from analysis.advice.guideline import guideline_digest, load_guideline
from analysis.errors import ConfigurationError

GOOD_RULE = {
    "id": "one",
    "kind": "limits",
    "topic": "t",
    "topic_zh": "题",
    "when": [{"input": "age_years", "is": ">=", "value": 50}],
    "text": "Age $age_years.",
    "text_zh": "年龄 $age_years。",
    "source": "s",
    "strength": "",
}

HEAD = 'schema = "2"\ntitle = "t"\ntitle_zh = "t"\n'
WITH_DRUGS = HEAD + 'agents = "agents.toml"\n'


def literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {literal(item)}" for key, item in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)


def write_table(path: Path, *rules: dict[str, Any], head: str = HEAD) -> Path:
    lines = [head]
    for rule in rules:
        lines += [
            "[[rules]]",
            *(f"{key} = {literal(value)}" for key, value in rule.items()),
        ]
    path.write_text("\n".join(lines), encoding="utf-8")
    (path.parent / "agents.toml").write_bytes((GUIDELINES / "agents.toml").read_bytes())
    return path


def asking(*conditions: dict[str, Any], **change: Any) -> dict[str, Any]:
    return GOOD_RULE | {"text": "x", "text_zh": "x", "when": list(conditions)} | change


def is_(name: str, value: Any, comparison: str = "==") -> dict[str, Any]:
    return {"input": name, "is": comparison, "value": value}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("include_disabled", [False, True])
def test_the_shipped_tables_hold_no_contradiction_even_with_their_disabled_rules(
    name: str, include_disabled: bool
) -> None:
    assert load_guideline(table(name), include_disabled=include_disabled).rules


@pytest.mark.parametrize("name", SETS)
def test_every_enabled_rule_names_a_source_that_can_be_looked_up(name: str) -> None:
    guideline = load_guideline(table(name))
    for rule in guideline.rules:
        assert any(
            mark in rule.source for mark in ("doi", "PMID", "PMC", ".com", ".gov", ".org", "docs/", "label")
        ), rule.id
        assert rule.guideline
    for agent in guideline.agents.values():
        assert agent.dose and agent.source
        assert all(gate.source for gate in agent.gates)


@pytest.mark.parametrize("name", SETS)
def test_every_disabled_rule_says_why(name: str) -> None:
    guideline = load_guideline(table(name))
    assert all(len(rule.disabled) > 10 for rule in guideline.disabled)
    assert bool(guideline.disabled) == bool(guideline.disabled_because) == bool(guideline.disabled_because_zh)


def test_a_table_of_ones_own_works(tmp_path: Path) -> None:
    own = write_table(tmp_path / "own.toml", GOOD_RULE)
    assert said(advise(own, age_years=61.0))["one"].text == "Age 61 y."
    assert "one" not in said(advise(own, age_years=41.0))


def test_groups_definitions_and_assumptions(tmp_path: Path) -> None:
    head = HEAD + (
        '[definitions.frail]\nphrase = "frail"\nphrase_zh = "虚弱"\nsource = "s"\n'
        'when = [{ any = [{ input = "falls_past_year", is = ">=", value = 2 }, '
        '{ input = "age_years", is = ">=", value = 85 }] }]\n'
    )
    own = write_table(
        tmp_path / "own.toml",
        asking(is_("frail", True)),
        asking(is_("frail", False) | {"assume": True}, id="two", topic="u"),
        head=head,
    )
    assert "one" in said(advise(own, age_years=86.0))
    assert "one" not in said(advise(own, age_years=70.0))
    unknown = advise(own, age_years=70.0)
    assert "two" in said(unknown)
    assert unknown.assumptions == ("frail is not established (not entered: falls in the past year)",)
    assert "two" not in said(advise(own, age_years=70.0, clinical_falls_past_year=2))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kind": "surgery"}, ("rule one", "surgery", "diagnosis")),
        ({"when": [is_("shoe", 1)]}, ("rule one", "shoe", "age_years")),
        ({"when": [is_("age_years", 1, "~")]}, ("rule one", "~", ">=")),
        ({"when": [is_("age_years", "old", "<")]}, ("rule one", "age_years", "old")),
        ({"when": [is_("sex", "F", "<")]}, ("rule one", "sex", "==")),
        ({"when": [is_("sex", "X")]}, ("rule one", "sex", "X", "F, M")),
        ({"when": [is_("age_years", [1], "in")]}, ("rule one", "in")),
        ({"when": [is_("current_smoker", 1)]}, ("rule one", "current_smoker")),
        ({"when": [{"input": "age_years", "value": 1}]}, ("rule one", "is", "missing")),
        ({"when": [{"any": []}]}, ("rule one", "any", "non-empty")),
        ({"when": ["always"]}, ("rule one", "always", "no condition")),
        ({"when": "always"}, ("rule one", "when", "list")),
        ({"text": "$sex"}, ("rule one", "$sex", "when")),
        ({"text_zh": "$sex"}, ("rule one", "text_zh", "$sex")),
        ({"source": " "}, ("rule one", "source")),
        ({"colour": "red"}, ("rule one", "colour", "unknown")),
        ({"conclusion": "maybe"}, ("rule one", "maybe", "treat")),
        ({"if_unknown": "loud"}, ("rule one", "if_unknown", "silent")),
        ({"agents": ["aspirin"]}, ("rule one", "aspirin", "agents")),
        ({"disabled": "not read"}, ("disabled_because",)),
    ],
)
def test_a_wrong_rule_is_refused_by_name_key_and_remedy(
    tmp_path: Path, change: dict[str, Any], named: tuple[str, ...]
) -> None:
    wrong = write_table(tmp_path / "wrong.toml", GOOD_RULE | change)
    with pytest.raises(ConfigurationError, match=r"wrong\.toml") as error:
        load_guideline(wrong)
    for part in named:
        assert part in str(error.value)


def test_two_rules_of_one_topic_that_can_hold_together_are_named_with_a_patient(
    tmp_path: Path,
) -> None:
    both = write_table(
        tmp_path / "both.toml",
        asking(is_("age_years", 50, ">=")),
        asking(is_("sex", "F"), is_("age_years", 60, "<="), id="two"),
    )
    with pytest.raises(ConfigurationError, match="rules one and two are of one topic, t") as error:
        load_guideline(both)
    assert "age 50 y, sex F" in str(error.value)


def test_a_rule_that_can_never_speak_is_named(tmp_path: Path) -> None:
    never = write_table(
        tmp_path / "never.toml",
        asking(is_("age_years", 50, ">="), is_("age_years", 40, "<")),
    )
    with pytest.raises(ConfigurationError, match="rule one can never speak"):
        load_guideline(never)


def test_a_rule_whose_drug_its_own_conditions_rule_out_is_named(tmp_path: Path) -> None:
    wrong = write_table(
        tmp_path / "wrong.toml",
        asking(is_("creatinine_clearance_ml_min", 20, "<"), agents=["alendronate"]),
        head=WITH_DRUGS,
    )
    with pytest.raises(ConfigurationError, match="rule one names alendronate, which is ruled out"):
        load_guideline(wrong)


def test_a_drug_outside_its_licence_is_named(tmp_path: Path) -> None:
    wrong = write_table(
        tmp_path / "wrong.toml",
        asking(is_("sex", "M"), agents=["raloxifene"]),
        head=WITH_DRUGS,
    )
    with pytest.raises(ConfigurationError, match="rule one names raloxifene"):
        load_guideline(wrong)


def test_no_drug_and_a_drug_for_one_patient_are_named(tmp_path: Path) -> None:
    wrong = write_table(
        tmp_path / "wrong.toml",
        asking(is_("fracture_risk_tier", "low"), kind="treatment", conclusion="no_drug"),
        asking(is_("sex", "F"), id="two", topic="u", kind="treatment", agents=["denosumab"]),
        head=WITH_DRUGS,
    )
    with pytest.raises(ConfigurationError, match="rules one and two say no drug treatment and name"):
        load_guideline(wrong)


def test_an_enabled_rule_cannot_rest_on_a_disabled_definition(tmp_path: Path) -> None:
    head = HEAD + (
        'disabled_because = "why"\ndisabled_because_zh = "why"\n[definitions.frail]\nphrase = "frail"\n'
        'phrase_zh = "虚弱"\nsource = "s"\ndisabled = "not read"\n'
        'when = [{ input = "age_years", is = ">=", value = 85 }]\n'
    )
    with pytest.raises(ConfigurationError, match="rule one: asks frail, which is disabled"):
        load_guideline(write_table(tmp_path / "wrong.toml", asking(is_("frail", True)), head=head))


def test_repeated_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one is used twice"):
        load_guideline(write_table(tmp_path / "twice.toml", GOOD_RULE, GOOD_RULE))


@pytest.mark.parametrize("content", ["not toml [", 'schema = "1"\ntitle = "t"\nrules = []', 'title = "t"'])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: str) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(content)
    with pytest.raises(ConfigurationError, match=r"bad\.toml"):
        load_guideline(bad)


def test_a_missing_table_says_where_tables_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="conf/guidelines"):
        load_guideline(tmp_path / "none.toml")


def test_the_digest_counts_the_drugs_and_shared_statements_too(tmp_path: Path) -> None:
    for name in ("aace-2020.toml", "agents.toml", "shared.toml"):
        (tmp_path / name).write_bytes((GUIDELINES / name).read_bytes())
    before = guideline_digest(tmp_path / "aace-2020.toml")
    assert before == guideline_digest(table("aace-2020"))
    agents = tmp_path / "agents.toml"
    agents.write_text(agents.read_text(encoding="utf-8").replace("70 mg", "35 mg"), encoding="utf-8")
    assert guideline_digest(tmp_path / "aace-2020.toml") != before
