"""Decision tables: who is told what, each answer with its source (``vignettes.toml``)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from advice_support import SETS, advise, said, table

from analysis.advice.guideline import load_guideline
from analysis.advice.recommend import Advice

CONTENT = tomllib.loads(Path(__file__).with_name("vignettes.toml").read_text(encoding="utf-8"))
VIGNETTES = CONTENT["vignette"]


def advice_for(vignette: dict[str, Any]) -> Advice:
    patient = CONTENT["base"][vignette["base"]] | vignette.get("with", {})
    known = {name.replace(".", "_"): value for name, value in patient.items() if value != ""}
    return advise(vignette["set"], vignette.get("t"), z_score=vignette.get("z"), **known)


@pytest.mark.parametrize("vignette", VIGNETTES, ids=lambda item: f"{item['set']}: {item['name']}")
def test_vignette(vignette: dict[str, Any]) -> None:
    advice = advice_for(vignette)
    spoken = said(advice)
    assert (advice.diagnosis.category or "none") == vignette["diagnosis"]
    concluded = {r.conclusion for r in advice.recommendations if r.kind == "treatment" and r.conclusion}
    assert (" ".join(sorted(concluded)) or "none") == vignette["treat"]
    assert {name for r in advice.recommendations for name in r.agents} == set(vignette["agents"])
    assert {name for r in advice.recommendations for name in r.agents_to_check} == set(vignette["check"])
    assert not {*vignette["agents"], *vignette["check"]} & set(vignette.get("absent", ()))
    assert set(vignette.get("rules", ())) <= spoken.keys()
    assert not set(vignette.get("silent", ())) & spoken.keys()


def test_there_are_enough_vignettes_and_each_has_its_answer_and_its_source() -> None:
    assert len(VIGNETTES) >= 120
    assert len({(item["set"], item["name"]) for item in VIGNETTES}) == len(VIGNETTES)
    for item in VIGNETTES:
        assert item.keys() >= {"diagnosis", "treat", "agents", "check", "source"}
        assert len(item["source"]) > 10


@pytest.mark.parametrize("name", SETS)
def test_every_enabled_rule_is_met_by_a_vignette(name: str) -> None:
    expected = {rule for item in VIGNETTES if item["set"] == name for rule in item.get("rules", ())}
    everywhere = {rule for item in VIGNETTES for rule in item.get("rules", ())}
    guideline = load_guideline(table(name))
    for rule in guideline.rules:
        shared = rule.guideline != guideline.title
        assert rule.id in (everywhere if shared else expected), rule.id


def test_what_a_vignette_expects_to_be_silent_exists() -> None:
    for item in VIGNETTES:
        guideline = load_guideline(table(item["set"]))
        known = {rule.id for rule in (*guideline.rules, *guideline.disabled)}
        assert set(item.get("silent", ())) <= known, item["name"]
