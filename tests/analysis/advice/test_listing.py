"""The page on advice says what the tables say."""

from __future__ import annotations

import pytest
from advice_support import GUIDELINES, SETS, table

from analysis.advice.entries import ENTRIES
from analysis.advice.guideline import load_guideline
from analysis.advice.listing import blocks, filled

PAGE = GUIDELINES.parents[1] / "docs" / "advice.md"

DERIVED_FROM_ENTRIES = {
    "serum_creatinine_umol_l",
    "calcium_adjusted_mmol_l",
    "calcium_lower_limit_mmol_l",
    "calcium_upper_limit_mmol_l",
    "pth_elevated",
    "spine_t_score",
    "femoral_neck_t_score",
    "total_hip_t_score",
    "menopause",
    "drugs_not_tolerated",
}
"""Entries that reach the rules through what `analysis.advice.facts` makes of them."""


@pytest.mark.parametrize("name", sorted(blocks(GUIDELINES)))
def test_the_page_holds_every_table_as_it_is_now(name: str) -> None:
    assert blocks(GUIDELINES)[name] in PAGE.read_text(encoding="utf-8"), (
        "run: python -m analysis.advice.listing conf/guidelines docs/advice.md"
    )


def test_writing_the_page_anew_changes_nothing() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, GUIDELINES) == page


def test_the_page_lists_every_disabled_rule_of_every_set() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in SETS:
        for rule in load_guideline(table(name)).disabled:
            assert f"`{rule.id}`" in page


def test_every_entry_is_asked_by_some_rule_or_gate() -> None:
    asked = set(DERIVED_FROM_ENTRIES)
    for name in SETS:
        guideline = load_guideline(table(name), include_disabled=True)
        for rule in guideline.rules:
            asked |= {leaf.input for leaf in guideline.meaning(rule.when).leaves()}
        for agent in guideline.agents.values():
            asked |= {leaf.input for gate in agent.gates for leaf in gate.when.leaves()}
    assert ENTRIES.keys() <= asked
