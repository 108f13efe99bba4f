"""Dates: of the study by its header, and as vendors print them, where 03/04/2020 can be two days."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Literal

from pydicom.dataset import Dataset

from analysis.acquisition import header

DateOrder = Literal["day first", "month first"]


def study_date(dataset: Dataset) -> date | None:
    """Date of the study, else of the series, the acquisition or the content; ``None`` if none is legal."""
    for keyword in ("StudyDate", "AcquisitionDate", "SeriesDate", "ContentDate"):
        found = dicom_date(header.text(dataset, keyword))
        if found is not None:
            return found
    return None


def dicom_date(value: str) -> date | None:
    """A DA value, in today's form or with the dots of ACR-NEMA; ``None`` if it is no date."""
    match = re.fullmatch(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})", value, re.ASCII)
    return _date(match[1], match[2], match[3]) if match else None


def printed_dates(texts: Sequence[str], known: date | None = None) -> tuple[date | None, ...]:
    """Dates as one document prints them.

    ``04 March 2024``, ``2024-03-04`` and ``04.03.2024`` (day first) speak for themselves. With slashes or
    hyphens the order of day and month is the writer's: it is taken from a date of the same document that
    fits one order only, else from one that is `known` (the current examination among its own history) in one
    order only. Where neither decides, a date that reads both ways is ``None``: never a guess.

    Parameters
    ----------
    texts : sequence of str
    known : date, optional
        A day that is expected among them, e.g. the study's.

    Returns
    -------
    tuple of date or None
        One for each text; ``None`` for what is no date or cannot be told.
    """
    order = _order(texts, known)
    return tuple(_printed_date(text, order) for text in texts)


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMERIC = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})", re.ASCII)
_NAMED_DAY_FIRST = re.compile(r"(\d{1,2})[ -]([A-Za-z]{3,9})\.?,?[ -](\d{4})", re.ASCII)
_NAMED_MONTH_FIRST = re.compile(r"([A-Za-z]{3,9})\.? (\d{1,2}),? (\d{4})", re.ASCII)


def _order(texts: Sequence[str], known: date | None) -> DateOrder | None:
    orders: set[DateOrder] = set()
    for text in texts:
        readings = _readings(text)
        if len(readings) == 1:
            orders |= readings.keys()
    if not orders and known is not None:
        for text in texts:
            orders |= {order for order, day in _readings(text).items() if day == known}
    return orders.pop() if len(orders) == 1 else None


def _readings(text: str) -> dict[DateOrder, date]:
    """The days that a date with slashes or hyphens can mean, none for other texts."""
    match = _NUMERIC.fullmatch(text.strip())
    if match is None or match[2] == ".":
        return {}
    days: tuple[tuple[DateOrder, date | None], ...] = (
        ("day first", _date(match[4], match[3], match[1])),
        ("month first", _date(match[4], match[1], match[3])),
    )
    return {order: day for order, day in days if day is not None}


def _printed_date(text: str, order: DateOrder | None) -> date | None:
    text = text.strip()
    if (found := dicom_date(text)) is not None:
        return found
    if (match := _NAMED_DAY_FIRST.fullmatch(text)) is not None:
        return _date(match[3], _month(match[2]), match[1])
    if (match := _NAMED_MONTH_FIRST.fullmatch(text)) is not None:
        return _date(match[3], _month(match[1]), match[2])
    if (match := _NUMERIC.fullmatch(text)) is not None and match[2] == ".":
        return _date(match[4], match[3], match[1])
    readings = _readings(text)
    if len(set(readings.values())) == 1:
        return next(iter(readings.values()))
    return readings.get(order) if order is not None else None


def _month(name: str) -> str:
    short = name[:3].lower()
    return str(_MONTHS.index(short) + 1) if short in _MONTHS else "0"


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
