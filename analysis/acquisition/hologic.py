"""Hologic's analysis text: assignments behind an XML prologue, in a private element of the report page.

The grammar is ``Key = "value";`` and ``ResultsTable1[ row][ column] = "cell";``. The element is found by
that grammar, as the private creator in front of (0019,1000) is not the same everywhere; (0021,xx01) of
creators ``HOLOGIC`` and ``Hologic`` is "Image Analysis Data in XML" in pydicom's private dictionary.
Tables are read by their labels, never by index: sites differ in the order of rows. Text is matched, never
evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset

from analysis.acquisition import header, vendor
from analysis.acquisition.image import VendorRegion, VendorReport
from analysis.results import QualityFinding, Severity

Table = Mapping[tuple[int, int], str]
"""Cells by (row, column) as the text numbers them."""


@dataclass(frozen=True, slots=True)
class HologicAnalysis:
    """The analysis text of one scan.

    Attributes
    ----------
    location : str
        Where it was found, for messages and provenance.
    fields : Mapping[str, str]
        Plain assignments, e.g. ``ScanMode``, ``Height``; the first of equal keys wins.
    tables : Mapping[int, Table]
        ``ResultsTable1``.. by number.
    """

    location: str
    fields: Mapping[str, str]
    tables: Mapping[int, Table]

    @property
    def scan_mode(self) -> str:
        """E.g. ``a R.Forearm``; empty if absent."""
        return self.fields.get("ScanMode", "")

    @property
    def scan_rectangle(self) -> tuple[int, int, int, int] | None:
        """(row, column, rows, columns) of the scan inside the report page, ``None`` if not declared."""
        keys = ("ImageYPos", "ImageXPos", "ImageYSize", "ImageXSize")
        values = [header.as_number(self.fields.get(key, "")) for key in keys]
        if any(value is None or value < 0 for value in values):
            return None
        row, column, rows, columns = (round(value) for value in values if value is not None)
        return (row, column, rows, columns) if rows > 0 and columns > 0 else None


def read_analysis(dataset: Dataset) -> HologicAnalysis | None:
    """The analysis text of a data set, ``None`` if it has none."""
    for tag, content in header.private_texts(dataset, _GROUPS, _MAXIMUM_LENGTH):
        analysis = parse_analysis(content, f"Hologic Image Analysis Data ({tag.group:04X},{tag.element:04X})")
        if analysis.tables or analysis.scan_mode:
            return analysis
    return None


def parse_analysis(content: str, location: str) -> HologicAnalysis:
    """Read every assignment of an analysis text; everything else in it is skipped."""
    fields: dict[str, str] = {}
    tables: dict[int, dict[tuple[int, int], str]] = {}
    for match in _ASSIGNMENT.finditer(content):
        value = match["quoted"] if match["quoted"] is not None else match["bare"]
        if match["row"] is None:
            fields.setdefault(match["key"], value.strip())
        elif (number := _RESULTS_TABLE.fullmatch(match["key"])) is not None:
            tables.setdefault(int(number[1]), {})[int(match["row"]), int(match["column"])] = value
    return HologicAnalysis(location, fields, tables)


def vendor_report(analysis: HologicAnalysis) -> tuple[VendorReport | None, tuple[QualityFinding, ...]]:
    """Radius numbers of the analysis text.

    Returns
    -------
    VendorReport or None
        ``None`` if no table has a region column and a BMD column with a radius region in it.
    tuple of QualityFinding
        ``vendor_table_ambiguous`` where one region is printed twice with different numbers (then absent).
    """
    regions: dict[str, VendorRegion] = {}
    ambiguous: set[str] = set()
    for number in sorted(analysis.tables):
        if _is_radius_table(analysis, number):
            for name, region in _table_regions(analysis.tables[number]):
                if regions.setdefault(name, region) != region:
                    ambiguous.add(name)
    for name in ambiguous:
        del regions[name]
    findings = tuple(
        QualityFinding(
            "vendor_table_ambiguous",
            Severity.ERROR,
            f"{analysis.location} prints {name.replace('_', ' ')} twice with different numbers; "
            "neither is used. Re-export the scan with one analysis.",
        )
        for name in sorted(ambiguous)
    )
    return (VendorReport(analysis.location, regions) if regions else None), findings


_GROUPS = frozenset({0x0019, 0x0021})
_MAXIMUM_LENGTH = 256 * 1024
"""Bytes of a private element that are looked at; the texts seen are a few kilobytes."""

_SPACE = r"[ \t]{0,8}"
_ASSIGNMENT = re.compile(
    rf"(?<!\w)(?P<key>[A-Za-z]\w{{0,63}}){_SPACE}"
    rf"(?:\[{_SPACE}(?P<row>\d{{1,4}})\]{_SPACE}\[{_SPACE}(?P<column>\d{{1,4}})\])?{_SPACE}={_SPACE}"
    rf'(?:"(?P<quoted>[^\r\n]{{0,1024}}?)"|(?P<bare>[-+]?\d[\d.,]{{0,15}})){_SPACE};'
)
_RESULTS_TABLE = re.compile(r"ResultsTable(\d{1,2})")
_COLUMNS = {
    "area": re.compile(r"area"),
    "bmc": re.compile(r"bmc"),
    "bmd": re.compile(r"bmd"),
    "t_score": re.compile(r"t ?-? ?score|t$"),
    "z_score": re.compile(r"z ?-? ?score|z$"),
}


def _is_radius_table(analysis: HologicAnalysis, number: int) -> bool:
    """False where the title names the ulna: such a table prints its rows under the same labels."""
    return re.search(r"ulna|\+\s*u\b", analysis.fields.get(f"TableTitle{number}", ""), re.IGNORECASE) is None


def _table_regions(table: Table) -> list[tuple[str, VendorRegion]]:
    rows = sorted({row for row, _ in table})
    for header_row in rows:
        titles = {
            column: vendor.plain_text(table[row, column]).lower()
            for row, column in table
            if row == header_row
        }
        label_column = next((column for column, title in titles.items() if title == "region"), None)
        columns = {
            quantity: column
            for quantity, pattern in _COLUMNS.items()
            for column, title in titles.items()
            if pattern.match(title)
        }
        if label_column is not None and "bmd" in columns:
            body = [row for row in rows if row != header_row]
            return [
                (name, _row_region(table, row, columns))
                for row in body
                if (name := vendor.region_of(table.get((row, label_column), ""))) is not None
            ]
    return []


def _row_region(table: Table, row: int, columns: Mapping[str, int]) -> VendorRegion:
    def cell(quantity: str) -> float | None:
        column = columns.get(quantity)
        return vendor.printed_number(table.get((row, column), "")) if column is not None else None

    return vendor.make_region(cell("bmd"), cell("bmc"), cell("area"), cell("t_score"), cell("z_score"))
