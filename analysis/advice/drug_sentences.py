"""A recommendation's drugs in words: free to choose, to be named only with a check, or ruled out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from analysis.advice.agents import NOT_BEFORE_MENOPAUSE, NOT_LICENSED_FOR_MEN, Assessment
from analysis.results import Recommendation

NOT_WORTH_SAYING = {NOT_LICENSED_FOR_MEN, NOT_BEFORE_MENOPAUSE}
"""Reasons that a reader sees in sex and age."""

Language = Literal[0, 1]
"""English, Chinese: the place of a text in a pair."""


def drug_options(said: Recommendation, assessments: Sequence[Assessment]) -> Recommendation:
    """Complete a sentence by its drugs with their starting doses.

    A drug that is ruled out is only ever named as such. Where that leaves none, the sentence is replaced: it
    must not advise what nobody may take.
    """
    usable = [item for item in assessments if not item.against]
    ruled_out = [item for item in assessments if not set(item.against) <= NOT_WORTH_SAYING]
    if not usable:
        return replace(
            said,
            text=f"Every drug that this rule names is ruled out: {ruled_out_text(ruled_out, 0)}. "
            "A specialist decides.",
            text_zh=f"该规则所列药物均有禁忌：{ruled_out_text(ruled_out, 1)}。请专科医生决定。",
            conclusion="",
        )
    free = [item for item in usable if not item.checks]
    pending = [item for item in usable if item.checks]
    text, text_zh = said.text, said.text_zh
    if free:
        text += f" Nothing entered speaks against {_doses(free, 0)}."
        text_zh += f"录入信息未见禁忌：{_doses(free, 1)}。"
    if pending:
        text += f" To be settled first — {_pending(pending, 0)}."
        text_zh += f"须先核实——{_pending(pending, 1)}。"
    if ruled_out:
        text += f" Ruled out: {ruled_out_text(ruled_out, 0)}."
        text_zh += f"禁用：{ruled_out_text(ruled_out, 1)}。"
    missing = [check[0] for item in pending for check in item.checks]
    return replace(
        said,
        text=text,
        text_zh=text_zh,
        inputs_missing=tuple(dict.fromkeys((*said.inputs_missing, *missing))),
        agents=tuple(item.agent.id for item in free),
        agents_to_check=tuple(item.agent.id for item in pending),
    )


def ruled_out_text(items: Sequence[Assessment], language: Language) -> str:
    """``alendronate (low calcium); ...``, without the reasons that sex and age already tell."""
    named = []
    for item in items:
        reasons = [reason[language] for reason in item.against if reason not in NOT_WORTH_SAYING]
        name = item.agent.name_zh if language else item.agent.name
        named.append(f"{name}（{'、'.join(reasons)}）" if language else f"{name} ({', '.join(reasons)})")
    return ("；" if language else "; ").join(named)


def _doses(items: Sequence[Assessment], language: Language, between: str = "") -> str:
    named = [
        f"{item.agent.name_zh} {item.agent.dose_zh}" if language else f"{item.agent.name} {item.agent.dose}"
        for item in items
    ]
    return (between or ("；" if language else "; ")).join(named)


def _pending(items: Sequence[Assessment], language: Language) -> str:
    """Drugs by what must be checked before them; those with the same checks together."""
    by_checks: dict[tuple[tuple[str, str], ...], list[Assessment]] = {}
    for item in items:
        by_checks.setdefault(tuple(sorted(item.checks)), []).append(item)
    parts = []
    for group in by_checks.values():
        checks = [check[language] for check in group[0].checks]
        drugs = _doses(group, language, "、" if language else ", ")
        parts.append(f"{'、'.join(checks)}：{drugs}" if language else f"{', '.join(checks)}: {drugs}")
    return ("；" if language else "; ").join(parts)
