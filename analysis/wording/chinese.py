"""The explanation's sentences in Simplified Chinese."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.results import Contribution
from analysis.wording.english import UNITS as ENGLISH_UNITS
from analysis.wording.names import YES_OR_NO, feature_name
from analysis.wording.numbers import input_text, rounded, signed

UNITS = {**ENGLISH_UNITS, "a": "岁", "mg/d": "mg/天", "1/d": "单位/天", "10*-6": "微应变"}


LEAD = (
    "影响风险估计的因素（与训练队列平均水平相比；括号内为对骨折风险率对数的贡献，"
    "+0.69表示加倍，-0.69表示减半）："
)


def driver(item: Contribution, deviation: str, *, most: bool) -> str:
    """One input: its value, where that lies, and what it does to the estimate."""
    aside = f"，{deviation}" if deviation else ""
    return f"{subject(item)}{aside}，{_effect(item.contribution, most=most)}{_size(item.contribution)}。"


def subject(item: Contribution) -> str:
    """The input with its value, e.g. "年龄 68.6 岁"."""
    name = feature_name(item.feature, "zh")
    if item.value is None:
        return name
    if item.feature == "male":
        return "男性" if item.value else "女性"
    if item.feature in YES_OR_NO and item.value in (0.0, 1.0):
        return f"{'有' if item.value else '无'}{name}"
    return f"{name} {with_unit(*input_text(item.feature, item.value, item.unit))}"


def within(name: str) -> str:
    """An input's name inside a sentence: Chinese has no capitals."""
    return name


def deviation(score: float | None, average: str | None, side: int, unit: str) -> str:
    """Where a value lies: `score` SD from the reference, on `side` (-1, 0, 1) of the `average`."""
    words = {-1: "低于", 0: "等于", 1: "高于"}
    of_average = f"{words[side]}平均值 {with_unit(average, unit)}" if average is not None else ""
    if score is None:
        return of_average
    relation = words[(score > 0) - (score < 0)]
    at_reference = "等于参考值" if score == 0.0 else f"{relation}参考值 {rounded(abs(score), 1)} 个标准差"
    if not of_average or side == (score > 0) - (score < 0):
        return at_reference
    return f"{at_reference}，但{of_average}"


def further(count: int, total: float) -> str:
    """The inputs not told one by one."""
    return f"其余 {count} 项因素合计{_effect(total, most=False)}{_size(total)}。"


def not_known(features: Sequence[str], total: float) -> str:
    """The inputs that were filled in."""
    names = "、".join(feature_name(feature, "zh") for feature in features)
    return f"{names}未知，采用了可比人群的平均值{_size(total)}。"


def families(shares: Sequence[tuple[str, str]]) -> str:
    """What each family accounts for; `shares` are (name, percent)."""
    (first, percent), *others = shares
    rest = "".join(f"；{name}占 {share}%" for name, share in others)
    return f"{first}占该估计值与平均水平差异的 {percent}%{rest}。"


def with_unit(number: str, unit: str) -> str:
    """A number with its unit as people write it."""
    return f"{number} {UNITS.get(unit, unit)}".rstrip()


def _effect(contribution: float, *, most: bool) -> str:
    if float(rounded(contribution, 2)) == 0.0:
        return "对估计风险没有影响"
    change = "升高" if contribution > 0 else "降低"
    return f"是使估计风险{change}最多的因素" if most else f"使估计风险{change}"


def _size(contribution: float) -> str:
    text = signed(contribution, 2)
    return "" if float(text) == 0.0 else f"（{text}）"
