"""The explanation's sentences in English."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.results import Contribution
from analysis.wording.names import YES_OR_NO, feature_name
from analysis.wording.numbers import input_text, rounded, signed

UNITS = {
    "1": "",
    "{T-score}": "",
    "{Z-score}": "",
    "a": "y",
    "g/cm2": "g/cm²",
    "g2/cm4": "(g/cm²)²",
    "g/cm2/mm": "g/cm²/mm",
    "kg/m2": "kg/m²",
    "mm2": "mm²",
    "mm3": "mm³",
    "mm4": "mm⁴",
    "ug/L": "µg/L",
    "mg/d": "mg/day",
    "1/d": "units/day",
    "deg": "°",
    "10*-6": "µstrain",
}
"""UCUM units that people write otherwise."""


LEAD = (
    "What drove the risk estimate, against the average of the training cohort; in brackets the contribution "
    "to the logarithm of the fracture hazard (+0.69 doubles it, -0.69 halves it):"
)


def driver(item: Contribution, deviation: str, *, most: bool) -> str:
    """One input: its value, where that lies, and what it does to the estimate."""
    aside = f", {deviation}," if deviation else ""
    verb = _verb(item.contribution, plural=False) + (" most" if most else "")
    return f"{subject(item)}{aside} {verb}{_size(item.contribution)}."


def subject(item: Contribution) -> str:
    """The input with its value, e.g. "Age 68.6 y", "Female sex" or "No prior fragility fracture"."""
    name = feature_name(item.feature, "en")
    if item.value is None:
        return name
    if item.feature == "male":
        return "Male sex" if item.value else "Female sex"
    if item.feature in YES_OR_NO and item.value in (0.0, 1.0):
        return name if item.value else f"No {within(name)}"
    return f"{name} {with_unit(*input_text(item.feature, item.value, item.unit))}"


def deviation(score: float | None, average: str | None, side: int, unit: str) -> str:
    """Where a value lies: `score` SD from the reference, on `side` (-1, 0, 1) of the `average`."""
    words = {-1: "below", 0: "at", 1: "above"}
    of_average = f"{words[side]} the average of {with_unit(average, unit)}" if average is not None else ""
    if score is None:
        return of_average
    at_reference = (
        "at the reference" if score == 0.0 else f"{rounded(abs(score), 1)} SD {_side(score)} the reference"
    )
    if not of_average or side == (score > 0) - (score < 0):
        return at_reference
    return f"{at_reference} but {of_average}"


def further(count: int, total: float) -> str:
    """The inputs not told one by one."""
    inputs = "1 further input" if count == 1 else f"{count} further inputs together"
    return f"{inputs} {_verb(total, plural=count > 1)}{_size(total)}."


def not_known(features: Sequence[str], total: float) -> str:
    """The inputs that were filled in."""
    names = [feature_name(feature, "en") for feature in features]
    listed = _listed([names[0], *map(within, names[1:])])
    be, average = ("is", "the average") if len(names) == 1 else ("are", "the averages")
    used = "was" if len(names) == 1 else "were"
    return f"{listed} {be} not known; {average} of comparable people {used} used{_size(total)}."


def families(shares: Sequence[tuple[str, str]]) -> str:
    """What each family accounts for; `shares` are (name, percent)."""
    (first, percent), *others = shares
    account = "account" if " and " in first or first.endswith(" factors") else "accounts"
    rest = "".join(f"; {name} for {share} %" for name, share in others)
    start = f"{first[:1].upper()}{first[1:]} {account} for {percent} %"
    return f"{start} of what distinguishes this estimate from the average{rest}."


def with_unit(number: str, unit: str) -> str:
    """A number with its unit as people write it."""
    return f"{number} {UNITS.get(unit, unit)}".rstrip()


def _side(score: float) -> str:
    return "above" if score > 0 else "below"


def _verb(contribution: float, *, plural: bool) -> str:
    text = rounded(contribution, 2)
    if float(text) == 0.0:
        return f"{'have' if plural else 'has'} no influence on the estimated risk"
    word = "raise" if contribution > 0 else "lower"
    return f"{word}{'' if plural else 's'} the estimated risk"


def _size(contribution: float) -> str:
    text = signed(contribution, 2)
    return "" if float(text) == 0.0 else f" ({text})"


def within(name: str) -> str:
    """Begin with a small letter, unless the first word is an abbreviation."""
    first = name.split(" ", maxsplit=1)[0]
    return name if first[1:2].isupper() or not first[:1].isalpha() else name[:1].lower() + name[1:]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
