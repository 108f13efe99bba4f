"""Outcomes and clinical facts from CSV files: good rows are taken, bad ones listed with rule and cure.

`docs/outcomes.md` documents the columns.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

from dicom_node.clinical_catalogue import CATALOGUE, parsed
from dicom_node.errors import ConfigurationError
from dicom_node.patients import possible_keys
from dicom_node.storage.clinical import check_fact, check_outcome
from dicom_node.storage.clinical_records import ClinicalFact, Outcome, OutcomeKind, Source, Told
from dicom_node.storage.journal import Journal

__all__ = ["CsvImport", "Problem", "read_context", "read_outcomes"]

PATIENT_ID, ISSUER, DATE, SOURCE, RECORD = "patient_id", "issuer", "date", "source", "record"
OUTCOME_COLUMNS = (PATIENT_ID, ISSUER, "kind", DATE, "site", "mechanism", SOURCE, RECORD)
CONTEXT_COLUMNS = (PATIENT_ID, ISSUER, DATE, "until", SOURCE, RECORD)
"""Beside these, a context file has a column for each name of the catalogue that it tells of."""

FIRST_ROW = 2
"""Row of the first patient as a spreadsheet counts it, below the header."""

DELIMITERS = ",;\t"
LARGEST_BYTES = 200_000_000
"""Of a file; some million rows. More is read in parts."""


class Problem(NamedTuple):
    """One cell that breaks a rule; no value that could name a patient."""

    row: int
    """As a spreadsheet counts, the header being row 1."""
    column: str
    rule: str
    cure: str


@dataclass(frozen=True, slots=True)
class CsvImport:
    """What a file holds: what its good rows tell, and what is wrong with its bad ones."""

    told: tuple[ClinicalFact | Outcome, ...]
    problems: tuple[Problem, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class _Setting:
    """What all rows of a file have in common."""

    journal: Journal
    issuer: str
    source: str
    recorded_by: str
    today: date


class _CellError(Exception):
    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


def read_outcomes(
    path: Path, journal: Journal, *, recorded_by: str, source: str, issuer: str = "", today: date
) -> CsvImport:
    """Read outcomes from a CSV file; records nothing.

    Parameters
    ----------
    source, issuer : str
        Of rows that name none.

    Raises
    ------
    ConfigurationError
        If the file as a whole cannot be read: no UTF-8, no header, an unknown or missing column.
    """
    rows = _rows(path, OUTCOME_COLUMNS, required=(PATIENT_ID, "kind", DATE))
    return _read(rows, _outcomes_of, _Setting(journal, issuer, source, recorded_by, today))


def read_context(
    path: Path, journal: Journal, *, recorded_by: str, source: str, issuer: str = "", today: date
) -> CsvImport:
    """Read clinical facts from a CSV file, as `read_outcomes` does outcomes; an empty cell tells nothing."""
    names = [name for name, item in CATALOGUE.items() if item.of != "study"]
    rows = _rows(path, (*CONTEXT_COLUMNS, *names), required=(PATIENT_ID, DATE))
    return _read(rows, _facts_of, _Setting(journal, issuer, source, recorded_by, today))


_Row = Mapping[str, str]
_Make = Callable[[_Row, str, Told, date], "list[ClinicalFact | Outcome]"]


def _read(rows: Iterator[tuple[int, _Row]], make: _Make, setting: _Setting) -> CsvImport:
    told: list[ClinicalFact | Outcome] = []
    problems: list[Problem] = []
    count = 0
    for number, row in rows:
        count += 1
        try:
            told += make(row, _patient(row, setting), _told(row, setting), setting.today)
        except _CellError as error:
            rule, _, cure = str(error).partition("; ")
            problems.append(Problem(number, error.column, rule, cure or "correct the value"))
    return CsvImport(tuple(told), tuple(problems), count)


def _outcomes_of(row: _Row, patient: str, told: Told, today: date) -> list[ClinicalFact | Outcome]:
    kind = row.get("kind", "").lower()
    if kind not in tuple(OutcomeKind):
        raise _CellError("kind", f"kind = {kind!r} must be one of {', '.join(OutcomeKind)}")
    is_fracture = kind == OutcomeKind.FRACTURE
    outcome = Outcome(
        patient_key=patient,
        kind=OutcomeKind(kind),
        occurred_on=row.get(DATE, ""),
        site=row.get("site", "").lower() or ("unknown" if is_fracture else ""),
        mechanism=row.get("mechanism", "").lower() or ("unknown" if is_fracture else ""),
        told=told,
    )
    try:
        check_outcome(outcome, today=today)
    except ConfigurationError as error:
        raise _CellError(str(error).partition(" ")[0], str(error)) from None
    return [outcome]


def _facts_of(row: _Row, patient: str, told: Told, today: date) -> list[ClinicalFact | Outcome]:
    facts: list[ClinicalFact | Outcome] = []
    for name in CATALOGUE:
        if not row.get(name):
            continue
        try:
            fact = ClinicalFact(
                patient_key=patient,
                name=name,
                value=parsed(name, row[name]),
                valid_from=row.get(DATE, ""),
                valid_until=row.get("until", ""),
                told=told,
            )
            check_fact(fact, today=today)
        except ConfigurationError as error:
            word = str(error).partition(" ")[0]
            raise _CellError(word if word in (DATE, "until") else name, str(error)) from None
        facts.append(fact)
    if not facts:
        raise _CellError(
            DATE, "the row tells nothing; fill in a column of the catalogue or leave the row out"
        )
    return facts


def _patient(row: _Row, setting: _Setting) -> str:
    patient_id = row.get(PATIENT_ID, "")
    if not patient_id:
        raise _CellError(PATIENT_ID, "is empty; every row names a patient")
    known = setting.journal.patients_known(possible_keys(patient_id, row.get(ISSUER) or setting.issuer))
    if not known:
        raise _CellError(
            PATIENT_ID,
            "no study of this Patient ID and issuer was received; correct the ID, or give the issuer as "
            "Issuer of Patient ID (0010,0021) has it, in column issuer or with --issuer",
        )
    return known[0]


def _told(row: _Row, setting: _Setting) -> Told:
    return Told(
        source=Source.CSV,
        origin=row.get(SOURCE) or setting.source,
        reference=row.get(RECORD, ""),
        recorded_by=setting.recorded_by,
    )


def _rows(path: Path, known: Collection[str], *, required: Collection[str]) -> Iterator[tuple[int, _Row]]:
    """Yield the rows that hold something, cells without spaces around them, each with its number."""
    text = _text(path)
    header = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=header.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [cell.strip().lower() for cell in next(lines, [])]
    _check_columns(path, columns, known, required)
    return _cells(path, lines, columns)


def _cells(path: Path, lines: Iterator[list[str]], columns: list[str]) -> Iterator[tuple[int, _Row]]:
    try:
        for number, cells in enumerate(lines, start=FIRST_ROW):
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield number, dict(zip(columns, stripped, strict=False))
    except csv.Error as error:
        raise ConfigurationError(f"{path}: is not a CSV file ({error}); save it as CSV, UTF-8") from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ConfigurationError(f"{path}: is larger than {LARGEST_BYTES} bytes; bring it in in parts")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path}: byte {error.start} is no UTF-8; save the table as CSV, UTF-8"
        ) from None


def _check_columns(path: Path, columns: list[str], known: Collection[str], required: Collection[str]) -> None:
    for column in columns:
        if column not in known:
            close = difflib.get_close_matches(column, known, n=1)
            cure = f"did you mean {close[0]!r}?" if close else "docs/outcomes.md lists the columns"
            raise ConfigurationError(f"{path}: column {column!r} is not known; {cure}")
        if columns.count(column) > 1:
            raise ConfigurationError(f"{path}: column {column!r} is there twice; leave one out")
    missing = [column for column in required if column not in columns]
    if missing:
        raise ConfigurationError(
            f"{path}: column {missing[0]!r} is missing; the first line must name the columns"
        )
