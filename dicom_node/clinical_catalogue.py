"""What may be told of a patient or entered for a study: every name, what it may hold, what it is called.

The names are those of the risk models' predictors (`analysis.risk.predictors`), of the advice's entries
(`analysis.advice.entries`) and of `analysis.config.ClinicalContext`; each thing has one name only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from analysis.advice.entries import ENTRIES, EntryValue, entry_broken
from analysis.risk.predictors import PREDICTORS, rule_broken
from analysis.wording.names import ENTERED
from dicom_node.errors import ConfigurationError

__all__ = ["CATALOGUE", "Item", "checked", "item_of", "parsed"]

Kind = Literal["number", "count", "yes_no", "choice", "choices", "date"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that may be told.

    Attributes
    ----------
    unit : str
        As shown; empty for counts and words.
    limits : (float, float)
        Numbers outside are refused as typing errors.
    phrase, phrase_zh : str
        How it is called in a sentence.
    days : int or None
        For how long it says something by its own definition; None: until something newer is told.
    of : {"patient", "study", "either"}
        Whether it is recorded of the patient, entered for one study, or both.
    """

    name: str
    kind: Kind
    phrase: str
    phrase_zh: str
    unit: str = ""
    limits: tuple[float, float] = (-math.inf, math.inf)
    choices: tuple[str, ...] = ()
    days: int | None = None
    of: Literal["patient", "study", "either"] = "either"

    def called(self, language: str) -> str:
        """Return its name in a sentence of `language`."""
        return self.phrase_zh if language.startswith("zh") else self.phrase


_DAYS = {
    "clinical.falls_past_year": 366,
    "clinical.recent_fracture": 731,
    "mi_or_stroke_12_months": 366,
    "months_since_fracture": 31,
    "months_since_last_dose": 31,
}
"""Predictors and entries that name their own period: past it, they no longer say what they say."""

_TOLD_OTHERWISE = ("age_years", "male", "bmi_kg_m2")
"""Predictors that another item tells of."""

_KINDS: Mapping[str, Kind] = {"continuous": "number", "binary": "yes_no", "count": "count"}

CATALOGUE: Mapping[str, Item] = {
    item.name: item
    for item in (
        Item("sex", "choice", "sex", "性别", choices=("F", "M")),
        Item("birth_date", "date", "date of birth", "出生日期", of="patient"),
        Item("age_years", "number", "age", "年龄", "y", (18, 110), of="study"),
        Item("laterality", "choice", "side", "侧别", choices=("L", "R"), of="study"),
        Item("forearm_length_mm", "number", "forearm length", "前臂长度", "mm", (150, 350)),
        Item("glucocorticoids", "yes_no", "glucocorticoid treatment", "糖皮质激素治疗"),
        *(
            Item(
                name,
                _KINDS[predictor.kind],
                predictor.phrase,
                ENTERED[name][1],
                "" if predictor.unit == "1" else predictor.unit,
                predictor.limits,
                days=_DAYS.get(name),
            )
            for name, predictor in PREDICTORS.items()
            if name not in _TOLD_OTHERWISE
        ),
        *(
            Item(
                name,
                entry.kind,
                entry.phrase,
                entry.phrase_zh,
                entry.unit,
                entry.limits,
                entry.choices,
                days=_DAYS.get(name),
            )
            for name, entry in ENTRIES.items()
        ),
    )
}
"""Name -> what may be told. Age is told as a date of birth, which does not grow old; body mass index follows
from height and weight."""


def item_of(name: str) -> Item:
    """Return what the catalogue says of `name`.

    Raises
    ------
    ConfigurationError
        If it knows no such name.
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        raise ConfigurationError(f"{name!r} is not known; docs/outcomes.md lists the names") from None


def checked(name: str, value: Any) -> EntryValue:
    """Return a value as it is recorded.

    Raises
    ------
    ConfigurationError
        For an unknown name, or a value that it cannot have; says which rule, and the cure.
    """
    item = item_of(name)
    match item.kind:
        case "yes_no":
            if value not in (0, 1):
                raise ConfigurationError(f"{name} = {value!r} must be true or false")
            return bool(value)
        case "number" | "count":
            return _checked_number(item, value)
        case "date":
            return _checked_date(name, value)
        case _:
            return _checked_words(item, value)


def parsed(name: str, text: str) -> EntryValue:
    """Return the value that a table or a form spells as `text`.

    Yes and no are ``yes``, ``true`` or ``1`` and ``no``, ``false`` or ``0``; several words stand apart by
    semicolons.

    Raises
    ------
    ConfigurationError
        As `checked`.
    """
    item, text = item_of(name), text.strip()
    if item.kind == "yes_no":
        return checked(name, _YES_NO.get(text.lower(), text))
    if item.kind in ("number", "count"):
        try:
            return checked(name, float(text))
        except ValueError:
            raise ConfigurationError(f"{name} = {text!r} must be a number, as 1.5") from None
    if item.kind == "choices":
        return checked(name, tuple(word for part in text.split(";") if (word := part.strip())))
    return checked(name, text)


_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def _checked_number(item: Item, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigurationError(f"{item.name} = {value!r} must be a number")
    number, (low, high) = float(value), item.limits
    broken = rule_broken(item.name, number) if item.name in PREDICTORS else None
    if broken is None and not low <= number <= high:
        broken = f"{item.name} = {number:g} {item.unit} lies outside {low:g} to {high:g}"
    if broken is not None:
        raise ConfigurationError(f"{broken}; check the value and its unit")
    return number


def _checked_date(name: str, value: Any) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise ConfigurationError(f"{name} = {value!r} must be a date, as 1950-12-31") from None


def _checked_words(item: Item, value: Any) -> str | tuple[str, ...]:
    words = tuple(value) if isinstance(value, list) else value
    if item.name in ENTRIES:
        broken = entry_broken(item.name, words)
    else:
        choices = ", ".join(item.choices)
        broken = None if words in item.choices else f"{item.name} = {words!r} must be one of {choices}"
    if broken is not None:
        raise ConfigurationError(broken)
    return words
