"""Hologic's report page: the vendor's tables in a private text, and what else the page carries.

The text is found by its grammar (`hologic_text`), as the private creator in front of (0019,1000) is not the
same everywhere; (0021,xx01) of creators ``HOLOGIC`` and ``Hologic`` is "Image Analysis Data in XML" in
pydicom's private dictionary. Tables are read by their labels, never by index: sites differ in the order of
rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from analysis.acquisition import header, vendor
from analysis.acquisition.dates import printed_dates
from analysis.acquisition.hologic_text import HologicAnalysis, Table, parse_analysis
from analysis.acquisition.image import VendorPrior, VendorReport
from analysis.acquisition.wording import side_in
from analysis.results import Laterality, QualityFinding, Severity


def read_analysis(dataset: Dataset) -> HologicAnalysis | None:
    """The analysis text of a data set, ``None`` if it has none; of several, the one with most cells."""
    found = [
        analysis
        for tag, content in header.private_texts(dataset, _GROUPS, _MAXIMUM_LENGTH)
        if (analysis := parse_analysis(content, _location(tag))).tables or analysis.scan_modes
    ]
    return max(found, key=lambda analysis: sum(map(len, analysis.tables.values())), default=None)


def vendor_report(
    analysis: HologicAnalysis, side: Laterality | None = None, day: date | None = None
) -> tuple[VendorReport | None, tuple[QualityFinding, ...]]:
    """Radius numbers of the analysis text.

    Parameters
    ----------
    analysis : HologicAnalysis
    side : Laterality, optional
        Which arm, where the page reports both.
    day : date, optional
        Of the study: it tells day from month in the history.

    Returns
    -------
    VendorReport or None
        ``None`` if no table has a region column and a BMD column with a radius region in it.
    tuple of QualityFinding
        ``vendor_table_ambiguous`` where one number is printed twice with different values or an arm cannot be
        told (then absent), ``vendor_text_truncated``, ``vendor_history`` and ``vendor_history_unassigned``.
    """
    findings = [*_truncation_findings(analysis), *_contradiction_findings(analysis)]
    tables, of_both_arms = _tables_of(analysis, side)
    if of_both_arms:
        findings.append(_ambiguous(f"{analysis.location} reports both forearms and the study names none"))
    rows: dict[str, Mapping[str, float | None]] = {}
    ambiguous: set[str] = set()
    for number in tables:
        for name, values in _table_rows(analysis.tables[number]):
            if rows.setdefault(name, values) != values:
                ambiguous.add(name)
    for name in sorted(ambiguous):
        del rows[name]
        shown = name.replace("_", " ")
        findings.append(_ambiguous(f"{analysis.location} prints {shown} twice with different numbers"))
    history, history_findings = _history(analysis, day)
    report = vendor.make_report(analysis.location, rows, history)
    return report, (*findings, *history_findings)


def reports_both_arms(analysis: HologicAnalysis) -> bool:
    """True if the page shows a scan of either forearm."""
    return {side_in(mode) for mode in analysis.scan_modes} >= {Laterality.LEFT, Laterality.RIGHT}


def first_arm(analysis: HologicAnalysis) -> Laterality | None:
    """The side of the first scan of the page."""
    return side_in(analysis.scan_modes[0]) if analysis.scan_modes else None


def content_findings(dataset: Dataset) -> tuple[QualityFinding, ...]:
    """What the object carries and nobody reads: embedded scan files and a second picture."""
    findings = []
    files = [name for name, offset in _EMBEDDED_FILES.items() if any(_embedded(dataset, offset))]
    if files:
        findings.append(
            QualityFinding(
                "vendor_files_embedded",
                Severity.INFO,
                f"The object holds the vendor's own scan files ({' and '.join(files)}, group 0023). Their "
                "format is proprietary: they are neither read nor passed on.",
            )
        )
    if header.private_content(dataset, BaseTag(0x00291000)).startswith(b"BM"):
        findings.append(
            QualityFinding(
                "embedded_bitmap_ignored",
                Severity.INFO,
                "The object holds a second picture as a bitmap in (0029,1000); only Pixel Data is analysed.",
            )
        )
    return tuple(findings)


_GROUPS = frozenset({0x0019, 0x0021})
_MAXIMUM_LENGTH = 256 * 1024
"""Bytes of a private element that are looked at; the texts seen are a few kilobytes."""

_EMBEDDED_FILES = {"P file": 0x02, "R file": 0x04}
"""Element offsets in group 0023, creators ``HOLOGIC`` and ``Hologic`` (pydicom's private dictionary)."""

_REGION = re.compile(r"region")
_DATE = re.compile(r"(?:scan |exam |examination |study )?date")
_COLUMNS = {
    "area": re.compile(r"area"),
    "bmc": re.compile(r"bmc"),
    "bmd": re.compile(r"bmd(?!.*(?:change|rate|vs))"),
    "t_score": re.compile(r"t ?-? ?score|t$"),
    "z_score": re.compile(r"z ?-? ?score|z$"),
    "young_adult_percent": re.compile(r"pr\b|peak"),
    "age_matched_percent": re.compile(r"am\b|age ?matched"),
}


def _location(tag: BaseTag) -> str:
    return f"Hologic Image Analysis Data ({tag.group:04X},{tag.element:04X})"


def _embedded(dataset: Dataset, offset: int) -> Iterator[bytes]:
    """Contents of an element of any private block of group 0023."""
    for block in range(0x10, 0x100):
        content = header.private_content(dataset, BaseTag(0x00230000 | block << 8 | offset))
        if content:
            yield content


def _tables_of(analysis: HologicAnalysis, side: Laterality | None) -> tuple[list[int], bool]:
    """Numbers of the radius tables of one arm, and whether the arm cannot be told.

    An arm is named by the table's title; where the page has as many tables with regions as scans, else by the
    scan of the same rank (assumption: tables and scans are numbered alike).
    """
    numbers = [
        number
        for number in sorted(analysis.tables)
        if _is_radius_table(analysis, number) and _table_rows(analysis.tables[number])
    ]
    modes = analysis.scan_modes
    sides = {number: side_in(analysis.fields.get(f"TableTitle{number}", "")) for number in numbers}
    if len(numbers) == len(modes) > 1:
        by_rank = {number: side_in(mode) for number, mode in zip(numbers, modes, strict=True)}
        sides = {number: sides[number] or by_rank[number] for number in numbers}
    if side is None and set(sides.values()) >= {Laterality.LEFT, Laterality.RIGHT}:
        return [], True
    return [number for number in numbers if side is None or sides[number] in (None, side)], False


def _is_radius_table(analysis: HologicAnalysis, number: int) -> bool:
    """False where the title names the ulna: such a table prints its rows under the same labels."""
    return re.search(r"ulna|\+\s*u\b", analysis.fields.get(f"TableTitle{number}", ""), re.IGNORECASE) is None


def _table_rows(table: Table) -> list[tuple[str, Mapping[str, float | None]]]:
    """Rows of a results table that name a radius region; history tables, which name a date, are none."""
    found = _header_row(table, _REGION)
    if found is None:
        return []
    header_row, titles = found
    columns = _quantity_columns(titles)
    if "bmd" not in columns or any(_DATE.fullmatch(title) for title in titles.values()):
        return []
    label_column = next(column for column, title in titles.items() if title == "region")
    return [
        (name, _row_values(table, row, columns))
        for row in sorted({row for row, _ in table} - {header_row})
        if (name := vendor.region_of(table.get((row, label_column), ""))) is not None
    ]


def _header_row(table: Table, title: re.Pattern[str]) -> tuple[int, dict[int, str]] | None:
    """First row with a cell that is entitled so, and the titles of its columns."""
    for header_row in sorted({row for row, _ in table}):
        titles = {
            column: re.sub(r"\s+", " ", vendor.plain_text(text).lower()).strip(" :")
            for (row, column), text in sorted(table.items())
            if row == header_row
        }
        if any(title.fullmatch(text) for text in titles.values()):
            return header_row, titles
    return None


def _quantity_columns(titles: Mapping[int, str]) -> dict[str, int]:
    """Column of each quantity; a quantity that heads two columns is in none of them."""
    columns = {}
    for quantity, pattern in _COLUMNS.items():
        matching = [column for column, title in titles.items() if pattern.match(title)]
        if len(matching) == 1:
            columns[quantity] = matching[0]
    return columns


def _row_values(table: Table, row: int, columns: Mapping[str, int]) -> Mapping[str, float | None]:
    return {
        quantity: vendor.printed_number(table.get((row, column), "")) for quantity, column in columns.items()
    }


def _history(
    analysis: HologicAnalysis, day: date | None
) -> tuple[list[VendorPrior], tuple[QualityFinding, ...]]:
    """Earlier examinations: tables with columns of date and BMD, the region in a column or the title."""
    priors: list[VendorPrior] = []
    unassigned = 0
    for number, table in sorted(analysis.tables.items()):
        found = _header_row(table, _DATE)
        if found is None or not _is_radius_table(analysis, number):
            continue
        header_row, titles = found
        columns = _quantity_columns(titles)
        date_columns = [column for column, title in titles.items() if _DATE.fullmatch(title)]
        if "bmd" not in columns or len(date_columns) != 1:
            continue
        rows = sorted({row for row, _ in table} - {header_row})
        days = printed_dates([vendor.plain_text(table.get((r, date_columns[0]), "")) for r in rows], day)
        title = vendor.region_in_title(analysis.fields.get(f"TableTitle{number}", ""))
        label = next((column for column, text in titles.items() if text == "region"), None)
        for row, when in zip(rows, days, strict=True):
            values = _row_values(table, row, columns)
            region = vendor.region_of(table.get((row, label), "")) if label is not None else title
            made = vendor.make_prior(when, region or "", values["bmd"], values.get("t_score"))
            priors += [prior for prior in made if region is not None and prior.day != day]
            unassigned += values["bmd"] is not None and (region is None or when is None)
    return priors, vendor.history_findings(priors, unassigned, analysis.location)


def _truncation_findings(analysis: HologicAnalysis) -> list[QualityFinding]:
    if not analysis.truncated:
        return []
    return [
        QualityFinding(
            "vendor_text_truncated",
            Severity.WARNING,
            f"{analysis.location} ends inside a value or lacks rows that it announces; what it lacks is "
            "absent. Have the scanner or the PACS keep the whole private element.",
        )
    ]


def _contradiction_findings(analysis: HologicAnalysis) -> list[QualityFinding]:
    return [
        _ambiguous(f"{analysis.location} assigns row {row}, column {column} of table {number} two texts")
        for number, row, column in sorted(analysis.contradictions)
    ]


def _ambiguous(what: str) -> QualityFinding:
    return QualityFinding(
        "vendor_table_ambiguous",
        Severity.ERROR,
        f"{what}; neither is used. Re-export the scan with one analysis.",
    )
