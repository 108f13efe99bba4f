"""TID 300: every number is one, in a unit of UCUM."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from reports.checks.breach import Breach
from reports.checks.tree import Item, items_of

PREFIXES = ("", "k", "d", "c", "m", "u", "n", "M", "G")
METRIC_ATOMS = ("m", "g", "s", "N", "Pa", "Hz", "L", "mol", "Gy", "eV")
OTHER_ATOMS = ("%", "a", "mo", "wk", "d", "h", "min", "deg", "rad", "10*")
ATOMS = frozenset(prefix + atom for atom in METRIC_ATOMS for prefix in PREFIXES) | frozenset(OTHER_ATOMS)
"""Unit atoms of the Unified Code for Units of Measure (sections 23 to 34) that a densitometry can need."""

_TERM = re.compile(r"(?P<atom>10\*|[A-Za-z%]*)(?P<exponent>[+-]?\d+)?(?P<annotation>\{[!-z|~]+\})?")
RELATIVE_TOLERANCE = 1e-3
"""Numeric Value is the readable number and Floating Point Value the exact one: they may differ by rounding
to one decimal more than people are shown."""
ABSOLUTE_TOLERANCE = 0.01


def is_ucum(unit: str) -> bool:
    """Whether `unit` is a case-sensitive UCUM code built of atoms in `ATOMS`, annotations included."""
    return bool(unit) and all(_is_term(term) for term in re.split(r"[./]", unit.removeprefix("/")))


def check_measurements(root: Item) -> Iterator[Breach]:
    """Every NUM holds one finite value in a UCUM unit, written the same in both its forms."""
    for item in root.walk():
        if item.value_type == "NUM":
            yield from _check_number(item)


def _check_number(item: Item) -> Iterator[Breach]:
    values = items_of(item.dataset, "MeasuredValueSequence")
    if len(values) != 1:
        yield Breach(f"measure {item.title!r} or leave it out", "PS3.3 C.18.1")
        return
    value = values[0]
    units = items_of(value, "MeasurementUnitsCodeSequence")
    if (
        len(units) != 1
        or units[0].get("CodingSchemeDesignator") != "UCUM"
        or not is_ucum(units[0].get("CodeValue", ""))
    ):
        yield Breach(
            f"give {item.title!r} in a unit of UCUM",
            "PS3.3 C.18.1, PS3.16 TID 300 row 1",
        )
    number = _as_float(value.get("NumericValue"))
    exact = _as_float(value.get("FloatingPointValue", number))
    if number is None or exact is None:
        yield Breach(f"give {item.title!r} as a finite number", "PS3.3 C.18.1")
    elif not math.isclose(number, exact, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE):
        yield Breach(f"write {item.title!r} as the same number in both its forms", "PS3.3 C.18.1")


def _as_float(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_term(term: str) -> bool:
    found = _TERM.fullmatch(term)
    if not found or not term:
        return False
    if found["atom"] == "":
        return found["annotation"] is not None or term == "1"
    return found["atom"] in ATOMS
