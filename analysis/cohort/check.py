"""Rules that every row of a cohort's table keeps, and what breaks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analysis.cohort.columns import (
    CAUSE,
    CENSORED,
    DEATH,
    ENDING,
    FRACTURE,
    FRACTURE_SITES,
    OSTEOPOROSIS,
    SUBJECT_ID,
    YEARS,
    FloatArray,
)
from analysis.risk.predictors import PREDICTORS, rule_broken

if TYPE_CHECKING:
    import pandas as pd

FIRST_ROW = 2
"""Row of the first subject as a spreadsheet counts it, below the header."""
LONGEST_YEARS = 60.0


class Problem(NamedTuple):
    """One cell that breaks a rule: row as in a spreadsheet, column, and rule with cure."""

    row: int
    column: str
    rule: str


def check_rows(frame: pd.DataFrame, *, texts: Sequence[str]) -> tuple[pd.DataFrame, list[Problem]]:
    """Turn the cells of a table into numbers and texts and check every rule.

    Parameters
    ----------
    frame : pandas.DataFrame
        Cells as read; an empty one is an unknown value.
    texts : sequence of str
        Columns that hold text; all others hold numbers.

    Returns
    -------
    frame : pandas.DataFrame
        The same columns, numbers as float64 with NaN for unknown.
    problems : list of Problem
        By row.
    """
    columns: dict[str, object] = {}
    problems: list[Problem] = []
    for column in map(str, frame):
        if column in texts:
            columns[column] = ["" if _is_empty(cell) else str(cell).strip() for cell in frame[column]]
            continue
        values, wrong = _numbers(column, frame[column].tolist())
        columns[column] = values
        problems += wrong
        problems += _broken_rules(column, values)
    checked = type(frame)(columns)
    problems += _identity_problems(checked)
    problems += _ending_problems(checked)
    return checked, sorted(problems)


def _numbers(column: str, cells: Sequence[object]) -> tuple[FloatArray, list[Problem]]:
    values = np.full(len(cells), np.nan)
    problems = []
    for index, cell in enumerate(cells):
        if _is_empty(cell):
            continue
        try:
            values[index] = float(str(cell))
        except ValueError:
            values[index] = np.inf
        if not np.isfinite(values[index]):
            values[index] = np.nan
            rule = f"{cell!r} is no number; write digits with a decimal point, or leave it empty"
            problems.append(Problem(index + FIRST_ROW, column, rule))
    return values, problems


def _broken_rules(column: str, values: FloatArray) -> Iterator[Problem]:
    for index in np.flatnonzero(np.isfinite(values)):
        rule = _rule(column, float(values[index]))
        if rule is not None:
            yield Problem(int(index) + FIRST_ROW, column, rule)


def _rule(column: str, value: float) -> str | None:
    if column in PREDICTORS:
        return rule_broken(column, value)
    if column == YEARS and not 0 < value <= LONGEST_YEARS:
        return (
            f"years = {value:g} must be above 0 and at most {LONGEST_YEARS:g}: time from index scan to ending"
        )
    if column == ENDING and value not in (CENSORED, FRACTURE, DEATH):
        return f"ending = {value:g} must be 0 (censored), 1 (fracture) or 2 (death)"
    if column == OSTEOPOROSIS and value not in (0.0, 1.0):
        return f"osteoporosis = {value:g} must be 0 or 1"
    return None


def _identity_problems(frame: pd.DataFrame) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(frame[SUBJECT_ID]):
        if not name:
            yield Problem(index + FIRST_ROW, SUBJECT_ID, "is empty; give every subject a pseudonym")
        elif name in seen:
            yield Problem(
                index + FIRST_ROW,
                SUBJECT_ID,
                f"{name} occurs twice; keep one row per subject (the index scan)",
            )
        seen.add(name)


def _ending_problems(frame: pd.DataFrame) -> Iterator[Problem]:
    for column in (YEARS, ENDING):
        for row in np.flatnonzero(np.isnan(frame[column].to_numpy(np.float64))):
            yield Problem(int(row) + FIRST_ROW, column, "is empty; leave out subjects without follow-up")
    if CAUSE not in frame:
        return
    for index, (cause, ending) in enumerate(zip(frame[CAUSE], frame[ENDING], strict=True)):
        if cause and ending != FRACTURE:
            rule = f"{cause} stands beside an ending that is no fracture; empty the one or correct the other"
            yield Problem(index + FIRST_ROW, CAUSE, rule)
        elif cause and cause not in FRACTURE_SITES:
            rule = f"{cause} is none of {', '.join(FRACTURE_SITES)}; use one of these or leave it empty"
            yield Problem(index + FIRST_ROW, CAUSE, rule)


def _is_empty(cell: object) -> bool:
    return cell is None or str(cell).strip() in ("", "NA", "NaN", "nan", "<NA>", "None")
