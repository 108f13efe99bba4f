"""UK-2008 published-table approximation: the printed tables of one article, interpolated.

It is not the calculator of the article's authors, whose algorithm is unpublished, and must never be shown
under that calculator's name. With a femoral-neck T-score: bilinear in age and T-score of Table 3, times the
ratio of every clinical factor in Table 2. Without: linear in age of Table 2. Multiplying ratios of single
factors, and ratios without BMD onto values with BMD, are assumptions. Nothing is extrapolated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Literal

import numpy as np

from analysis.risk.comparators.people import FEMORAL_NECK_T, BoolArray, FloatArray, People
from analysis.risk.comparators.scores import Comparator, Computed

Outcome = Literal["mof", "hip"]

ALCOHOL_UNITS_A_DAY = 2.0
"""The table's factor is "more than 2 units a day"."""

FACTORS: Mapping[str, str] = {
    "prev_fx": "clinical.prior_fracture",
    "parent_hip": "clinical.parental_fracture",
    "smoking": "clinical.current_smoker",
    "gc": "clinical.glucocorticoid_mg_d",
    "ra": "clinical.rheumatoid_arthritis",
}
"""Row of Table 2 -> predictor; alcohol is treated apart."""

SOURCE = "Kanis et al., Osteoporos Int 2008;19:385-397 (PMC2267485), Tables 2 and 3: UK, BMI 25"
NOTE = (
    "UK-2008 published-table approximation, not the calculator of that name. Unknown risk factors count as "
    "absent; ratios of several factors are multiplied (assumption)."
)


def _compute(outcome: Outcome, with_bmd: bool) -> Callable[[People], Computed]:
    def compute(people: People) -> Computed:
        age, male = people.column("age_years"), people.column("male")
        t_score = people.column(FEMORAL_NECK_T)
        percent = np.full(people.size, np.nan)
        ratio = np.full(people.size, np.nan)
        for sex, rows in (("women", male == 0), ("men", male == 1)):
            base = _with_bmd(outcome, sex, age[rows], t_score[rows]) if with_bmd else None
            none = _without_bmd(outcome, sex, age[rows], "none")
            percent[rows] = none if base is None else base
            ratio[rows] = _ratio(outcome, sex, age[rows], none, _factors(people, rows))
        percent = percent * ratio
        return Computed(percent, _refused(people, with_bmd, ratio, percent), percent[:, None] / 100)

    return compute


def _refused(
    people: People, with_bmd: bool, ratio: FloatArray, percent: FloatArray
) -> list[tuple[BoolArray, str]]:
    age, t_score = people.column("age_years"), people.column(FEMORAL_NECK_T)
    oldest = 90 if with_bmd else 80
    refused = [
        (np.isnan(people.column("male")), "sex is unknown"),
        (np.isnan(age), "age is unknown"),
        ((age < 50) | (age > oldest), f"the table covers 50 to {oldest} years"),
    ]
    if with_bmd:
        refused += [
            (np.isnan(t_score), "the site entered no femoral-neck T-score"),
            ((t_score < -4) | (t_score > 1), "the table covers femoral-neck T-scores from -4 to 1"),
            (np.isnan(ratio), "ratios of clinical factors are published to 80 years"),
            (np.isnan(percent), "the table has no value in this corner"),
        ]
    refused.append((percent > 100, "the product of ratios exceeds 100 %"))
    return refused


def _with_bmd(outcome: Outcome, sex: str, age: FloatArray, t_score: FloatArray) -> FloatArray:
    tables = _tables()
    table = tables[f"{outcome}_{sex}"]
    ages = sorted(table, key=int)
    # T-scores ascending; an empty corner of the table is NaN
    values = np.array([table[a][::-1] for a in ages], dtype=np.float64)
    columns = np.array(tables["table3_T_columns"][::-1], dtype=np.float64)
    i, u = _cell(np.array([float(a) for a in ages]), age)
    j, v = _cell(columns, t_score)
    corners = (
        (values[i, j], (1 - u) * (1 - v)),
        (values[i + 1, j], u * (1 - v)),
        (values[i, j + 1], (1 - u) * v),
        (values[i + 1, j + 1], u * v),
    )
    return sum((np.where(w == 0, 0.0, value * w) for value, w in corners), np.zeros(len(age)))


def _without_bmd(outcome: Outcome, sex: str, age: FloatArray, factor: str) -> FloatArray:
    tables = _tables()
    row = tables["table2_noBMD"][f"{sex}_{outcome}"][factor]
    return np.asarray(np.interp(age, tables["table2_ages"], row, np.nan, np.nan), np.float64)


def _ratio(
    outcome: Outcome, sex: str, age: FloatArray, none: FloatArray, factors: Mapping[str, BoolArray]
) -> FloatArray:
    """Product of the ratios of all factors present; NaN where the table has none for that age."""
    ratio = np.ones(len(age))
    for factor, present in factors.items():
        ratio *= np.where(present, _without_bmd(outcome, sex, age, factor) / none, 1.0)
    return ratio


def _factors(people: People, rows: BoolArray) -> dict[str, BoolArray]:
    factors = {factor: people.is_yes(name)[rows] for factor, name in FACTORS.items()}
    alcohol = people.column("clinical.alcohol_units_d")[rows]
    return factors | {"alcohol_gt2": np.asarray(alcohol > ALCOHOL_UNITS_A_DAY, np.bool_)}


def _cell(knots: FloatArray, at: FloatArray) -> tuple[Any, FloatArray]:
    """Lower knot's index and the share of the way to the next; outside values are refused elsewhere."""
    index = np.clip(np.searchsorted(knots, at, side="left") - 1, 0, len(knots) - 2)
    return index, (at - knots[index]) / (knots[index + 1] - knots[index])


@cache
def _tables() -> dict[str, Any]:
    path = resources.files("analysis.risk.comparators") / "data" / "uk2008_published_tables.json"
    tables: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return tables


def _comparators(outcomes: Sequence[tuple[Outcome, str, str]]) -> tuple[Comparator, ...]:
    return tuple(
        Comparator(
            f"uk2008-table-{name}{'' if with_bmd else '-no-bmd'}",
            f"UK-2008 published-table approximation{', femoral neck' if with_bmd else ', no BMD'}",
            predicts,
            SOURCE,
            NOTE,
            _compute(outcome, with_bmd),
            horizons=(10,),
            licence="Values printed in an open-access article (PMC2267485).",
        )
        for with_bmd in (True, False)
        for outcome, name, predicts in outcomes
    )


UK2008 = _comparators((("mof", "major", "major osteoporotic fracture"), ("hip", "hip", "hip fracture")))
