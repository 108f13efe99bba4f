"""The log of one scanner's phantom scans: a CSV that the site keeps and the engine reads."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from analysis.errors import ConfigurationError

COLUMNS = ("date", "phantom", "bmd_g_cm2", "bmc_g", "area_cm2", "new_baseline", "note")


@dataclass(frozen=True, slots=True)
class PhantomScan:
    """One scan of a quality-control phantom.

    Attributes
    ----------
    phantom : str
        Serial number or name of the phantom; each phantom has a chart of its own.
    bmd_g_cm2, bmc_g, area_cm2 : float
        BMC (g) and area (cm²) are ``None`` where the operator did not enter them.
    new_baseline : bool
        True for the first scan after a repair, move or recalibration: older scans are no longer compared.
    note : str
        The operator's remark.
    """

    date: date
    phantom: str
    bmd_g_cm2: float
    bmc_g: float | None = None
    area_cm2: float | None = None
    new_baseline: bool = False
    note: str = ""


def read_log(path: Path) -> tuple[PhantomScan, ...]:
    """Read a log, oldest scan first; scans of one day keep their order.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or a line is not a scan; the text names file, line and remedy.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"phantom log {path}: cannot be read ({error}); name an existing CSV"
        ) from error
    scans = [_scan(row, f"phantom log {path} line {number}") for number, row in enumerate(rows, start=2)]
    return tuple(sorted(scans, key=lambda scan: scan.date))


def append_scan(path: Path, scan: PhantomScan) -> None:
    """Add a scan at the end of a log, which is made with its header if absent."""
    fresh = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(COLUMNS)
        writer.writerow(_cells(scan))


def current_series(
    scans: Iterable[PhantomScan], phantom: str, until: date | None = None
) -> tuple[PhantomScan, ...]:
    """Scans of one phantom since its latest new baseline, up to and including a day."""
    series: list[PhantomScan] = []
    for scan in scans:
        if scan.phantom != phantom or (until is not None and scan.date > until):
            continue
        if scan.new_baseline:
            series.clear()
        series.append(scan)
    return tuple(series)


def scan_lines(scans: Sequence[PhantomScan], until: date) -> tuple[str, ...]:
    """Every scan up to and including a day as one text each: what a study of that day depends on."""
    return tuple("\x1f".join(_cells(scan)) for scan in scans if scan.date <= until)


def _cells(scan: PhantomScan) -> tuple[str, ...]:
    return (
        scan.date.isoformat(),
        scan.phantom,
        repr(scan.bmd_g_cm2),
        "" if scan.bmc_g is None else repr(scan.bmc_g),
        "" if scan.area_cm2 is None else repr(scan.area_cm2),
        "yes" if scan.new_baseline else "",
        scan.note,
    )


def _scan(row: Mapping[str | None, str | None], where: str) -> PhantomScan:
    missing = [name for name in ("date", "phantom", "bmd_g_cm2") if not (row.get(name) or "").strip()]
    if missing:
        raise ConfigurationError(
            f"{where}: {', '.join(missing)} is missing; the columns are {', '.join(COLUMNS)}"
        )
    text = {name: (row.get(name) or "").strip() for name in COLUMNS}
    try:
        day = date.fromisoformat(text["date"])
    except ValueError:
        raise ConfigurationError(f"{where}: date = {text['date']!r}; write YYYY-MM-DD") from None
    flag = text["new_baseline"].lower()
    if flag not in ("", "no", "yes"):
        raise ConfigurationError(f"{where}: new_baseline = {flag!r}; write yes or leave it empty")
    numbers = {
        name: _positive(text[name], name, where) if text[name] else None for name in ("bmc_g", "area_cm2")
    }
    return PhantomScan(
        date=day,
        phantom=text["phantom"],
        bmd_g_cm2=_positive(text["bmd_g_cm2"], "bmd_g_cm2", where),
        **numbers,
        new_baseline=flag == "yes",
        note=text["note"],
    )


def _positive(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1000:
        raise ConfigurationError(f"{where}: {name} = {text!r}; write a positive number with a decimal point")
    return value
