"""The grammar of Hologic's analysis text: assignments behind an XML prologue.

``Key = "value";`` and ``ResultsTable1[ row][ column] = "cell";``, not XML in spite of its name. Text is
matched, never evaluated; everything that is not an assignment is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.acquisition import header

Table = Mapping[tuple[int, int], str]
"""Cells by (row, column) as the text numbers them."""


@dataclass(frozen=True, slots=True)
class HologicAnalysis:
    """The analysis text of one report page.

    Attributes
    ----------
    location : str
        Where it was found, for messages and provenance.
    fields : Mapping[str, str]
        Plain assignments, e.g. ``ScanMode``, ``Height``; the first of equal keys wins.
    tables : Mapping[int, Table]
        ``ResultsTable1``.. by number. A cell that is assigned two different texts is blank.
    contradictions : frozenset of (table, row, column)
        Cells that are assigned two different texts.
    truncated : bool
        True if the text ends inside a value, or a table has fewer rows than ``MAXROWS`` announces.
    """

    location: str
    fields: Mapping[str, str]
    tables: Mapping[int, Table]
    contradictions: frozenset[tuple[int, int, int]] = frozenset()
    truncated: bool = False

    @property
    def scan_modes(self) -> tuple[str, ...]:
        """Of every scan on the page, e.g. ``("a R.Forearm",)``; empty if none is named."""
        keys = ("ScanMode", *(f"ScanMode{number}" for number in range(2, 5)))
        return tuple(self.fields[key] for key in keys if self.fields.get(key))

    @property
    def scan_rectangle(self) -> tuple[int, int, int, int] | None:
        """(row, column, rows, columns) of the scan inside the report page, ``None`` if not declared."""
        keys = ("ImageYPos", "ImageXPos", "ImageYSize", "ImageXSize")
        values = [header.as_number(self.fields.get(key, "")) for key in keys]
        if any(value is None or value < 0 for value in values):
            return None
        row, column, rows, columns = (round(value) for value in values if value is not None)
        return (row, column, rows, columns) if rows > 0 and columns > 0 else None


def parse_analysis(content: str, location: str) -> HologicAnalysis:
    """Read every assignment of an analysis text."""
    fields: dict[str, str] = {}
    tables: dict[int, dict[tuple[int, int], str]] = {}
    contradictions: set[tuple[int, int, int]] = set()
    for match in _ASSIGNMENT.finditer(content):
        value = match["quoted"] if match["quoted"] is not None else match["bare"]
        if match["row"] is None:
            fields.setdefault(match["key"], value.strip())
        elif (named := _RESULTS_TABLE.fullmatch(match["key"])) is not None:
            number, cell = int(named[1]), (int(match["row"]), int(match["column"]))
            table = tables.setdefault(number, {})
            if table.setdefault(cell, value).strip() != value.strip():
                contradictions.add((number, *cell))
    for number, row, column in contradictions:
        tables[number][row, column] = ""
    cut = _UNFINISHED.search(content[-_LONGEST_ASSIGNMENT:]) is not None or _rows_missing(fields, tables)
    return HologicAnalysis(location, fields, tables, frozenset(contradictions), cut)


_LONGEST_VALUE = 1024
_LONGEST_ASSIGNMENT = _LONGEST_VALUE + 128
_SPACE = r"[ \t]{0,8}"
_TARGET = (
    rf"(?<!\w)(?P<key>[A-Za-z]\w{{0,63}}){_SPACE}"
    rf"(?:\[{_SPACE}(?P<row>\d{{1,4}}){_SPACE}\]{_SPACE}\[{_SPACE}(?P<column>\d{{1,4}}){_SPACE}\])?"
    rf"{_SPACE}={_SPACE}"
)
_ASSIGNMENT = re.compile(
    rf'{_TARGET}(?:"(?P<quoted>[^\r\n]{{0,{_LONGEST_VALUE}}}?)"|(?P<bare>[-+]?\d[\d.,]{{0,15}})){_SPACE};',
    re.ASCII,
)
_UNFINISHED = re.compile(rf'{_TARGET}"[^"\r\n]*\Z', re.ASCII)
"""The text ends inside a quoted value."""
_RESULTS_TABLE = re.compile(r"ResultsTable(\d{1,2})", re.ASCII)


def _rows_missing(fields: Mapping[str, str], tables: Mapping[int, Table]) -> bool:
    """Whether a table has fewer rows than it announces, be the header row counted or not."""
    for number, table in tables.items():
        announced = header.as_number(fields.get(f"MAXROWS{number}", ""))
        if announced is not None and len({row for row, _ in table}) < announced:
            return True
    return False
