"""SHAP waterfall: how each input moves the estimate from the training cohort's average to this patient's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.results import Contribution
from analysis.wording import feature_name
from analysis.wording.english import UNITS
from analysis.wording.names import YES_OR_NO, Language
from analysis.wording.numbers import input_text, signed
from dicom_node.web.plots.axes import Axis, Tick, round_steps

__all__ = ["InputWords", "Waterfall", "WaterfallBar", "waterfall"]

WIDTH, ROW, TOP, BOTTOM = 540.0, 27.0, 6.0, 40.0
LEFT, RIGHT = 236.0, 46.0
"""Room for names at the left, for numbers at the right."""

LARGEST_SHOWN = 10
"""Inputs with a bar of their own; the others together have one."""

LEAST_SPAN = 0.5
"""Log-hazard that the axis shows at least: small contributions must look small, as in the report."""


@dataclass(frozen=True, slots=True)
class InputWords:
    """What is said of inputs that are no numbers."""

    unknown: str
    yes: str
    no: str
    male: str
    female: str


@dataclass(frozen=True, slots=True)
class WaterfallBar:
    """One input.

    Attributes
    ----------
    x, width, y, height : float
        Of the bar, in units of the drawing.
    joint : float
        Where the next bar begins.
    raises : bool
        Whether it raises the estimate.
    """

    name: str
    value: str
    amount: str
    x: float
    width: float
    y: float
    height: float
    joint: float
    label_x: float
    raises: bool
    imputed: bool


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The whole plot; `zero` is the average of the training cohort, `total` this patient."""

    bars: tuple[WaterfallBar, ...]
    ticks: tuple[Tick, ...]
    zero: float
    total: float
    total_text: str
    width: float
    height: float
    left: float
    right: float
    bottom: float


def waterfall(
    explanation: Sequence[Contribution], language: Language, *, others: str, words: InputWords
) -> Waterfall | None:
    """Place the bars, largest contribution first; None without an explanation.

    Parameters
    ----------
    others : str
        Name of what the bars that are not shown sum up to, with ``{count}``.
    words : InputWords
        Stand for values that are no numbers.
    """
    if not explanation:
        return None
    largest = sorted(explanation, key=lambda item: -abs(item.contribution))
    shown, rest = largest[:LARGEST_SHOWN], largest[LARGEST_SHOWN:]
    rows = [
        (feature_name(item.feature, language), _value(item, words), item.contribution, item.imputed)
        for item in shown
    ]
    if rest:
        rows.append((others.format(count=len(rest)), "", sum(item.contribution for item in rest), False))
    axis, edges = _axis([amount for _, _, amount, _ in rows])
    bars = tuple(
        _bar(number, row, (edges[number], edges[number + 1]), axis) for number, row in enumerate(rows)
    )
    bottom = TOP + len(rows) * ROW
    return Waterfall(
        bars=bars,
        ticks=tuple(
            Tick(axis.at(value), signed(value, 1)) for value in round_steps(axis.low, axis.high, most=6)
        ),
        zero=axis.at(0.0),
        total=axis.at(edges[-1]),
        total_text=signed(edges[-1], 2),
        width=WIDTH,
        height=bottom + BOTTOM,
        left=LEFT,
        right=WIDTH - RIGHT,
        bottom=bottom,
    )


def _axis(amounts: Sequence[float]) -> tuple[Axis, list[float]]:
    edges = [0.0]
    for amount in amounts:
        edges.append(edges[-1] + amount)
    low, high = min(edges), max(edges)
    missing = max(0.0, LEAST_SPAN - (high - low)) / 2
    margin = 0.04 * max(high - low, LEAST_SPAN)
    return Axis(low - missing - margin, high + missing + margin, LEFT, WIDTH - RIGHT), edges


def _bar(
    number: int, row: tuple[str, str, float, bool], edges: tuple[float, float], axis: Axis
) -> WaterfallBar:
    name, value, amount, imputed = row
    first, last = (axis.at(edge) for edge in edges)
    y = TOP + number * ROW
    return WaterfallBar(
        name=name,
        value=value,
        amount=signed(amount, 2),
        x=min(first, last),
        width=max(abs(last - first), 1.0),
        y=y + 4,
        height=ROW - 8,
        joint=last,
        label_x=max(first, last) + 6,
        raises=amount > 0,
        imputed=imputed,
    )


def _value(item: Contribution, words: InputWords) -> str:
    if item.imputed or item.value is None:
        return words.unknown
    if item.feature == "male":
        return words.male if item.value else words.female
    if item.feature in YES_OR_NO:
        return words.yes if item.value else words.no
    text, unit = input_text(item.feature, item.value, item.unit)
    return f"{text} {UNITS.get(unit, unit)}".rstrip()
